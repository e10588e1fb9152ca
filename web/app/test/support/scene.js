// The page as a test wants it: a model in which everything is well, but for what the test says.

import { emptyState } from "../../../client/src/state.js";

/**
 * @typedef {import("../../store.js").Model} Model
 * @typedef {import("../../store.js").Notice} Notice
 */

/** When every test takes place. */
export const NOW_MS = 1_771_500_000_000;

/**
 * @param {Partial<Omit<Model, "ui" | "session">> & {
 *   ui?: Partial<Model["ui"]>, session?: Partial<NonNullable<Model["session"]>> }} [patch]
 * @returns {Model}
 */
export function sceneOf({ ui, session, ...patch } = {}) {
  return {
    sessionId: "sess_1",
    connection: { status: "open", attempt: 0 },
    call: null,
    playbook: null,
    health: healthOf({}),
    pending: [],
    turns: new Map(),
    speechElsewhere: false,
    playing: null,
    sessionsList: { status: "idle", items: [], total: 0, query: "", confirming: null },
    notices: [],
    nowMs: NOW_MS,
    ...patch,
    session: { ...emptyState("sess_1"), replaying: false, locale: "en", ...session },
    ui: /** @type {Model["ui"]} */ ({
      language: "en",
      dialog: null,
      tokenRefused: false,
      composerText: "",
      dismissedTroubles: [],
      spoken: [],
      areShortcutsOn: true,
      local: {},
      ...ui,
    }),
  };
}

/**
 * @param {Partial<NonNullable<Model["health"]>>} patch
 * @returns {NonNullable<Model["health"]>}
 */
export function healthOf(patch) {
  const services = /** @type {const} */ ({ llm: "ok", search: "ok", stt: "ok", tts: "ok", moderation: "ok" });
  const server = { version: "0", time: new Date(NOW_MS).toISOString(), sessions_live: 1, connections: 1 };
  return { status: "ok", journal: "ok", dependencies: {}, ...server, ...services, ...patch };
}

/**
 * @param {unknown} error
 * @param {Partial<Notice>} [patch]
 * @returns {Notice}
 */
export function noticeOf(error, patch) {
  return { id: "notice-1", kind: "error", error, atMs: NOW_MS, afterSeq: 0, ...patch };
}

/**
 * A run that reached its second stage.
 *
 * @param {Partial<import("../../../client/src/state.js").Run>} patch
 * @param {Partial<import("../../../client/src/state.js").Stage>} [second]
 * @returns {import("../../../client/src/state.js").Run}
 */
export function runOf(patch, second) {
  /** @type {(id: string, patch: object) => import("../../../client/src/state.js").Stage} */
  const stage = (id, more) => ({
    id,
    status: "completed",
    attempt: 1,
    startedAt: null,
    endedAt: null,
    output: null,
    error: null,
    provenance: null,
    dropped: 0,
    sources: [],
    notes: [],
    ...more,
  });
  return {
    runId: "run_1",
    jobId: null,
    mode: "standard",
    locale: "en",
    draft: false,
    waived: null,
    brief: [],
    fromRun: null,
    fromStage: null,
    startedAt: new Date(NOW_MS).toISOString(),
    endedAt: null,
    status: "running",
    budgetMs: 600_000,
    stages: [stage("research", {}), stage("strategy", { status: "running", ...second })],
    ...patch,
  };
}

/**
 * @param {number} seq
 * @param {Partial<import("../../../client/src/state.js").MessageItem>} patch
 * @returns {import("../../../client/src/state.js").MessageItem}
 */
export function messageOf(seq, patch) {
  return {
    key: `message ${seq}`,
    seq,
    at: new Date(NOW_MS).toISOString(),
    kind: "message",
    messageId: `msg_${seq}`,
    turnId: `turn_${seq}`,
    role: "assistant",
    modality: "text",
    text: `Text ${seq}`,
    truncated: false,
    asks: null,
    locale: null,
    provenance: { kind: "playbook", key: "greeting", hash: "0" },
    heard: null,
    ...patch,
  };
}
