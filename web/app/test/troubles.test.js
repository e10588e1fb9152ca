// What is told of a page on which something is wrong.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";

import { translatorOf } from "../texts/translate.js";
import { languageOf } from "../texts/language_of.js";
import { browserOf, countsDown, KEY_COMMANDS, troubles } from "../troubles.js";
import { remainingText } from "../view/duration.js";
import { healthOf, messageOf, noticeOf, NOW_MS, runOf, sceneOf } from "./support/scene.js";

/** @typedef {import("../troubles.js").Trouble} Trouble */

const t = translatorOf("en");

/**
 * @param {Parameters<typeof sceneOf>[0]} patch
 * @returns {Trouble[]}
 */
const told = (patch) => troubles(sceneOf(patch), t);

/**
 * The only trouble of a page.
 * @param {Parameters<typeof sceneOf>[0]} patch
 * @returns {Trouble}
 */
function only(patch) {
  const all = told(patch);
  assert.equal(all.length, 1, JSON.stringify(all));
  return /** @type {Trouble} */ (all[0]);
}

/** @param {string} code @param {object} [more] */
const errorOf = (code, more) => ({
  code,
  message: code,
  details: null,
  retryable: true,
  retryAfter: null,
  ...more,
});

test("where everything is well, nothing is told", () => {
  assert.deepEqual(told({}), []);
  assert.deepEqual(told({ health: null, connection: { status: "connecting", attempt: 0 } }), []);
});

describe("the connection", () => {
  /** @type {Array<[import("../store.js").Model["connection"], Partial<Trouble>]>} */
  const cases = [
    [
      { status: "waiting", attempt: 3, reason: "network", retryAt: NOW_MS + 7000 },
      { kind: "reconnecting", countdownTo: NOW_MS + 7000, actions: ["retry_now"], isDismissible: false },
    ],
    [
      { status: "connecting", attempt: 3, reason: "network" },
      { kind: "reconnecting", countdownTo: null, actions: [] },
    ],
    [
      { status: "offline", attempt: 1, reason: "network", retryAt: NOW_MS },
      { kind: "offline", countdownTo: null },
    ],
    [
      { status: "waiting", attempt: 1, reason: "draining", retryAt: NOW_MS + 5000 },
      { kind: "draining", countdownTo: NOW_MS + 5000, actions: [], countdownKey: "trouble.back_in" },
    ],
    [
      { status: "open", attempt: 0, reason: "draining" },
      { kind: "draining", countdownTo: null },
    ],
    [
      { status: "waiting", attempt: 2, reason: "overloaded", retryAt: NOW_MS + 9000 },
      { kind: "overloaded", countdownTo: NOW_MS + 9000, actions: [] },
    ],
    [
      { status: "waiting", attempt: 1, reason: "slow", retryAt: NOW_MS + 100 },
      { kind: "slow", countdownTo: NOW_MS + 100, actions: ["retry_now"] },
    ],
    [
      { status: "closed", attempt: 0, reason: "gone" },
      { kind: "gone", actions: ["new_session", "open_sessions"] },
    ],
    [
      { status: "closed", attempt: 0, reason: "taken_over" },
      { kind: "taken_over", actions: ["retry_now"] },
    ],
    [
      { status: "closed", attempt: 0, reason: "refused" },
      { kind: "refused", severity: "problem" },
    ],
  ];
  for (const [connection, expected] of cases) {
    test(`${connection.status} ${connection.reason}`, () => {
      const trouble = only({ connection });
      for (const [name, value] of Object.entries(expected)) {
        assert.deepEqual(trouble[/** @type {keyof Trouble} */ (name)], value, name);
      }
    });
  }

  test("that is lost promises that everything is kept, in both languages", () => {
    for (const kind of ["reconnecting", "offline", "overloaded"]) {
      assert.match(t(`trouble.${kind}_text`), /is kept/);
      assert.match(translatorOf("ko")(`trouble.${kind}_text`), /보관되어/);
    }
  });

  test("of a page that leaves on its own is no trouble", () => {
    assert.deepEqual(told({ connection: { status: "closed", attempt: 0 } }), []);
  });
});

describe("a limit", () => {
  const limited = { notices: [noticeOf(errorOf("SYS_RATE_LIMIT", { retryAfter: 42 }))] };

  test("says when to come back, and keeps what was typed", () => {
    const trouble = only({ ...limited, ui: { composerText: "hello" } });
    assert.equal(trouble.countdownTo, NOW_MS + 42_000);
    assert.ok(trouble.text.includes(t("trouble.text_kept")));
    assert.deepEqual(trouble.actions, ["send_again"]);
    assert.ok(countsDown(sceneOf(limited)));
    assert.ok(!countsDown(sceneOf({ ...limited, nowMs: NOW_MS + 42_000 })));
  });

  test("offers to send again only what there is to send", () => {
    assert.deepEqual(only(limited).actions, []);
  });

  test("is over once something was sent after it", () => {
    const session = { lastSeq: 4, timeline: [messageOf(4, { role: "user" })] };
    assert.deepEqual(told({ ...limited, session }), []);
    const before = [noticeOf(errorOf("SYS_RATE_LIMIT"), { afterSeq: 4 })];
    assert.equal(told({ notices: before, session }).length, 1);
  });

  test("that is told twice is one banner, which puts both away", () => {
    const notices = [limited.notices[0], noticeOf(errorOf("SYS_RATE_LIMIT"), { id: "notice-2" })];
    const trouble = only({ notices: /** @type {import("../store.js").Notice[]} */ (notices) });
    assert.deepEqual(trouble.noticeIds, ["notice-1", "notice-2"]);
  });
});

describe("the microphone", () => {
  const kinds = ["denied", "missing", "busy", "unsupported", "insecure"];
  /** @param {string} kind */
  const failed = (kind) => ({
    notices: [noticeOf({ name: "MicrophoneError", kind }, { kind: "microphone" })],
  });

  for (const kind of kinds) {
    test(`${kind}: says so and offers text`, () => {
      const trouble = only(failed(kind));
      assert.equal(trouble.kind, "microphone");
      assert.ok(trouble.actions.includes("type_instead"));
      const canHelp = ["denied", "missing", "busy"].includes(kind);
      assert.equal(trouble.actions.includes("retry_call"), canHelp);
      for (const language of /** @type {const} */ (["ko", "en"])) {
        assert.ok(translatorOf(language).has(`trouble.microphone.${kind}`));
        assert.ok(translatorOf(language).has(`trouble.microphone.${kind}_text`));
      }
    });
  }

  test("denied: says how to allow it in this browser", () => {
    const browsers = /** @type {const} */ (["chrome", "chrome_android", "firefox", "safari", "ios", "other"]);
    const said = browsers.map((browser) => troubles(sceneOf(failed("denied")), t, browser)[0]?.points[0]);
    assert.equal(new Set(said).size, browsers.length);
  });

  test("is no trouble any more once there is a call", () => {
    const call = /** @type {import("../store.js").Model["call"]} */ ({ status: "listening" });
    assert.deepEqual(told({ ...failed("denied"), call }), []);
  });
});

describe("a failed run", () => {
  const error = {
    code: "LLM_UPSTREAM",
    message: "The AI failed.",
    details: "503",
    retryable: true,
    retry_after: null,
  };
  const run = runOf(
    { status: "failed", endedAt: "2026-01-01T00:00:00Z" },
    { status: "failed", error: /** @type {import("../../client/src/state.js").ErrorBody} */ (error) },
  );

  test("tells the stage, the reason, what is kept, and goes on from there", () => {
    const trouble = only({ session: { runs: [run] } });
    assert.equal(trouble.title, "The stage “strategy” failed");
    assert.equal(trouble.reason, "The AI failed.");
    assert.match(trouble.text, /Kept: research\./);
    assert.deepEqual(trouble.actions, ["retry_run", "show_stage"]);
    assert.deepEqual([trouble.code, trouble.details], ["LLM_UPSTREAM", "503"]);
  });

  test("for want of a key tells how to set one; for safety's sake to change the brief", () => {
    /** @param {string} code */
    const because = (code) => {
      const stages = run.stages.map((stage) =>
        stage.error ? { ...stage, error: { ...error, code } } : stage,
      );
      return only({ session: { runs: [/** @type {typeof run} */ ({ ...run, stages })] } });
    };
    assert.deepEqual(because("LLM_NOT_CONFIGURED").commands, KEY_COMMANDS);
    assert.deepEqual(because("SAFETY_OUTPUT").actions, ["show_brief", "retry_run"]);
  });

  test("is told until it is put away, or another run began", () => {
    const { id } = only({ session: { runs: [run] } });
    assert.deepEqual(told({ session: { runs: [run] }, ui: { dismissedTroubles: [id] } }), []);
    assert.deepEqual(told({ session: { runs: [run, runOf({ runId: "run_2" })] } }), []);
  });
});

describe("a server that goes without", () => {
  test("a key is told of once, with what works and how to set one", async () => {
    const trouble = only({
      health: healthOf({ llm: "not_configured", stt: "not_configured", tts: "not_configured" }),
    });
    assert.equal(trouble.kind, "no_key");
    assert.equal(trouble.points.length, 4);
    const readme = await readFile(new URL("../../../README.md", import.meta.url), "utf8");
    for (const command of trouble.commands) assert.ok(readme.includes(command), command);
  });

  test("ears or a voice alone is told on its own", () => {
    assert.equal(only({ health: healthOf({ stt: "not_configured" }) }).kind, "no_ears");
    assert.deepEqual(told({ health: healthOf({ tts: "not_configured" }) }), [], "who reads does not miss it");
    const call = /** @type {import("../store.js").Model["call"]} */ ({ status: "listening" });
    assert.equal(only({ health: healthOf({ tts: "not_configured" }), call }).kind, "no_voice");
  });

  test("a provider that answers, or a disk, says what goes on all the same", () => {
    assert.equal(only({ health: healthOf({ llm: "failing" }) }).kind, "model");
    assert.equal(only({ health: healthOf({ journal: "failing" }) }).kind, "saving");
  });
});

test("the gravest comes first", () => {
  const kinds = told({
    connection: { status: "waiting", attempt: 2, reason: "network", retryAt: NOW_MS },
    health: healthOf({ llm: "not_configured" }),
    notices: [
      noticeOf(undefined, { kind: "storage" }),
      noticeOf(errorOf("SAFETY_INPUT"), { id: "notice-2" }),
      noticeOf(errorOf("SYS_RATE_LIMIT"), { id: "notice-3" }),
    ],
    ui: { tokenRefused: true },
  }).map((trouble) => trouble.kind);
  assert.deepEqual(kinds, ["token", "reconnecting", "limit", "safety", "no_key", "storage"]);
});

test("what the connection says already is not said again", () => {
  const lost = /** @type {const} */ ({ status: "waiting", attempt: 2, reason: "network", retryAt: NOW_MS });
  assert.equal(
    only({ connection: lost, notices: [noticeOf(errorOf("CLIENT_NETWORK"))] }).kind,
    "reconnecting",
  );
  assert.equal(only({ notices: [noticeOf(errorOf("CLIENT_NETWORK"))] }).kind, "unreachable");
});

test("what is no error of a server is a defect of the page, and is told with what it said", () => {
  const trouble = only({ notices: [noticeOf(new TypeError("x is not a function"))] });
  assert.match(trouble.details ?? "", /x is not a function/);
});

test("a budget that runs out is told of", () => {
  const costsWarnings = [{ budget: "run", used: 0.8, at: "2026-01-01T00:00:00Z" }];
  assert.equal(only({ session: { costsWarnings } }).title, "80% of the budget is used");
});

test("a browser is told by its name", () => {
  const mozilla = "Mozilla/5.0";
  /** @type {Array<[string, ReturnType<typeof browserOf>]>} */
  const cases = [
    [
      `${mozilla} (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36`,
      "chrome",
    ],
    [`${mozilla} (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36`, "chrome_android"],
    [`${mozilla} (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0`, "firefox"],
    [
      `${mozilla} (Macintosh; Intel Mac OS X 10_15) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15`,
      "safari",
    ],
    [
      `${mozilla} (iPhone; CPU iPhone OS 18_0) AppleWebKit/605.1.15 CriOS/140.0 Mobile/15E148 Safari/604.1`,
      "ios",
    ],
    ["", "other"],
  ];
  for (const [userAgent, browser] of cases) assert.equal(browserOf(userAgent), browser, userAgent);
});

test("the language of a text is told by its script", () => {
  assert.equal(languageOf("다시 보내 주세요."), "ko");
  assert.equal(languageOf("Please send it again."), "en");
});

test("a wait is told by the clock, and nothing is due while a second is shown", () => {
  /** @type {Array<[number, string]>} */
  const cases = [
    [42_000, "0:42"],
    [41_001, "0:42"],
    [725_000, "12:05"],
    [3_600_000, "1:00:00"],
    [25_205_000, "7:00:05"],
    [1, "0:01"],
    [-5, "0:00"],
  ];
  for (const [milliseconds, text] of cases) assert.equal(remainingText(milliseconds), text);
});
