// What a screen reader is told: whole messages, once, and never a babble.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";

import { fold } from "../../client/src/fold.js";
import { emptyState } from "../../client/src/state.js";
import { logs } from "../../client/test/support/streams.js";
import { announcements, NOTHING_KNOWN } from "../announcements.js";
import { keepSpoken, PLACES, withLines } from "../spoken.js";
import { createStore } from "../store.js";
import { translatorOf } from "../texts/translate.js";
import { healthOf, messageOf, noticeOf, NOW_MS, runOf, sceneOf } from "./support/scene.js";

/**
 * @typedef {import("../store.js").Model} Model
 * @typedef {import("../announcements.js").Line} Line
 * @typedef {Parameters<typeof sceneOf>[0]} Patch
 */

const t = translatorOf("en");
/** Polite and assertive troubles, news, a message. */
const LINES_MAX = 4;

/**
 * What is said at each of the moments, the first of which is the page as it was found.
 *
 * @param {...Patch} moments
 * @returns {Line[][]}
 */
function said(...moments) {
  let known = announcements(NOTHING_KNOWN, sceneOf(moments[0]), t).known;
  return moments.slice(1).map((moment) => {
    const told = announcements(known, sceneOf(moment), t);
    known = told.known;
    return told.lines;
  });
}

/** @param {Line[]} lines */
const texts = (lines = []) => lines.map((line) => line.text);

/** @param {import("../../client/src/state.js").TimelineItem[]} timeline @returns {Patch} */
const talkOf = (...timeline) => ({ session: { timeline, lastSeq: timeline.at(-1)?.seq ?? 0 } });

describe("messages", () => {
  test("are read whole, once, in their own language", () => {
    const korean = messageOf(2, { text: "무엇을 파시나요?", locale: "ko" });
    const [first, second] = said(talkOf(), talkOf(korean), talkOf(korean));
    assert.deepEqual(first, [{ urgency: "polite", text: "Greenroom: 무엇을 파시나요?", lang: "ko" }]);
    assert.deepEqual(second, []);
  });

  test("that were there when the page was opened are not read", () => {
    const [lines] = said(talkOf(messageOf(1, {})), talkOf(messageOf(1, {})));
    assert.deepEqual(lines, []);
  });

  test("of the user are not read to the user", () => {
    const [lines] = said(talkOf(), talkOf(messageOf(1, { role: "user" })));
    assert.deepEqual(lines, []);
  });

  test("that came while the log was replayed again are read after it, the last of them", () => {
    const missed = [messageOf(2, {}), messageOf(3, {}), messageOf(4, {})];
    const replaying = talkOf(messageOf(1, {}), ...missed.slice(0, 1));
    const [during, after] = said(
      talkOf(messageOf(1, {})),
      { session: { ...replaying?.session, replaying: true } },
      talkOf(messageOf(1, {}), ...missed),
    );
    assert.deepEqual(during, []);
    assert.deepEqual(texts(after), ["3 new messages. The last one: Text 4."]);
  });

  test("that are heard as speech are not read over it", () => {
    const call = /** @type {Model["call"]} */ ({ status: "speaking" });
    const [on, lines] = said(talkOf(), { ...talkOf(), call }, { ...talkOf(messageOf(1, {})), call });
    assert.deepEqual(texts(on), ["The microphone is on."]);
    assert.deepEqual(lines, []);
    const health = healthOf({ tts: "not_configured" });
    const [, mute] = said(
      { ...talkOf(), health },
      { ...talkOf(), health, call },
      { ...talkOf(messageOf(1, {})), health, call },
    );
    assert.ok(texts(mute).includes("Greenroom: Text 1."));
  });

  test("that cannot come are told of by the reason", () => {
    const failed = /** @type {import("../../client/src/state.js").ErrorItem} */ ({
      kind: "error",
      key: "e",
      seq: 2,
      at: "",
      turnId: "turn_1",
      runId: null,
      stage: null,
      attempt: 1,
      willRetry: false,
      error: {
        code: "LLM_TIMEOUT",
        message: "The AI took too long.",
        details: null,
        retryable: true,
        retry_after: null,
      },
    });
    const [lines] = said(talkOf(), talkOf(failed));
    assert.deepEqual(texts(lines), ["The AI took too long."]);
    const [retried] = said(talkOf(), talkOf({ ...failed, willRetry: true }));
    assert.deepEqual(retried, []);
  });
});

describe("the gate and the run", () => {
  const gate = { ready: true, missing_required: [], low_confidence: [], completeness: 1 };

  test("the gate is told of when it opens and when it closes", () => {
    const [opened, closed] = said(
      {},
      { session: { gate } },
      { session: { gate: { ...gate, ready: false } } },
    );
    assert.deepEqual(texts(opened), ["The gate is open: you can start."]);
    assert.match(texts(closed)[0] ?? "", /closed again/);
  });

  test("stages are told of by their labels, what ends and what begins in one breath", () => {
    const stages = [{ id: "strategy", label: "Strategy" }];
    const playbook = /** @type {Model["playbook"]} */ (/** @type {unknown} */ ({ stages }));
    const [begun, done, same] = said(
      { playbook },
      { playbook, session: { runs: [runOf({})] } },
      { playbook, session: { runs: [runOf({ status: "completed" }, { status: "completed" })] } },
      { playbook, session: { runs: [runOf({ status: "completed" }, { status: "completed" })] } },
    );
    assert.deepEqual(texts(begun), ["The run has begun. Stage research is done. Stage Strategy has begun."]);
    assert.deepEqual(texts(done), ["Stage Strategy is done. All stages are done. The result is ready."]);
    assert.deepEqual(same, []);
  });

  test("a run that failed is urgent, and told once", () => {
    const error = {
      code: "LLM_UPSTREAM",
      message: "The AI failed.",
      details: null,
      retryable: true,
      retry_after: null,
    };
    const failed = runOf(
      { status: "failed", endedAt: "x" },
      { status: "failed", error: /** @type {import("../../client/src/state.js").ErrorBody} */ (error) },
    );
    const [lines, again] = said(
      { session: { runs: [runOf({})] } },
      { session: { runs: [failed] } },
      { session: { runs: [failed] } },
    );
    assert.deepEqual(
      lines?.map((line) => line.urgency),
      ["assertive"],
    );
    assert.match(texts(lines)[0] ?? "", /“strategy” failed\. The AI failed\. Kept: research\./);
    assert.deepEqual(again, []);
  });
});

describe("the connection", () => {
  /** @type {(status: "waiting" | "connecting", attempt: number) => Patch} */
  const lost = (status, attempt) => ({
    connection: { status, attempt, reason: "network", retryAt: NOW_MS + 4000 },
  });

  test("that is lost for a blink is not told of", () => {
    const lines = said({}, lost("waiting", 1), lost("connecting", 1), {});
    assert.deepEqual(lines.flat(), []);
  });

  test("that stays away is told of once, and again when it is back", () => {
    const lines = said(
      {},
      lost("waiting", 1),
      lost("waiting", 2),
      lost("connecting", 2),
      lost("waiting", 3),
      {},
    );
    assert.deepEqual(
      lines.map((each) => each.length),
      [0, 1, 0, 0, 1],
    );
    assert.match(texts(lines[1])[0] ?? "", /The connection was lost\. Everything so far is kept\./);
    assert.match(texts(lines[4])[0] ?? "", /is back/);
  });

  test("no second of a countdown is told", () => {
    const moments = Array.from({ length: 30 }, (_, second) => ({
      ...lost("waiting", 2),
      nowMs: NOW_MS + second * 1000,
    }));
    assert.equal(said({}, ...moments).flat().length, 1);
  });
});

test("a limit is told with the time to come back, politely", () => {
  const error = {
    code: "SYS_RATE_LIMIT",
    message: "Too many.",
    details: null,
    retryable: true,
    retryAfter: 42,
  };
  const [lines] = said({}, { notices: [noticeOf(error)] });
  assert.deepEqual(lines, [
    {
      urgency: "polite",
      text: "Too many. Try again when the time is up. Worth trying again in 0:42.",
      lang: "en",
    },
  ]);
});

describe("whatever a log brings", () => {
  test("what only grows is never told, and nothing while it is replayed", () => {
    fc.assert(
      fc.property(logs, (log) => {
        let state = emptyState("sess_1");
        let known = NOTHING_KNOWN;
        for (const event of log) {
          state = fold(state, event);
          const told = announcements(known, sceneOf({ session: state }), t);
          known = told.known;
          assert.deepEqual(quiet(told.lines), []);
        }
        let live = { ...emptyState("sess_1"), replaying: false };
        known = announcements(NOTHING_KNOWN, sceneOf({ session: live }), t).known;
        for (const event of log) {
          const before = live.runs;
          live = { ...fold(live, event), replaying: false };
          const told = announcements(known, sceneOf({ session: live }), t);
          known = told.known;
          if (event.type.endsWith(".delta") && stagesOf(before) === stagesOf(live.runs)) {
            assert.deepEqual(quiet(told.lines), [], event.type);
          }
        }
      }),
    );
  });

  test("each message is told at most once, and a burst in a few lines", () => {
    fc.assert(
      fc.property(logs, fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1 }), (log, bursts) => {
        let state = { ...emptyState("sess_1"), replaying: false };
        let known = announcements(NOTHING_KNOWN, sceneOf({ session: state }), t).known;
        let at = 0;
        let replies = 0;
        for (const size of [...bursts, log.length]) {
          for (const event of log.slice(at, at + size)) state = { ...fold(state, event), replaying: false };
          at += size;
          const told = announcements(known, sceneOf({ session: state }), t);
          known = told.known;
          assert.ok(told.lines.length <= LINES_MAX, JSON.stringify(told.lines));
          replies += told.lines.filter(({ text }) => text.includes("Greenroom:")).length;
        }
        const messages = state.timeline.filter(
          (item) => item.kind === "message" && item.role === "assistant",
        );
        assert.ok(replies <= messages.length);
      }),
    );
  });
});

describe("the live regions", () => {
  test("are given what happened within a moment at once", () => {
    /** @type {Array<() => void>} */
    const frames = [];
    /** @type {Array<() => void>} */
    const timers = [];
    const store = createStore(sceneOf({}), (draw) => frames.push(draw));
    const end = keepSpoken(store, translatorOf, (tell) => timers.push(tell));
    const pass = () => [frames, timers].forEach((waiting) => waiting.splice(0).forEach((run) => run()));
    store.set({});
    pass();
    for (let seq = 1; seq <= 100; seq += 1) {
      store.set({
        session: sceneOf(talkOf(...Array.from({ length: seq }, (_, index) => messageOf(index + 1, {}))))
          .session,
      });
      frames.splice(0).forEach((draw) => draw());
    }
    pass();
    assert.deepEqual(texts([...store.model().ui.spoken]), ["100 new messages. The last one: Text 100."]);
    end();
    store.set({ session: sceneOf(talkOf()).session });
    pass();
    assert.equal(store.model().ui.spoken.length, 1);
  });

  test("always have an empty place for the next line, so that the same words again are a change", () => {
    /** @type {Line} */
    const line = { urgency: "polite", text: "Again.", lang: "en" };
    /** @type {ReturnType<typeof withLines>} */
    let spoken = [];
    for (let count = 1; count <= 3 * PLACES; count += 1) {
      const before = spoken.map((each) => each.number % PLACES);
      spoken = withLines(spoken, [line, { ...line, urgency: "assertive" }]);
      const newest = spoken.findLast((each) => each.urgency === "polite");
      assert.equal(newest?.number, count);
      assert.ok(!before.includes((newest?.number ?? 0) % PLACES) || before.length < 2, `line ${count}`);
      assert.ok(spoken.length <= 2 * (PLACES - 1));
    }
  });
});

/**
 * How the stages stand: growing output may be the first that is heard of one.
 * @param {NonNullable<Model["session"]>["runs"]} runs
 */
function stagesOf(runs) {
  return runs.map((run) => run.stages.map((stage) => stage.status).join()).join(";");
}

/**
 * Lines about the session: troubles are about the page.
 * @param {Line[]} lines
 */
function quiet(lines) {
  return lines.filter(
    ({ text, urgency }) => urgency === "polite" && /Greenroom:|new messages|Stage |run|gate/.test(text),
  );
}
