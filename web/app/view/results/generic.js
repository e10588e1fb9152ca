// Draws any JSON by its labels: what a playbook's stage writes that the page has no form for.

import { html, nothing } from "../../../vendor/lit-html/lit-html.js";
import { fieldLabel, valueLabel } from "../labels.js";
import { isBlank, isRecord, textOf } from "./partial.js";
import { areChips, fieldSchema, fieldsOf, isPlain, itemSchema } from "./schema_model.js";

/** Deeper than this a value is shown as JSON. */
const DEPTH_MAX = 6;

/**
 * @param {unknown} value
 * @param {unknown} schema
 * @param {import("../labels.js").Playbook | null} playbook
 * @param {number} [depth]
 * @returns {unknown}
 */
export function genericValue(value, schema, playbook, depth = 0) {
  if (isBlank(value)) return html`<p class="nothing-there">—</p>`;
  if (depth > DEPTH_MAX) return html`<pre class="raw">${JSON.stringify(value, null, 2)}</pre>`;
  if (Array.isArray(value)) return genericList(value, itemSchema(schema), playbook, depth);
  if (isRecord(value)) return genericRecord(value, schema, playbook, depth);
  return html`<p class="prose">${valueLabel(playbook, textOf(value))}</p>`;
}

/**
 * @param {unknown[]} items
 * @param {unknown} schema
 * @param {import("../labels.js").Playbook | null} playbook
 * @param {number} depth
 */
function genericList(items, schema, playbook, depth) {
  if (areChips(items)) {
    return html`<ul class="chips">
      ${items.map((item) => html`<li class="chip">${valueLabel(playbook, textOf(item))}</li>`)}
    </ul>`;
  }
  return html`<ol class="generic-list">
    ${items.map((item) => html`<li class="sheet">${genericValue(item, schema, playbook, depth + 1)}</li>`)}
  </ol>`;
}

/**
 * @param {import("./partial.js").JsonRecord} record
 * @param {unknown} schema
 * @param {import("../labels.js").Playbook | null} playbook
 * @param {number} depth
 */
function genericRecord(record, schema, playbook, depth) {
  return html`<dl class="facts">
    ${fieldsOf(schema, record)
      .filter((key) => Object.hasOwn(record, key))
      .map(
        (key) => html`<div class="fact" ?data-plain=${isPlain(record[key])}>
          <dt>${fieldLabel(playbook, key)}</dt>
          <dd>${genericValue(record[key], fieldSchema(schema, key), playbook, depth + 1) ?? nothing}</dd>
        </div>`,
      )}
  </dl>`;
}
