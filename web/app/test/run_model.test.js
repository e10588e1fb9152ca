// Which run and which stage is looked at, and how its lamps stand.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fold } from "../../client/src/fold.js";
import { emptyState } from "../../client/src/state.js";
import { journal } from "../../client/test/support/journals.js";
import { clockText, elapsedMs } from "../view/duration.js";
import { shownOf } from "../view/looked_at.js";
import { activeRun, lampsOf, progressOf, shownRun, shownStage, waivedPaths } from "../view/run_model.js";
import { launchPlaybook, STAGES } from "./support/launch.js";
import { sceneOf } from "./support/scene.js";

/** @param {string} name */
function runsOf(name) {
  return journal(name).reduce((state, event) => fold(state, event), emptyState("sess_1")).runs;
}

test("without a run there is a dark lamp for each stage of the playbook", () => {
  const lamps = lampsOf(null, launchPlaybook());
  assert.deepEqual(lamps.map(({ id, status }) => [id, status]), STAGES.map((id) => [id, "waiting"]));
  assert.deepEqual(progressOf(lamps), { completed: 0, total: 4 });
});

test("a finished run has all lamps lit, and no run is under way", () => {
  const runs = runsOf("run-done");
  assert.equal(activeRun(runs), null);
  assert.deepEqual(progressOf(lampsOf(shownRun(runs, null), null)), { completed: 4, total: 4 });
});

test("a run under way is told, with what its draft goes without", () => {
  const run = activeRun(runsOf("draft-under-way"));
  assert.ok(run);
  assert.deepEqual(waivedPaths(run)?.slice(0, 2), ["product.category", "product.price_band"]);
});

test("what a run took over from another one is marked", () => {
  const run = shownRun(runsOf("restarted-from-stage"), null);
  assert.deepEqual(lampsOf(run, null).map(({ adopted }) => adopted), [true, false, false, false]);
});

test("the stage that is shown follows the run: what is written, what failed, the first that is done", () => {
  const lamps = lampsOf(shownRun(runsOf("run-done"), null), null);
  const [first, second, third, fourth] = lamps;
  assert.ok(first && second && third && fourth);
  assert.equal(shownStage(lamps, null), "research");
  const failed = /** @type {const} */ ({ ...second, status: "failed" });
  assert.equal(shownStage([first, failed, third, fourth], null), "strategy");
  assert.equal(shownStage([first, failed, { ...third, status: "running" }, fourth], null), "creative");
  assert.equal(shownStage(lamps, "voice"), "voice");
  assert.equal(shownStage([], null), null);
});

test("a choice holds for the run and for the number of runs that it was made in", () => {
  const runs = runsOf("run-cancelled");
  const [first, last] = runs;
  assert.ok(first && last);
  /** @param {Record<string, unknown>} local @param {typeof runs} [among] */
  const shown = (local, among = runs) => shownOf(sceneOf({ session: { runs: among }, ui: { local } }));
  const chosen = { "stage:run": { runId: first.runId, runs: 2 } };
  assert.equal(shown({}).run, last);
  assert.equal(shown(chosen).run, first);
  assert.equal(shown(chosen, [...runs, { ...last, runId: "run_3" }]).run?.runId, "run_3");
  assert.equal(shown({ "stage:tab": { runId: last.runId, stageId: "voice" } }).stageId, "voice");
  assert.equal(shown({ "stage:tab": { runId: first.runId, stageId: "voice" } }).stageId, "research");
});

test("a stage clock counts minutes and seconds, and never backwards", () => {
  assert.equal(clockText(0), "0:00");
  assert.equal(clockText(67_999), "1:07");
  assert.equal(clockText(600_000), "10:00");
  assert.equal(clockText(-5), "0:00");
  assert.equal(elapsedMs("2026-01-01T00:00:01.000Z", "2026-01-01T00:00:03.500Z"), 2500);
  assert.equal(elapsedMs("2026-01-01T00:00:03.000Z", "2026-01-01T00:00:01.000Z"), 0);
  assert.equal(elapsedMs(null, undefined), 0);
});
