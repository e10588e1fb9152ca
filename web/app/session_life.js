// Which session the page shows: found or begun at start, followed while it is open, left for another.

import { ApiError } from "../client/src/index.js";
import { keep, kept } from "./kept.js";
import { goToSession, onAddressChange, sessionInAddress } from "./router.js";
import { DISCONNECTED, TIMELINE_SHOWN_FIRST } from "./model.js";

/** What is mended by the server's token: there is none, it is another, or no browser can send it. */
const ASKS_FOR_TOKEN = new Set(["AUTH_REQUIRED", "CLIENT_CREDENTIALS"]);

/**
 * @typedef {import("./store.js").Store} Store
 * @typedef {import("../client/src/index.js").GreenroomClient} GreenroomClient
 * @typedef {import("../client/src/index.js").GreenroomSession} GreenroomSession
 * @typedef {import("../client/src/index.js").SessionChange} SessionChange
 *
 * @typedef {object} SessionLife
 * @property {() => Promise<void>} boot the session of the address, else the last one, else a new one
 * @property {() => Promise<void>} begin              a new session, unless nothing was said in this one yet
 * @property {(sessionId: string) => void} open
 * @property {() => void} loadAnew
 * @property {(sessionId: string) => Promise<void>} forget  it was erased: goes elsewhere if it is shown
 * @property {() => GreenroomSession | null} current
 * @property {() => Promise<void>} refreshHealth
 * @property {() => Promise<void>} refreshPlaybook    in the language of the page
 */

/**
 * @param {object} parts
 * @param {Store} parts.store
 * @param {GreenroomClient} parts.client
 * @param {() => void} parts.leave     ends what is heard of the session that is left
 * @param {(error: unknown) => void} parts.report
 * @returns {SessionLife}
 */
export function createSessionLife({ store, client, leave, report }) {
  /** @type {GreenroomSession | null} */
  let session = null;
  /** Whether nobody asked for this very session: if it is gone, a new one takes its place without a word. */
  let isReplaceable = false;
  let isBeginning = false;
  /** The session that this browser comes back to, if this page said which. @type {string | null} */
  let lastKept = null;

  /** @param {string} sessionId */
  const open = (sessionId) => {
    if (session?.state.sessionId === sessionId) return;
    leave();
    session?.close();
    const opened = client.openSession(sessionId);
    session = opened;
    store.set({
      sessionId,
      session: opened.state,
      connection: opened.connection,
      playbook: null,
      pending: [],
      turns: new Map(),
      playing: null,
      speechElsewhere: false,
    });
    store.setUi({ boot: "ready", timelineShown: TIMELINE_SHOWN_FIRST, timelineAtEnd: true, local: {} });
    opened.subscribe((state, change) => {
      if (session === opened) follow(state, change);
    });
    void refreshPlaybook();
  };

  /**
   * @param {import("./store.js").SessionState} state
   * @param {SessionChange} change
   */
  const follow = (state, change) => {
    // Only now it is known to be one's own: a link to somebody else's must not take the place of the last one.
    if (change.event && lastKept !== state.sessionId) {
      lastKept = state.sessionId;
      keep("session", lastKept);
    }
    const before = store.model();
    /** @type {Partial<import("./store.js").Model>} */
    const patch = { session: state, connection: session?.connection ?? DISCONNECTED };
    if (change.event) Object.assign(patch, afterEvent(before, change.event));
    if (change.signal) Object.assign(patch, afterSignal(before, change.signal));
    if (change.signal?.type === "notice") report(new ApiError(change.signal.error));
    store.set(patch);
    if (!change.connection) return;
    if (patch.connection?.reason === "gone" && isReplaceable && state.events === 0) void replace();
    if (before.connection.status === "waiting" && patch.connection?.status === "open") void refreshHealth();
  };

  const replace = async () => {
    isReplaceable = false;
    keep("session", null);
    await create({ replaceAddress: true });
  };

  /** @param {{replaceAddress: boolean}} options */
  const create = async ({ replaceAddress }) => {
    if (isBeginning) return;
    isBeginning = true;
    const shownId = session?.sessionId;
    try {
      const created = await client.createSession({ locale: store.model().ui.language });
      // Somebody went elsewhere meanwhile.
      if (session?.sessionId !== shownId) return;
      goToSession(created.session_id, { replace: replaceAddress });
      open(created.session_id);
    } catch (error) {
      if (!store.model().session) store.setUi({ boot: "failed" });
      if (!askForToken(store, error)) report(error);
    } finally {
      isBeginning = false;
    }
  };

  const refreshPlaybook = async () => {
    const sessionId = session?.state.sessionId;
    if (!sessionId) return;
    try {
      const playbook = await client.playbook(sessionId, { locale: store.model().ui.language });
      if (session?.state.sessionId === sessionId) store.set({ playbook });
    } catch (error) {
      // What else is wrong with the session its socket says; a refused token it cannot say.
      askForToken(store, error);
    }
  };

  const refreshHealth = async () => {
    try {
      store.set({ health: await client.health() });
    } catch {
      // The connection says that the server is away; what was known of its providers stands.
    }
  };

  onAddressChange((sessionId) => {
    if (!sessionId) return;
    isReplaceable = false;
    open(sessionId);
  });

  return {
    async boot() {
      const asked = sessionInAddress();
      const last = kept("session");
      isReplaceable = asked === null;
      if (asked ?? last) {
        goToSession(/** @type {string} */ (asked ?? last), { replace: true });
        open(/** @type {string} */ (asked ?? last));
      } else {
        await create({ replaceAddress: true });
      }
    },
    async begin() {
      const { session: shown } = store.model();
      const wasUsed = shown?.timeline.some((item) => item.kind !== "message" || item.role === "user") ?? true;
      if (wasUsed || store.model().connection.status === "closed") await create({ replaceAddress: false });
    },
    open(sessionId) {
      isReplaceable = false;
      goToSession(sessionId);
      open(sessionId);
    },
    loadAnew() {
      const sessionId = session?.state.sessionId;
      if (!sessionId) return;
      session?.close();
      session = null;
      open(sessionId);
    },
    async forget(sessionId) {
      if (kept("session") === sessionId) keep("session", null);
      if (session?.state.sessionId === sessionId) await create({ replaceAddress: true });
    },
    current: () => session,
    refreshHealth,
    refreshPlaybook,
  };
}

/**
 * Shows the form for the server's token if that is what an error asks for.
 *
 * @param {Store} store
 * @param {unknown} error
 * @returns {boolean}
 */
export function askForToken(store, error) {
  if (!(error instanceof ApiError) || !ASKS_FOR_TOKEN.has(error.code)) return false;
  store.setUi({ dialog: "credentials", tokenRefused: kept("token") !== null });
  return true;
}

/**
 * What the page remembers of an event beside the session's state.
 *
 * @param {import("./store.js").Model} model
 * @param {import("../client/src/state.js").SessionEvent} event
 * @returns {Partial<import("./store.js").Model>}
 */
function afterEvent(model, event) {
  switch (event.type) {
    case "turn.completed": {
      const { turn_id: turnId, outcome, latency } = event.data;
      return { turns: new Map(model.turns).set(turnId, { outcome, latency }) };
    }
    case "message.heard":
      return { playing: null };
    case "turn.started":
      return model.speechElsewhere ? { speechElsewhere: false } : {};
    case "message.added": {
      const { turn_id: turnId, role } = event.data;
      if (role !== "user" || !model.pending.length) return {};
      return { pending: model.pending.filter((pending) => pending.turnId !== turnId) };
    }
    default:
      return {};
  }
}

/**
 * @param {import("./store.js").Model} model
 * @param {import("../client/src/protocol.js").Signal} signal
 * @returns {Partial<import("./store.js").Model>}
 */
function afterSignal(model, signal) {
  if (model.call) {
    return signal.type === "audio.begin" ? { playing: { turnId: signal.turn_id ?? null, ms: 0 } } : {};
  }
  if (signal.type === "speech.started") return { speechElsewhere: true };
  if (signal.type === "speech.stopped" || signal.type === "speech.discarded")
    return { speechElsewhere: false };
  return {};
}
