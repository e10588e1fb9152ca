// What works without an AI service, and how to set one up; and, of any trouble, what its reporter is asked
// for.

import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { copyButton } from "./results/copy_button.js";

/**
 * The part of a banner that is read on demand.
 *
 * @param {import("../troubles.js").Trouble} trouble
 * @param {import("../store.js").Model} model
 * @param {import("../actions.js").Actions} actions
 * @param {import("../texts/translate.js").Translate} t
 */
export const howToSetUp = ({ id, kind, points, commands, code, details }, model, actions, t) => {
  const lines = points.map((point) => html`<li>${point}</li>`);
  // How to allow a microphone is the next step itself.
  if (kind === "microphone")
    return lines.length > 0
      ? html`<ul class="banner-points">
          ${lines}
        </ul>`
      : nothing;
  if (lines.length === 0 && commands.length === 0 && code === null && details === null) return nothing;
  return html`
    <details class="banner-more">
      <summary>${commands.length > 0 ? t("trouble.show_how") : t("trouble.show_more")}</summary>
      ${
        lines.length > 0
          ? html`<ul class="banner-points">
              ${lines}
            </ul>`
          : nothing
      }
      ${
        commands.length > 0
          ? html`<p>${t("trouble.commands")}</p>
              ${commands.map(
                (command, index) => html`<div class="banner-command">
                  <pre><code lang="en">${command}</code></pre>
                  ${copyButton(
                    { model, actions, t },
                    { id: `${id}:command:${index}`, text: command, label: t("trouble.copy_command") },
                  )}
                </div>`,
              )}`
          : nothing
      }
      ${code === null ? nothing : html`<p>${t("trouble.code")}: <code lang="en">${code}</code></p>`}
      ${details === null ? nothing : html`<p>${t("trouble.details")}: <code lang="en">${details}</code></p>`}
    </details>
  `;
};
