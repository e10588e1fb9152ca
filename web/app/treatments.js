// What the page does about each error code: how grave it is, and what the person can do next. The words for
// what happened are the server's own, in the session's language; the page adds the next step. A test goes
// through docs/errors.md: a code without a treatment fails it.

/**
 * How a trouble is told: the name of its look, and what tests find it by.
 *
 * @typedef {"reconnecting" | "offline" | "draining" | "overloaded" | "slow" | "taken_over" | "gone" | "ahead"
 *   | "token" | "refused" | "input" | "gate" | "safety" | "limit" | "budget" | "failed" | "model" | "speech"
 *   | "no_key" | "no_ears" | "no_voice" | "microphone" | "storage" | "saving" | "unreachable"
 *   | "internal"} TroubleKind
 */

/**
 * `problem`: something that was wanted does not work, and somebody must act. `warning`: it goes on, but not
 * as wanted, or comes back by itself. `hint`: nothing failed; something is not there.
 *
 * @typedef {"problem" | "warning" | "hint"} Severity
 */

/**
 * What a button offers; `view/banners.js` knows what each of them does.
 *
 * @typedef {"retry_now" | "retry_call" | "type_instead" | "new_session" | "open_sessions" | "load_anew"
 *   | "send_again" | "retry_run" | "show_brief" | "show_stage" | "enter_token"} TroubleAction
 */

/**
 * The next step in words: `trouble.next.…` in the texts.
 *
 * @typedef {"check_input" | "write_something" | "shorten" | "send_smaller" | "other_format" | "send_again"
 *   | "enter_token" | "other_page" | "other_session" | "load_anew" | "wait_restart" | "complete_brief"
 *   | "after_run" | "watch_run" | "download_later" | "rephrase" | "change_brief" | "wait_and_send"
 *   | "model_down" | "set_key" | "set_ears" | "set_voice" | "type_instead" | "read_on" | "without_media"
 *   | "come_back" | "come_back_tomorrow" | "budget" | "returns_by_itself" | "tell_operator"
 *   | "given_up" | "check_connection" | "when_connected" | "look_again"} NextStep
 */

/**
 * @typedef {object} Treatment
 * @property {TroubleKind} kind
 * @property {Severity} severity
 * @property {NextStep} next
 * @property {TroubleAction} [action] what a button does about it
 */

/** @type {Readonly<Record<string, Treatment>>} of the codes in docs/errors.md */
export const TREATMENTS = Object.freeze({
  INPUT_INVALID: { kind: "input", severity: "warning", next: "check_input" },
  INPUT_BLANK: { kind: "input", severity: "hint", next: "write_something", action: "type_instead" },
  INPUT_TOO_LONG: { kind: "input", severity: "warning", next: "shorten", action: "type_instead" },
  INPUT_ID_REUSED: { kind: "input", severity: "warning", next: "send_again", action: "send_again" },
  INPUT_TOO_LARGE: { kind: "input", severity: "warning", next: "send_smaller" },
  INPUT_UNSUPPORTED_MEDIA: { kind: "input", severity: "warning", next: "other_format" },
  INPUT_TIMEOUT: { kind: "input", severity: "warning", next: "send_again", action: "send_again" },

  AUTH_REQUIRED: { kind: "token", severity: "problem", next: "enter_token", action: "enter_token" },
  AUTH_FORBIDDEN: { kind: "refused", severity: "problem", next: "tell_operator" },
  AUTH_ORIGIN: { kind: "refused", severity: "problem", next: "other_page" },

  SESSION_NOT_FOUND: { kind: "gone", severity: "problem", next: "other_session", action: "new_session" },
  SESSION_GONE: { kind: "gone", severity: "problem", next: "other_session", action: "new_session" },
  SESSION_EVENT_AHEAD: { kind: "ahead", severity: "problem", next: "load_anew", action: "load_anew" },
  SESSION_RESTARTING: { kind: "limit", severity: "warning", next: "wait_restart", action: "send_again" },
  SESSION_RESTART_LIMIT: { kind: "refused", severity: "problem", next: "given_up", action: "new_session" },
  RUN_NOT_FOUND: { kind: "ahead", severity: "problem", next: "load_anew", action: "load_anew" },
  JOB_NOT_FOUND: { kind: "ahead", severity: "problem", next: "load_anew", action: "load_anew" },

  GATE_NOT_READY: { kind: "gate", severity: "warning", next: "complete_brief", action: "show_brief" },
  GATE_RUN_ACTIVE: { kind: "gate", severity: "warning", next: "after_run", action: "show_stage" },
  RUN_ACTIVE: { kind: "gate", severity: "hint", next: "watch_run", action: "show_stage" },
  RUN_NOT_COMPLETED: { kind: "gate", severity: "warning", next: "download_later", action: "show_stage" },

  SAFETY_INPUT: { kind: "safety", severity: "warning", next: "rephrase", action: "type_instead" },
  SAFETY_OUTPUT: { kind: "safety", severity: "problem", next: "change_brief", action: "show_brief" },
  SAFETY_UNAVAILABLE: { kind: "safety", severity: "warning", next: "wait_and_send", action: "send_again" },

  LLM_UPSTREAM: { kind: "model", severity: "problem", next: "model_down" },
  LLM_TIMEOUT: { kind: "model", severity: "problem", next: "model_down" },
  LLM_JSON_INVALID: { kind: "model", severity: "problem", next: "model_down" },
  LLM_CIRCUIT_OPEN: { kind: "model", severity: "problem", next: "model_down" },
  LLM_NOT_CONFIGURED: { kind: "no_key", severity: "problem", next: "set_key" },

  STT_FAILED: { kind: "speech", severity: "warning", next: "type_instead", action: "type_instead" },
  STT_TIMEOUT: { kind: "speech", severity: "warning", next: "type_instead", action: "type_instead" },
  STT_NOT_CONFIGURED: { kind: "no_ears", severity: "warning", next: "set_ears", action: "type_instead" },
  TTS_FAILED: { kind: "speech", severity: "hint", next: "read_on" },
  TTS_TIMEOUT: { kind: "speech", severity: "hint", next: "read_on" },
  TTS_NOT_CONFIGURED: { kind: "no_voice", severity: "hint", next: "set_voice" },

  IMAGE_FAILED: { kind: "failed", severity: "warning", next: "without_media" },
  IMAGE_TIMEOUT: { kind: "failed", severity: "warning", next: "without_media" },
  IMAGE_NOT_CONFIGURED: { kind: "failed", severity: "hint", next: "without_media" },
  VIDEO_FAILED: { kind: "failed", severity: "warning", next: "without_media" },
  VIDEO_NOT_CONFIGURED: { kind: "failed", severity: "hint", next: "without_media" },
  RESEARCH_FAILED: { kind: "model", severity: "problem", next: "model_down" },
  RESEARCH_TIMEOUT: { kind: "model", severity: "problem", next: "model_down" },
  RESEARCH_NOT_CONFIGURED: { kind: "no_key", severity: "warning", next: "set_key" },
  STORAGE_UPLOAD_FAILED: { kind: "saving", severity: "problem", next: "send_again" },

  DB_UNAVAILABLE: { kind: "saving", severity: "problem", next: "wait_and_send", action: "send_again" },
  DB_WRITE_FAILED: { kind: "saving", severity: "problem", next: "wait_and_send", action: "send_again" },

  SYS_OVERLOADED: { kind: "limit", severity: "warning", next: "come_back", action: "send_again" },
  SYS_DRAINING: { kind: "draining", severity: "warning", next: "returns_by_itself" },
  SYS_RATE_LIMIT: { kind: "limit", severity: "warning", next: "come_back", action: "send_again" },
  SYS_DAILY_LIMIT: { kind: "limit", severity: "problem", next: "come_back_tomorrow" },
  SYS_BUDGET: { kind: "budget", severity: "problem", next: "budget", action: "new_session" },
  SYS_INTERNAL: { kind: "internal", severity: "problem", next: "wait_and_send", action: "send_again" },
});

/**
 * Of what the client finds by itself: the server said nothing, so the page says it (`trouble.client.…`).
 *
 * @type {Readonly<Record<import("../client/src/errors.js").ClientErrorCode, Treatment>>}
 */
export const CLIENT_TREATMENTS = Object.freeze({
  CLIENT_NETWORK: {
    kind: "unreachable",
    severity: "problem",
    next: "check_connection",
    action: "send_again",
  },
  CLIENT_TIMEOUT: { kind: "unreachable", severity: "problem", next: "wait_and_send", action: "send_again" },
  CLIENT_ANSWER: { kind: "unreachable", severity: "problem", next: "tell_operator" },
  CLIENT_QUEUE_FULL: { kind: "limit", severity: "warning", next: "when_connected", action: "send_again" },
  CLIENT_OUTDATED: { kind: "gate", severity: "hint", next: "look_again" },
  CLIENT_CLOSED: { kind: "gone", severity: "problem", next: "other_session", action: "new_session" },
  CLIENT_CREDENTIALS: { kind: "token", severity: "problem", next: "enter_token", action: "enter_token" },
});

/**
 * The treatment of a code. A later server may have codes that this page does not know: what the error says of
 * itself, whether it is worth repeating, decides then.
 *
 * @param {{code: string, retryable?: boolean}} error
 * @returns {Treatment}
 */
export function treatmentOf(error) {
  const known = Object.hasOwn(TREATMENTS, error.code) ? TREATMENTS[error.code] : undefined;
  if (known) return known;
  if (isClientCode(error.code)) return CLIENT_TREATMENTS[error.code];
  return error.retryable
    ? { kind: "internal", severity: "problem", next: "wait_and_send", action: "send_again" }
    : { kind: "internal", severity: "problem", next: "tell_operator" };
}

/**
 * Whether it is one of the client's own codes, whose messages are for developers.
 *
 * @param {string} code
 * @returns {code is import("../client/src/errors.js").ClientErrorCode}
 */
export function isClientCode(code) {
  return Object.hasOwn(CLIENT_TREATMENTS, code);
}
