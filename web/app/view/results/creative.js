// The forms of the creative stage: advertisements to copy, posters set from their own words, what a video
// model is told.

import { html, nothing } from "../../../vendor/lit-html/lit-html.js";
import { fieldLabel } from "../labels.js";
import { copyButton } from "./copy_button.js";
import { adCopyText, allAdCopiesText, videoPromptText } from "./copy_text.js";
import { isBlank, listOf, recordOf, textOf, textsOf } from "./partial.js";

/** How many ways there are to set a poster; they take turns. */
const POSTER_SETTINGS = 3;

/** @typedef {import("./sections.js").FieldView} FieldView */

/** @param {FieldView} view */
export function adCopies(view) {
  const { value, stage, t } = view;
  const copies = listOf(value);
  return html`
    <div class="section-tools">
      ${copyButton(view, {
        id: `${stage.id}-all-copies`,
        text: allAdCopiesText(value),
        label: t("results.copy_all", { count: copies.length }),
        words: t("results.copy_all", { count: copies.length }),
      })}
    </div>
    <ol class="sheets ad-copies" data-part="ad-copies">
      ${copies.map((copy, index) => adCopy(view, copy, index))}
    </ol>
  `;
}

/**
 * @param {FieldView} view
 * @param {unknown} copy
 * @param {number} index
 */
function adCopy(view, copy, index) {
  const { stage, t } = view;
  const fields = recordOf(copy);
  return html`
    <li class="sheet ad-copy" data-part="ad-copy">
      <p class="sheet-head">
        <span class="option-number tabular" aria-hidden="true">${index + 1}</span>
        <strong class="lead">${textOf(fields.headline)}</strong>
        ${copyButton(view, {
          id: `${stage.id}-copy-${index}`,
          text: adCopyText(copy),
          label: t("results.copy_one", { number: index + 1 }),
        })}
      </p>
      <p class="prose">${textOf(fields.body)}</p>
      ${isBlank(fields.cta) ? nothing : html`<p class="cta">${textOf(fields.cta)}</p>`}
    </li>
  `;
}

/** @param {FieldView} view */
export function posters({ value, model }) {
  return html`<ul class="posters">
    ${listOf(value).map((item, index) => {
      const fields = recordOf(item);
      return html`<li class="poster" data-part="poster" data-setting=${index % POSTER_SETTINGS}>
        <div class="poster-words">
          <p class="poster-headline">${textOf(fields.headline)}</p>
          <p class="poster-subheadline">${textOf(fields.subheadline)}</p>
        </div>
        <ul class="poster-keywords" aria-label=${fieldLabel(model.playbook, "visual_keywords")}>
          ${textsOf(fields.visual_keywords).map((keyword) => html`<li>${keyword}</li>`)}
        </ul>
      </li>`;
    })}
  </ul>`;
}

/** @param {FieldView} view */
export function videoPrompt(view) {
  const { value, model, stage, t } = view;
  const fields = recordOf(value);
  const shots = listOf(fields.shots);
  return html`
    <div class="sheet video">
      <div class="video-facts">
        ${fact(fieldLabel(model.playbook, "duration_sec"), textOf(fields.duration_sec))}
        ${fact(fieldLabel(model.playbook, "size"), textOf(fields.size))}
        ${copyButton(view, {
          id: `${stage.id}-video`,
          text: videoPromptText(value),
          label: t("results.copy_prompt"),
          words: t("results.copy_prompt"),
        })}
      </div>
      <p class="prose">${textOf(fields.prompt)}</p>
      ${shots.length === 0
        ? nothing
        : html`<h5 class="sheet-title">${fieldLabel(model.playbook, "shots")}</h5>
            <ol class="shots">
              ${shots.map((shot) => html`<li>${textOf(shot)}</li>`)}
            </ol>`}
    </div>
  `;
}

/**
 * @param {string} label
 * @param {string} text
 */
function fact(label, text) {
  return html`<p class="video-fact">
    <span class="fact-label">${label}</span> <span class="tabular">${text}</span>
  </p>`;
}
