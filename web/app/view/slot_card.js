// One slot as a card: what it is, what stands in it, how sure that is, the words it came from, and its
// editor.

import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { keyed } from "../../vendor/lit-html/directives/keyed.js";
import { confidenceMeter } from "./confidence.js";
import { draftOf } from "./brief_model.js";
import { optionLabel, slotLabel } from "./labels.js";
import { editKey, localValue, sourceKey } from "./local.js";
import { cardId, focusWhenDrawn } from "./places.js";
import { editorFieldId, slotEditor } from "./slot_editor.js";
import { slotSource } from "./slot_source.js";
import { pencilIcon, quoteIcon } from "./stage_icons.js";
import { listOf, textOf } from "./results/partial.js";

/** How long a new value glows. What is older when it is first drawn came before anybody looked. */
const GLOW_MS = 4_000;

/**
 * @typedef {object} CardView
 * @property {import("./brief_model.js").Card} card
 * @property {boolean} isFrozen
 * @property {import("../store.js").Model} model
 * @property {import("../actions.js").Actions} actions
 * @property {import("../texts/translate.js").Translate} t
 */

/** @param {CardView} view */
export function slotCard(view) {
  const { card, model, t } = view;
  const { path, spec, slot, state } = card;
  const label = slotLabel(model.playbook, path);
  const edit = localValue(model, editKey(path), /** @type {import("./local.js").Edit | null} */ (null));
  const isSourceShown = localValue(model, sourceKey(path), false);
  const labelId = `${cardId(path)}-label`;
  return html`
    <article
      class="slot-card"
      id=${cardId(path)}
      tabindex="-1"
      data-part="slot"
      data-path=${path}
      data-state=${state}
      ?data-optional=${spec !== undefined && !spec.required}
      aria-labelledby=${labelId}
    >
      ${slot && isFresh(slot.at)
        ? keyed(slot.seq, html`<span class="slot-glow" aria-hidden="true"></span>`)
        : nothing}
      <header class="slot-head">
        <h4 class="slot-label" id=${labelId}>${label}</h4>
        ${spec && !spec.required ? html`<span class="slot-optional">${t("brief.optional")}</span>` : nothing}
        ${edit ? nothing : cardTools(view, label, isSourceShown)}
      </header>
      ${edit ? slotEditor({ ...view, edit, label }) : slotValue(view)}
      ${!edit && slot && state !== "empty"
        ? confidenceMeter({ confidence: slot.confidence, isUnsure: state === "unsure", t })
        : nothing}
      ${isSourceShown && slot && state !== "empty" ? slotSource({ ...view, slot }) : nothing}
    </article>
  `;
}

/**
 * Opens the editor of a slot with what stands in it now.
 * @param {CardView} view
 */
export function openEditor({ card, actions }) {
  /** @type {import("./local.js").Edit} */
  const edit = {
    draft: draftOf(card.spec, card.slot?.value),
    seq: card.slot?.seq ?? 0,
    status: "open",
    refusal: null,
  };
  actions.setLocal({ [editKey(card.path)]: edit });
  focusWhenDrawn(editorFieldId(card.path, 0));
}

/**
 * @param {CardView} view
 * @param {string} label
 * @param {boolean} isSourceShown
 */
function cardTools(view, label, isSourceShown) {
  const { card, isFrozen, actions, t } = view;
  const key = sourceKey(card.path);
  return html`
    <div class="slot-tools">
      ${card.state === "empty"
        ? nothing
        : html`<button
            type="button"
            class="icon-button"
            aria-expanded=${isSourceShown ? "true" : "false"}
            aria-label=${t("brief.show_source", { label })}
            title=${t("brief.source")}
            @click=${() => actions.setLocal({ [key]: !isSourceShown })}
          >
            ${quoteIcon}
          </button>`}
      <button
        type="button"
        class="icon-button"
        id=${`${cardId(card.path)}-edit`}
        aria-label=${t("brief.edit", { label })}
        aria-describedby=${isFrozen ? "brief-frozen" : nothing}
        title=${isFrozen ? t("brief.frozen") : t("brief.edit_short")}
        ?disabled=${isFrozen}
        @click=${() => openEditor(view)}
      >
        ${pencilIcon}
      </button>
    </div>
  `;
}

/** @param {CardView} view */
function slotValue({ card, model, t }) {
  const { spec, slot, state } = card;
  if (!slot || state === "empty") {
    const isOptional = spec !== undefined && !spec.required;
    const words = spec?.question || t("brief.empty");
    return html`<p class=${isOptional ? "visually-hidden" : "slot-empty"}>${words}</p>`;
  }
  if (Array.isArray(slot.value)) return listValue(card, t);
  if (typeof slot.value === "object") return html`<p class="slot-value">${JSON.stringify(slot.value)}</p>`;
  const isPicture = card.path.endsWith("image_url");
  if (isPicture) return html`<p class="slot-value">${t("brief.picture_there")}</p>`;
  const locale = model.session?.locale ?? nothing;
  return html`<p class="slot-value" lang=${locale}>${optionLabel(spec, slot.value)}</p>`;
}

/**
 * @param {import("./brief_model.js").Card} card
 * @param {import("../texts/translate.js").Translate} t
 */
function listValue({ slot, spec }, t) {
  const items = listOf(slot?.value);
  const wanted = spec?.items_min ?? 0;
  return html`
    <ul class="chips slot-value">
      ${items.map((item) => html`<li class="chip">${textOf(item)}</li>`)}
    </ul>
    ${items.length < wanted
      ? html`<p class="slot-short">${t("brief.list_short", { count: items.length, wanted })}</p>`
      : nothing}
  `;
}

/** @param {string} at */
function isFresh(at) {
  const ageMs = Date.now() - Date.parse(at);
  return ageMs >= 0 && ageMs < GLOW_MS;
}
