// A dialog: the browser's own, with a title and a button that closes it. `effects.js` opens what the model
// asks for.

import { html } from "../../vendor/lit-html/lit-html.js";
import { closeIcon } from "./icons.js";

/**
 * @param {object} parts
 * @param {NonNullable<import("../store.js").Ui["dialog"]>} parts.name
 * @param {string} parts.title
 * @param {unknown} parts.body
 * @param {import("../store.js").Model} parts.model
 * @param {import("../actions.js").Actions} parts.actions
 * @param {import("../texts/translate.js").Translate} parts.t
 */
export const dialog = ({ name, title, body, model, actions, t }) => html`
  <dialog
    class="dialog"
    data-dialog=${name}
    aria-labelledby="dialog-title-${name}"
    @close=${() => model.ui.dialog === name && actions.showDialog(null)}
    @click=${(/** @type {MouseEvent} */ event) => {
      // A click beside the dialog is one on the dialog itself: its content fills it.
      if (event.target === event.currentTarget) actions.showDialog(null);
    }}
  >
    <div class="dialog-sheet">
      <header class="dialog-head">
        <h2 id="dialog-title-${name}" tabindex="-1" ?autofocus=${name !== "credentials"}>${title}</h2>
        <button
          class="icon-button"
          type="button"
          aria-label=${t("room.close")}
          @click=${() => actions.showDialog(null)}
        >
          ${closeIcon}
        </button>
      </header>
      ${body}
    </div>
  </dialog>
`;
