// On small screens one place is on show at a time; these are the doors between them, with a word on what
// waits behind.

import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { requiredCount } from "./brief_model.js";
import { briefTabIcon, stageTabIcon, talkTabIcon } from "./icons.js";

/**
 * @typedef {import("../store.js").Model} Model
 * @typedef {import("../store.js").Pane} Pane
 */

const ICONS = { talk: talkTabIcon, brief: briefTabIcon, stage: stageTabIcon };

/** @type {import("../view.js").View} */
export const tabBar = (model, actions, t) => html`
  <nav class="tab-bar" aria-label=${t("page.tabs")}>
    ${
      /** @type {const} */ (["talk", "brief", "stage"]).map(
        (pane) => html`<button
        class="tab"
        type="button"
        data-part="tab"
        data-tab=${pane}
        aria-current=${model.ui.pane === pane ? "true" : "false"}
        @click=${() => actions.setPane(pane)}
      >
        <span class="tab-icon">${ICONS[pane]}${badge(pane, model, t)}</span>
        <span>${t(`page.tab_${pane}`)}</span>
      </button>`,
      )
    }
  </nav>
`;

/**
 * @param {Pane} pane
 * @param {Model} model
 * @param {import("../texts/translate.js").Translate} t
 */
function badge(pane, model, t) {
  if (pane === "brief") return briefBadge(model, t);
  const run = model.session?.runs.at(-1);
  if (pane !== "stage" || !run || run.status === "cancelled") return nothing;
  return html`<span class="tab-lamp" data-status=${run.status}
    ><span class="visually-hidden">${t(`page.run_${run.status}`)}</span></span
  >`;
}

/**
 * @param {Model} model
 * @param {import("../texts/translate.js").Translate} t
 */
function briefBadge({ session, playbook }, t) {
  const { filled, required } = requiredCount(playbook, session?.gate ?? null);
  if (!session || required === 0) return nothing;
  return html`<span class="tab-count tabular" data-complete=${filled === required}
    ><span aria-hidden="true">${filled}/${required}</span
    ><span class="visually-hidden"
      >${t("page.slots_filled", { filled, required })}</span
    ></span
  >`;
}
