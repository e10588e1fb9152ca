// Times as people read them on a stage clock: minutes and seconds, of one width while they count.

const SECONDS_PER_MINUTE = 60;
const SECONDS_PER_HOUR = 3600;
const MS_PER_SECOND = 1000;

/**
 * `0:07`, `12:40`. Nothing is shorter than no time at all.
 * @param {number} durationMs
 * @returns {string}
 */
export function clockText(durationMs) {
  const seconds = Math.max(0, Math.floor(durationMs / MS_PER_SECOND));
  const minutes = Math.floor(seconds / SECONDS_PER_MINUTE);
  return `${minutes}:${String(seconds % SECONDS_PER_MINUTE).padStart(2, "0")}`;
}

/**
 * From one ISO time to another, in milliseconds; 0 when either is missing or the clocks disagree.
 * @param {string | null | undefined} startedAt
 * @param {string | null | undefined} endedAt
 * @returns {number}
 */
export function elapsedMs(startedAt, endedAt) {
  const elapsed = Date.parse(endedAt ?? "") - Date.parse(startedAt ?? "");
  return Number.isFinite(elapsed) && elapsed > 0 ? elapsed : 0;
}

/**
 * What is left of a wait: `0:42`, `12:05`, `7:00:00`. Rounded up, so that nothing is due while a second
 * is shown.
 * @param {number} remainingMs
 * @returns {string}
 */
export function remainingText(remainingMs) {
  const secondsLeft = Math.max(0, Math.ceil(remainingMs / MS_PER_SECOND));
  const hours = Math.floor(secondsLeft / SECONDS_PER_HOUR);
  if (hours === 0) return clockText(secondsLeft * MS_PER_SECOND);
  const [minutes = "", seconds = ""] = clockText((secondsLeft % SECONDS_PER_HOUR) * MS_PER_SECOND).split(":");
  return `${hours}:${minutes.padStart(2, "0")}:${seconds}`;
}
