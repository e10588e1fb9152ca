// A session as a page sees it: a state that follows the server's log, the connection behind it, and what can
// be done.

import { connect } from "./connection.js";
import { clientError } from "./errors.js";
import { fold } from "./fold.js";
import { placeInLog } from "./log.js";
import { createOutbox } from "./outbox.js";
import { emptyState } from "./state.js";

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
 * @property {(options: CallOptions) => Promise<Call>} startCall a conversation by voice
 * @property {AudioTransport} audioTransport what `startCall` speaks through
 */

/**
 * @typedef {Pick<import("./connection.js").ConnectionOptions, "WebSocket" | "clock" | "random" | "network" |
 *   "diagnose"> & {
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
  /** @type {Listeners<[Signal]>} */
  const signals = createListeners(options.reportError);
  /** @type {Listeners<[SessionEvent]>} */
  const events = createListeners(options.reportError);
  /** @type {Listeners<[ArrayBuffer]>} */
  const sounds = createListeners(options.reportError);
  /** @type {Listeners<[]>} */
  const connects = createListeners(options.reportError);
  /** @type {Listeners<[]>} */
  const disconnects = createListeners(options.reportError);
  /** @type {Listeners<[]>} */
  const closes = createListeners(options.reportError);

  const outbox = createOutbox({
    send: (json) => connection?.send(json) ?? false,
    newId: options.newId,
    onChange: () => changes.tell(state, { pending: outbox.pending }),
  });

  /** @param {Signal} signal */
  function receiveSignal(signal) {
    if (signal.type === "replay.done") {
      if (state.replaying) state = { ...state, replaying: false };
      outbox.ready();
    }
    outbox.receive(signal);
    signals.tell(signal);
    changes.tell(state, { signal });
  }

  /** @param {SessionEvent} event */
  function receiveEvent(event) {
    const place = placeInLog(state.lastSeq, event);
    if (place === "next") {
      state = fold(state, event);
      events.tell(event);
      changes.tell(state, { event });
    }
    return place;
  }

  /** @param {ConnectionState} next */
  function receiveConnection(next) {
    connectionState = next;
    if (next.status === "closed") {
      outbox.close(next.error ?? clientError("CLIENT_CLOSED", "The connection to the session is closed."));
      closes.tell();
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
    onOpen: () => connects.tell(),
    onLost: () => {
      outbox.lost();
      disconnects.tell();
    },
    onEvent: receiveEvent,
    onSignal: receiveSignal,
    onBinary: (bytes) => sounds.tell(bytes),
    onStartAnew: () => {
      state = emptyState(sessionId);
    },
    onState: receiveConnection,
  });
  const opened = connection;

  /**
   * @param {Command} command
   * @param {() => boolean} [isStillMeant]
   */
  const submit = (command, isStillMeant) => {
    if (connectionState.status !== "closed") return outbox.submit(command, isStillMeant);
    return Promise.reject(clientError("CLIENT_CLOSED", "The connection to the session is closed."));
  };

  /** @type {AudioTransport} */
  const audioTransport = {
    get isOpen() {
      return opened.isOpen;
    },
    get bufferedBytes() {
      return opened.bufferedBytes;
    },
    send: (bytes) => opened.send(bytes),
    sendJson: (frame) => opened.send(JSON.stringify(frame)),
    onSignal: signals.add,
    onEvent: events.add,
    onBinary: sounds.add,
    onDisconnect: disconnects.add,
    onReconnect: connects.add,
    onClose: closes.add,
  };

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
    send: (text) => submit({ type: "user.message", text }),
    setSlot: (path, value) => submit({ type: "slot.set", path, value }),
    generate: ({ draft = false } = {}) => submit({ type: "run.generate", draft }),
    retryRun: () => submit({ type: "run.retry" }),
    // What ends something must not end what came in its place while it could not be sent.
    cancelRun: () => submit({ type: "run.cancel" }, unlessReplaced(() => state.runs.at(-1)?.runId)),
    cancelResponse: () => submit({ type: "response.cancel" }, unlessReplaced(() => state.turn?.turnId)),
    async startCall(callOptions) {
      // Pages that never talk never load it.
      const { startCall } = await import("./audio/call.js");
      return startCall(audioTransport, callOptions);
    },
  };
}

/**
 * @param {() => unknown} current
 * @returns {() => boolean} whether it is still what it is now
 */
function unlessReplaced(current) {
  const meant = current();
  return () => current() === meant;
}

/**
 * @template {unknown[]} Told
 * @typedef {object} Listeners
 * @property {(listener: (...told: Told) => void) => () => void} add gives back what removes it
 * @property {(...told: Told) => void} tell
 */

/**
 * @template {unknown[]} Told
 * @param {(error: unknown) => void} reportError told what a listener fails with
 * @returns {Listeners<Told>}
 */
function createListeners(reportError) {
  /** @type {Set<{ listener: (...told: Told) => void }>} */
  const entries = new Set();
  return {
    add(listener) {
      const entry = { listener };
      entries.add(entry);
      return () => void entries.delete(entry);
    },
    tell(...told) {
      for (const { listener } of entries) {
        try {
          listener(...told);
        } catch (error) {
          // It is the page's defect: neither the log nor the other listeners stop for it.
          reportError(error);
        }
      }
    },
  };
}
