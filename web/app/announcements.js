// What a screen reader is told, and how urgently: a pure function of what it knows and of how things are now.
// Whole messages, never how they grow; what changed, never how a replayed log came to be what it is.

import { languageOf } from "./texts/language_of.js";
import { troubles } from "./troubles.js";
import { remainingText } from "./view/duration.js";

/**
 * @typedef {import("./store.js").Model} Model
 * @typedef {import("./store.js").SessionState} SessionState
 * @typedef {import("./texts/translate.js").Translate} Translate
 * @typedef {import("../client/src/state.js").MessageItem} MessageItem
 */

/**
 * @typedef {object} Line
 * @property {"polite" | "assertive"} urgency
 * @property {string} text
 * @property {string} lang  of the text: a conversation may be in another language than the page
 */

/**
 * What was told, or was there from the beginning.
 *
 * @typedef {object} Known
 * @property {KnownSession | null} session    null until it was replayed
 * @property {readonly string[]} troubles     by id and kind
 * @property {boolean} isConnectionLost       and it was said
 * @property {boolean} isCallOn
 *
 * @typedef {object} KnownSession
 * @property {string} sessionId
 * @property {number} seq                     everything up to this event
 * @property {boolean} isGateOpen
 * @property {string | null} runId
 * @property {string | null} runStatus
 * @property {Readonly<Record<string, string>>} stages   their statuses, by id
 */

/** Of what went wrong at once, so many are told; the rest can be read. */
const TROUBLES_TOLD_MAX = 2;
/** The first attempt to connect again comes at once and mostly succeeds: one that fails is worth a word. */
const ATTEMPTS_UNTOLD = 1;

/** @type {Known} */
export const NOTHING_KNOWN = { session: null, troubles: [], isConnectionLost: false, isCallOn: false };

/**
 * What is to be said now. At most four lines, however much has happened.
 *
 * @param {Known} known
 * @param {Model} model
 * @param {Translate} t
 * @returns {{known: Known, lines: Line[]}}
 */
export function announcements(known, model, t) {
  const session = knownOf(model.session) ?? keptFor(known.session, model);
  const told = troublesToTell(known, model, t);
  const connection = connectionNews(known, model, t);
  const isCallOn = model.call !== null && model.call.status !== "starting";
  const news = [connection.text, isCallOn === known.isCallOn ? "" : t(callText(isCallOn))];
  const lines = [
    ...told.lines,
    ...line(
      "polite",
      [...news, ...sessionNews(known.session, model, t)].filter(Boolean).join(" "),
      t.language,
    ),
    ...messageLines(known.session, model, t),
  ];
  const next = { session, troubles: told.keys, isConnectionLost: connection.isLost, isCallOn };
  return { known: next, lines };
}

/**
 * @param {Line["urgency"]} urgency
 * @param {string} text
 * @param {string} [lang]
 * @returns {Line[]}
 */
const line = (urgency, text, lang = languageOf(text)) => (text === "" ? [] : [{ urgency, text, lang }]);

/** @param {boolean} isCallOn */
const callText = (isCallOn) => (isCallOn ? "trouble.said.microphone_on" : "trouble.said.microphone_off");

/**
 * Where a session stands; null while its log is replayed.
 *
 * @param {SessionState | null} session
 * @returns {KnownSession | null}
 */
function knownOf(session) {
  if (!session || session.replaying) return null;
  const run = session.runs.at(-1);
  return {
    sessionId: session.sessionId,
    seq: session.lastSeq,
    isGateOpen: session.gate?.ready === true,
    runId: run?.runId ?? null,
    runStatus: run?.status ?? null,
    stages: Object.fromEntries(run?.stages.map((stage) => [stage.id, stage.status]) ?? []),
  };
}

/**
 * What was known of the session that is shown, while it is replayed again.
 *
 * @param {KnownSession | null} session
 * @param {Model} model
 */
const keptFor = (session, model) => (session?.sessionId === model.sessionId ? session : null);

/**
 * The session if it can be compared with what was known of it: else everything in it is old.
 *
 * @param {KnownSession | null} known
 * @param {Model} model
 */
function comparable(known, { session }) {
  return session && !session.replaying && known?.sessionId === session.sessionId ? session : null;
}

/**
 * @param {Known} known
 * @param {Model} model
 * @param {Translate} t
 * @returns {{keys: string[], lines: Line[]}}
 */
function troublesToTell(known, model, t) {
  const tellable = troubles(model, t).filter(
    (trouble) => trouble.kind !== "reconnecting" || model.connection.attempt > ATTEMPTS_UNTOLD,
  );
  const keyOf = (/** @type {import("./troubles.js").Trouble} */ { id, kind }) => `${id} ${kind}`;
  const fresh = tellable
    .filter((trouble) => !known.troubles.includes(keyOf(trouble)))
    .slice(0, TROUBLES_TOLD_MAX);
  const textOf = (/** @type {import("./troubles.js").Trouble} */ trouble) => {
    const leftMs = (trouble.countdownTo ?? 0) - model.nowMs;
    const when = leftMs > 0 ? t(trouble.countdownKey, { time: remainingText(leftMs) }) : "";
    return sentences([trouble.title, trouble.reason, trouble.text, when]);
  };
  const [urgent, others] = [true, false].map((isProblem) =>
    fresh
      .filter((trouble) => (trouble.severity === "problem") === isProblem)
      .map(textOf)
      .join(" "),
  );
  return {
    keys: tellable.map(keyOf),
    lines: [...line("assertive", urgent ?? ""), ...line("polite", others ?? "")],
  };
}

/**
 * That the connection is back, if it was said that it was lost.
 *
 * @param {Known} known
 * @param {Model} model
 * @param {Translate} t
 */
function connectionNews({ isConnectionLost }, { connection }, t) {
  if (connection.status === "open") {
    return { isLost: false, text: isConnectionLost ? t("trouble.said.connection_back") : "" };
  }
  const isWorthAWord = connection.attempt > ATTEMPTS_UNTOLD || connection.reason !== "network";
  return { isLost: isConnectionLost || (connection.status !== "connecting" && isWorthAWord), text: "" };
}

/**
 * The gate, the run and its stages, as far as they changed. A failure is a trouble, and told as such.
 *
 * @param {KnownSession | null} known
 * @param {Model} model
 * @param {Translate} t
 * @returns {string[]}
 */
function sessionNews(known, model, t) {
  const session = comparable(known, model);
  if (!known || !session) return [];
  const isGateOpen = session.gate?.ready === true;
  const news =
    isGateOpen === known.isGateOpen ? [] : [t(`trouble.said.gate_${isGateOpen ? "open" : "closed"}`)];
  const run = session.runs.at(-1);
  if (!run) return news;
  const isNew = run.runId !== known.runId;
  if (isNew) news.push(t("trouble.said.run_started"));
  for (const { id, status } of run.stages) {
    const hasChanged = status !== (isNew ? "waiting" : known.stages[id]);
    if (!hasChanged || (status !== "running" && status !== "completed")) continue;
    const stage = model.playbook?.stages.find((each) => each.id === id)?.label ?? id;
    news.push(t(`trouble.said.stage_${status === "running" ? "started" : "completed"}`, { stage }));
  }
  const hasEnded = run.status !== (isNew ? "running" : known.runStatus);
  if (hasEnded && run.status === "completed") news.push(t("trouble.said.run_completed"));
  if (hasEnded && run.status === "cancelled") news.push(t("trouble.said.run_cancelled"));
  return news;
}

/**
 * What was answered since, or why nothing was. Of several messages the last is read: the others can be.
 *
 * @param {KnownSession | null} known
 * @param {Model} model
 * @param {Translate} t
 * @returns {Line[]}
 */
function messageLines(known, model, t) {
  const session = comparable(known, model);
  if (!known || !session) return [];
  const fresh = session.timeline.slice(firstAfter(session, known.seq));
  const replies = fresh.filter(isReply);
  const failure = fresh.findLast((item) => item.kind === "error" && item.stage === null && !item.willRetry);
  const failureText = failure?.kind === "error" ? failure.error.message : "";
  const last = replies.at(-1);
  if (!last || isSpoken(model)) return line("polite", failureText);
  const key = replies.length === 1 ? "trouble.said.reply" : "trouble.said.replies";
  const text = t(key, { count: replies.length, text: last.text });
  return line("polite", sentences([failureText, text]), last.locale ?? languageOf(text));
}

/**
 * @param {import("../client/src/state.js").TimelineItem} item
 * @returns {item is MessageItem}
 */
function isReply(item) {
  return item.kind === "message" && item.role === "assistant";
}

/**
 * The timeline is long and new things are at its end.
 *
 * @param {SessionState} session
 * @param {number} seq
 */
function firstAfter({ timeline }, seq) {
  return timeline.findLastIndex((item) => item.seq <= seq) + 1;
}

/**
 * Whether replies are heard as they are: two voices at once are none.
 * @param {Model} model
 */
function isSpoken({ call, health }) {
  return (
    call !== null &&
    ["idle", "listening", "hearing", "thinking", "speaking"].includes(call.status) &&
    health?.tts === "ok"
  );
}

/**
 * @param {readonly string[]} texts
 */
function sentences(texts) {
  return texts
    .filter(Boolean)
    .map((text) => (/[.!?…]$/.test(text) ? text : `${text}.`))
    .join(" ");
}
