// A session as a page sees it: a state that follows the server's log, the connection behind it, and what can
// be done.

import { createCalls } from "./calls.js";
import { connect } from "./connection.js";
import { clientError } from "./errors.js";
import { fold } from "./fold.js";
import { createListeners } from "./listeners.js";
import { placeInLog } from "./log.js";
import { createOutbox } from "./outbox.js";
import { emptyState } from "./state.js";

/**
 * @template {unknown[]} Told
 * @typedef {import("./listeners.js").Listeners<Told>} Listeners
 */

/**
 * @typedef {import("./protocol.js").Signal} Signal
 * @typedef {import("./state.js").SessionState} SessionState
 * @typedef {import("./state.js").SessionEvent} SessionEvent
 * @typedef {import("./connection.js").ConnectionState} ConnectionState
 * @typedef {import("./outbox.js").Accepted} Accepted
 * @typedef {import("./outbox.js").Command} Command
 * @typedef {import("./outbox.js").PendingCommand} PendingCommand
 * @typedef {import("./audio/transport.js").AudioTransport} AudioTransport
 * @typedef {import("./audio/transport.js").CallOptions} CallOptions
 * @typedef {import("./audio/transport.js").Call} Call
 */

/**
 * What happened, one thing at a time.
 *
 * @typedef {object} SessionChange
 * @property {SessionEvent} [event] it was applied
 * @property {Signal} [signal]
 * @property {ConnectionState} [connection]
 * @property {ReadonlyArray<PendingCommand>} [pending] the commands that the server has not answered yet
 */

/** @typedef {(state: SessionState, change: SessionChange) => void} SessionListener */

/**
 * A session that is open. It stays so, over as many connections as it takes, until `close`.
 *
 * @typedef {object} GreenroomSession
 * @property {string} sessionId
 * @property {SessionState} state immutable; replaced by every event
 * @property {ConnectionState} connection immutable; replaced by every change
 * @property {ReadonlyArray<PendingCommand>} pending commands that the server has not answered yet, oldest
 *   first
 * @property {(listener: SessionListener) => () => void} subscribe called once for each thing that happens;
 *   gives back what ends it
 * @property {() => void} retryNow connects at once; also after the connection was refused
 * @property {() => void} close ends the connection, and the call with it. The session itself goes on
 * @property {(text: string) => Promise<Accepted>} send a turn; it ends the one under way
 * @property {(path: string, value: unknown) => Promise<Accepted>} setSlot the user's own edit; null clears
 * @property {(options?: { draft?: boolean }) => Promise<Accepted>} generate starts a run; a draft waives the
 *   gate
 * @property {() => Promise<Accepted>} cancelRun
 * @property {() => Promise<Accepted>} retryRun takes a failed run up again from the stage that failed
 * @property {() => Promise<Accepted>} cancelResponse ends the reply under way
 * @property {(options: CallOptions) => Promise<Call>} startCall a conversation by voice; ends the one before
 * @property {AudioTransport} audioTransport what `startCall` speaks through
 */

/** @typedef {"WebSocket" | "clock" | "random" | "network" | "diagnose"} ConnectionPort */

/**
 * @typedef {Pick<import("./connection.js").ConnectionOptions, ConnectionPort> & {
 *   sessionId: string,
 *   address: (lastEventId: string) => { url: string, protocols: string[] },
 *   newId: () => string,
 *   reportError: (error: unknown) => void,
 * }} SessionOptions
 */

/**
 * @param {SessionOptions} options
 * @returns {GreenroomSession}
 */
export function openSession(options) {
  const { sessionId } = options;
  let state = emptyState(sessionId);
  /** @type {ConnectionState} */
  let connectionState = { status: "connecting", attempt: 0 };
  /** @type {import("./connection.js").Connection | null} */
  let connection = null;

  /** @type {Listeners<[SessionState, SessionChange]>} */
  const changes = createListeners(options.reportError);
  const heard = voiceListeners(options.reportError);
  const audioTransport = audioTransportOf(heard, () => connection, () => connectionState.status === "closed");
  const calls = createCalls(audioTransport);
  const outbox = createOutbox({
    send: (json) => connection?.send(json) ?? false,
    newId: options.newId,
    onChange: () => changes.tell(state, { pending: outbox.pending }),
  });

  /** @param {Signal} signal */
  function receiveSignal(signal) {
    if (signal.type === "replay.done") {
      // Now that all is there, and the line is good.
      if (state.replaying && isSounding()) calls.prepare();
      if (state.replaying) state = { ...state, replaying: false };
      outbox.ready();
    }
    outbox.receive(signal);
    heard.signals.tell(signal);
    changes.tell(state, { signal });
  }

  /** @param {SessionEvent} event */
  function receiveEvent(event) {
    const place = placeInLog(state.lastSeq, event);
    if (place === "next") {
      state = fold(state, event);
      heard.events.tell(event);
      changes.tell(state, { event });
    }
    return place;
  }

  /** @param {ConnectionState} next */
  function receiveConnection(next) {
    connectionState = next;
    if (next.status === "closed") {
      outbox.close(next.error ?? closedError());
      heard.closes.tell();
    }
    changes.tell(state, { connection: next });
  }

  connection = connect({
    WebSocket: options.WebSocket,
    clock: options.clock,
    random: options.random,
    network: options.network,
    diagnose: options.diagnose,
    address: () => options.address(state.lastEventId),
    onOpen: () => heard.connects.tell(),
    onLost: () => {
      outbox.lost();
      heard.disconnects.tell();
    },
    onEvent: receiveEvent,
    onSignal: receiveSignal,
    onBinary: (bytes) => heard.sounds.tell(bytes),
    onStartAnew: () => {
      state = emptyState(sessionId);
    },
    onState: receiveConnection,
  });
  const opened = connection;

  return {
    sessionId,
    audioTransport,
    get state() {
      return state;
    },
    get connection() {
      return connectionState;
    },
    get pending() {
      return outbox.pending;
    },
    subscribe: changes.add,
    retryNow: () => opened.retryNow(),
    close: () => opened.close(),
    startCall: calls.start,
    ...commandsOf(() => state, (command, isStillMeant) => {
      if (audioTransport.isClosed) return Promise.reject(closedError());
      return outbox.submit(command, isStillMeant);
    }),
  };
}

/**
 * What can be done in a session.
 *
 * @param {() => SessionState} state
 * @param {(command: Command, isStillMeant?: () => boolean) => Promise<Accepted>} submit
 */
function commandsOf(state, submit) {
  return /** @satisfies {Partial<GreenroomSession>} */ ({
    send: (/** @type {string} */ text) => submit({ type: "user.message", text }),
    setSlot: (/** @type {string} */ path, /** @type {unknown} */ value) => (
      submit({ type: "slot.set", path, value })),
    generate: ({ draft = false } = {}) => submit({ type: "run.generate", draft }),
    retryRun: () => submit({ type: "run.retry" }),
    // What ends something must not end what came in its place while it could not be sent.
    cancelRun: () => submit({ type: "run.cancel" }, unlessReplaced(() => state().runs.at(-1)?.runId)),
    cancelResponse: () => submit({ type: "response.cancel" }, unlessReplaced(() => state().turn?.turnId)),
  });
}

/**
 * Who listens to what live voice is told.
 *
 * @param {(error: unknown) => void} reportError
 */
function voiceListeners(reportError) {
  return {
    /** @type {Listeners<[Signal]>} */
    signals: createListeners(reportError),
    /** @type {Listeners<[SessionEvent]>} */
    events: createListeners(reportError),
    /** @type {Listeners<[ArrayBuffer]>} */
    sounds: createListeners(reportError),
    /** @type {Listeners<[]>} */
    connects: createListeners(reportError),
    /** @type {Listeners<[]>} */
    disconnects: createListeners(reportError),
    /** @type {Listeners<[]>} */
    closes: createListeners(reportError),
  };
}

/**
 * @param {ReturnType<typeof voiceListeners>} heard
 * @param {() => import("./connection.js").Connection | null} connection null while it is being made
 * @param {() => boolean} isClosed
 * @returns {AudioTransport}
 */
function audioTransportOf(heard, connection, isClosed) {
  return {
    get isOpen() {
      return connection()?.isOpen ?? false;
    },
    get isClosed() {
      return isClosed();
    },
    get bufferedBytes() {
      return connection()?.bufferedBytes ?? 0;
    },
    send: (bytes) => connection()?.send(bytes) ?? false,
    sendJson: (frame) => connection()?.send(JSON.stringify(frame)) ?? false,
    onSignal: heard.signals.add,
    onEvent: heard.events.add,
    onBinary: heard.sounds.add,
    onDisconnect: heard.disconnects.add,
    onReconnect: heard.connects.add,
    onClose: heard.closes.add,
  };
}

/** Whether this is a page that can be heard at all. */
function isSounding() {
  return typeof globalThis.AudioContext === "function";
}

function closedError() {
  return clientError("CLIENT_CLOSED", "The connection to the session is closed.");
}

/**
 * @param {() => unknown} current
 * @returns {() => boolean} whether it is still what it is now
 */
function unlessReplaced(current) {
  const meant = current();
  return () => current() === meant;
}
