// Where an event belongs in the log that is known so far.

/** @typedef {import("./state.js").SessionEvent} SessionEvent */

/**
 * Events are numbered 1, 2, 3, … without a gap. So the next one is applied, one that was had is dropped, and
 * one that leaves a gap is never applied: it comes again, in order, when the connection is taken up after the
 * last event.
 *
 * @param {number} lastSeq the number of the last event that was applied, 0 for none
 * @param {SessionEvent} event
 * @returns {"next" | "duplicate" | "gap"}
 */
export function placeInLog(lastSeq, event) {
  if (event.seq === lastSeq + 1) return "next";
  return event.seq <= lastSeq ? "duplicate" : "gap";
}

/**
 * Tells events from signals: these have no number. A type that nobody knows is an event too, if it is
 * numbered.
 *
 * @param {object} frame
 * @returns {frame is SessionEvent}
 */
export function isEvent(frame) {
  return "event_id" in frame && "seq" in frame && typeof frame.seq === "number";
}
