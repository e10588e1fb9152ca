// The gate: a curtain before the stage. A slit of light at its foot widens with the brief; when the gate
// opens, the curtain parts. Once there is a run, the stage is no longer covered, and what remains is a strip
// to begin another, which stands at the foot of the results.

import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { cssProperties } from "./css_properties.js";
import { requiredCount } from "./brief_model.js";
import { slotLabel } from "./labels.js";
import { localValue, runErrand } from "./local.js";
import { BEGIN_ID, focusWhenDrawn, RUN_STATE_ID, showCard } from "./places.js";
import { activeRun } from "./run_model.js";

/** The keys of `model.ui.local` for whether a draft is being confirmed, and how the start of a run goes. */
const DRAFT_KEY = "gate:draft";
const START_KEY = "gate:start";

/**
 * @typedef {object} GateView
 * @property {import("../store.js").Model} model
 * @property {import("../../client/src/state.js").Gate} gate
 * @property {import("../actions.js").Actions} actions
 * @property {import("../texts/translate.js").Translate} t
 */

/** @type {import("../view.js").View} */
export const gate = (model, actions, t) => {
  const { session } = model;
  if (!session || session.runs.length > 0) return nothing;
  const judged = session.gate;
  return html`
    <div
      class="gate"
      data-part="gate"
      data-ready=${judged?.ready ? "true" : "false"}
      ${cssProperties({ "--completeness": judged?.completeness ?? 0 })}
    >
      ${curtain()}
      ${judged ? placard({ model, gate: judged, actions, t }) : nothing}
    </div>
  `;
};

/**
 * The gate once there was a run: what another one takes. Nothing while one is under way.
 * @type {import("../view.js").View}
 */
export const gateStrip = (model, actions, t) => {
  const { session } = model;
  if (!session?.gate || session.runs.length === 0 || activeRun(session.runs)) return nothing;
  return html`
    <div class="gate-strip" data-part="gate" data-ready=${session.gate.ready ? "true" : "false"}>
      ${againStrip({ model, gate: session.gate, actions, t })}
    </div>
  `;
};

function curtain() {
  return html`
    <div class="curtain" aria-hidden="true">
      <div class="curtain-light"></div>
      <div class="drape" data-side="left"></div>
      <div class="drape" data-side="right"></div>
      <div class="curtain-pelmet"></div>
      <div class="curtain-slit"></div>
    </div>
  `;
}

/** @param {GateView} view */
function placard(view) {
  const { model, gate: judged, t } = view;
  const { filled, required } = requiredCount(model.playbook, judged);
  if (judged.ready) {
    return html`<div class="placard">
      <p class="placard-title">${t("stage.gate_open")}</p>
      <p class="placard-text">${t("stage.gate_open_hint")}</p>
      ${generateButton(view, t("stage.generate"))}
    </div>`;
  }
  return html`<div class="placard">
    <p class="placard-title">${t("stage.gate_closed")}</p>
    <p class="placard-text tabular">${t("brief.filled", { filled, required })}</p>
    ${gaps(view)} ${draftOffer(view)}
  </div>`;
}

/** @param {GateView} view */
function againStrip(view) {
  const { gate: judged, t } = view;
  if (judged.ready) {
    return html`
      <p class="placard-text">${t("stage.again_hint")}</p>
      ${generateButton(view, t("stage.generate_again"))}
    `;
  }
  return html`<p class="placard-text">${t("stage.again_closed")}</p>
    ${gaps(view)} ${draftOffer(view)}`;
}

/**
 * What stands in the way, as links to the cards.
 * @param {GateView} view
 */
function gaps(view) {
  const { gate: judged, t } = view;
  return html`
    ${gapList(view, t("stage.missing"), judged.missing_required, "missing")}
    ${gapList(view, t("stage.low_confidence"), judged.low_confidence, "unsure")}
  `;
}

/**
 * @param {GateView} view
 * @param {string} title
 * @param {readonly string[]} paths
 * @param {"missing" | "unsure"} kind
 */
function gapList({ model, actions }, title, paths, kind) {
  if (paths.length === 0) return nothing;
  return html`
    <div class="gaps" data-kind=${kind}>
      <p class="gaps-title" id=${`gaps-${kind}`}>${title}</p>
      <ul aria-labelledby=${`gaps-${kind}`}>
        ${paths.map(
          (path) => html`<li>
            <button type="button" class="gap" data-path=${path} @click=${() => showCard(actions, path)}>
              ${slotLabel(model.playbook, path)}
            </button>
          </li>`,
        )}
      </ul>
    </div>
  `;
}

/**
 * A draft is offered where something is missing, and made once its gaps are named and confirmed.
 * @param {GateView} view
 */
function draftOffer(view) {
  const { model, gate: judged, actions, t } = view;
  const isAnythingThere = Object.values(model.session?.slots ?? {}).some((slot) => slot.value !== null);
  if (!isAnythingThere) return nothing;
  if (!localValue(model, DRAFT_KEY, false)) {
    return html`<button
      type="button"
      class="button"
      id="draft-offer"
      @click=${() => {
        actions.setLocal({ [DRAFT_KEY]: true });
        focusWhenDrawn("draft-confirm");
      }}
    >
      ${t("stage.draft")}
    </button>`;
  }
  const gapPaths = [...judged.missing_required, ...judged.low_confidence];
  const names = gapPaths.map((path) => slotLabel(model.playbook, path));
  const isWorking = startErrand(model)?.status === "working";
  return html`
    <div class="draft-confirm" id="draft-confirm" tabindex="-1" role="group" aria-labelledby="draft-question">
      <p id="draft-question">${t("stage.draft_question", { gaps: names.join(" · ") })}</p>
      <div class="placard-buttons">
        <button
          type="button"
          class="button"
          data-kind="primary"
          ?disabled=${isWorking}
          @click=${() => start(view, true)}
        >
          ${t(isWorking ? "stage.starting" : "stage.draft_confirm")}
        </button>
        <button
          type="button"
          class="button"
          data-kind="quiet"
          @click=${() => {
            actions.setLocal({ [DRAFT_KEY]: false });
            focusWhenDrawn("draft-offer");
          }}
        >
          ${t("stage.draft_back")}
        </button>
      </div>
    </div>
  `;
}

/**
 * @param {GateView} view
 * @param {string} words
 */
function generateButton(view, words) {
  const { model, t } = view;
  const isWorking = startErrand(model)?.status === "working";
  return html`<button
    type="button"
    class="button generate"
    id=${BEGIN_ID}
    data-kind=${(model.session?.runs.length ?? 0) > 0 ? "again" : "primary"}
    data-part="generate"
    ?disabled=${isWorking}
    @click=${() => start(view, false)}
  >
    ${isWorking ? t("stage.starting") : words}
  </button>`;
}

/**
 * @param {import("../store.js").Model} model
 * @returns {import("./local.js").Errand | null}
 */
function startErrand(model) {
  return localValue(model, START_KEY, /** @type {import("./local.js").Errand | null} */ (null));
}

/**
 * @param {GateView} view
 * @param {boolean} draft
 */
async function start({ actions }, draft) {
  await runErrand(actions, START_KEY, () => actions.generate({ draft }));
  actions.setLocal({ [DRAFT_KEY]: false });
  focusWhenDrawn(RUN_STATE_ID);
}
