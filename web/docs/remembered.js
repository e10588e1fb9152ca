// Ids out of answers, offered wherever a request wants one: what was just made is what one tries next.

import { keep, kept } from "../app/kept.js";

const NAMES = /** @type {const} */ (["session_id", "run_id", "job_id", "asset_id", "name"]);

/** @typedef {typeof NAMES[number]} RememberedName */

/** @type {Set<() => void>} */
const listeners = new Set();

/**
 * The newest id of a kind; of sessions at first the one that the web client shows.
 * @param {string} name
 * @returns {string | null}
 */
export function remembered(name) {
  const found = NAMES.find((known) => known === name);
  if (!found) return null;
  return kept(`docs.${found}`) ?? (found === "session_id" ? kept("session") : null);
}

/**
 * @param {RememberedName} name
 * @param {string} id
 */
export function remember(name, id) {
  if (remembered(name) === id) return;
  keep(`docs.${name}`, id);
  for (const listener of listeners) listener();
}

/**
 * Remembers what an answer or an event names.
 * @param {unknown} document
 */
export function rememberIdsOf(document) {
  for (const [name, id] of idsOf(document)) remember(name, id);
}

/**
 * @param {() => void} listener  called when something new is remembered
 */
export function onRemembered(listener) {
  listeners.add(listener);
}

/**
 * The ids in a document: its own fields, and those of an event's data.
 * @param {unknown} document
 * @returns {[RememberedName, string][]}
 */
export function idsOf(document) {
  if (typeof document !== "object" || document === null) return [];
  const fields = /** @type {Record<string, unknown>} */ (document);
  /** @type {[RememberedName, string][]} */
  const found = [];
  for (const name of NAMES) {
    const id = fields[name];
    // `name` stands for an asset's file here, and for a playbook elsewhere.
    if (typeof id === "string" && name !== "name") found.push([name, id]);
  }
  for (const address of [fields.audio_url, fields.url]) {
    const asset = typeof address === "string" && /^\/static\/assets\/([^/?]+)$/.exec(address)?.[1];
    if (asset) found.push(["name", asset]);
  }
  return [...found, ...idsOf(fields.data)];
}
