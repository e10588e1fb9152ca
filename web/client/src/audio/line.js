// Asks the server to listen and to speak on this socket, as often as it takes.

import { randomId } from "../clock.js";
import { ApiError } from "../errors.js";

const RETRY_AFTER_S = 2;

/**
 * @typedef {Extract<import("../protocol.js").ClientFrame, { type: "audio.start" }>} AudioStart
 * @typedef {ReturnType<typeof createLine>} Line
 */

/**
 * @param {import("./transport.js").AudioTransport} transport
 * @param {() => AudioStart} start what to ask for, as of now
 * @param {{ onTaken: () => void, onRefused: (error: ApiError) => void }} listener
 */
export function createLine(transport, start, { onTaken, onRefused }) {
  /** @type {string | null} */
  let askedId = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let retrying;

  const unsubscribe = transport.onSignal((signal) => {
    if (askedId === null || !("id" in signal) || signal.id !== askedId) return;
    if (signal.type === "accepted") {
      askedId = null;
      onTaken();
    } else if (signal.type === "rejected") {
      askedId = null;
      refused(new ApiError(signal.error));
    }
  });

  /** @param {ApiError} error */
  function refused(error) {
    if (error.retryable) retrying = setTimeout(take, 1000 * (error.retryAfter ?? RETRY_AFTER_S));
    onRefused(error);
  }

  /** What comes of it is told to the listener. Without a connection nothing does. */
  function take() {
    leave();
    askedId = randomId();
    transport.sendJson({ ...start(), id: askedId });
  }

  /** Nothing comes of what was asked for before. */
  function leave() {
    clearTimeout(retrying);
    askedId = null;
  }

  /** The server listens no more, and speaks no more. */
  function giveBack() {
    leave();
    // `audio.stop` alone ends the listening only.
    const { output: _, ...silent } = start();
    transport.sendJson(silent);
    transport.sendJson({ type: "audio.stop" });
  }

  function close() {
    leave();
    unsubscribe();
  }

  return {
    take, leave, giveBack, close,
    /** Whether an answer is waited for. */
    get isAsked() { return askedId !== null; },
  };
}
