// Draws a view without a browser: goes through what lit-html would put into the document, and answers with
// its words.

/** What lit-html asks of a document when it is loaded; nothing is ever rendered into it. */
const documentOfNothing = { createComment: () => ({}), createTreeWalker: () => ({}) };
if (!("document" in globalThis)) Object.assign(globalThis, { document: documentOfNothing });

/**
 * @typedef {{_$litType$: number, strings: readonly string[], values: readonly unknown[]}} Template
 * @typedef {{_$litDirective$: {name: string}, values: readonly unknown[]}} DirectiveResult
 */

/**
 * The texts and attributes that a view would put on the page, in order. Handlers are left out; what a
 * directive puts off
 * (guard, repeat) is drawn.
 *
 * @param {unknown} drawing
 * @returns {string}
 */
export function wordsOf(drawing) {
  if (typeof drawing === "string" || typeof drawing === "number") return `${drawing}`;
  if (Array.isArray(drawing)) return drawing.map(wordsOf).join("");
  if (isTemplate(drawing)) {
    return drawing.strings.map((markup, index) => markup + wordsOf(drawing.values[index] ?? "")).join("");
  }
  if (isDirective(drawing)) return wordsOfDirective(drawing.values);
  return "";
}

/**
 * `guard(reads, draw)`, `repeat(items, keyOf, draw)`, `keyed(key, drawing)`, `live(value)`.
 *
 * @param {readonly unknown[]} values
 * @returns {string}
 */
function wordsOfDirective(values) {
  const [first, second, third] = values;
  if (typeof third === "function") {
    const items = /** @type {Iterable<unknown>} */ (first);
    const keyOf = /** @type {(item: unknown) => unknown} */ (second);
    const keys = new Set();
    return Array.from(items, (item, index) => {
      const key = keyOf(item);
      if (keys.has(key)) throw new Error(`the key ${String(key)} is there twice`);
      keys.add(key);
      return wordsOf(third(item, index));
    }).join("");
  }
  if (typeof second === "function") return wordsOf(second());
  return wordsOf(second ?? first);
}

/**
 * @param {unknown} value
 * @returns {value is Template}
 */
function isTemplate(value) {
  return typeof value === "object" && value !== null && "_$litType$" in value;
}

/**
 * @param {unknown} value
 * @returns {value is DirectiveResult}
 */
function isDirective(value) {
  return typeof value === "object" && value !== null && "_$litDirective$" in value;
}
