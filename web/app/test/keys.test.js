// Which key means what, and where it means nothing.

import assert from "node:assert/strict";
import { test } from "node:test";

import { deedOf, listenToKeys } from "../keys.js";
import { sceneOf } from "./support/scene.js";

const reply = { turnId: "turn_1", attempt: 1, text: "…", asks: null };

/** @param {string} key @param {object} [more] */
const press = (key, more) => ({
  key,
  ctrlKey: false,
  altKey: false,
  metaKey: false,
  isComposing: false,
  defaultPrevented: false,
  target: null,
  ...more,
});

/** An element of which only its ancestors are known. @param {string} selector */
const inside = (selector) =>
  /** @type {EventTarget} */ (
    /** @type {unknown} */ ({
      closest: (/** @type {string} */ wanted) => (wanted.includes(selector) ? {} : null),
    })
  );

test("a key does its deed", () => {
  assert.equal(deedOf(press("/"), sceneOf({})), "compose");
  assert.equal(deedOf(press("?"), sceneOf({})), "list");
  assert.equal(deedOf(press("Escape"), sceneOf({ session: { reply } })), "stop");
});

test("Escape stops only what goes on, and in a slot gives up the edit", () => {
  assert.equal(deedOf(press("Escape"), sceneOf({})), null);
  assert.equal(
    deedOf(press("Escape", { target: inside("[data-part=slot]") }), sceneOf({ session: { reply } })),
    null,
  );
  assert.equal(
    deedOf(press("Escape", { target: inside("textarea") }), sceneOf({ session: { reply } })),
    "stop",
  );
});

test("characters do nothing where somebody writes, or when they are turned off", () => {
  for (const key of ["/", "?"]) {
    for (const place of ["input", "textarea", "select", "[contenteditable]"]) {
      assert.equal(deedOf(press(key, { target: inside(place) }), sceneOf({})), null, place);
    }
    assert.equal(deedOf(press(key), sceneOf({ ui: { areShortcutsOn: false } })), null);
  }
});

test("keys of the browser, of an input method, of a dialog, or that somebody took already are left alone", () => {
  for (const more of [
    { ctrlKey: true },
    { altKey: true },
    { metaKey: true },
    { isComposing: true },
    { defaultPrevented: true },
  ]) {
    assert.equal(deedOf(press("/", more), sceneOf({})), null, JSON.stringify(more));
  }
  assert.equal(deedOf(press("/"), sceneOf({ ui: { dialog: "sessions" } })), null);
});

test("a key that was meant is taken, any other is not", () => {
  const target = new EventTarget();
  /** @type {string[]} */
  const deeds = [];
  const actions = new Proxy({}, { get: (_, name) => () => deeds.push(String(name)) });
  listenToKeys(
    target,
    () => sceneOf({ session: { reply } }),
    /** @type {import("../actions.js").Actions} */ (actions),
  );
  for (const key of ["/", "x", "?", "Escape"]) {
    const event = Object.assign(new Event("keydown", { cancelable: true }), { key });
    target.dispatchEvent(event);
    assert.equal(event.defaultPrevented, key !== "x", key);
  }
  assert.deepEqual(deeds, ["typeInstead", "showDialog", "stopReply"]);
});
