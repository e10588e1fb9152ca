// What this browser keeps for the page. Where storage is refused (private windows, embedded views) it is kept
// for as long as the page is open: it works all the same.

const PREFIX = "greenroom.";

/** @type {Map<string, string>} */
const inMemory = new Map();

/**
 * @param {string} name  without the prefix
 * @returns {string | null}
 */
export function kept(name) {
  try {
    return localStorage.getItem(PREFIX + name) ?? inMemory.get(name) ?? null;
  } catch {
    return inMemory.get(name) ?? null;
  }
}

/**
 * @param {string} name           without the prefix
 * @param {string | null} value   null forgets it
 */
export function keep(name, value) {
  if (value === null) inMemory.delete(name);
  else inMemory.set(name, value);
  try {
    if (value === null) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, value);
  } catch {
    // Refused or full: the copy in memory serves until the page is closed.
  }
}

/** Whether what is kept is there when the page is opened again. */
export function canKeep() {
  try {
    localStorage.setItem(`${PREFIX}probe`, "");
    localStorage.removeItem(`${PREFIX}probe`);
    return true;
  } catch {
    return false;
  }
}

/**
 * One of a few values, or the first of them.
 *
 * @template {string} T
 * @param {string} name
 * @param {readonly [T, ...T[]]} allowed
 * @returns {T}
 */
export function keptChoice(name, allowed) {
  const value = kept(name);
  return allowed.find((candidate) => candidate === value) ?? allowed[0];
}

/** Whose sessions these are: made once, kept for as long as this browser keeps it. */
export function userKey() {
  let key = kept("user");
  if (!key) {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    key = `web-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
    keep("user", key);
  }
  return key;
}
