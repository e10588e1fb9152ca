// Whose requests these are: the user key and the token, in a small panel at the top of each page.

import { html, nothing, render } from "../vendor/lit-html/lit-html.js";
import { fitsSubprotocol, identity, setToken, setUserKey } from "./identity.js";
import { language, text } from "./texts.js";

/** @param {HTMLElement} container */
export function mountSettings(container) {
  const update = () => {
    const { userKey, token } = identity();
    render(
      html`<div lang=${language}>
        <button class="settings-button" type="button" popovertarget="settings">${text("settings")}</button>
        <div id="settings" class="settings" popover role="group" aria-label=${text("settings_title")}>
          <p class="settings-title">${text("settings_title")}</p>
          ${field("user-key", text("user_key"), text("user_key_hint"), userKey, "text", setUserKey)}
          ${field("token", text("token"), text("token_hint"), token, "password", setToken)}
          <p class="hint">${text("kept_here")}</p>
        </div>
      </div>`,
      container,
    );
  };

  /**
   * @param {string} id
   * @param {string} label
   * @param {string} hint
   * @param {string} value
   * @param {"text" | "password"} type
   * @param {(value: string) => void} set
   */
  const field = (id, label, hint, value, type, set) => {
    /** @param {Event & { currentTarget: HTMLInputElement }} event */
    const change = (event) => {
      set(event.currentTarget.value);
      update();
    };
    return html`<div class="try-field">
      <label for=${id}>${label}</label>
      <input
        class="input"
        id=${id}
        type=${type}
        autocomplete="off"
        spellcheck="false"
        aria-describedby="${id}-hint"
        .value=${value}
        @change=${change}
      />
      <p class="hint" id="${id}-hint">${hint}</p>
      ${fitsSubprotocol(value) ? nothing : html`<p class="failure">${text("no_token_characters")}</p>`}
    </div>`;
  };

  update();
}
