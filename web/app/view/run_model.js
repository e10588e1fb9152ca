// A run as the stage line shows it: a lamp for each stage, how far it has come, and which of several runs is
// looked at.

/** @typedef {import("../../client/src/state.js").Run} Run */
/** @typedef {import("../../client/src/state.js").Stage} Stage */
/** @typedef {import("./labels.js").Playbook} Playbook */

/**
 * @typedef {object} Lamp
 * @property {string} id
 * @property {"waiting" | "running" | "completed" | "failed"} status
 * @property {number} attempt
 * @property {string | null} startedAt
 * @property {string | null} endedAt
 * @property {number | null} budgetMs
 * @property {{ code: string, message: string } | null} error
 * @property {boolean} adopted         taken over from an earlier run, not made in this one
 */

/** The attempt that the log gives to an output that was taken over from an earlier run. */
const ADOPTED_ATTEMPT = 0;

/**
 * The run that is looked at: the chosen one while it exists, else the newest.
 * @param {readonly Run[]} runs
 * @param {string | null | undefined} chosenRunId
 * @returns {Run | null}
 */
export function shownRun(runs, chosenRunId) {
  return runs.find((run) => run.runId === chosenRunId) ?? runs.at(-1) ?? null;
}

/**
 * The run under way, if there is one. Slots are frozen while there is.
 * @param {readonly Run[]} runs
 * @returns {Run | null}
 */
export function activeRun(runs) {
  const newest = runs.at(-1);
  return newest?.status === "running" ? newest : null;
}

/**
 * A lamp for each stage of the run; without a run, a dark one for each stage that there would be.
 * @param {Run | null} run
 * @param {Playbook | null | undefined} playbook
 * @returns {Lamp[]}
 */
export function lampsOf(run, playbook) {
  const budgets = new Map((playbook?.stages ?? []).map((stage) => [stage.id, stage.budget_ms ?? null]));
  if (!run) return [...budgets].map(([id, budgetMs]) => darkLamp(id, budgetMs));
  return run.stages.map((stage) => ({
    id: stage.id,
    status: stage.status,
    attempt: stage.attempt,
    startedAt: stage.startedAt ?? null,
    endedAt: stage.endedAt ?? null,
    budgetMs: budgets.get(stage.id) ?? null,
    error: stage.error ?? null,
    adopted: stage.status === "completed" && stage.attempt === ADOPTED_ATTEMPT,
  }));
}

/**
 * How much of a run is done, in whole stages: nothing is guessed of those under way.
 * @param {readonly Lamp[]} lamps
 * @returns {{ completed: number, total: number }}
 */
export function progressOf(lamps) {
  return { completed: lamps.filter((lamp) => lamp.status === "completed").length, total: lamps.length };
}

/**
 * The stage whose result is worth looking at: the chosen one while the run has it, else the one that is
 * being written,
 * else one that failed, else the first that is done.
 * @param {readonly Lamp[]} lamps
 * @param {string | null | undefined} chosenStageId
 * @returns {string | null}
 */
export function shownStage(lamps, chosenStageId) {
  const chosen = lamps.find((lamp) => lamp.id === chosenStageId);
  if (chosen) return chosen.id;
  /** @param {Lamp["status"]} status */
  const firstThatIs = (status) => lamps.find((lamp) => lamp.status === status);
  const shown = firstThatIs("running") ?? firstThatIs("failed") ?? firstThatIs("completed") ?? lamps[0];
  return shown?.id ?? null;
}

/**
 * What stood in the way when a draft was made of this run all the same; null when nothing was waived.
 * @param {Run} run
 * @returns {string[] | null}
 */
export function waivedPaths(run) {
  if (!run.waived) return null;
  return [...run.waived.missing_required, ...run.waived.low_confidence];
}

/**
 * @param {string} id
 * @param {number | null} budgetMs
 * @returns {Lamp}
 */
function darkLamp(id, budgetMs) {
  const untouched = { attempt: 0, startedAt: null, endedAt: null, error: null, adopted: false };
  return { id, status: "waiting", budgetMs, ...untouched };
}
