// What stands in a card, and what an edit of it sends.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { cardGroups, draftOf, isSameValue, messageOfTurn } from "../view/brief_model.js";
import { quoteParts, requiredCount, valueOfDraft } from "../view/brief_model.js";
import { slotSpec } from "../view/labels.js";
import { launchPlaybook } from "./support/launch.js";

const playbook = launchPlaybook();

/**
 * @param {string} path
 * @param {unknown} value
 * @param {number} [confidence]
 */
function slot(path, value, confidence = 1) {
  const source = /** @type {const} */ ({ kind: "edit" });
  return { path, value, confidence, source, seq: 1, at: "2026-01-01T00:00:00.000Z", turnId: null };
}

test("cards stand in the groups of their paths, in the playbook's order, strangers last", () => {
  const groups = cardGroups(playbook, { "extra.note": slot("extra.note", "x") }, null);
  assert.deepEqual(groups.map(({ id, cards }) => [id, cards.length]), [
    ["product", 4],
    ["target", 2],
    ["channel", 1],
    ["goal", 2],
    ["extra", 1],
  ]);
});

test("a card is empty, filled, or unsure: by its confidence, or because the gate asks for more", () => {
  const slots = {
    "product.name": slot("product.name", "Glow"),
    "product.category": slot("product.category", "Care", 0.5),
    "product.features": slot("product.features", ["one"]),
    "target.who": slot("target.who", null),
  };
  const gate = { missing_required: ["product.features", "target.who"], low_confidence: [] };
  const cards = cardGroups(playbook, slots, gate).flatMap((group) => group.cards);
  const states = new Map(cards.map((card) => [card.path, card.state]));
  assert.equal(states.get("product.name"), "filled");
  assert.equal(states.get("product.category"), "unsure");
  assert.equal(states.get("product.features"), "unsure");
  assert.equal(states.get("target.who"), "empty");
  assert.equal(states.get("target.why"), "empty");
});

test("what is filled is counted by the gate", () => {
  const gate = { missing_required: ["product.name"] };
  assert.deepEqual(requiredCount(playbook, gate), { filled: 7, required: 8 });
  assert.deepEqual(requiredCount(playbook, null), { filled: 0, required: 8 });
});

test("a draft becomes a value of its slot's kind; what is blank clears it", () => {
  const features = slotSpec(playbook, "product.features");
  const seconds = slotSpec(playbook, "goal.video_seconds");
  assert.deepEqual(valueOfDraft(features, [" a ", "", "b"]), ["a", "b"]);
  assert.equal(valueOfDraft(features, ["", " "]), null);
  assert.equal(valueOfDraft(seconds, "15"), 15);
  assert.equal(valueOfDraft(seconds, "soon"), "soon");
  assert.equal(valueOfDraft(undefined, "  "), null);
});

test("an edit that changes nothing sends the same value", () => {
  const texts = fc.string({ minLength: 1 }).filter((text) => text.trim() === text);
  fc.assert(
    fc.property(fc.oneof(texts, fc.array(texts, { minLength: 1 })), (value) => {
      const spec = slotSpec(playbook, Array.isArray(value) ? "product.features" : "product.name");
      assert.ok(isSameValue(value, valueOfDraft(spec, draftOf(spec, value))));
    }),
  );
});

test("the words of a slot are found in their message, whatever their case", () => {
  const parts = quoteParts("It is Morning Glow!", "morning glow");
  assert.deepEqual(parts, { before: "It is ", words: "Morning Glow", after: "!" });
  assert.equal(quoteParts("It is something else", "glow"), null);
  assert.equal(quoteParts("anything", ""), null);
});

test("the message of a turn is the user's, not the reply", () => {
  const timeline = [
    { kind: "message", role: "assistant", turnId: "turn_1", text: "And?" },
    { kind: "message", role: "user", turnId: "turn_1", text: "Glow" },
  ];
  assert.equal(messageOfTurn(timeline, "turn_1")?.text, "Glow");
  assert.equal(messageOfTurn(timeline, "turn_2"), undefined);
});
