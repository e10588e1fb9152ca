// The stage line: a lamp for each stage, which is also the tab of its result; how far the run has come, what
// failed and how to go on, and which of several runs is looked at.

import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { repeat } from "../../vendor/lit-html/directives/repeat.js";
import { clockText, elapsedMs } from "./duration.js";
import { exportBar } from "./export.js";
import { slotLabel, stageLabel } from "./labels.js";
import { localValue, runErrand } from "./local.js";
import { chooseRun, chooseStage, shownOf } from "./looked_at.js";
import { RUN_STATE_ID } from "./places.js";
import { progressOf, waivedPaths } from "./run_model.js";
import { retryIcon, stopIcon } from "./stage_icons.js";

/** The keys of `model.ui.local` for how an errand of the stage goes. */
const RETRY_KEY = "stage:retry";
const CANCEL_KEY = "stage:cancel";

/** @typedef {import("./run_model.js").Lamp} Lamp */
/** @typedef {import("./run_model.js").Run} Run */

/**
 * @typedef {object} LineView
 * @property {import("../store.js").Model} model
 * @property {import("../actions.js").Actions} actions
 * @property {import("../texts/translate.js").Translate} t
 * @property {Run} run
 * @property {Lamp[]} lamps
 * @property {string | null} stageId   of the tab that is shown
 */

/**
 * The ids that join a stage's tab and its panel.
 * @param {string} stageId
 */
export const tabId = (stageId) => `result-tab-${stageId}`;
/** @param {string} stageId */
export const panelId = (stageId) => `result-panel-${stageId}`;

/** @type {import("../view.js").View} */
export const stageLine = (model, actions, t) => {
  const runs = model.session?.runs ?? [];
  const { run, lamps, stageId } = shownOf(model);
  if (!run) return darkLine(lamps, model, t);
  const view = { model, actions, t, run, lamps, stageId };
  return html`
    <div class="stage-line" data-part="stage-line" data-status=${run.status}>
      ${runHead(view, runs)} ${lampTabs(view)} ${waiverNote(view)} ${retries(view)} ${failures(view, runs)}
    </div>
  `;
};

/**
 * @param {Lamp[]} lamps
 * @param {import("../store.js").Model} model
 * @param {import("../texts/translate.js").Translate} t
 */
function darkLine(lamps, model, t) {
  if (lamps.length === 0) return nothing;
  return html`
    <div class="stage-line" data-part="stage-line" data-status="none">
      <ol class="lamps" aria-label=${t("stage.stages")}>
        ${lamps.map(
          (lamp) => html`<li class="lamp" data-part="lamp" data-stage=${lamp.id} data-status="waiting">
            ${bulb()}
            <span class="lamp-name">${stageLabel(model.playbook, lamp.id)}</span>
          </li>`,
        )}
      </ol>
    </div>
  `;
}

function bulb() {
  return html`<span class="lamp-bulb" aria-hidden="true"></span>`;
}

/**
 * @param {LineView} view
 * @param {readonly Run[]} runs
 */
function runHead(view, runs) {
  const { model, actions, t, run, lamps } = view;
  const { completed, total } = progressOf(lamps);
  const isRunning = run.status === "running";
  const elapsed = elapsedMs(run.startedAt, run.endedAt ?? new Date(model.nowMs).toISOString());
  const cancelling = localValue(model, CANCEL_KEY, /** @type {import("./local.js").Errand | null} */ (null));
  return html`
    <div class="run-head">
      ${runPicker(view, runs)}
      <p class="run-state" id=${RUN_STATE_ID} tabindex="-1" data-part="run-state" data-status=${run.status}>
        <strong>${t(`stage.run_${run.status}`)}</strong>
        ${run.draft ? html`<span class="tag">${t("stage.draft_tag")}</span>` : nothing}
        <span class="tabular">${t("stage.stages_done", { completed, total })}</span>
        <time class="run-clock tabular">${clockText(elapsed)}</time>
        ${isRunning
          ? html`<span class="tabular">${t("stage.of_budget", { budget: clockText(run.budgetMs) })}</span>`
          : nothing}
      </p>
      ${isRunning
        ? html`<button
            type="button"
            class="button run-cancel"
            ?disabled=${cancelling?.status === "working"}
            @click=${() => runErrand(actions, CANCEL_KEY, () => actions.cancelRun())}
          >
            ${stopIcon} ${t("stage.cancel")}
          </button>`
        : nothing}
      ${run.status === "completed" ? exportBar(model, actions, t, run) : nothing}
      <progress
        class="run-progress"
        max=${total || 1}
        value=${completed}
        aria-label=${t("stage.progress")}
      ></progress>
    </div>
  `;
}

/**
 * There from the first run on: where it takes a row of its own, the second run moves nothing.
 * @param {LineView} view
 * @param {readonly Run[]} runs
 */
function runPicker({ model, actions, t, run }, runs) {
  return html`
    <label class="run-picker" ?data-single=${runs.length === 1}>
      <span class="visually-hidden">${t("stage.run_picker")}</span>
      <select
        class="input"
        @change=${(/** @type {Event} */ event) =>
          chooseRun(model, actions, /** @type {HTMLSelectElement} */ (event.currentTarget).value)}
      >
        ${runs
          .map(
            (candidate, index) => html`<option
              value=${candidate.runId}
              ?selected=${candidate.runId === run.runId}
            >
              ${t("stage.run_number", { number: index + 1 })} · ${t.time(candidate.startedAt)} ·
              ${t(`stage.run_${candidate.status}`)}
            </option>`,
          )
          .reverse()}
      </select>
    </label>
  `;
}

/** @param {LineView} view */
function lampTabs(view) {
  const { t, lamps, stageId } = view;
  return html`
    <div class="lamps" role="tablist" aria-label=${t("stage.results_of")}>
      ${repeat(
        lamps,
        (lamp) => lamp.id,
        (lamp) => lampTab(view, lamp, lamp.id === stageId),
      )}
    </div>
  `;
}

/**
 * @param {LineView} view
 * @param {Lamp} lamp
 * @param {boolean} isShown
 */
function lampTab(view, lamp, isShown) {
  const { model, actions, t, run } = view;
  const elapsed = lampElapsedMs(lamp, model.nowMs);
  return html`
    <button
      type="button"
      role="tab"
      class="lamp"
      id=${tabId(lamp.id)}
      data-part="result-tab"
      data-stage=${lamp.id}
      data-status=${lamp.status}
      aria-selected=${isShown ? "true" : "false"}
      aria-controls=${panelId(lamp.id)}
      tabindex=${isShown ? 0 : -1}
      @click=${() => chooseStage(actions, run.runId, lamp.id)}
      @keydown=${(/** @type {KeyboardEvent} */ event) => moveByKey(event, view, lamp.id)}
    >
      <span data-part="lamp" data-stage=${lamp.id} data-status=${lamp.status}>${bulb()}</span>
      <span class="lamp-name">${stageLabel(model.playbook, lamp.id)}</span>
      <span class="lamp-state">${lampState(lamp, t)}</span>
      <span class="lamp-clock tabular" aria-hidden="true">${elapsed > 0 ? clockText(elapsed) : " "}</span>
      <progress
        class="lamp-budget"
        max=${lamp.budgetMs ?? 1}
        value=${elapsed}
        ?data-idle=${lamp.status !== "running" || !lamp.budgetMs}
        aria-hidden="true"
      ></progress>
    </button>
  `;
}

/**
 * @param {Lamp} lamp
 * @param {import("../texts/translate.js").Translate} t
 */
function lampState(lamp, t) {
  if (lamp.adopted) return t("stage.lamp_adopted");
  const state = t(`stage.lamp_${lamp.status}`);
  return lamp.attempt > 1 ? `${state} · ${t("stage.attempt", { attempt: lamp.attempt })}` : state;
}

/**
 * @param {Lamp} lamp
 * @param {number} nowMs
 */
function lampElapsedMs(lamp, nowMs) {
  if (!lamp.startedAt || lamp.adopted) return 0;
  return elapsedMs(lamp.startedAt, lamp.status === "running" ? new Date(nowMs).toISOString() : lamp.endedAt);
}

/**
 * The arrow keys, Home and End go from tab to tab; what they reach is shown at once.
 * @param {KeyboardEvent} event
 * @param {LineView} view
 * @param {string} stageId
 */
function moveByKey(event, { lamps, run, actions }, stageId) {
  const index = lamps.findIndex((lamp) => lamp.id === stageId);
  const last = lamps.length - 1;
  /** @type {Record<string, number>} */
  const targets = {
    ArrowRight: index === last ? 0 : index + 1,
    ArrowLeft: index === 0 ? last : index - 1,
    Home: 0,
    End: last,
  };
  const target = lamps[targets[event.key] ?? -1];
  if (!target) return;
  event.preventDefault();
  chooseStage(actions, run.runId, target.id);
  document.getElementById(tabId(target.id))?.focus();
}

/** @param {LineView} view */
function waiverNote({ model, t, run }) {
  const paths = waivedPaths(run);
  if (!paths || paths.length === 0) return nothing;
  const gaps = paths.map((path) => slotLabel(model.playbook, path)).join(" · ");
  return html`<p class="stage-note" data-part="waiver">${t("stage.waived", { gaps })}</p>`;
}

/**
 * Stages that failed once and are tried again: what happened, while it is made good.
 * @param {LineView} view
 */
function retries({ model, t, lamps }) {
  return lamps
    .filter((lamp) => lamp.status === "running" && lamp.error)
    .map(
      (lamp) => html`<p class="stage-note">
        ${t("stage.trying_again", { stage: stageLabel(model.playbook, lamp.id) })} ${lamp.error?.message}
      </p>`,
    );
}

/**
 * @param {LineView} view
 * @param {readonly Run[]} runs
 */
function failures(view, runs) {
  const { model, actions, t, run, lamps } = view;
  const failed = lamps.filter((lamp) => lamp.status === "failed");
  if (failed.length === 0) return nothing;
  const canRetry = run.status === "failed" && run.runId === runs.at(-1)?.runId;
  const errand = localValue(model, RETRY_KEY, /** @type {import("./local.js").Errand | null} */ (null));
  return html`
    <div class="failure" data-part="failure">
      ${failed.map(
        (lamp) => html`
          <p class="failure-title">${t("stage.failed", { stage: stageLabel(model.playbook, lamp.id) })}</p>
          <p>
            ${lamp.error?.message ?? t("stage.failed_unsaid")}
            <code class="failure-code">${lamp.error?.code}</code>
          </p>
        `,
      )}
      ${canRetry
        ? html`
            <p class="failure-hint">${t("stage.retry_hint")}</p>
            <button
              type="button"
              class="button"
              data-kind="primary"
              data-part="retry"
              ?disabled=${errand?.status === "working"}
              @click=${() => runErrand(actions, RETRY_KEY, () => actions.retryRun())}
            >
              ${retryIcon} ${t("stage.retry")}
            </button>
          `
        : nothing}
    </div>
  `;
}
