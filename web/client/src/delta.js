// One step of a text or a document that is being generated, and what it does to the document.

/** @typedef {{ path: string } & ({ append: string } | { value: unknown })} Delta */

/**
 * The document after a delta; what the delta leaves alone is shared with the document before. A document
 * begins as null.
 *
 * What is missing on the way comes into being: a null becomes a list if the path goes on with `0`, else an
 * object; a list grows by one; a text to append to begins empty. A delta that does not fit changes nothing.
 *
 * @param {unknown} document
 * @param {Delta} delta
 * @returns {unknown}
 */
export function applyDelta(document, delta) {
  const tokens = pointerTokens(delta.path);
  if (tokens === null) return document;
  const changed = changedAt(document, tokens, 0, delta);
  return changed === MISFIT ? document : changed;
}

const MISFIT = Symbol("the delta does not fit");

/**
 * The tokens of a JSON pointer (RFC 6901), unescaped; null if it is none.
 *
 * @param {string} pointer
 * @returns {string[] | null}
 */
export function pointerTokens(pointer) {
  if (pointer === "") return [];
  if (!pointer.startsWith("/") || /~(?![01])/.test(pointer)) return null;
  return pointer.slice(1).split("/").map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/**
 * @param {unknown} place
 * @param {string[]} tokens
 * @param {number} depth how many of the tokens led here
 * @param {Delta} delta
 * @returns {unknown}
 */
function changedAt(place, tokens, depth, delta) {
  const token = tokens[depth];
  if (token === undefined) return changedHere(place, delta);
  const container = place ?? (token === "0" ? [] : {});
  if (Array.isArray(container)) {
    const index = listIndex(token);
    if (index === null || index > container.length) return MISFIT;
    const child = changedAt(container[index] ?? null, tokens, depth + 1, delta);
    if (child === MISFIT) return MISFIT;
    const items = container.slice();
    items[index] = child;
    return items;
  }
  if (typeof container !== "object") return MISFIT;
  const before = Object.hasOwn(container, token) ? Reflect.get(container, token) : null;
  const child = changedAt(before, tokens, depth + 1, delta);
  if (child === MISFIT) return MISFIT;
  // A name such as `__proto__` is a field like any other.
  return Object.defineProperty({ ...container }, token, {
    value: child, writable: true, enumerable: true, configurable: true,
  });
}

/**
 * @param {unknown} place
 * @param {Delta} delta
 * @returns {unknown}
 */
function changedHere(place, delta) {
  if (!("append" in delta)) return delta.value;
  const text = place ?? "";
  return typeof text === "string" ? text + delta.append : MISFIT;
}

/**
 * A list index as RFC 6901 writes it: digits without a leading zero.
 *
 * @param {string} token
 * @returns {number | null}
 */
function listIndex(token) {
  return /^(0|[1-9]\d*)$/.test(token) ? Number(token) : null;
}
