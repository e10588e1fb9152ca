// Puts a text on the clipboard, and says for a moment that it is there.

import { html } from "../../../vendor/lit-html/lit-html.js";
import { localValue } from "../local.js";
import { checkIcon, copyIcon } from "../stage_icons.js";

/** The key of `model.ui.local` for what was copied last, and whether that worked. */
export const COPIED_KEY = "results:copied";
/** How long a button says so. */
const SAID_MS = 2_000;

/**
 * @typedef {object} Copyable
 * @property {string} id      unique on the page
 * @property {string} text
 * @property {string} label   what the button is called, for those who cannot see what it stands beside
 * @property {string} [words] what stands on the button; without, it is the sign alone
 * @property {unknown} [icon] the sign, where it is not the usual one
 */

/**
 * @param {Pick<import("./panel_head.js").StageView, "model" | "actions" | "t">} view
 * @param {Copyable} copyable
 */
export function copyButton({ model, actions, t }, { id, text, label, words, icon = copyIcon }) {
  const last = localValue(model, COPIED_KEY, /** @type {{id: string, works: boolean} | null} */ (null));
  const said = last?.id === id ? t(last.works ? "results.copied" : "results.copy_failed") : "";
  return html`<button
    type="button"
    class=${words ? "button copy-button" : "icon-button copy-button"}
    data-part="copy"
    data-copied=${said !== "" && last?.works ? "true" : "false"}
    aria-label=${said || label}
    title=${said || label}
    lang=${t.language}
    @click=${() => void copy(actions, id, text)}
  >
    ${said && last?.works ? checkIcon : icon} ${words ? html`<span>${said || words}</span>` : ""}
  </button>`;
}

/**
 * @param {import("../../actions.js").Actions} actions
 * @param {string} id
 * @param {string} text
 */
async function copy(actions, id, text) {
  const works = await navigator.clipboard.writeText(text).then(
    () => true,
    () => false,
  );
  const said = { id, works };
  actions.setLocal({ [COPIED_KEY]: said });
  setTimeout(() => actions.setLocal({ [COPIED_KEY]: null }), SAID_MS);
}
