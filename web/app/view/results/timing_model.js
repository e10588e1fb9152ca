// The script's own clock: which part (hook, benefit, call to action) and which subtitle stands when, on a
// scale from 0 to 1. Speech takes its own time, so a position in the recording is brought onto this scale by
// its share of the whole.

import { listOf, numberOf, recordOf, textOf } from "./partial.js";

/** @typedef {{ key: string, part: string, startSeconds: number, endSeconds: number }} TimedPart */
/** @typedef {{ key: string, text: string, startSeconds: number, endSeconds: number }} TimedLine */
/** @typedef {{ totalSeconds: number, parts: TimedPart[], lines: TimedLine[] }} Timing */

/**
 * @param {unknown} timingMap
 * @param {unknown} subtitleLines
 * @returns {Timing}
 */
export function timingOf(timingMap, subtitleLines) {
  const parts = spansOf(timingMap).map(({ key, fields, startSeconds, endSeconds }) => ({
    key,
    part: textOf(fields.part),
    startSeconds,
    endSeconds,
  }));
  const lines = spansOf(subtitleLines).map(({ key, fields, startSeconds, endSeconds }) => ({
    key,
    text: textOf(fields.text),
    startSeconds,
    endSeconds,
  }));
  const totalSeconds = [...parts, ...lines].reduce((latest, span) => Math.max(latest, span.endSeconds), 0);
  return { totalSeconds, parts, lines };
}

/**
 * Where a time stands on the scale, 0 to 1.
 * @param {Timing} timing
 * @param {number} seconds
 */
export function shareOf(timing, seconds) {
  if (timing.totalSeconds <= 0) return 0;
  return Math.min(1, Math.max(0, seconds / timing.totalSeconds));
}

/**
 * The span that holds a share of the scale; its end belongs to the next one. Null between spans.
 * @template {{ startSeconds: number, endSeconds: number }} Span
 * @param {Timing} timing
 * @param {readonly Span[]} spans
 * @param {number} share
 * @returns {Span | null}
 */
export function spanAt(timing, spans, share) {
  const seconds = share * timing.totalSeconds;
  return spans.find((span) => span.startSeconds <= seconds && seconds < span.endSeconds) ?? null;
}

/**
 * @param {unknown} spans
 * @returns {{ key: string, fields: Readonly<import("./partial.js").JsonRecord>,
 *   startSeconds: number, endSeconds: number }[]}
 */
function spansOf(spans) {
  return listOf(spans).flatMap((item, index) => {
    const fields = recordOf(item);
    const startSeconds = numberOf(fields.start);
    const endSeconds = numberOf(fields.end);
    if (startSeconds === null || endSeconds === null) return [];
    if (startSeconds < 0 || endSeconds <= startSeconds) return [];
    return [{ key: `${index}`, fields, startSeconds, endSeconds }];
  });
}
