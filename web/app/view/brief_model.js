// The brief as cards: which there are, in which groups, how each stands, and how an edit becomes a slot's
// value.

import { isBlank, listOf, textOf } from "./results/partial.js";

/** @typedef {import("./labels.js").Playbook} Playbook */
/** @typedef {import("./labels.js").SlotSpec} SlotSpec */
/** @typedef {import("../../client/src/state.js").Slot} Slot */

/**
 * `unsure`: there is a value, and it is below the playbook's confidence, or not yet what the gate asks for.
 * @typedef {"empty" | "filled" | "unsure"} CardState
 */
/** @typedef {{ path: string, spec: SlotSpec | undefined, slot: Slot | undefined, state: CardState }} Card */
/** @typedef {{ id: string, cards: Card[] }} CardGroup */
/**
 * What stands in an editor: a text, or the items of a list.
 * @typedef {string | string[]} Draft
 */

/**
 * The cards by the first segment of their paths, in the playbook's order; slots that it does not know
 * come last.
 * @param {Playbook | null | undefined} playbook
 * @param {{ [path: string]: Slot }} slots
 * @param {{ missing_required: string[], low_confidence: string[] } | null | undefined} gate
 * @returns {CardGroup[]}
 */
export function cardGroups(playbook, slots, gate) {
  const specs = new Map((playbook?.slots ?? []).map((spec) => [spec.path, spec]));
  const strangers = Object.keys(slots).filter((path) => !specs.has(path));
  /** @type {Map<string, Card[]>} */
  const groups = new Map();
  for (const path of [...specs.keys(), ...strangers]) {
    const spec = specs.get(path);
    const slot = slots[path];
    const card = { path, spec, slot, state: cardState(slot, path, playbook, gate) };
    const id = path.split(".")[0] ?? path;
    const group = groups.get(id);
    if (group) group.push(card);
    else groups.set(id, [card]);
  }
  return [...groups].map(([id, cards]) => ({ id, cards }));
}

/**
 * How many of the playbook's required slots have what the gate asks for.
 * @param {Playbook | null | undefined} playbook
 * @param {{ missing_required: string[] } | null | undefined} gate
 * @returns {{ filled: number, required: number }}
 */
export function requiredCount(playbook, gate) {
  const required = (playbook?.slots ?? []).filter((spec) => spec.required).length;
  return { filled: gate ? Math.max(0, required - gate.missing_required.length) : 0, required };
}

/**
 * @param {Slot | undefined} slot
 * @param {string} path
 * @param {Playbook | null | undefined} playbook
 * @param {{ missing_required: string[], low_confidence: string[] } | null | undefined} gate
 * @returns {CardState}
 */
function cardState(slot, path, playbook, gate) {
  if (!slot || isBlank(slot.value)) return "empty";
  const isTooFaint = slot.confidence < (playbook?.gate.min_confidence ?? 0);
  const isShort = gate?.missing_required.includes(path) ?? false;
  return isTooFaint || isShort || (gate?.low_confidence.includes(path) ?? false) ? "unsure" : "filled";
}

/**
 * A slot's value as an editor takes it.
 * @param {SlotSpec | undefined} spec
 * @param {unknown} value
 * @returns {Draft}
 */
export function draftOf(spec, value) {
  const isList = spec ? spec.kind === "text_list" : Array.isArray(value);
  if (isList) return listOf(value).map(textOf);
  return textOf(value);
}

/**
 * What is sent for a draft: items and texts trimmed, empty items left out, null when nothing is left.
 * @param {SlotSpec | undefined} spec
 * @param {Draft} draft
 * @returns {string | number | string[] | null}
 */
export function valueOfDraft(spec, draft) {
  if (Array.isArray(draft)) {
    const items = draft.map((item) => item.trim()).filter((item) => item !== "");
    return items.length > 0 ? items : null;
  }
  const text = draft.trim();
  if (text === "") return null;
  return spec?.kind === "number" && Number.isFinite(Number(text)) ? Number(text) : text;
}

/**
 * Whether two values of slots are the same.
 * @param {unknown} one
 * @param {unknown} other
 * @returns {boolean}
 */
export function isSameValue(one, other) {
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((item, index) => item === other[index]);
  }
  return (one ?? null) === (other ?? null);
}

/**
 * The user's message of a turn: where the words of a slot were said.
 * @template {{ kind: string }} Item
 * @param {readonly Item[]} timeline
 * @param {string} turnId
 * @returns {(Item & { kind: "message", key: string, text: string, modality: string, at: string }) |
 *   undefined}
 */
export function messageOfTurn(timeline, turnId) {
  for (const item of timeline) {
    const message = /** @type {any} */ (item);
    if (message.kind === "message" && message.role === "user" && message.turnId === turnId) return message;
  }
  return undefined;
}

/**
 * A message parted at the words that were quoted from it; null when they do not stand there letter by letter.
 * @param {string} text
 * @param {string} words
 * @returns {{ before: string, words: string, after: string } | null}
 */
export function quoteParts(text, words) {
  const start = words === "" ? -1 : text.toLowerCase().indexOf(words.toLowerCase());
  if (start < 0) return null;
  const end = start + words.length;
  return { before: text.slice(0, start), words: text.slice(start, end), after: text.slice(end) };
}
