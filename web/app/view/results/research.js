// The forms of the research: what moves the market, who else is there, where people look, and the pages it
// rests on.

import { html, nothing } from "../../../vendor/lit-html/lit-html.js";
import { fieldLabel, valueLabel } from "../labels.js";
import { outsideIcon, warningIcon } from "../stage_icons.js";
import { confidenceMeter } from "../confidence.js";
import { listOf, recordOf, textOf } from "./partial.js";
import { evidenceOf } from "./research_model.js";

/** Below this the page that is named supports what was said only weakly. */
const WEAK_EVIDENCE = 0.5;

/** @typedef {import("./sections.js").FieldView} FieldView */

/** @param {FieldView} view */
export function marketSignals({ value, model }) {
  return html`<ul class="sheets">
    ${listOf(value).map((item) => {
      const { signal, impact } = recordOf(item);
      return html`<li class="sheet">
        <p class="lead">${textOf(signal)}</p>
        ${impact === undefined
          ? nothing
          : html`<p class="consequence">
              <span class="fact-label">${fieldLabel(model.playbook, "impact")}</span> ${textOf(impact)}
            </p>`}
      </li>`;
    })}
  </ul>`;
}

/** @param {FieldView} view */
export function competitors({ value, model }) {
  return html`<ul class="sheets">
    ${listOf(value).map((item) => {
      const fields = recordOf(item);
      const band = textOf(fields.price_band);
      return html`<li class="sheet">
        <p class="sheet-head">
          <strong class="lead">${textOf(fields.brand)}</strong>
          ${band === ""
            ? nothing
            : html`<span class="tag" title=${fieldLabel(model.playbook, "price_band")}
                >${valueLabel(model.playbook, band)}</span
              >`}
        </p>
        <p>${textOf(fields.positioning)}</p>
      </li>`;
    })}
  </ul>`;
}

/** @param {FieldView} view */
export function channelObservations({ value }) {
  return html`<ul class="sheets">
    ${listOf(value).map((item) => {
      const fields = recordOf(item);
      return html`<li class="sheet">
        <p class="sheet-head"><strong class="lead">${textOf(fields.channel)}</strong></p>
        <p>${textOf(fields.observation)}</p>
      </li>`;
    })}
  </ul>`;
}

/** @param {FieldView} view */
export function evidence({ value, stage, t }) {
  return html`<ol class="evidence-list">
    ${evidenceOf(value, stage.sources).map((page, index) => evidenceCard(page, index, t))}
  </ol>`;
}

/**
 * @param {import("./research_model.js").Evidence} page
 * @param {number} index
 * @param {import("../../texts/translate.js").Translate} t
 */
function evidenceCard(page, index, t) {
  const isWeak = page.confidence !== null && page.confidence < WEAK_EVIDENCE;
  return html`
    <li class="evidence sheet" data-part="evidence">
      <p class="evidence-by">
        <span class="evidence-number tabular" aria-hidden="true">${index + 1}</span>
        <span>${page.publisher}</span>
        <span class="evidence-date tabular" lang=${t.language}>
          ${page.observedAt || t("results.no_date")}
        </span>
      </p>
      <p class="lead">
        ${page.url
          ? html`<a class="evidence-link" href=${page.url} target="_blank" rel="noopener noreferrer"
              >${page.title || page.host}${outsideIcon}
              <span class="visually-hidden">${t("results.opens_outside")}</span></a
            >`
          : page.title}
      </p>
      ${page.host && page.host !== page.publisher
        ? html`<p class="evidence-host">${page.host}</p>`
        : nothing}
      ${page.passage
        ? html`<details class="passage">
            <summary lang=${t.language}>${t("results.passage")}</summary>
            <blockquote>${page.passage}</blockquote>
          </details>`
        : nothing}
      ${page.confidence === null
        ? nothing
        : html`<div lang=${t.language}>
            ${confidenceMeter({ confidence: page.confidence, isUnsure: isWeak, t })}
          </div>`}
    </li>
  `;
}

/**
 * What has to be checked. What a check of the playbook put there, and not the model, says so.
 * @param {FieldView} view
 */
export function riskFlags({ value, stage, t }) {
  const notes = new Set(stage.notes.map((note) => note.path));
  return html`<ul class="risks" data-part="risk-flags">
    ${listOf(value).map(
      (flag, index) => html`<li class="risk">
        ${warningIcon}
        <p>
          ${textOf(flag)}
          ${notes.has(`/risk_flags/${index}`)
            ? html`<span class="tag" lang=${t.language}>${t("results.noted_by_check")}</span>`
            : nothing}
        </p>
      </li>`,
    )}
  </ul>`;
}
