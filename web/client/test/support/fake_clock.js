// A clock that moves only when a test says so.

/** Rounds of promises that follow from one timer; more means that something waits in a circle. */
const MICROTASK_ROUNDS = 20;

/**
 * @returns {import("../../src/clock.js").Clock & {
 *   advance(ms: number): Promise<void>, sleep(ms: number): void, stall(ms: number): void, timers(): number }}
 */
export function createFakeClock() {
  // Whole seconds, so that a failed test reads well.
  let nowMs = 1_771_500_000_000;
  let made = 0;
  /** @type {Map<number, { dueAt: number, run: () => void }>} */
  const timers = new Map();

  /** @param {number} untilMs */
  const nextDue = (untilMs) => Array.from(timers)
    .filter(([, { dueAt }]) => dueAt <= untilMs)
    .sort(([a, first], [b, second]) => first.dueAt - second.dueAt || a - b)[0];

  return {
    now: () => nowMs,
    setTimer(run, delayMs) {
      made += 1;
      timers.set(made, { dueAt: nowMs + Math.max(0, delayMs), run });
      return made;
    },
    clearTimer: (timer) => void timers.delete(/** @type {number} */ (timer)),
    timers: () => timers.size,

    /** Time passes, and everything that is due happens when it is due. */
    async advance(ms) {
      const untilMs = nowMs + ms;
      await settle();
      for (let due = nextDue(untilMs); due !== undefined; due = nextDue(untilMs)) {
        const [timer, { dueAt, run }] = due;
        timers.delete(timer);
        nowMs = Math.max(nowMs, dueAt);
        run();
        await settle();
      }
      nowMs = untilMs;
    },

    /** The machine sleeps: the clock on the wall goes on, and no timer does. */
    sleep(ms) {
      nowMs += ms;
      for (const timer of timers.values()) timer.dueAt += ms;
    },

    /** The page is held up: time goes on, and what is due meanwhile happens late, with the next `advance`. */
    stall(ms) {
      nowMs += ms;
    },
  };
}

/** Lets everything happen that waits for nothing but promises. */
export async function settle() {
  for (let round = 0; round < MICROTASK_ROUNDS; round += 1) await Promise.resolve();
}
