// What the end of a socket means, and how long to wait before the next one.

/**
 * Why a connection is not open. `network`: it broke; `draining`: the server restarts; `overloaded`: it has no
 * room now; `slow`: we took nothing for too long; `gone`: there is no such session for this user; `refused`:
 * the server will not have us, see the error; `taken_over`: another end has it.
 *
 * @typedef {"network" | "draining" | "overloaded" | "slow"
 *   | "gone" | "refused" | "taken_over"} ConnectionReason
 */

/** @type {ReadonlyMap<number, { reason: ConnectionReason, isFinal: boolean }>} */
const CLOSE_CODES = new Map([
  [1007, { reason: "refused", isFinal: true }],
  [1008, { reason: "refused", isFinal: true }],
  [1009, { reason: "refused", isFinal: true }],
  [1012, { reason: "draining", isFinal: false }],
  [1013, { reason: "overloaded", isFinal: false }],
  [4004, { reason: "gone", isFinal: true }],
  [4008, { reason: "slow", isFinal: false }],
  [4009, { reason: "taken_over", isFinal: true }],
]);

/** Half of it on average for the first attempt: a lost packet costs a blink. */
const BACKOFF_BASE_MS = 500;
const BACKOFF_MAX_MS = 30_000;
const OVERLOADED_BASE_MS = 2_000;
const OVERLOADED_MAX_MS = 60_000;
/** More doublings than this lead beyond every maximum. */
const DOUBLINGS_MAX = 10;

/**
 * @param {number} code
 * @returns {{ reason: ConnectionReason, isFinal: boolean }} whether connecting again makes no sense; of a
 *   code that says nothing, that the network broke
 */
export function meaningOfClose(code) {
  return CLOSE_CODES.get(code) ?? { reason: "network", isFinal: false };
}

/**
 * How long to wait. With full jitter, so that clients that were cut off together do not come back together. A
 * server that is overloaded is asked later each time: there, only half of the delay is random.
 *
 * @param {ConnectionReason} reason
 * @param {number} failures in a row, 1 for the first
 * @param {() => number} random 0 to 1
 * @returns {number} milliseconds
 */
export function backoffMs(reason, failures, random) {
  const factor = 2 ** Math.min(failures - 1, DOUBLINGS_MAX);
  if (reason !== "overloaded") return random() * Math.min(BACKOFF_MAX_MS, BACKOFF_BASE_MS * factor);
  const half = Math.min(OVERLOADED_MAX_MS, OVERLOADED_BASE_MS * factor) / 2;
  return half + random() * half;
}
