// Above a stage's result: who wrote it, whether a simulator did, what checks dropped, and how it stands.

import { html, nothing } from "../../../vendor/lit-html/lit-html.js";
import { stageLabel } from "../labels.js";
import { warningIcon } from "../stage_icons.js";
import { isBlank, listOf, recordOf } from "./partial.js";

/**
 * @typedef {object} StageView
 * @property {import("../../store.js").Model} model
 * @property {import("../../actions.js").Actions} actions
 * @property {import("../../texts/translate.js").Translate} t
 * @property {import("../run_model.js").Run} run
 * @property {import("../run_model.js").Stage} stage
 */

/** @param {StageView} view */
export function panelHead(view) {
  const { model, t, stage } = view;
  return html`
    <header class="panel-head" lang=${t.language}>
      <h3 class="visually-hidden panel-title">${stageLabel(model.playbook, stage.id)}</h3>
      <p class="provenance" data-part="provenance">${provenance(view)}</p>
      ${toCheck(view)}
      ${stage.dropped > 0
        ? html`<p class="dropped">${t("results.dropped", { count: stage.dropped })}</p>`
        : nothing}
    </header>
  `;
}

/** @param {StageView} view */
function provenance({ t, stage }) {
  const written = stage.provenance;
  if (written?.kind === "model") {
    return html`
      ${written.simulated
        ? html`<strong class="written-simulated">${t("results.simulated")}</strong>`
        : nothing}
      ${t("results.written_by", { provider: written.provider, model: written.model })}
    `;
  }
  const isEmpty = isBlank(stage.output);
  if (stage.status === "running") return t(isEmpty ? "results.begins" : "results.being_written");
  if (stage.status === "failed") return t(isEmpty ? "results.nothing_kept" : "results.kept_partial");
  if (stage.status === "waiting") return t("results.waits");
  return nothing;
}

/**
 * A word on what has to be checked, before one reads the rest; it leads there.
 * @param {StageView} view
 */
function toCheck({ t, stage }) {
  const flags = listOf(recordOf(stage.output).risk_flags).filter((flag) => !isBlank(flag));
  if (flags.length === 0) return nothing;
  const go = () => document.getElementById(`${stage.id}-risk_flags`)?.scrollIntoView({ block: "start" });
  return html`<button type="button" class="text-button to-check" @click=${go}>
    ${warningIcon} ${t("results.to_check", { count: flags.length })}
  </button>`;
}
