// What was said on a socket, both ways: bounded, numbered, and told apart.

/** So many of the newest entries are kept. */
export const ENTRIES_MAX = 1_000;

/**
 * @typedef {"event" | "signal" | "sent" | "note"} EntryKind
 *
 * @typedef {object} Entry
 * @property {number} number     1, 2, 3, … as long as the page is open
 * @property {EntryKind} kind
 * @property {string} type       the message's type; of a note what happened
 * @property {number | null} seq
 * @property {number} atMs       since the epoch
 * @property {string} source     what went over the wire, or a sentence
 *
 * @typedef {object} Filter
 * @property {"all" | EntryKind} kind
 * @property {string} type       a part of it
 */

/**
 * @param {readonly Entry[]} entries
 * @param {Omit<Entry, "number">} entry
 * @returns {Entry[]} a new list
 */
export function withEntry(entries, entry) {
  const number = (entries.at(-1)?.number ?? 0) + 1;
  return [...entries.slice(-(ENTRIES_MAX - 1)), { number, ...entry }];
}

/**
 * @param {readonly Entry[]} entries
 * @param {Filter} filter
 * @returns {Entry[]}
 */
export function matching(entries, filter) {
  const wanted = filter.type.trim().toLowerCase();
  return entries.filter(
    ({ kind, type }) =>
      (filter.kind === "all" || kind === filter.kind) && type.toLowerCase().includes(wanted),
  );
}

/**
 * What a text frame is: an event has a number, a signal has none.
 * @param {unknown} message
 * @returns {{ kind: "event" | "signal", type: string, seq: number | null, eventId: string | null }}
 */
export function kindOf(message) {
  const fields =
    typeof message === "object" && message !== null ? /** @type {Record<string, unknown>} */ (message) : {};
  const type = typeof fields.type === "string" ? fields.type : "?";
  if (typeof fields.seq === "number" && typeof fields.event_id === "string") {
    return { kind: "event", type, seq: fields.seq, eventId: fields.event_id };
  }
  return { kind: "signal", type, seq: null, eventId: null };
}
