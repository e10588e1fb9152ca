// What the playbook calls its slots, stages, fields and values. The page invents no label: what the playbook
// does not name is shown by its own name, the last segment of its path.

/**
 * @typedef {import("../../client/src/answers.js").Playbook} Playbook
 * @typedef {import("../../client/src/answers.js").PlaybookSlot} SlotSpec
 */

/**
 * @param {Playbook | null | undefined} playbook
 * @param {string} path
 * @returns {string}
 */
export function slotLabel(playbook, path) {
  const label = slotSpec(playbook, path)?.label;
  return label ? label : lastSegment(path);
}

/**
 * @param {Playbook | null | undefined} playbook
 * @param {string} path
 * @returns {SlotSpec | undefined}
 */
export function slotSpec(playbook, path) {
  return playbook?.slots.find((slot) => slot.path === path);
}

/**
 * @param {Playbook | null | undefined} playbook
 * @param {string} stageId
 * @returns {string}
 */
export function stageLabel(playbook, stageId) {
  const label = playbook?.stages.find((stage) => stage.id === stageId)?.label;
  return label ? label : stageId;
}

/**
 * The name of a field of an output, such as `market_signals`.
 * @param {Playbook | null | undefined} playbook
 * @param {string} key
 * @returns {string}
 */
export function fieldLabel(playbook, key) {
  return named(playbook?.fields, key) ?? spaced(key);
}

/**
 * The name of a value that the schema enumerates, such as `mid` or `hook`; any other value is itself.
 * @param {Playbook | null | undefined} playbook
 * @param {string} value
 * @returns {string}
 */
export function valueLabel(playbook, value) {
  return named(playbook?.values, value) ?? value;
}

/**
 * What a slot's value is called: an option by its label, anything else as it is.
 * @param {SlotSpec | undefined} spec
 * @param {unknown} value
 * @returns {string}
 */
export function optionLabel(spec, value) {
  const option = spec?.options?.find((candidate) => candidate.value === value);
  return option?.label ?? String(value ?? "");
}

/**
 * A name of the playbook's own: a key such as `constructor` has none.
 * @param {Readonly<Record<string, string>> | undefined} names
 * @param {string} key
 */
function named(names, key) {
  return names && Object.hasOwn(names, key) ? names[key] : undefined;
}

/** @param {string} path */
function lastSegment(path) {
  return spaced(path.slice(path.lastIndexOf(".") + 1));
}

/** @param {string} key */
function spaced(key) {
  return key.replaceAll("_", " ");
}
