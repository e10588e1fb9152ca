// Where a slot's value comes from: the words in their message, the user's own edit, or the picture.

import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { messageOfTurn, quoteParts } from "./brief_model.js";
import { showMessage } from "./places.js";

/**
 * @param {import("./slot_card.js").CardView & {slot: import("../../client/src/state.js").Slot}} view
 */
export function slotSource({ slot, model, actions, t }) {
  const { source } = slot;
  if (source.kind === "edit") {
    return html`<div class="slot-source" data-part="slot-source">
      <p>${t("brief.source_edit")} ${when(slot.at, t)}</p>
    </div>`;
  }
  if (source.kind === "picture") {
    return html`<div class="slot-source" data-part="slot-source">
      <p>${t("brief.source_picture")} ${when(slot.at, t)}</p>
    </div>`;
  }
  const message = messageOfTurn(model.session?.timeline ?? [], source.turn_id);
  const parts = message ? quoteParts(message.text, source.words) : null;
  return html`
    <div class="slot-source" data-part="slot-source">
      <p>
        ${t(message?.modality === "voice" ? "brief.source_spoken" : "brief.source_typed")} ${when(slot.at, t)}
      </p>
      <blockquote>
        ${parts
          ? html`${parts.before}<mark>${parts.words}</mark>${parts.after}`
          : html`<mark>${source.words}</mark>`}
      </blockquote>
      ${message
        ? html`<button
            type="button"
            class="text-button"
            @click=${() => showMessage(actions, message.messageId)}
          >
            ${t("brief.show_message")}
          </button>`
        : nothing}
    </div>
  `;
}

/**
 * @param {string} at
 * @param {import("../texts/translate.js").Translate} t
 */
function when(at, t) {
  return html`<time class="slot-when" datetime=${at}>${t.time(at)}</time>`;
}
