// The brief, the gate, the stage line and the results draw every state that a session can be in: no
// half-written output makes them fail, and nothing that arrived is invisible.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fold } from "../../client/src/fold.js";
import { emptyState } from "../../client/src/state.js";
import { journal, JOURNAL_NAMES } from "../../client/test/support/journals.js";
import { translatorOf } from "../texts/translate.js";
import { launchPlaybook, schemaOf, STAGES } from "./support/launch.js";
import { healthOf, sceneOf } from "./support/scene.js";
import { wordsOf } from "./support/drawn.js";

// After the document of nothing is there, which lit-html asks for when it is loaded.
const { brief } = await import("../view/brief.js");
const { gate } = await import("../view/gate.js");
const { stageLine } = await import("../view/stage_line.js");
const { results } = await import("../view/results/index.js");

/** @typedef {import("../../client/src/state.js").SessionState} SessionState */

const t = translatorOf("en");
const actions = /** @type {import("../actions.js").Actions} */ ({});
/** Handed over as it is, so that a link to the page can be drawn. */
Object.assign(globalThis, { location: { href: "http://localhost/" } });

/** @param {import("../../client/src/state.js").SessionEvent[]} events */
const folded = (events) => events.reduce((state, event) => fold(state, event), emptyState("sess_1"));
/** A session whose run is done. */
const done = folded(journal("run-done"));
const playbook = launchPlaybook();

/**
 * Everything of the brief and the stage, as words.
 * @param {SessionState} session
 * @param {Partial<import("../store.js").Model["ui"]>} [ui]
 */
function drawn(session, ui = {}) {
  const model = sceneOf({ session, playbook, ui });
  return [brief, gate, stageLine, results].map((view) => wordsOf(view(model, actions, t))).join("\n");
}

/**
 * A session with one run, of which one stage has this output.
 * @param {string} stageId
 * @param {unknown} output
 * @param {import("../view/run_model.js").Stage["status"]} status
 * @returns {SessionState}
 */
function sessionWith(stageId, output, status) {
  const [run] = done.runs;
  assert.ok(run);
  const stages = run.stages.map((stage) => (stage.id === stageId ? { ...stage, output, status } : stage));
  return { ...done, runs: [{ ...run, status: status === "completed" ? "completed" : "running", stages }] };
}

/**
 * Every text and number that a reader of an output is to see.
 * @param {unknown} value
 * @returns {string[]}
 */
function leavesOf(value) {
  if (typeof value === "string" || typeof value === "number") return [`${value}`];
  if (Array.isArray(value)) return value.flatMap(leavesOf);
  if (value !== null && typeof value === "object") return Object.values(value).flatMap(leavesOf);
  return [];
}

for (const name of JOURNAL_NAMES) {
  test(`every state of a recorded session can be drawn: ${name}`, () => {
    let state = emptyState("sess_1");
    for (const event of journal(name)) {
      state = fold(state, event);
      drawn(state);
    }
  });
}

test("nothing that a finished stage wrote is invisible", () => {
  const words = drawn(done).replace(/<[^>]*>/g, "");
  for (const stage of done.runs[0]?.stages ?? []) {
    const { evidence, timing_map: timing, subtitle_lines: lines, positioning_options: options, ...rest } =
      /** @type {Record<string, any>} */ (stage.output);
    // A page's address and date have a form of their own, and so have times; an option's id is its number.
    const told = [rest, (evidence ?? []).map((/** @type {any} */ page) => [page.title, page.source])];
    told.push((lines ?? []).map((/** @type {any} */ line) => line.text));
    told.push((timing ?? []).map((/** @type {any} */ part) => part.part));
    told.push((options ?? []).map((/** @type {any} */ option) => [option.title, option.message]));
    for (const leaf of leavesOf(told)) assert.ok(words.includes(leaf), `${stage.id} shows ${leaf}`);
  }
});

test("whatever stands in an output, of whatever kind, it can be drawn", () => {
  for (const stage of STAGES) {
    const fields = Object.keys(schemaOf(stage).properties);
    const output = fc.oneof(
      fc.dictionary(fc.constantFrom(...fields), fc.jsonValue({ maxDepth: 4 })),
      fc.jsonValue({ maxDepth: 3 }),
    );
    const status = fc.constantFrom("waiting", "running", "completed", "failed");
    fc.assert(
      fc.property(output, status, (value, /** @type {any} */ stands) => {
        drawn(sessionWith(stage, value, stands));
      }),
      { numRuns: 120 },
    );
  }
});

test("an output that lacks any of its parts can be drawn", () => {
  const outputs = new Map((done.runs[0]?.stages ?? []).map((stage) => [stage.id, stage.output]));
  for (const [stage, output] of outputs) {
    fc.assert(
      fc.property(fc.infiniteStream(fc.integer({ min: 0, max: 9 })), (dice) => {
        drawn(sessionWith(stage, partOf(output, () => Number(dice.next().value)), "running"));
      }),
      { numRuns: 60 },
    );
  }
});

/**
 * A value without some of its parts: left out, empty, or cut short.
 * @param {unknown} value
 * @param {() => number} dice
 * @returns {unknown}
 */
function partOf(value, dice) {
  const thrown = dice();
  if (thrown === 0) return null;
  if (typeof value === "string") return thrown < 4 ? value.slice(0, thrown) : value;
  if (Array.isArray(value)) return value.slice(0, thrown).map((item) => partOf(item, dice));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, member]) => (dice() < 2 ? [] : [[key, partOf(member, dice)]])),
  );
}

test("fields and stages that the page has never heard of are drawn by what they are", () => {
  const texts = fc.string({ minLength: 1 }).filter((text) => text.trim() !== "");
  fc.assert(
    fc.property(fc.dictionary(fc.stringMatching(/^[a-z]{3,8}$/), texts), (output) => {
      const words = drawn(sessionWith("research", { menu: output, dishes: [output] }, "completed"));
      for (const leaf of leavesOf(output)) assert.ok(words.includes(leaf), `shows ${leaf}`);
    }),
    { numRuns: 60 },
  );
});

test("an open edit is drawn with what was typed, the refusal and the value that came meanwhile", () => {
  const refusal = { message: "Too long", reason: "limit" };
  const edit = { draft: "My own words", seq: 0, status: "refused", refusal };
  const words = drawn(done, { local: { "edit:product.name": edit, "source:product.category": true } });
  const told = [t("brief.conflict"), t("brief.source_edit")];
  for (const text of ["My own words", "Too long", "limit", "루미세럼", ...told]) {
    assert.ok(words.includes(text), text);
  }
});

test("a server without a voice says so, and offers nothing that would not work", () => {
  const playing = (/** @type {"ok" | "not_configured"} */ tts) =>
    wordsOf(results(sceneOf({ session: done, playbook, health: healthOf({ tts }) }), actions, t));
  assert.ok(playing("not_configured").includes(t("results.no_voice")));
  assert.ok(!playing("not_configured").includes('data-part="play"'));
  assert.ok(playing("ok").includes('data-part="play"'));
});

test("a brief that will come is announced, and one that will not is not", () => {
  const loading = (/** @type {"connecting" | "closed"} */ status) =>
    wordsOf(brief(sceneOf({ connection: { status, attempt: 0 } }), actions, t)).includes(t("brief.loading"));
  assert.ok(loading("connecting"));
  assert.ok(!loading("closed"));
});

test("a draft names what it goes without, in the gate and on its stage", () => {
  assert.match(drawn(folded(journal("draft-under-way"))), /made without: category · price band · who · why/);
  const words = drawn(folded(journal("draft-under-way").slice(0, 8)), { local: { "gate:draft": true } });
  assert.match(words, /A draft now goes without: category/);
  assert.match(words, /data-ready=\S*false/);
});
