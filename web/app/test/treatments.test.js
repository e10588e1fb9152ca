// Every code that the server documents has a kind, a next step in words, and buttons that exist, in both languages.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { translatorOf } from "../texts/translate.js";
import { CLIENT_TREATMENTS, TREATMENTS, treatmentOf } from "../treatments.js";
import { troubles } from "../troubles.js";
import { noticeOf, NOW_MS, sceneOf } from "./support/scene.js";

const REPOSITORY = new URL("../../../", import.meta.url);
const LANGUAGES = /** @type {const} */ (["ko", "en"]);

/** The rows of the table: code, whether it may be repeated, and what the user reads. */
const rows = (await readFile(new URL("docs/errors.md", REPOSITORY), "utf8"))
  .split("\n")
  .map((line) => /^\| `([A-Z_]+)` \| (\d+) \| (yes|no) \| (.*?) \| (.*?) \|/.exec(line))
  .filter((match) => match !== null)
  .map(([, code = "", , retryable, ko = "", en = ""]) => ({ code, retryable: retryable === "yes", ko, en }));

test("each code of docs/errors.md has a treatment, and no other has", () => {
  assert.ok(rows.length > 50, `${rows.length} rows`);
  assert.deepEqual(Object.keys(TREATMENTS).sort(), rows.map((row) => row.code).sort());
});

for (const language of LANGUAGES) {
  const t = translatorOf(language);

  test(`each code says what happened and what to do next (${language})`, () => {
    for (const row of rows) {
      const error = { ...row, message: row[language], details: null, retryAfter: null };
      const model = sceneOf({
        notices: [noticeOf(error)],
        connection: row.code === "AUTH_REQUIRED" ? closedBy(error) : { status: "open", attempt: 0 },
        ui: { language, composerText: "kept" },
      });
      const told =
        row.code === "SESSION_EVENT_AHEAD" ? { ...model, notices: [], connection: closedBy(error) } : model;
      const [trouble, ...others] = troubles(told, t);
      assert.ok(trouble, row.code);
      assert.deepEqual(others, [], row.code);
      if (row.code !== "AUTH_REQUIRED") assert.equal(trouble.title, row[language]);
      assert.equal(trouble.kind, treatmentOf(error).kind, row.code);
      assert.ok(trouble.text.startsWith(t(`trouble.next.${treatmentOf(error).next}`)), row.code);
      assert.ok(t.has(`trouble.next.${treatmentOf(error).next}`), row.code);
      for (const action of trouble.actions) assert.ok(t.has(`trouble.action.${action}`), action);
    }
  });

  test(`what the client finds by itself is said in the page's words (${language})`, () => {
    for (const [code, treatment] of Object.entries(CLIENT_TREATMENTS)) {
      assert.ok(t.has(`trouble.client.${code}`), code);
      assert.ok(t.has(`trouble.next.${treatment.next}`), code);
    }
  });
}

test("a code that can be repeated without anybody doing anything never asks for a change", () => {
  const changes = new Set(["check_input", "shorten", "rephrase", "other_format", "tell_operator"]);
  for (const row of rows.filter(({ retryable }) => retryable)) {
    assert.ok(!changes.has(treatmentOf(row).next), row.code);
  }
});

test("a code of a later server is treated by what it says of itself", () => {
  assert.equal(treatmentOf({ code: "SYS_NEW", retryable: true }).next, "wait_and_send");
  assert.equal(treatmentOf({ code: "SYS_NEW", retryable: false }).next, "tell_operator");
  assert.equal(treatmentOf({ code: "toString", retryable: false }).next, "tell_operator");
});

/**
 * @param {object} error
 * @returns {import("../store.js").Model["connection"]}
 */
function closedBy(error) {
  const thrown = /** @type {import("../../client/src/errors.js").ApiError} */ (error);
  return { status: "closed", attempt: 1, reason: "refused", error: thrown, retryAt: NOW_MS };
}
