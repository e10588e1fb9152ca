// What is wrong just now, the gravest first, and what can be done about it: a pure function of the model. How
// it looks is `view/banners.js`; what each error code asks for is `treatments.js`.

import { isClientCode, treatmentOf } from "./treatments.js";

/**
 * @typedef {import("./store.js").Model} Model
 * @typedef {import("./store.js").Notice} Notice
 * @typedef {import("./texts/translate.js").Translate} Translate
 * @typedef {import("./treatments.js").Severity} Severity
 * @typedef {import("./treatments.js").TroubleAction} TroubleAction
 * @typedef {import("./treatments.js").TroubleKind} TroubleKind
 */

/**
 * An error of the server, or one that the client found, as it is thrown.
 *
 * @typedef {object} ServerError
 * @property {string} code
 * @property {string} message
 * @property {unknown} [details]
 * @property {boolean} [retryable]
 * @property {number | null} [retryAfter] seconds
 */

/**
 * One thing that is wrong, in the words of the page's language.
 *
 * @typedef {object} Trouble
 * @property {string} id                 the same as long as it is the same trouble; dismissed by it
 * @property {TroubleKind} kind
 * @property {Severity} severity
 * @property {string} title              what happened
 * @property {string} reason             why, in the server's words; may be empty
 * @property {string} text               what is kept, and the next step
 * @property {TroubleAction[]} actions   the one that is wanted most first
 * @property {number | null} countdownTo epoch ms when to try again, or when the page does by itself
 * @property {string} countdownKey       the text that the remaining time is told in
 * @property {boolean} isDismissible
 * @property {string[]} noticeIds        of notices: what putting it away removes
 * @property {readonly string[]} points           more lines, shown on demand
 * @property {readonly string[]} commands         lines for a terminal, shown on demand
 * @property {string | null} code        for whoever reports it
 * @property {string | null} details
 */

/** @typedef {"chrome" | "chrome_android" | "firefox" | "safari" | "ios" | "other"} Browser */

/** The gravest first; of two of the same kind the newer one. */
const ORDER = /** @type {const} */ ([
  "token",
  "gone",
  "ahead",
  "refused",
  "offline",
  "unreachable",
  "reconnecting",
  "draining",
  "overloaded",
  "slow",
  "taken_over",
  "saving",
  "internal",
  "limit",
  "budget",
  "microphone",
  "failed",
  "safety",
  "gate",
  "input",
  "speech",
  "model",
  "no_key",
  "no_ears",
  "no_voice",
  "storage",
]);

/** Kinds of which the page itself says when they are over; what can be put away is everything else. */
const CONDITIONS = new Set([
  "token",
  "gone",
  "ahead",
  "offline",
  "reconnecting",
  "draining",
  "overloaded",
  "slow",
]);

/** @type {Partial<Trouble>} */
const GONE = { severity: "problem", actions: ["new_session", "open_sessions"] };

/** Kinds of refusals after which what was typed is in the composer again. */
const REFUSES_TEXT = new Set(["input", "limit", "saving", "safety", "internal", "draining", "budget"]);

/** How to start a server that has a language model; the README has the same lines. */
export const KEY_COMMANDS = Object.freeze([
  "OPENAI_API_KEY=… cargo run --release",
  "OPENAI_BASE_URL=http://127.0.0.1:11434/v1 GREENROOM_LLM__MODEL=… GREENROOM_LLM__SMALL_MODEL=… " +
    "cargo run --release",
]);

/**
 * All troubles that were not put away.
 *
 * @param {Model} model
 * @param {Translate} t
 * @param {Browser} [browser] decides how to allow the microphone
 * @returns {Trouble[]}
 */
export function troubles(model, t, browser = "other") {
  const found = [
    ...ofCredentials(model, t),
    ...ofConnection(model, t),
    ...ofRun(model, t),
    ...ofHealth(model, t),
    ...ofBudgets(model, t),
    ...ofNotices(model, t, browser),
  ];
  /** @type {Map<string, Trouble>} */
  const byId = new Map();
  for (const trouble of found)
    if (!model.ui.dismissedTroubles.includes(trouble.id)) byId.set(trouble.id, trouble);
  return [...byId.values()].sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind));
}

/**
 * Whether a time runs that somebody sees: then `nowMs` has to move.
 * @param {Model} model
 */
export function countsDown(model) {
  if (model.connection.status === "waiting") return true;
  return model.notices.some((notice) => (retryAtMs(notice) ?? 0) > model.nowMs);
}

/**
 * Which browser's menus have to be explained.
 * @param {string} userAgent
 * @returns {Browser}
 */
export function browserOf(userAgent) {
  if (/iPhone|iPad|iPod/.test(userAgent)) return "ios";
  if (/Firefox\//.test(userAgent)) return "firefox";
  if (/Android/.test(userAgent) && /Chrome\//.test(userAgent)) return "chrome_android";
  if (/Chrome\//.test(userAgent)) return "chrome";
  if (/Safari\//.test(userAgent)) return "safari";
  return "other";
}

/**
 * @param {Pick<Trouble, "id" | "kind" | "severity" | "title" | "text"> & Partial<Trouble>} trouble
 * @returns {Trouble}
 */
function troubleOf(trouble) {
  return {
    reason: "",
    actions: [],
    countdownTo: null,
    countdownKey: "trouble.try_again_in",
    isDismissible: !CONDITIONS.has(trouble.kind),
    noticeIds: [],
    points: [],
    commands: [],
    code: null,
    details: null,
    ...trouble,
  };
}

/**
 * @param {Model} model
 * @param {Translate} t
 */
function ofCredentials(model, t) {
  if (!model.ui.tokenRefused && model.connection.error?.code !== "AUTH_REQUIRED") return [];
  const title = t(model.ui.tokenRefused ? "trouble.token_wrong" : "trouble.token_missing");
  const text = t("trouble.next.enter_token");
  return [
    troubleOf({ id: "token", kind: "token", severity: "problem", title, text, actions: ["enter_token"] }),
  ];
}

/**
 * @param {Model} model
 * @param {Translate} t
 * @returns {Trouble[]}
 */
function ofConnection(model, t) {
  const { status, reason, retryAt, error } = model.connection;
  /** @type {(kind: TroubleKind, more?: Partial<Trouble>) => Trouble[]} */
  const told = (kind, more) => [
    troubleOf({
      id: "connection",
      kind,
      severity: "warning",
      title: t(`trouble.${kind}`),
      text: t(`trouble.${kind}_text`),
      ...more,
    }),
  ];
  if (status === "offline") return told("offline");
  if (status === "closed") {
    if (reason === "gone") return told("gone", GONE);
    if (reason === "taken_over") return told("taken_over", { actions: ["retry_now"] });
    if (reason !== "refused" || error?.code === "AUTH_REQUIRED") return [];
    return error ? [ofError(error, "connection", model, t)] : told("refused", { severity: "problem" });
  }
  if (status === "open") {
    // An end that the server has told of: until then the socket goes on.
    return reason === "draining" ? told("draining", { text: t("trouble.draining_soon_text") }) : [];
  }
  if (!reason) return [];
  const countdownTo = status === "waiting" ? (retryAt ?? null) : null;
  switch (reason) {
    case "draining":
      return told("draining", { countdownTo, countdownKey: "trouble.back_in" });
    case "overloaded":
      return told("overloaded", { countdownTo });
    case "slow":
      return told("slow", { countdownTo, actions: status === "waiting" ? ["retry_now"] : [] });
    default:
      return told("reconnecting", { countdownTo, actions: status === "waiting" ? ["retry_now"] : [] });
  }
}

/**
 * The newest run, if it failed: why, what is kept, and how it goes on from there.
 *
 * @param {Model} model
 * @param {Translate} t
 * @returns {Trouble[]}
 */
function ofRun(model, t) {
  const run = model.session?.runs.at(-1);
  if (run?.status !== "failed") return [];
  const stage = run.stages.find((each) => each.status === "failed");
  /** @param {string} id */
  const label = (id) => model.playbook?.stages.find((each) => each.id === id)?.label ?? id;
  const kept = run.stages.filter((each) => each.status === "completed").map((each) => label(each.id));
  const treatment = stage?.error ? treatmentOf(stage.error) : null;
  const next =
    treatment && ["set_key", "change_brief"].includes(treatment.next) ? treatment.next : "retry_run";
  const parts = [
    kept.length > 0 && t("trouble.failed_kept", { stages: kept.join(", ") }),
    t(`trouble.next.${next}`),
  ];
  return [
    troubleOf({
      id: `run ${run.runId} ${run.endedAt}`,
      kind: "failed",
      severity: "problem",
      title: stage ? t("trouble.failed", { stage: label(stage.id) }) : t("trouble.failed_run"),
      reason: stage?.error?.message ?? "",
      text: parts.filter(Boolean).join(" "),
      actions: next === "change_brief" ? ["show_brief", "retry_run"] : ["retry_run", "show_stage"],
      commands: next === "set_key" ? KEY_COMMANDS : [],
      code: stage?.error?.code ?? null,
      details: detailsOf(stage?.error?.details),
    }),
  ];
}

/**
 * What the server goes without. One that has nothing at all is told of once, not three times.
 *
 * @param {Model} model
 * @param {Translate} t
 * @returns {Trouble[]}
 */
function ofHealth({ health, call }, t) {
  if (!health) return [];
  /** @type {Trouble[]} */
  const found = [];
  /** @type {(kind: TroubleKind, severity: Severity, more?: Partial<Trouble>) => void} */
  const add = (kind, severity, more) => {
    const [title, text] = [t(`trouble.${kind}`), t(`trouble.${kind}_text`)];
    found.push(troubleOf({ id: `health ${kind}`, kind, severity, title, text, ...more }));
  };
  if (health.journal === "failing") add("saving", "problem");
  if (health.llm === "failing") add("model", "warning");
  if (health.llm === "not_configured") {
    const services = /** @type {const} */ (["stt", "tts"]);
    const missing = services.filter((name) => health[name] === "not_configured");
    add("no_key", "warning", {
      points: [
        t("trouble.no_key_works"),
        t("trouble.no_key_lacks"),
        ...missing.map((name) => t(`trouble.no_${name}`)),
      ],
      commands: KEY_COMMANDS,
    });
    return found;
  }
  if (health.stt === "not_configured") add("no_ears", "hint", { points: [t("trouble.next.set_ears")] });
  const isMissed = call !== null;
  if (health.tts === "not_configured" && isMissed) {
    add("no_voice", "hint", { points: [t("trouble.next.set_voice")] });
  }
  return found;
}

/**
 * @param {Model} model
 * @param {Translate} t
 * @returns {Trouble[]}
 */
function ofBudgets(model, t) {
  const warning = model.session?.costsWarnings.at(-1);
  if (!warning) return [];
  const used = t.number(warning.used, { style: "percent", maximumFractionDigits: 0 });
  const [title, text] = [t("trouble.budget_warning", { used }), t("trouble.budget_warning_text")];
  return [troubleOf({ id: `budget ${warning.at}`, kind: "budget", severity: "warning", title, text })];
}

/**
 * What was told of single things that were tried, each kind of failure once, as long as it matters.
 *
 * @param {Model} model
 * @param {Translate} t
 * @param {Browser} browser
 * @returns {Trouble[]}
 */
function ofNotices(model, t, browser) {
  /** @type {Map<string, Trouble>} */
  const newest = new Map();
  for (const notice of model.notices) {
    const trouble = ofNotice(notice, model, t, browser);
    if (!trouble || isOver(trouble.kind, notice, model)) continue;
    const same = `notice ${trouble.kind} ${trouble.code ?? trouble.title}`;
    const noticeIds = [...(newest.get(same)?.noticeIds ?? []), notice.id];
    newest.set(same, { ...trouble, noticeIds, isDismissible: true });
  }
  return [...newest.values()];
}

/**
 * @param {Notice} notice
 * @param {Model} model
 * @param {Translate} t
 * @param {Browser} browser
 * @returns {Trouble | null} null if the same is told already
 */
function ofNotice(notice, model, t, browser) {
  const { id, kind } = notice;
  if (kind === "microphone") return ofMicrophone(notice, t, browser);
  if (kind === "storage") {
    return troubleOf({
      id,
      kind,
      severity: "hint",
      title: t("trouble.storage"),
      text: t("trouble.storage_text"),
    });
  }
  const error = serverErrorOf(notice.error);
  if (!error) {
    const title = notice.key ? t(notice.key, notice.parameters) : t("trouble.unknown");
    const text = notice.key ? "" : t("trouble.next.wait_and_send");
    return troubleOf({
      id,
      kind: "internal",
      severity: "warning",
      title,
      text,
      details: notice.key ? null : String(notice.error),
    });
  }
  const trouble = ofError(error, id, model, t);
  const isTold =
    (trouble.kind === "gone" && model.connection.reason === "gone") ||
    (trouble.kind === "unreachable" && model.session !== null && model.connection.status !== "open") ||
    // The client takes the log up anew by itself; if it cannot, the connection says so.
    trouble.code === "SESSION_EVENT_AHEAD" ||
    trouble.kind === "token";
  return isTold
    ? null
    : { ...trouble, countdownTo: retryAtMs(notice), countdownKey: "trouble.send_again_in" };
}

/**
 * Whether what failed has succeeded since.
 *
 * @param {TroubleKind} kind
 * @param {Notice} notice
 * @param {Model} model
 */
function isOver(kind, { afterSeq }, { session, call }) {
  if (kind === "microphone") return call !== null && call.status !== "starting";
  const after = session?.timeline.filter((item) => item.seq > afterSeq) ?? [];
  if (kind === "gate") return after.some((item) => item.kind === "run") || session?.gate?.ready === true;
  if (!REFUSES_TEXT.has(kind) && kind !== "speech") return false;
  return after.some((item) => item.kind === "run" || (item.kind === "message" && item.role === "user"));
}

/**
 * @param {Notice} notice
 * @param {Translate} t
 * @param {Browser} browser
 */
function ofMicrophone(notice, t, browser) {
  const { kind: reason } = /** @type {import("../client/src/audio/microphone.js").MicrophoneError} */ (
    notice.error
  );
  const canTryAgain = reason !== "unsupported" && reason !== "insecure";
  return troubleOf({
    id: notice.id,
    kind: "microphone",
    severity: "warning",
    title: t(`trouble.microphone.${reason}`),
    text: t(`trouble.microphone.${reason}_text`),
    actions: canTryAgain ? ["retry_call", "type_instead"] : ["type_instead"],
    points: reason === "denied" ? [t(`trouble.allow.${browser}`)] : [],
  });
}

/**
 * What the server said, and the next step.
 *
 * @param {ServerError} error
 * @param {string} id
 * @param {Model} model
 * @param {Translate} t
 * @returns {Trouble}
 */
function ofError(error, id, model, t) {
  const { kind, severity, next, action } = treatmentOf(error);
  const hasText = model.ui.composerText.trim() !== "";
  const isKept = hasText && REFUSES_TEXT.has(kind);
  /** @type {TroubleAction[]} */
  const actions = action && (action !== "send_again" || isKept) ? [action] : [];
  if (kind === "gone") actions.push("open_sessions");
  return troubleOf({
    id,
    kind,
    severity,
    title: isClientCode(error.code) ? t(`trouble.client.${error.code}`) : error.message,
    text: [t(`trouble.next.${next}`), isKept && t("trouble.text_kept")].filter(Boolean).join(" "),
    actions,
    commands: kind === "no_key" ? KEY_COMMANDS : [],
    code: error.code,
    details: detailsOf(error.details),
  });
}

/**
 * An error with a code, the server's or the client's: what else is thrown is a defect.
 *
 * @param {unknown} error
 * @returns {ServerError | null}
 */
function serverErrorOf(error) {
  const { code, message } = /** @type {Partial<ServerError>} */ (error ?? {});
  const hasCode = typeof code === "string" && typeof message === "string";
  return hasCode ? /** @type {ServerError} */ (error) : null;
}

/**
 * When it is worth trying again, if the server said so.
 * @param {Notice} notice
 */
function retryAtMs(notice) {
  const seconds = serverErrorOf(notice.error)?.retryAfter;
  return typeof seconds === "number" ? notice.atMs + seconds * 1000 : null;
}

/** @param {unknown} details */
function detailsOf(details) {
  if (details === null || details === undefined) return null;
  return typeof details === "string" ? details : JSON.stringify(details);
}
