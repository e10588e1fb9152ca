// The words of what can be tried out, in the language that was chosen for the page, else the browser's.

import { kept } from "../app/kept.js";
import { en } from "./texts/en.js";
import { ko } from "./texts/ko.js";

/**
 * @typedef {{ codes: Record<number, string> } & Record<Word, string>} Texts
 *
 * @typedef {"settings" | "settings_title" | "user_key" | "user_key_hint" | "token" | "token_hint" | "kept_here"
 *   | "no_token_characters" | "try_it" | "close" | "send" | "sending" | "stop" | "required" | "optional" | "left_out"
 *   | "body" | "body_broken" | "answer_as" | "file" | "fresh_key" | "deletes" | "answer" | "headers" | "in_ms"
 *   | "nothing_in_it" | "download" | "shortened" | "streaming" | "stream_events" | "stream_stopped" | "stream_ended"
 *   | "stream_shortened" | "not_sent" | "answered" | "session" | "session_hint" | "new_session" | "begin_at"
 *   | "begin_snapshot" | "begin_start" | "begin_after" | "connect" | "disconnect" | "drop_and_resume" | "status_idle"
 *   | "status_connecting" | "status_open" | "status_waiting" | "status_closed" | "frame" | "frame_text" | "fresh_id"
 *   | "send_frame" | "use_in_console" | "log" | "log_empty" | "log_none_match" | "log_bounded" | "show" | "show_all"
 *   | "show_events" | "show_signals" | "show_sent" | "filter_type" | "pause" | "resume" | "paused" | "copy" | "copied"
 *   | "copy_failed" | "clear" | "sent" | "received" | "binary" | "opened" | "opened_snapshot" | "opened_after"
 *   | "closed" | "could_not_open" | "unexplained"} Word
 */

/** The language of what is tried out; the reference around it is English. */
export const language = chosenLanguage(kept("language"), navigator.language);

const texts = language === "ko" ? ko : en;

/**
 * A text, with `{name}` replaced.
 * @param {Word} word
 * @param {Record<string, string | number>} [parameters]
 */
export function text(word, parameters = {}) {
  return texts[word].replace(/\{(\w+)\}/g, (whole, /** @type {string} */ name) =>
    String(parameters[name] ?? whole),
  );
}

/**
 * What the code means that a socket was closed with, and what to do then; null for one that is not in the protocol.
 * @param {number} code
 */
export function closeCodeMeaning(code) {
  return texts.codes[code] ?? null;
}

/**
 * @param {string | null} chosen
 * @param {string} browsers
 * @returns {"ko" | "en"}
 */
function chosenLanguage(chosen, browsers) {
  if (chosen === "ko" || chosen === "en") return chosen;
  return browsers.startsWith("ko") ? "ko" : "en";
}
