// Commands on their way: each has an id, and is sent until the server has answered it, over however many
// sockets.
//
// The server does what has an id once, however often it comes. So a command that was sent when the socket
// broke is sent again on the next one, and its answer is the same.
//
// What is refused is refused, also for a reason that passes: whoever asked is told when it is worth asking
// again. There is one exception: `SYS_DRAINING` means that this very socket is about to be closed, so the
// command waits for the next.

import { ApiError, clientError } from "./errors.js";

/** Commands that may wait. More is not somebody who types while offline. */
const WAITING_MAX = 32;
/** Commands on the wire without an answer: as many turns as a socket may have waiting for the journal. */
const ON_THE_WIRE_MAX = 4;
/** The server refuses what is larger without reading whose it is, so nobody would ever be answered. */
const FRAME_BYTES_MAX = 65_536;

/** @type {import("./protocol.js").ErrorBody} as the server would say it */
const TOO_LARGE = {
  code: "INPUT_TOO_LARGE",
  message: "What was sent is too large. Please send something smaller.",
  details: `a text frame has at most ${FRAME_BYTES_MAX} bytes`,
  retryable: false,
};

/**
 * @typedef {import("./protocol.js").Signal} Signal
 * @typedef {import("./protocol.js").ClientFrame} ClientFrame
 */

/**
 * What makes events, and is worth being kept; it has no id yet.
 *
 * @typedef {Exclude<ClientFrame, { type: `audio.${string}` | "playback.ack" | "ping" }>} Command
 */

/**
 * @typedef {object} Accepted
 * @property {string | null} turn_id the turn that it began
 * @property {string | null} run_id the run that it began or acts upon
 * @property {number} seq the first event that it made, or the head of the log if it made none
 * @property {boolean} duplicate whether the server had taken it before
 */

/**
 * @typedef {object} PendingCommand
 * @property {string} id
 * @property {Command} command
 */

/**
 * @typedef {object} Entry
 * @property {Command & { id: string }} frame
 * @property {() => boolean} isStillMeant
 * @property {boolean} isOnTheWire
 * @property {(accepted: Accepted) => void} resolve
 * @property {(error: ApiError) => void} reject
 */

/**
 * @typedef {object} OutboxOptions
 * @property {(json: string) => boolean} send on the socket there is now; false if there is none
 * @property {() => string} newId
 * @property {() => void} onChange what waits is not the same any more
 */

/**
 * @param {OutboxOptions} options
 */
export function createOutbox({ send, newId, onChange }) {
  /** @type {Map<string, Entry>} */
  const entries = new Map();
  let isReady = false;
  /** @type {ReadonlyArray<PendingCommand>} */
  let pending = [];

  function changed() {
    pending = Array.from(entries.values(), ({ frame }) => ({ id: frame.id, command: frame }));
    onChange();
  }

  function pump() {
    let onTheWire = 0;
    for (const entry of [...entries.values()]) {
      // Whoever was told of another command may have had their way with this one, or with the socket.
      if (!isReady) return;
      if (!entries.has(entry.frame.id)) continue;
      if (!entry.isOnTheWire) {
        if (!entry.isStillMeant()) {
          const outdated = clientError("CLIENT_OUTDATED", "What this was meant for has ended.");
          settle(entry, () => entry.reject(outdated));
          continue;
        }
        if (onTheWire >= ON_THE_WIRE_MAX) return;
        entry.isOnTheWire = true;
        if (!send(JSON.stringify(entry.frame))) {
          entry.isOnTheWire = false;
          return;
        }
      }
      onTheWire += 1;
    }
  }

  /**
   * @param {Entry} entry
   * @param {() => void} answer
   */
  function settle(entry, answer) {
    entries.delete(entry.frame.id);
    answer();
    changed();
  }

  return {
    /** What has no answer yet, oldest first; replaced when it changes. */
    get pending() {
      return pending;
    },

    /**
     * @param {Command} command
     * @param {() => boolean} [isStillMeant] asked before it is sent, and sent again
     * @returns {Promise<Accepted>}
     */
    submit(command, isStillMeant = () => true) {
      return new Promise((resolve, reject) => {
        if (entries.size >= WAITING_MAX) {
          reject(clientError("CLIENT_QUEUE_FULL", "Too many commands wait to be sent.", { retryable: true }));
          return;
        }
        const id = newId();
        const frame = { ...command, id };
        if (new TextEncoder().encode(JSON.stringify(frame)).length > FRAME_BYTES_MAX) {
          reject(new ApiError(TOO_LARGE));
          return;
        }
        entries.set(id, { frame, isStillMeant, isOnTheWire: false, resolve, reject });
        changed();
        pump();
      });
    },

    /**
     * Takes the answers out of the signals.
     *
     * @param {Signal} signal
     */
    receive(signal) {
      if (signal.type === "accepted") {
        const entry = entries.get(signal.id);
        if (entry === undefined) return;
        const { turn_id = null, run_id = null, seq, duplicate } = signal;
        settle(entry, () => entry.resolve({ turn_id, run_id, seq, duplicate }));
        pump();
      } else if (signal.type === "rejected") {
        const entry = signal.id == null ? undefined : entries.get(signal.id);
        // Nothing more is taken on a socket that drains: what waits is for the next one.
        if (entry === undefined) return;
        if (signal.error.code === "SYS_DRAINING") {
          isReady = false;
          return;
        }
        settle(entry, () => entry.reject(new ApiError(signal.error)));
        pump();
      }
    },

    /** The server has told everything that was missed: what is meant now is known, and is sent. */
    ready() {
      isReady = true;
      pump();
    },

    /** The socket is gone, and what was on the wire with it. */
    lost() {
      isReady = false;
      for (const entry of entries.values()) entry.isOnTheWire = false;
    },

    /**
     * Nothing will be sent any more.
     *
     * @param {ApiError} error
     */
    close(error) {
      isReady = false;
      const left = [...entries.values()];
      entries.clear();
      for (const { reject } of left) reject(error);
      if (left.length > 0) changed();
    },
  };
}
