// Reads an output that is still growing: any part may be absent, half there, or of another kind than its
// schema says. Whatever stands there, these functions answer, so that a view draws what has arrived and never
// fails on what has not.

/** @typedef {{ [key: string]: unknown }} JsonRecord */

/** @type {readonly unknown[]} */
const NO_ITEMS = Object.freeze([]);
/** @type {Readonly<JsonRecord>} */
const NO_FIELDS = Object.freeze({});

/**
 * A value as text: numbers and booleans are written out, containers and nothing are empty.
 * @param {unknown} value
 * @returns {string}
 */
export function textOf(value) {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return "";
}

/**
 * A value as a list; anything that is none is an empty one.
 * @param {unknown} value
 * @returns {readonly unknown[]}
 */
export function listOf(value) {
  return Array.isArray(value) ? value : NO_ITEMS;
}

/**
 * A value as an object; anything that is none has no fields.
 * @param {unknown} value
 * @returns {Readonly<JsonRecord>}
 */
export function recordOf(value) {
  return isRecord(value) ? value : NO_FIELDS;
}

/**
 * @param {unknown} value
 * @returns {value is JsonRecord}
 */
export function isRecord(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * A finite number, or null.
 * @param {unknown} value
 * @returns {number | null}
 */
export function numberOf(value) {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

/**
 * The texts of a list that are there already.
 * @param {unknown} value
 * @returns {string[]}
 */
export function textsOf(value) {
  return listOf(value).map(textOf).filter((text) => text !== "");
}

/**
 * Whether nothing can be seen of a value yet: no text, no number, no member that has any.
 * @param {unknown} value
 * @returns {boolean}
 */
export function isBlank(value) {
  if (value === null || value === undefined || value === "") return true;
  if (Array.isArray(value)) return value.every(isBlank);
  if (isRecord(value)) return Object.values(value).every(isBlank);
  return false;
}
