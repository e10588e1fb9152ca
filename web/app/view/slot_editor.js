// Edits a slot in its card, with the field that its kind asks for. What was typed is kept whatever happens
// meanwhile: a refusal, another value that arrives, a run that begins.

import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { live } from "../../vendor/lit-html/directives/live.js";
import { draftOf, isSameValue, valueOfDraft } from "./brief_model.js";
import { optionLabel } from "./labels.js";
import { editKey, refusalOf } from "./local.js";
import { cardId, focusWhenDrawn } from "./places.js";
import { crossIcon, plusIcon } from "./stage_icons.js";
import { listOf, textOf } from "./results/partial.js";

/** What the server takes for the items of a list, where the playbook sets no limit of its own. */
const ITEMS_MAX = 20;
/** What the server takes for one text of a slot. */
const CHARS_MAX = 1_000;

/**
 * @typedef {import("./slot_card.js").CardView & {edit: import("./local.js").Edit, label: string}} EditorView
 */

/**
 * The id of an editor's field; lists have one for each item.
 * @param {string} path
 * @param {number} index
 */
export const editorFieldId = (path, index) => `${cardId(path)}-field-${index}`;

/** @param {EditorView} view */
export function slotEditor(view) {
  const { card, edit, isFrozen, t } = view;
  const isSaving = edit.status === "saving";
  const helpId = `${cardId(card.path)}-help`;
  return html`
    <form
      class="slot-editor"
      aria-busy=${isSaving ? "true" : "false"}
      @submit=${(/** @type {SubmitEvent} */ event) => {
        event.preventDefault();
        void save(view, valueOfDraft(card.spec, typedDraft(event, edit.draft)));
      }}
      @keydown=${(/** @type {KeyboardEvent} */ event) => {
        if (event.key !== "Escape" || event.isComposing) return;
        event.stopPropagation();
        close(view);
      }}
    >
      ${field(view, helpId)}
      <div id=${helpId} class="slot-help">
        ${edit.refusal ? refusal(edit.refusal) : nothing}
        ${isFrozen ? html`<p>${t("brief.frozen")}</p>` : nothing}
      </div>
      ${conflict(view)}
      <div class="slot-buttons">
        <button type="submit" class="button" data-kind="primary" ?disabled=${isSaving || isFrozen}>
          ${t(isSaving ? "brief.saving" : "brief.save")}
        </button>
        <button type="button" class="button" data-kind="quiet" @click=${() => close(view)}>
          ${t("brief.cancel")}
        </button>
        ${card.state === "empty"
          ? nothing
          : html`<button
              type="button"
              class="button slot-clear"
              data-kind="quiet"
              ?disabled=${isSaving || isFrozen}
              @click=${() => void save(view, null)}
            >
              ${t("brief.clear")}
            </button>`}
      </div>
    </form>
  `;
}

/** @param {{message: string, reason: string}} told */
function refusal({ message, reason }) {
  const detail = reason ? html` <span lang="en">(${reason})</span>` : nothing;
  return html`<p class="slot-refusal">${message}${detail}</p>`;
}

/**
 * @param {EditorView} view
 * @param {string} helpId
 */
function field(view, helpId) {
  const { spec } = view.card;
  if (Array.isArray(view.edit.draft)) return listField(view, view.edit.draft, helpId);
  if (spec && (spec.options?.length ?? 0) > 0) return choiceField(view, spec, view.edit.draft, helpId);
  return textField(view, view.edit.draft, helpId);
}

/**
 * @param {EditorView} view
 * @param {string} draft
 * @param {string} helpId
 */
function textField(view, draft, helpId) {
  const { card, edit, label } = view;
  return html`<textarea
    class="input slot-field"
    id=${editorFieldId(card.path, 0)}
    rows="1"
    maxlength=${CHARS_MAX}
    aria-label=${label}
    aria-describedby=${helpId}
    aria-invalid=${edit.status === "refused" ? "true" : "false"}
    ?readonly=${edit.status === "saving"}
    .value=${live(draft)}
    @input=${(/** @type {InputEvent} */ event) => redraft(view, typedDraft(event, draft))}
    @keydown=${(/** @type {KeyboardEvent} */ event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      inputOf(event).form?.requestSubmit();
    }}
  ></textarea>`;
}

/**
 * @param {EditorView} view
 * @param {import("./labels.js").SlotSpec} spec
 * @param {string} draft
 * @param {string} helpId
 */
function choiceField(view, spec, draft, helpId) {
  const { card, edit, label, t } = view;
  return html`<select
    class="input slot-field"
    id=${editorFieldId(card.path, 0)}
    aria-label=${label}
    aria-describedby=${helpId}
    aria-invalid=${edit.status === "refused" ? "true" : "false"}
    ?disabled=${edit.status === "saving"}
    @change=${(/** @type {Event} */ event) => redraft(view, typedDraft(event, draft))}
  >
    <option value="" ?selected=${draft === ""}>${t("brief.choose")}</option>
    ${spec.options.map(
      (option) => html`<option value=${option.value} ?selected=${draft === String(option.value)}>
          ${option.label}
        </option>`,
    )}
  </select>`;
}

/**
 * @param {EditorView} view
 * @param {string[]} items
 * @param {string} helpId
 */
function listField(view, items, helpId) {
  const { card, edit, label, t } = view;
  const itemsMax = card.spec?.items_max ?? ITEMS_MAX;
  const drawn = items.length > 0 ? items : [""];
  return html`
    <ol class="slot-items" aria-label=${label}>
      ${drawn.map(
        (item, index) => html`
          <li>
            <input
              class="input"
              id=${editorFieldId(card.path, index)}
              maxlength=${CHARS_MAX}
              aria-label=${t("brief.item", { label, number: index + 1 })}
              aria-describedby=${helpId}
              aria-invalid=${edit.status === "refused" ? "true" : "false"}
              ?readonly=${edit.status === "saving"}
              .value=${live(item)}
              @input=${(/** @type {InputEvent} */ event) => redraft(view, typedItems(event))}
              @keydown=${(/** @type {KeyboardEvent} */ event) => enterItem(event, view, index, itemsMax)}
            />
            <button
              type="button"
              class="icon-button"
              aria-label=${t("brief.remove_item", { label, number: index + 1 })}
              ?disabled=${edit.status === "saving"}
              @click=${(/** @type {Event} */ event) => removeItem(view, typedItems(event), index)}
            >
              ${crossIcon}
            </button>
          </li>
        `,
      )}
    </ol>
    <button
      type="button"
      class="text-button"
      ?disabled=${edit.status === "saving" || drawn.length >= itemsMax}
      @click=${(/** @type {Event} */ event) => addItem(view, typedItems(event))}
    >
      ${plusIcon} ${t("brief.add_item")}
      <span class="slot-limit tabular">${t("brief.of_items", { count: drawn.length, max: itemsMax })}</span>
    </button>
  `;
}

/**
 * Another value arrived since this edit began: says so, and lets one choose.
 * @param {EditorView} view
 */
function conflict(view) {
  const { card, edit, t } = view;
  const seq = card.slot?.seq ?? 0;
  const value = card.slot?.value ?? null;
  if (seq === edit.seq || edit.status === "saving") return nothing;
  if (isSameValue(value, valueOfDraft(card.spec, edit.draft))) return nothing;
  return html`
    <div class="slot-conflict" role="group" aria-label=${t("brief.conflict")}>
      <p>${t("brief.conflict")} <strong>${valueText(card, t)}</strong></p>
      <button type="button" class="text-button" @click=${() => rebase(view, draftOf(card.spec, value))}>
        ${t("brief.take_theirs")}
      </button>
      <button type="button" class="text-button" @click=${() => rebase(view, edit.draft)}>
        ${t("brief.keep_mine")}
      </button>
    </div>
  `;
}

/**
 * @param {import("./brief_model.js").Card} card
 * @param {import("../texts/translate.js").Translate} t
 */
function valueText({ spec, slot, state }, t) {
  if (!slot || state === "empty") return t("brief.cleared");
  if (Array.isArray(slot.value)) return listOf(slot.value).map(textOf).join(" · ");
  return optionLabel(spec, slot.value);
}

/**
 * Enter goes on to the next item; in an empty last one, and where no more may follow, it saves.
 * @param {KeyboardEvent} event
 * @param {EditorView} view
 * @param {number} index
 * @param {number} itemsMax
 */
function enterItem(event, view, index, itemsMax) {
  if (event.key !== "Enter" || event.isComposing) return;
  event.preventDefault();
  const items = typedItems(event);
  const isLast = index === items.length - 1;
  const isEmpty = items[index]?.trim() === "";
  if (!isLast) focusWhenDrawn(editorFieldId(view.card.path, index + 1));
  else if (isEmpty || items.length >= itemsMax) inputOf(event).form?.requestSubmit();
  else addItem(view, items);
}

/**
 * @param {EditorView} view
 * @param {string[]} items
 */
function addItem(view, items) {
  redraft(view, [...items, ""]);
  focusWhenDrawn(editorFieldId(view.card.path, items.length));
}

/**
 * @param {EditorView} view
 * @param {string[]} items
 * @param {number} index
 */
function removeItem(view, items, index) {
  redraft(view, items.toSpliced(index, 1));
  focusWhenDrawn(editorFieldId(view.card.path, Math.max(0, index - 1)));
}

/**
 * @param {EditorView} view
 * @param {import("./brief_model.js").Draft} draft
 */
function redraft({ card, edit, actions }, draft) {
  actions.setLocal({ [editKey(card.path)]: { ...edit, draft } });
}

/**
 * Goes on from the value that arrived meanwhile.
 * @param {EditorView} view
 * @param {import("./brief_model.js").Draft} draft
 */
function rebase({ card, edit, actions }, draft) {
  actions.setLocal({ [editKey(card.path)]: { ...edit, draft, seq: card.slot?.seq ?? 0 } });
  focusWhenDrawn(editorFieldId(card.path, 0));
}

/**
 * @param {EditorView} view
 * @param {string | number | string[] | null} value
 */
async function save(view, value) {
  const { card, edit, actions, isFrozen } = view;
  if (edit.status === "saving" || isFrozen) return;
  if (isSameValue(value, card.slot?.value)) return close(view);
  const key = editKey(card.path);
  actions.setLocal({ [key]: { ...edit, status: "saving", refusal: null } });
  try {
    await actions.setSlot(card.path, value);
    close(view);
  } catch (error) {
    actions.setLocal({ [key]: { ...edit, status: "refused", refusal: refusalOf(error) } });
    focusWhenDrawn(editorFieldId(card.path, 0));
  }
}

/** @param {EditorView} view */
function close({ card, actions }) {
  const holdsFocus = document.getElementById(cardId(card.path))?.contains(document.activeElement) ?? false;
  actions.setLocal({ [editKey(card.path)]: null });
  // Whoever went on to something else while it was saved is not called back.
  if (holdsFocus) focusWhenDrawn(`${cardId(card.path)}-edit`);
}

/**
 * What stands in the fields of an editor now. Keys may come faster than the page is drawn, so that the
 * model that a
 * handler was drawn with can be a letter behind.
 * @param {Event} event
 * @param {import("./brief_model.js").Draft} drawn
 * @returns {import("./brief_model.js").Draft}
 */
function typedDraft(event, drawn) {
  const items = typedItems(event);
  return Array.isArray(drawn) ? items : (items[0] ?? "");
}

/**
 * @param {Event} event
 * @returns {string[]}
 */
function typedItems(event) {
  const form = /** @type {Element} */ (event.currentTarget).closest("form");
  const fields = /** @type {NodeListOf<HTMLInputElement>} */ (form?.querySelectorAll(".input") ?? []);
  return Array.from(fields, (field) => field.value);
}

/**
 * @param {Event} event
 * @returns {HTMLInputElement}
 */
function inputOf(event) {
  return /** @type {HTMLInputElement} */ (event.currentTarget);
}
