// The life of a session's socket: it is opened, watched, and opened again after the last event that was had.
//
// One socket is listened to at a time. Whatever ends it (a close code, silence, a gap in the events, the
// machine's sleep) leads to `lose` or `giveUp`; what comes from it afterwards is heard by nobody.

import { backoffMs, meaningOfClose } from "./close_codes.js";
import { ApiError, clientError } from "./errors.js";
import { openLine } from "./line.js";
import { isEvent } from "./log.js";

/** How often the socket and the clock are looked at. */
const CHECK_EVERY_MS = 5_000;
/**
 * If a check comes later than this, the machine slept. Background pages are checked once a minute, which
 * looks like sleep and costs them a ping.
 */
const SLEPT_AFTER_MS = 15_000;
/** The server pings every 20 s, which pages cannot see; so a silence of this length is asked about. */
const PING_AFTER_MS = 15_000;
/** Whoever does not answer for so long is gone. */
const PONG_WITHIN_MS = 10_000;
/** The same after a wake-up, when it is likely. */
const PROBE_WITHIN_MS = 4_000;
/** A connection that lived so long was a good one, even if nothing happened on it. */
const PROVEN_AFTER_MS = 5_000;
/** However often the browser tells of a change of the network, it is not tried more often. */
const WAKE_SPACING_MS = 1_000;

/**
 * @typedef {import("./protocol.js").Signal} Signal
 * @typedef {import("./protocol.js").ErrorBody} ErrorBody
 * @typedef {import("./state.js").SessionEvent} SessionEvent
 * @typedef {import("./close_codes.js").ConnectionReason} ConnectionReason
 */

/**
 * How the connection stands.
 *
 * @typedef {object} ConnectionState
 * @property {"connecting" | "open" | "waiting" | "offline" | "closed"} status `offline`: as `waiting`, and
 *   the browser says that there is no network
 * @property {number} attempt how many attempts in a row failed
 * @property {number} [retryAt] when the next one is made, in milliseconds since 1970
 * @property {ConnectionReason} [reason] why it is not open; `draining` of an open one: the server will close
 *   it soon
 * @property {ApiError} [error] what the server said of it
 */

/**
 * What the server says when a socket could not even be opened: browsers do not tell.
 *
 * @typedef {{ isFinal: boolean, reason: ConnectionReason, error: ApiError }} Diagnosis
 */

/**
 * @typedef {object} ConnectionOptions
 * @property {() => { url: string, protocols: string[] }} address where the next socket goes: the last event
 *   id is in it
 * @property {typeof globalThis.WebSocket} WebSocket
 * @property {import("./clock.js").Clock} clock
 * @property {() => number} random
 * @property {import("./network.js").Network} network
 * @property {() => Promise<Diagnosis | null>} diagnose asks why a socket did not open
 * @property {() => void} onOpen the server has answered on a new socket
 * @property {() => void} onLost that socket is gone
 * @property {(event: SessionEvent) => "next" | "duplicate" | "gap"} onEvent after a gap, what is missing is
 *   asked for again
 * @property {(signal: Signal) => void} onSignal
 * @property {(bytes: ArrayBuffer) => void} onBinary
 * @property {() => void} onStartAnew the server knows less than we do: forget everything
 * @property {(state: ConnectionState) => void} onState
 */

/**
 * @typedef {object} Connection
 * @property {ConnectionState} state
 * @property {boolean} isOpen
 * @property {number} bufferedBytes
 * @property {(frame: string | ArrayBuffer | ArrayBufferView<ArrayBuffer>) => boolean} send false if it is not
 *   open
 * @property {() => void} retryNow connects at once, also if it was refused for good before
 * @property {() => void} close for ever
 */

/**
 * The socket that is listened to, and what the server said on it.
 *
 * @typedef {object} Link
 * @property {import("./line.js").Line} line
 * @property {boolean} isUp the server has answered with what it tells to those alone that it lets in
 * @property {boolean} hasAdvanced an event came that was not had before
 * @property {number | null} reconnectAfterMs what the server asked for when it began to drain
 * @property {ErrorBody | null} notice the last one: it tells why a close follows
 */

/**
 * @param {ConnectionOptions} options
 * @returns {Connection}
 */
export function connect(options) {
  const { clock, network } = options;
  /** @type {ConnectionState} */
  let state = { status: "connecting", attempt: 0 };
  /** @type {Link | null} */
  let link = null;
  let failures = 0;
  let triedAt = 0;
  let hasStartedAnew = false;
  let isClosed = false;
  /** @type {unknown} */
  let retryTimer;
  /** @type {unknown} */
  let checkTimer;
  let checkedAt = 0;

  /** @param {ConnectionState} next */
  function publish(next) {
    state = next;
    options.onState(state);
  }

  function open() {
    if (isClosed) return;
    clock.clearTimer(retryTimer);
    if (checkTimer === undefined) check();
    triedAt = clock.now();
    const { reason, error } = state;
    publish({
      status: network.isOnline() ? "connecting" : "offline",
      attempt: failures,
      ...(reason === undefined ? {} : { reason }),
      ...(error === undefined ? {} : { error }),
    });
    // Whoever was told may have closed it.
    if (isClosed) return;
    try {
      const line = openLine({
        WebSocket: options.WebSocket,
        clock,
        address: options.address(),
        onFrame: (data) => receive(opened, data),
        onEnd: (code) => ended(opened, code),
      });
      /** @type {Link} */
      const opened = { line, isUp: false, hasAdvanced: false, reconnectAfterMs: null, notice: null };
      link = opened;
    } catch (cause) {
      const what = "The address, the token or the user key cannot be sent.";
      giveUp("refused", clientError("CLIENT_CREDENTIALS", what, { cause }));
    }
  }

  /**
   * @param {Link} from
   * @param {unknown} data
   */
  function receive(from, data) {
    if (data instanceof ArrayBuffer) {
      options.onBinary(data);
      return;
    }
    const frame = parsed(data);
    if (frame === null) {
      lose("network");
    } else if (isEvent(frame)) {
      receiveEvent(from, frame);
    } else {
      receiveSignal(from, /** @type {Signal} */ (frame));
    }
  }

  /**
   * @param {Link} from
   * @param {SessionEvent} event
   */
  function receiveEvent(from, event) {
    up(from);
    // Whoever was told may have closed it.
    if (from !== link) return;
    const place = options.onEvent(event);
    if (place === "next") from.hasAdvanced = true;
    else if (place === "gap" && from === link) lose("network");
  }

  /**
   * @param {Link} from
   * @param {Signal} signal
   */
  function receiveSignal(from, signal) {
    switch (signal.type) {
      case "replay.done":
        up(from);
        break;
      case "notice":
        from.notice = signal.error;
        break;
      case "server.draining":
        from.reconnectAfterMs = signal.reconnect_after_ms;
        if (from.isUp) publish({ status: "open", attempt: 0, reason: "draining" });
        break;
    }
    if (from === link) options.onSignal(signal);
  }

  /** @param {Link} from */
  function up(from) {
    if (from.isUp) return;
    from.isUp = true;
    hasStartedAnew = false;
    const isDraining = from.reconnectAfterMs !== null;
    publish({ status: "open", attempt: 0, ...(isDraining ? { reason: "draining" } : {}) });
    options.onOpen();
  }

  /**
   * @param {Link} from
   * @param {number} code
   */
  function ended(from, code) {
    const { reason, isFinal } = meaningOfClose(code);
    const error = from.notice === null ? undefined : new ApiError(from.notice);
    if (error?.code === "SESSION_EVENT_AHEAD" && isFinal && !hasStartedAnew) {
      hasStartedAnew = true;
      letGo();
      options.onStartAnew();
      open();
    } else if (isFinal) {
      giveUp(reason, error);
    } else {
      // Only what was said as the last thing before a refusal tells why; later on a notice is about something
      // else.
      lose(reason, from.isUp ? undefined : error);
    }
  }

  /**
   * Gives the socket up and waits for the next attempt.
   *
   * @param {ConnectionReason} reason
   * @param {ApiError} [error]
   */
  function lose(reason, error) {
    const lost = letGo();
    if (lost === null || isClosed) return;
    const { openedAt } = lost.line;
    const wasGood = lost.hasAdvanced || (lost.isUp && clock.now() - (openedAt ?? 0) >= PROVEN_AFTER_MS);
    failures = wasGood ? 1 : failures + 1;
    if (lost.reconnectAfterMs !== null) wait("draining", lost.reconnectAfterMs, error);
    else wait(reason, retryDelayMs(reason, error), error);
    if (openedAt === null) void learnWhy(triedAt);
  }

  /**
   * @param {ConnectionReason} reason
   * @param {ApiError} [error]
   */
  function retryDelayMs(reason, error) {
    const delayMs = backoffMs(reason, failures, options.random);
    return Math.max(delayMs, (error?.retryAfter ?? 0) * 1_000);
  }

  /**
   * @param {ConnectionReason} reason
   * @param {number} delayMs
   * @param {ApiError} [error]
   */
  function wait(reason, delayMs, error) {
    clock.clearTimer(retryTimer);
    retryTimer = clock.setTimer(open, delayMs);
    publish({
      status: network.isOnline() ? "waiting" : "offline",
      attempt: failures,
      retryAt: clock.now() + delayMs,
      reason,
      ...(error === undefined ? {} : { error }),
    });
  }

  /**
   * Browsers do not say why a socket did not open; a request does.
   *
   * @param {number} ofAttempt when it was made
   */
  async function learnWhy(ofAttempt) {
    const diagnosis = await options.diagnose();
    if (diagnosis === null || isClosed || ofAttempt !== triedAt || link !== null) return;
    if (diagnosis.isFinal) giveUp(diagnosis.reason, diagnosis.error);
    else wait(diagnosis.reason, retryDelayMs(diagnosis.reason, diagnosis.error), diagnosis.error);
  }

  /**
   * Tries no more until somebody asks for it.
   *
   * @param {ConnectionReason} reason
   * @param {ApiError} [error]
   */
  function giveUp(reason, error) {
    letGo();
    stopTimers();
    publish({ status: "closed", attempt: failures, reason, ...(error === undefined ? {} : { error }) });
  }

  /** @returns {Link | null} the one that was let go, if there was one */
  function letGo() {
    const left = link;
    if (left === null) return null;
    link = null;
    left.line.drop();
    if (left.isUp) options.onLost();
    return left;
  }

  function stopTimers() {
    clock.clearTimer(retryTimer);
    clock.clearTimer(checkTimer);
    checkTimer = undefined;
  }

  /** Looks at the clock and at the socket, every few seconds. */
  function check() {
    const now = clock.now();
    const hasSlept = checkTimer !== undefined && now - checkedAt > SLEPT_AFTER_MS;
    checkedAt = now;
    checkTimer = clock.setTimer(check, CHECK_EVERY_MS);
    if (hasSlept) wake();
    else if (link !== null && link.line.silentMs >= PING_AFTER_MS) link.line.ping(PONG_WITHIN_MS);
  }

  /** The connection may have died unnoticed, or may work again. */
  function wake() {
    if (link !== null) {
      link.line.ping(PROBE_WITHIN_MS);
      return;
    }
    const now = clock.now();
    const isWaiting = state.retryAt !== undefined;
    // A server that said when to come back meant it.
    const isTold = state.reason === "draining" || state.reason === "overloaded";
    const isAsked = isTold && now < (state.retryAt ?? 0);
    if (!isWaiting || isAsked || now - triedAt < WAKE_SPACING_MS) return;
    failures = 0;
    open();
  }

  const stopWaking = network.onWake(wake);
  open();

  return {
    get state() {
      return state;
    },
    get isOpen() {
      return link?.isUp ?? false;
    },
    get bufferedBytes() {
      return link?.line.bufferedBytes ?? 0;
    },
    send(frame) {
      if (!link?.isUp) return false;
      link.line.send(frame);
      return true;
    },
    retryNow() {
      if (!isClosed && link === null) open();
    },
    close() {
      if (isClosed) return;
      isClosed = true;
      stopWaking();
      stopTimers();
      letGo();
      publish({ status: "closed", attempt: 0 });
    },
  };
}

/**
 * @param {unknown} data
 * @returns {object | null}
 */
function parsed(data) {
  if (typeof data !== "string") return null;
  try {
    const frame = JSON.parse(data);
    return typeof frame === "object" && frame !== null ? frame : null;
  } catch {
    return null;
  }
}
