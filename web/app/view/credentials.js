// The server asks for its token: the one thing without which nothing else of the page works.

import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { dialog } from "./dialog.js";

/** @type {import("../view.js").View} */
export const credentialsDialog = (model, actions, t) =>
  dialog({
    name: "credentials",
    title: t("room.token_title"),
    body: body(model, actions, t),
    model,
    actions,
    t,
  });

/** @type {import("../view.js").View} */
const body = (model, actions, t) => {
  if (model.ui.dialog !== "credentials") return nothing;
  /** @param {SubmitEvent} event */
  const enter = (event) => {
    event.preventDefault();
    const token = new FormData(/** @type {HTMLFormElement} */ (event.target)).get("token");
    if (typeof token === "string" && token.trim()) void actions.enterToken(token.trim());
  };
  return html`
    <form class="credentials" @submit=${enter}>
      <p>${t("room.token_why")}</p>
      <label class="field">
        <span>${t("room.token")}</span>
        <input
          class="input"
          name="token"
          type="password"
          autocomplete="current-password"
          autofocus
          required
          aria-invalid=${model.ui.tokenRefused}
          aria-describedby="token-refused"
        />
      </label>
      <p class="field-error" id="token-refused" role="alert">
        ${model.ui.tokenRefused ? t("room.token_refused") : nothing}
      </p>
      <button class="button" data-kind="primary" type="submit">${t("room.token_enter")}</button>
    </form>
  `;
};
