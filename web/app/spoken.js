// The voice of the page for screen readers: listens to the store, and puts what is to be said where
// `view/announcer.js` draws it.

import { announcements, NOTHING_KNOWN } from "./announcements.js";

/**
 * @typedef {import("./announcements.js").Line} Line
 * @typedef {Line & {number: number}} NumberedLine  numbered from 1, for each urgency on its own
 */

/**
 * What happens within this time is said at once: a word a frame would be babble, and is cut off by the next.
 */
const GATHER_MS = 600;

/**
 * One place more than lines are kept: a line always comes into an empty place, so that the same words again
 * are a change, and are read again.
 */
export const PLACES = 4;

/**
 * @param {import("./store.js").Store} store
 * @param {(language: import("./store.js").Language) => import("./texts/translate.js").Translate} translatorOf
 * @param {(tell: () => void, delayMs: number) => unknown} [later]
 * @returns {() => void} ends it
 */
export function keepSpoken(store, translatorOf, later = setTimeout) {
  let known = NOTHING_KNOWN;
  let isGathering = false;
  let isOver = false;
  const tell = () => {
    isGathering = false;
    if (isOver) return;
    const model = store.model();
    const said = announcements(known, model, translatorOf(model.ui.language));
    known = said.known;
    if (said.lines.length > 0) store.setUi({ spoken: withLines(model.ui.spoken, said.lines) });
  };
  const unsubscribe = store.subscribe(() => {
    if (isGathering) return;
    isGathering = true;
    later(tell, GATHER_MS);
  });
  return () => {
    isOver = true;
    unsubscribe();
  };
}

/**
 * The last lines of either urgency, and the new ones.
 *
 * @param {readonly NumberedLine[]} spoken
 * @param {readonly Line[]} lines
 * @returns {NumberedLine[]}
 */
export function withLines(spoken, lines) {
  const all = [...spoken];
  for (const line of lines) {
    const before = all.findLast((other) => other.urgency === line.urgency)?.number ?? 0;
    all.push({ ...line, number: before + 1 });
  }
  return ["polite", "assertive"].flatMap((urgency) =>
    all.filter((line) => line.urgency === urgency).slice(1 - PLACES),
  );
}
