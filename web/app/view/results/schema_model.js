// The fields of an output, in the order in which its schema names them, whether they have arrived or not.

import { isRecord, recordOf } from "./partial.js";

/**
 * The keys of an output: those that its schema names, then any others that have come.
 * @param {unknown} schema
 * @param {unknown} output
 * @returns {string[]}
 */
export function fieldsOf(schema, output) {
  const named = Object.keys(recordOf(recordOf(schema).properties));
  const others = Object.keys(recordOf(output)).filter((key) => !named.includes(key));
  return [...named, ...others];
}

/**
 * The schema of one field.
 * @param {unknown} schema
 * @param {string} key
 * @returns {unknown}
 */
export function fieldSchema(schema, key) {
  const properties = recordOf(recordOf(schema).properties);
  return Object.hasOwn(properties, key) ? properties[key] : undefined;
}

/**
 * The schema of a list's elements.
 * @param {unknown} schema
 * @returns {unknown}
 */
export function itemSchema(schema) {
  return recordOf(schema).items;
}

/**
 * Whether a value reads as one short line: it stands beside its label, not below it.
 * @param {unknown} value
 * @returns {boolean}
 */
export function isPlain(value) {
  return !Array.isArray(value) && !isRecord(value);
}

/**
 * Whether a list's elements are plain and short enough to stand as chips in a row.
 * @param {readonly unknown[]} items
 * @returns {boolean}
 */
export function areChips(items) {
  const charsMax = 28;
  return items.every((item) => isPlain(item) && String(item ?? "").length <= charsMax);
}
