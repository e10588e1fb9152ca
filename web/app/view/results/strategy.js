// The forms of the strategy: where the product stands, what it could stand for, the week as a plan, and what
// to measure.

import { html, nothing } from "../../../vendor/lit-html/lit-html.js";
import { fieldLabel, valueLabel } from "../labels.js";
import { isBlank, listOf, recordOf, textOf, textsOf } from "./partial.js";
import { weekOf } from "./week_model.js";

/** @typedef {import("./sections.js").FieldView} FieldView */

/** The parts of an assessment, each with a tone of its own. */
const ASSESSMENT_PARTS = ["strengths", "risks", "uncertainties"];

/** @param {FieldView} view */
export function assessment({ value, model }) {
  const fields = recordOf(value);
  const others = Object.keys(fields).filter((key) => !ASSESSMENT_PARTS.includes(key));
  return html`<div class="assessment">
    ${[...ASSESSMENT_PARTS, ...others].map(
      (part) => html`<div class="sheet assessment-part" data-tone=${part} ?data-empty=${isBlank(fields[part])}>
        <h5 class="sheet-title">${fieldLabel(model.playbook, part)}</h5>
        <ul class="points">
          ${listOf(fields[part]).map((point) => html`<li>${textOf(point)}</li>`)}
        </ul>
      </div>`,
    )}
  </div>`;
}

/** @param {FieldView} view */
export function positioning({ value }) {
  return html`<ol class="sheets positioning">
    ${listOf(value).map((item, index) => {
      const fields = recordOf(item);
      return html`<li class="sheet">
        <p class="sheet-head">
          <span class="option-number tabular" aria-hidden="true">${index + 1}</span>
          <strong class="lead">${textOf(fields.title)}</strong>
        </p>
        <p>${textOf(fields.message)}</p>
      </li>`;
    })}
  </ol>`;
}

/** @param {FieldView} view */
export function week({ value, t }) {
  return html`<ol class="week" data-part="week">
    ${weekOf(value).map(
      ({ day, actions }) => html`<li class="day" ?data-empty=${actions.length === 0}>
        <h5 class="day-name tabular" lang=${t.language}>
          ${day > 0 ? t("results.day", { day }) : t("results.no_day")}
        </h5>
        ${actions.length === 0
          ? html`<p class="day-none" lang=${t.language}>${t("results.nothing_planned")}</p>`
          : html`<ul class="day-actions">
              ${actions.map(({ action }) => html`<li>${action}</li>`)}
            </ul>`}
      </li>`,
    )}
  </ol>`;
}

/** @param {FieldView} view */
export function requiredAssets({ value, model }) {
  return html`<ul class="chips">
    ${textsOf(value).map((asset) => html`<li class="chip">${valueLabel(model.playbook, asset)}</li>`)}
  </ul>`;
}

/** @param {FieldView} view */
export function kpis({ value, model }) {
  return html`<ul class="kpis">
    ${listOf(value).map((item) => {
      const fields = recordOf(item);
      return html`<li class="kpi sheet">
        <p class="kpi-name">${textOf(fields.kpi)}</p>
        <p class="kpi-target">${textOf(fields.target)}</p>
        ${isBlank(fields.action)
          ? nothing
          : html`<p class="kpi-action">
              <span class="fact-label">${fieldLabel(model.playbook, "action")}</span> ${textOf(fields.action)}
            </p>`}
      </li>`;
    })}
  </ul>`;
}
