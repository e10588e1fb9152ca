// A panel's sections: one for each field of the stage's output, in the order of its schema. Fields that the
// page knows have a form of their own; all others are drawn by what they are, so that nothing is invisible.
// Whatever has not changed is not drawn again.

import { html, nothing } from "../../../vendor/lit-html/lit-html.js";
import { guard } from "../../../vendor/lit-html/directives/guard.js";
import { repeat } from "../../../vendor/lit-html/directives/repeat.js";
import { fieldLabel } from "../labels.js";
import { localValue } from "../local.js";
import { COPIED_KEY } from "./copy_button.js";
import { adCopies, posters, videoPrompt } from "./creative.js";
import { genericValue } from "./generic.js";
import { isBlank, recordOf } from "./partial.js";
import { PLAYER_KEY } from "./player.js";
import { channelObservations, competitors, evidence, marketSignals, riskFlags } from "./research.js";
import { fieldSchema, fieldsOf } from "./schema_model.js";
import { assessment, kpis, positioning, requiredAssets, week } from "./strategy.js";
import { delivery, script, speechSettings, subtitles } from "./voice.js";

/**
 * @typedef {import("./panel_head.js").StageView & {field: string, value: unknown, output:
 *   Readonly<import("./partial.js").JsonRecord>}} FieldView
 */

/**
 * How a field is drawn, and what it reads beside its own value.
 *
 * @typedef {object} FieldForm
 * @property {(view: FieldView) => unknown} draw
 * @property {readonly string[]} [reads]    other fields of the same output
 * @property {readonly string[]} [locals]   keys of `model.ui.local`
 */

/** @type {ReadonlyMap<string, FieldForm>} */
const FORMS = new Map(Object.entries({
  market_signals: { draw: marketSignals },
  competitor_notes: { draw: competitors },
  channel_observations: { draw: channelObservations },
  evidence: { draw: evidence },
  risk_flags: { draw: riskFlags },
  market_assessment: { draw: assessment },
  positioning_options: { draw: positioning },
  weekly_plan: { draw: week },
  required_assets: { draw: requiredAssets },
  kpi_next_actions: { draw: kpis },
  ad_copies: { draw: adCopies, locals: [COPIED_KEY] },
  poster_specs: { draw: posters },
  video_prompt_package: { draw: videoPrompt, locals: [COPIED_KEY] },
  voiceover_script_short: {
    draw: script,
    reads: ["timing_map", "subtitle_lines", "delivery_profile"],
    locals: [COPIED_KEY, PLAYER_KEY],
  },
  voiceover_script_long: { draw: script, reads: ["delivery_profile"], locals: [COPIED_KEY] },
  delivery_profile: { draw: delivery },
  subtitle_lines: { draw: subtitles, reads: ["timing_map"], locals: [PLAYER_KEY] },
  tts_config: { draw: speechSettings },
}));

/** Fields that another one's form shows. */
const SHOWN_ELSEWHERE = new Map([["timing_map", "voiceover_script_short"]]);

/** @param {import("./panel_head.js").StageView} view */
export function sections(view) {
  const { model, t, stage } = view;
  const output = recordOf(stage.output);
  const schema = model.playbook?.stages.find((candidate) => candidate.id === stage.id)?.schema;
  const fields = fieldsOf(schema, output).filter((field) => {
    const host = SHOWN_ELSEWHERE.get(field);
    return !host || !Object.hasOwn(output, host);
  });
  const arrived = fields.filter((field) => Object.hasOwn(output, field));
  const isAwaited = stage.status === "running" && arrived.length === 0;
  return html`
    ${repeat(
      arrived,
      (field) => field,
      (field) =>
        guard(readsOf(view, output, field), () => section({ ...view, field, value: output[field], output })),
    )}
    ${isAwaited ? awaitedSection(fields[0] ? fieldLabel(model.playbook, fields[0]) : "", t) : nothing}
  `;
}

/**
 * What a section depends on, told apart by identity: the state shares what has not changed.
 * @param {import("./panel_head.js").StageView} view
 * @param {Readonly<import("./partial.js").JsonRecord>} output
 * @param {string} field
 */
function readsOf({ model, t, run, stage }, output, field) {
  const form = FORMS.get(field);
  return [
    output[field],
    stage.status,
    stage.sources,
    stage.notes,
    run.runId,
    model.playbook,
    model.health?.tts,
    model.ui.voice,
    t.language,
    ...(form?.reads ?? []).map((other) => output[other]),
    ...(form?.locals ?? []).map((key) => localValue(model, key, null)),
  ];
}

/** @param {FieldView} view */
function section(view) {
  const { model, stage, field, value } = view;
  const schema = model.playbook?.stages.find((candidate) => candidate.id === stage.id)?.schema;
  const titleId = `${stage.id}-${field}-title`;
  return html`
    <section
      class="result-section"
      id=${`${stage.id}-${field}`}
      data-field=${field}
      aria-labelledby=${titleId}
    >
      <h4 class="result-title" id=${titleId}>${fieldLabel(model.playbook, field)}</h4>
      ${formOf(view) ?? genericValue(value, fieldSchema(schema, field), model.playbook)}
    </section>
  `;
}

/**
 * The form of a field that the page knows, if its value is of the kind that the form draws.
 * @param {FieldView} view
 */
function formOf(view) {
  const form = FORMS.get(view.field);
  if (!form || isBlank(view.value)) return null;
  return form.draw(view);
}

/**
 * Keeps the place of the first section until it comes. Nothing stands below what is being written: it
 * would move.
 * @param {string} label
 * @param {import("../../texts/translate.js").Translate} t
 */
function awaitedSection(label, t) {
  return html`
    <div class="result-section awaited">
      <p class="result-title" aria-hidden="true">${label}</p>
      <p class="visually-hidden">${t("results.awaited", { label })}</p>
      <div class="skeleton-lines" aria-hidden="true"><span></span><span></span><span></span></div>
    </div>
  `;
}
