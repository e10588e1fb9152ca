// How much of a text was heard: told by the server afterwards, reckoned from what was played while it is
// spoken.

/**
 * @typedef {import("../store.js").Model} Model
 * @typedef {{turnId: string | null, text: string, role?: string, heard?: {text: string, ms: number} | null}}
 *   Spoken
 */

/** How fast a voice is before the session has heard one, in milliseconds a character. */
const PACE_MS = { ko: 140, en: 62 };
/** From so many heard characters on, they tell a voice's pace well enough. */
const PACE_FROM_CHARACTERS = 16;

/**
 * In characters; the whole length where nobody speaks it. A reply that will be spoken counts as unheard until
 * it is.
 *
 * @param {Spoken} spoken
 * @param {Model} model
 * @returns {number}
 */
export function heardLength({ turnId, text, role = "assistant", heard }, model) {
  if (heard) return upToWord(text, heard.text.length);
  if (role !== "assistant" || turnId === null || !isSpokenHere(model)) return text.length;
  if (model.playing?.turnId === turnId) return upToWord(text, model.playing.ms / paceMs(model));
  return model.session?.turn?.turnId === turnId ? 0 : text.length;
}

/**
 * Whether replies are spoken on this page now.
 *
 * @param {Model} model
 */
function isSpokenHere({ call, health }) {
  return (
    call !== null && call.status !== "taken" && call.status !== "ended" && health?.tts !== "not_configured"
  );
}

/**
 * The pace of what was heard last, else a usual one.
 *
 * @param {Model} model
 */
function paceMs({ session }) {
  const last = session?.timeline.findLast(
    (item) => item.kind === "message" && (item.heard?.text.length ?? 0) >= PACE_FROM_CHARACTERS,
  );
  if (last?.kind === "message" && last.heard) return last.heard.ms / last.heard.text.length;
  return PACE_MS[session?.locale ?? "ko"];
}

/**
 * To the end of the word that a length lies in.
 *
 * @param {string} text
 * @param {number} length
 */
function upToWord(text, length) {
  if (length <= 0) return 0;
  const rest = /\s/.exec(text.slice(Math.floor(length)));
  return rest ? Math.floor(length) + rest.index : text.length;
}
