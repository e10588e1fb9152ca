// Real logs: the sessions that the server's own tests recorded, as its socket would tell them.

import { readFileSync, readdirSync } from "node:fs";

/**
 * @typedef {import("../../src/state.js").SessionEvent} SessionEvent
 * @typedef {import("../../src/fold.js").EventByType} EventByType
 * @typedef {import("../../src/fold.js").FixedType} FixedType
 * @typedef {{ [Type in FixedType]: EventByType[Type] } & Record<string, SessionEvent>} Examples
 */

const REPOSITORY = new URL("../../../../", import.meta.url);
const JOURNALS = new URL("session/tests/golden/0.1.0/", REPOSITORY);

/** One event of each type, by type. */
export const EXAMPLES = /** @type {Examples} */ (
  JSON.parse(readFileSync(new URL("protocol/tests/golden/events.json", REPOSITORY), "utf8"))
);

/** The names of all journals. */
export const JOURNAL_NAMES = readdirSync(JOURNALS)
  .filter((file) => file.endsWith(".jsonl"))
  .map((file) => file.slice(0, -".jsonl".length));

/**
 * @param {string} name
 * @returns {SessionEvent[]}
 */
export function journal(name) {
  const lines = readFileSync(new URL(`${name}.jsonl`, JOURNALS), "utf8").trim().split("\n");
  return lines.map((line) => {
    const { private: _, created_at, ...row } = JSON.parse(line);
    return { ...row, event_id: eventId(row.seq), created_at: new Date(created_at).toISOString() };
  });
}

/**
 * What the server's own fold makes of a journal.
 *
 * @param {string} name
 * @returns {any}
 */
export function serverState(name) {
  return JSON.parse(readFileSync(new URL(`${name}.snapshot.json`, JOURNALS), "utf8")).state;
}

/**
 * @param {number} seq
 * @returns {string}
 */
export function eventId(seq) {
  return `evt_${String(seq).padStart(5, "0")}`;
}
