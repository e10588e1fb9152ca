// What happens in a conversation beside words: an edit, a run that begins, something that failed. Told in one
// line, as a play tells its actors.

import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { showRun } from "./places.js";

/**
 * @typedef {import("../../client/src/state.js").TimelineItem} TimelineItem
 * @typedef {import("../../client/src/state.js").Run} Run
 */

/**
 * @param {object} parts
 * @param {Exclude<TimelineItem, {kind: "message"}>} parts.item
 * @param {Run | undefined} parts.run      of an item that tells of one
 * @param {import("../store.js").Model} parts.model
 * @param {import("../actions.js").Actions} parts.actions
 * @param {import("../texts/translate.js").Translate} parts.t
 */
export const stageDirection = ({ item, run, model, actions, t }) => {
  switch (item.kind) {
    case "run":
      return line(
        "run",
        t(`room.run_${run?.draft ? "draft_" : ""}${run?.status ?? "running"}`),
        html`<button class="direction-link" type="button" @click=${() => showRun(actions)}>
          ${t("room.to_stage")}
        </button>`,
      );
    case "error":
      if (item.willRetry) return line("retry", t("room.will_retry", { message: item.error.message }));
      return line("error", item.error.message);
    case "slot_edit": {
      const label = labelOf(item.path, model);
      if (item.value === null) return line("edit", t("room.slot_cleared", { label }));
      return line("edit", t("room.slot_edited", { label, value: valueOf(item, model) }));
    }
    case "restart":
      return line("operator", t("room.restarted"));
    case "notice":
      return line("operator", t(item.notice === "stopped" ? "room.stopped" : "room.budget_warning"));
    default:
      return nothing;
  }
};

/**
 * @param {string} kind
 * @param {unknown} text
 * @param {unknown} [more]
 */
const line = (kind, text, more = nothing) => html`
  <li class="direction" data-part="direction" data-kind=${kind}><p>${text}</p>${more}</li>
`;

/**
 * @param {string} path
 * @param {import("../store.js").Model} model
 */
function labelOf(path, model) {
  return model.playbook?.slots.find((slot) => slot.path === path)?.label ?? path.split(".").at(-1) ?? path;
}

/**
 * @param {Extract<TimelineItem, {kind: "slot_edit"}>} item
 * @param {import("../store.js").Model} model
 */
function valueOf({ path, value }, model) {
  const options = model.playbook?.slots.find((slot) => slot.path === path)?.options ?? [];
  /** @param {unknown} one */
  const named = (one) => options.find((option) => option.value === one)?.label ?? String(one);
  return Array.isArray(value) ? value.map(named).join(", ") : named(value);
}
