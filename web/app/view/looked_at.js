// Which run and which of its stages is looked at. A choice holds for what there was to choose from: it gives
// way when another run begins, and the page follows that one.

import { localValue } from "./local.js";
import { lampsOf, shownRun, shownStage } from "./run_model.js";

const RUN_KEY = "stage:run";
const STAGE_KEY = "stage:tab";

/** @typedef {{runId: string, runs: number}} RunChoice  `runs`: how many there were */
/** @typedef {{runId: string, stageId: string}} StageChoice */

/**
 * @param {import("../store.js").Model} model
 * @returns {{run: import("./run_model.js").Run | null, lamps: import("./run_model.js").Lamp[], stageId:
 *   string | null}}
 */
export function shownOf(model) {
  const runs = model.session?.runs ?? [];
  const runChoice = localValue(model, RUN_KEY, /** @type {RunChoice | null} */ (null));
  const run = shownRun(runs, runChoice?.runs === runs.length ? runChoice.runId : null);
  const lamps = lampsOf(run, model.playbook);
  const stageChoice = localValue(model, STAGE_KEY, /** @type {StageChoice | null} */ (null));
  const stageId = shownStage(lamps, stageChoice?.runId === run?.runId ? stageChoice?.stageId : null);
  return { run, lamps, stageId };
}

/**
 * @param {import("../store.js").Model} model
 * @param {import("../actions.js").Actions} actions
 * @param {string} runId
 */
export function chooseRun(model, actions, runId) {
  actions.setLocal({ [RUN_KEY]: { runId, runs: model.session?.runs.length ?? 0 } });
}

/**
 * @param {import("../actions.js").Actions} actions
 * @param {string} runId
 * @param {string} stageId
 */
export function chooseStage(actions, runId, stageId) {
  actions.setLocal({ [STAGE_KEY]: { runId, stageId } });
}
