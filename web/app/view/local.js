// The small things that the brief and the stage remember on the page alone: an edit that is open, a chosen
// tab, what was copied. Each has a key of its own in `model.ui.local`, so that an answer that comes late
// changes nothing but its own.

/**
 * @typedef {import("../store.js").Model} Model
 * @typedef {import("../actions.js").Actions} Actions
 */

/**
 * An open editor of one slot.
 *
 * @typedef {object} Edit
 * @property {import("./brief_model.js").Draft} draft
 * @property {number} seq              of the slot's value that the edit began from; 0 when there was none
 * @property {"open" | "saving" | "refused"} status
 * @property {{message: string, reason: string} | null} refusal   the server's words
 */

/**
 * Work that was asked for with a button, and how it went.
 *
 * @typedef {{status: "working" | "done" | "failed", message?: string}} Errand
 */

/**
 * @template Value
 * @param {Model} model
 * @param {string} key
 * @param {Value} otherwise
 * @returns {Value}
 */
export function localValue(model, key, otherwise) {
  const value = model.ui.local[key];
  return value === undefined || value === null ? otherwise : /** @type {Value} */ (value);
}

/**
 * The key of a slot's open edit.
 * @param {string} path
 */
export const editKey = (path) => `edit:${path}`;

/**
 * The key that tells whether a slot's source is shown.
 * @param {string} path
 */
export const sourceKey = (path) => `source:${path}`;

/**
 * What the server, or the way to it, said of a failure.
 * @param {unknown} error
 * @returns {{message: string, reason: string}}
 */
export function refusalOf(error) {
  const { message, details } = /** @type {{message?: unknown, details?: unknown}} */ (error ?? {});
  const reason = /** @type {{reason?: unknown}} */ (details ?? {}).reason;
  return {
    message: typeof message === "string" ? message : String(error),
    reason: typeof reason === "string" ? reason : "",
  };
}

/**
 * Runs an errand and keeps how it stands under a key.
 * @param {Actions} actions
 * @param {string} key
 * @param {() => Promise<unknown>} work
 */
export async function runErrand(actions, key, work) {
  actions.setLocal({ [key]: { status: "working" } });
  try {
    await work();
    actions.setLocal({ [key]: { status: "done" } });
  } catch (error) {
    actions.setLocal({ [key]: { status: "failed", message: refusalOf(error).message } });
  }
}
