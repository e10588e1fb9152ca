// Time and chance as the client sees them, so that a test can hold both in its hands.

/**
 * @typedef {object} Clock
 * @property {() => number} now milliseconds since 1970, by the clock on the wall: it goes on while the
 *   machine sleeps
 * @property {(run: () => void, delayMs: number) => unknown} setTimer
 * @property {(timer: unknown) => void} clearTimer
 */

/** @type {Clock} */
export const systemClock = {
  now: () => Date.now(),
  setTimer: (run, delayMs) => setTimeout(run, delayMs),
  clearTimer: (timer) => clearTimeout(/** @type {ReturnType<typeof setTimeout> | undefined} */ (timer)),
};

/**
 * An id that nobody else makes. `crypto.randomUUID` is missing on pages without TLS, so it is not used.
 *
 * @returns {string}
 */
export function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
