import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";

import { applyDelta, pointerTokens } from "../src/delta.js";

/**
 * @param {unknown} before
 * @param {import("../src/delta.js").Delta} delta
 * @param {unknown} after
 */
function check(before, delta, after) {
  const untouched = structuredClone(before);
  assert.deepEqual(applyDelta(before, delta), after, JSON.stringify(delta));
  assert.deepEqual(before, untouched, "the document before is left as it was");
}

// The same cases as in protocol/src/delta.rs.
test("a delta makes what is missing on the way", () => {
  check(null, { path: "/a/0/b", append: "x" }, { a: [{ b: "x" }] });
  check({ a: [1] }, { path: "/a/1", value: 2 }, { a: [1, 2] });
  check({}, { path: "/0", value: 1 }, { 0: 1 });
  check({ a: "x" }, { path: "/a", append: "y" }, { a: "xy" });
});

test("the empty path is the whole document", () => {
  check({ a: 1 }, { path: "", value: null }, null);
  check(null, { path: "", append: "x" }, "x");
});

test("tokens are unescaped", () => {
  check(null, { path: "/a~1b~0c/~01", value: 1 }, { "a/b~c": { "~1": 1 } });
  check(null, { path: "/", value: 1 }, { "": 1 });
  assert.deepEqual(pointerTokens("/a//~0/~1/~01/가"), ["a", "", "~", "/", "~1", "가"]);
});

test("what does not fit changes nothing", () => {
  for (const [before, delta] of /** @type {const} */ ([
    [{ a: 1 }, { path: "a", value: 1 }],
    [{ a: 1 }, { path: "/b/~2", value: 1 }],
    [{ a: 1 }, { path: "/a/b/c", value: 1 }],
    [{ a: 1 }, { path: "/a", append: "x" }],
  ])) {
    assert.equal(applyDelta(before, delta), before, JSON.stringify(delta));
  }
  for (const index of ["2", "01", "+1", "-", "", "1e0", "18446744073709551616"]) {
    const list = [1];
    assert.equal(applyDelta(list, { path: `/${index}/a`, value: 1 }), list, index);
  }
});

test("names of the language's own are fields like any other", () => {
  for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty"]) {
    const path = `/${name}/x`;
    const grown = applyDelta(applyDelta(null, { path, append: "a" }), { path, append: "b" });
    assert.equal(JSON.stringify(grown), `{${JSON.stringify(name)}:{"x":"ab"}}`);
    assert.equal(Object.getPrototypeOf(grown), Object.prototype);
  }
  assert.equal(/** @type {any} */ ({}).x, undefined);
});

test("what a delta leaves alone is shared", () => {
  const before = { a: { x: 1 }, b: [{ y: 1 }, { z: 1 }] };
  const after = /** @type {typeof before} */ (applyDelta(before, { path: "/b/1/z", value: 2 }));
  assert.equal(after.a, before.a);
  assert.equal(after.b[0], before.b[0]);
  assert.notEqual(after.b, before.b);
});

test("a text that was cut into deltas is the text", () => {
  fc.assert(fc.property(fc.array(fc.string()), (parts) => {
    const path = "/a/0/b";
    const grown = parts.reduce(
      (/** @type {unknown} */ document, append) => applyDelta(document, { path, append }), null);
    assert.deepEqual(grown, parts.length === 0 ? null : { a: [{ b: parts.join("") }] });
  }));
});
