// What results are made of before they are drawn: evidence, the week, the script's clock, what is copied.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { adCopyText, allAdCopiesText, videoPromptText } from "../view/results/copy_text.js";
import { emphasized } from "../view/results/emphasis_model.js";
import { isBlank } from "../view/results/partial.js";
import { evidenceOf, safeLink } from "../view/results/research_model.js";
import { fieldsOf } from "../view/results/schema_model.js";
import { shareOf, spanAt, timingOf } from "../view/results/timing_model.js";
import { weekOf } from "../view/results/week_model.js";

test("evidence has the passage that the search returned for the same address", () => {
  const [page] = evidenceOf(
    [{ source: "S", title: "T", url: "https://www.news.example/a", observed_at: "unknown", confidence: 0.4 }],
    [{ url: "https://www.news.example/a", title: "T", passage: "Demand rises." }],
  );
  assert.deepEqual(page, {
    publisher: "S",
    title: "T",
    url: "https://www.news.example/a",
    host: "news.example",
    observedAt: "",
    confidence: 0.4,
    passage: "Demand rises.",
  });
});

test("only https addresses without credentials can be followed", () => {
  const refused = ["http://a.example/", "javascript:alert(1)", "https://a@b.example/", "//a.example", ""];
  for (const address of [...refused, "data:,x"]) {
    assert.equal(safeLink(address), null, address);
  }
  fc.assert(fc.property(fc.string(), (address) => /^https:\/\//.test(safeLink(address)?.href ?? "https://")));
});

test("the week has seven days, whatever the plan says, and loses no action", () => {
  const day = fc.oneof(fc.integer({ min: -2, max: 9 }), fc.string());
  const plan = fc.array(fc.record({ day, action: fc.string({ minLength: 1 }) }));
  fc.assert(
    fc.property(plan, (actions) => {
      const week = weekOf(actions);
      assert.deepEqual(week.slice(0, 7).map(({ day }) => day), [1, 2, 3, 4, 5, 6, 7]);
      assert.equal(week.flatMap((day) => day.actions).length, actions.length);
    }),
  );
  assert.deepEqual(weekOf([{ day: 3, action: "Post" }])[2]?.actions, [{ key: "0", action: "Post" }]);
});

test("a position in the script names its part and its line", () => {
  const timing = timingOf(
    [{ part: "hook", start: 0, end: 2 }, { part: "cta", start: 3, end: 10 }, { part: "late" }],
    [{ text: "Hello", start: 0, end: 2 }],
  );
  assert.equal(timing.totalSeconds, 10);
  assert.equal(shareOf(timing, 5), 0.5);
  assert.equal(spanAt(timing, timing.parts, 0.1)?.part, "hook");
  assert.equal(spanAt(timing, timing.parts, 0.2), null);
  assert.equal(spanAt(timing, timing.parts, 0.3)?.part, "cta");
  assert.equal(spanAt(timing, timing.lines, 0)?.text, "Hello");
  assert.equal(spanAt(timing, timing.lines, 1), null);
});

test("a script parted at its stressed words is still the script", () => {
  const words = fc.array(fc.string());
  fc.assert(
    fc.property(fc.string(), words, (text, stressed) => {
      const parts = emphasized(text, stressed);
      assert.equal(parts.map((part) => part.text).join(""), text);
      for (const part of parts) assert.ok(text.startsWith(part.text, part.start));
    }),
  );
  const stressed = emphasized("Only Glow (new)", ["glow", "(new)"]).filter((part) => part.isStressed);
  assert.deepEqual(stressed.map((part) => part.text), ["Glow", "(new)"]);
});

test("what is copied are the texts themselves", () => {
  const copy = { headline: "Glow", body: "Gentle care.", cta: "Try it" };
  assert.equal(adCopyText(copy), "Glow\nGentle care.\nTry it");
  assert.equal(allAdCopiesText([copy, { headline: "Two" }, {}]), "Glow\nGentle care.\nTry it\n\nTwo");
  assert.equal(videoPromptText({ prompt: "A jar.", shots: ["Close", "Far"] }), "A jar.\n\n1. Close\n2. Far");
});

test("fields stand in the order of their schema, then those that it does not know", () => {
  assert.deepEqual(fieldsOf({ properties: { a: {}, b: {} } }, { c: 1, b: 2 }), ["a", "b", "c"]);
  assert.deepEqual(fieldsOf(undefined, null), []);
});

test("nothing is blank that has a text or a number in it", () => {
  assert.ok(isBlank({ a: [null, "", {}] }));
  assert.ok(!isBlank([{ a: 0 }]));
  assert.ok(!isBlank(false));
});
