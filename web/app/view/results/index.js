// The results: a panel for each stage of the run that is looked at, filled path by path while the stage
// writes.

import { html, nothing } from "../../../vendor/lit-html/lit-html.js";
import { repeat } from "../../../vendor/lit-html/directives/repeat.js";
import { chooseStage, shownOf } from "../looked_at.js";
import { gateStrip } from "../gate.js";
import { panelId, tabId } from "../stage_line.js";
import { panelHead } from "./panel_head.js";
import { sections } from "./sections.js";

/** @type {import("../../view.js").View} */
export const results = (model, actions, t) => {
  const { run, stageId } = shownOf(model);
  if (!run) return nothing;
  return html`
    <div class="results">
      ${repeat(
        run.stages,
        (stage) => stage.id,
        (stage) => {
          const isShown = stage.id === stageId;
          // What somebody looks into stays: the page no longer follows the run to the next stage.
          const stay = () => chooseStage(actions, run.runId, stage.id);
          return html`
            <div
              class="result-panel"
              role="tabpanel"
              id=${panelId(stage.id)}
              aria-labelledby=${tabId(stage.id)}
              tabindex="0"
              data-part="result-panel"
              data-stage=${stage.id}
              data-status=${stage.status}
              ?data-shown=${isShown}
              lang=${run.locale}
              @pointerdown=${stay}
              @focusin=${stay}
            >
              ${panelHead({ model, actions, t, run, stage })}
              <div class="result-sections">${sections({ model, actions, t, run, stage })}</div>
            </div>
          `;
        },
      )}
    </div>
    ${gateStrip(model, actions, t)}
  `;
};
