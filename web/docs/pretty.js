// JSON as people read it: indented, its parts told apart, and no longer than a page can bear.

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { text } from "./texts.js";

/** @typedef {import("../vendor/lit-html/lit-html.js").TemplateResult} TemplateResult */

/** What is longer is cut: the page shows it, and nobody reads it to its end. */
const CHARACTERS_MAX = 60_000;
/** Names with their colon, texts, numbers, and the three words; all else is punctuation. */
const PARTS = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(true|false|null)/g;

/**
 * JSON text, indented; what is none stays as it is.
 * @param {string} source
 */
export function indented(source) {
  try {
    return JSON.stringify(JSON.parse(source), null, 2);
  } catch {
    return source;
  }
}

/**
 * What JSON text says, or null if it is none.
 * @param {string} source
 * @returns {unknown}
 */
export function parsed(source) {
  try {
    return JSON.parse(source);
  } catch {
    return null;
  }
}

/**
 * A text to be read in a `pre`; JSON with its parts told apart.
 * @param {string} source
 * @returns {TemplateResult}
 */
export function readable(source) {
  const whole = indented(source);
  const shown = whole.slice(0, CHARACTERS_MAX);
  const isJson = parsed(source) !== null;
  const note =
    shown.length < whole.length ? text("shortened", { shown: shown.length, all: whole.length }) : nothing;
  return html`<code>${isJson ? coloured(shown) : shown}</code
    >${note === nothing ? nothing : html`<span class="note">${note}</span>`}`;
}

/**
 * Tells the parts of the JSON examples apart that the server wrote.
 * @param {ParentNode} root
 * @param {(template: unknown, container: HTMLElement) => void} render
 */
export function colourExamples(root, render) {
  for (const code of /** @type {NodeListOf<HTMLElement>} */ (
    root.querySelectorAll('.code[data-language="json"] code')
  )) {
    const source = code.textContent ?? "";
    code.textContent = "";
    render(coloured(source), code);
  }
}

/** @param {string} source */
function coloured(source) {
  /** @type {(string | TemplateResult)[]} */
  const parts = [];
  let end = 0;
  for (const match of source.matchAll(PARTS)) {
    const [whole, quoted, colon, number] = match;
    parts.push(source.slice(end, match.index));
    end = match.index + whole.length;
    if (quoted && colon) parts.push(html`<span class="json-name">${quoted}</span>${colon}`);
    else if (quoted) parts.push(html`<span class="json-text">${quoted}</span>`);
    else parts.push(html`<span class=${number ? "json-number" : "json-word"}>${whole}</span>`);
  }
  parts.push(source.slice(end));
  return parts;
}
