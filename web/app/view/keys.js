// The dialog that lists the keys of the page, and turns those off that are characters.

import { html } from "../../vendor/lit-html/lit-html.js";
import { dialog } from "./dialog.js";

/** @type {import("../view.js").View} */
export const shortcuts = (model, actions, t) =>
  dialog({
    name: "shortcuts",
    title: t("trouble.keys.title"),
    body: body(model, actions, t),
    model,
    actions,
    t,
  });

/** @type {import("../view.js").View} */
const body = (model, actions, t) => html`
  <div class="shortcuts">
    <dl class="shortcuts-list">
      <dt><kbd>${t("trouble.keys.space")}</kbd></dt>
      <dd>${t("trouble.keys.talk")}</dd>
      <dt><kbd>${t("trouble.keys.escape")}</kbd></dt>
      <dd>${t("trouble.keys.stop")}</dd>
      <dt><kbd>/</kbd></dt>
      <dd>${t("trouble.keys.compose")}</dd>
      <dt><kbd>?</kbd></dt>
      <dd>${t("trouble.keys.list")}</dd>
    </dl>
    <label class="shortcuts-switch">
      <input
        type="checkbox"
        .checked=${model.ui.areShortcutsOn}
        aria-describedby="shortcuts-hint"
        @change=${(/** @type {Event & {currentTarget: HTMLInputElement}} */ event) =>
          actions.setShortcuts(event.currentTarget.checked)}
      />
      <span>${t("trouble.keys.enabled")}</span>
    </label>
    <p id="shortcuts-hint">${t("trouble.keys.hint")}</p>
  </div>
`;
