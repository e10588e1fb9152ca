import assert from "node:assert/strict";
import { test } from "node:test";

import { committedTypes, currentTypes, typesOf } from "../scripts/types.mjs";

test("the types are those of the protocol's schema", () => {
  assert.equal(committedTypes(), currentTypes(), "stale: run `npm run types`");
});

test("nothing is declared twice, and whatever is named is declared", () => {
  const types = currentTypes();
  const names = Array.from(types.matchAll(/^export (?:type|interface) (\w+)/gm), ([, name]) => name);
  assert.equal(new Set(names).size, names.length);
  const code = types.replace(/^\/\/.*/, "").replace(/\/\*\*[\s\S]*?\*\//g, "").replace(/"[^"]*"/g, "");
  const used = new Set(Array.from(code.matchAll(/\b[A-Z]\w+\b/g), ([name]) => name));
  const known = new Set([...names, "Array", "Record", "Type", "Data"]);
  assert.deepEqual([...used].filter((name) => !known.has(name)), []);
});

/** @param {object} schema */
function translated(schema) {
  const event = { anyOf: [] };
  return typesOf({ $defs: { Event: event, Thing: /** @type {any} */ (schema) } }).split("\n\n").at(-1);
}

test("schemas are translated word by word", () => {
  assert.equal(
    translated({
      type: "object",
      description: "A thing.",
      properties: {
        name: { type: ["string", "null"], description: "Its name." },
        parts: { type: "array", items: { $ref: "#/$defs/Thing" } },
        any: true,
      },
      required: ["parts"],
    }),
    "/** A thing. */\nexport interface Thing {\n  /** Its name. */\n  name?: string | null;\n" +
      "  parts: Array<Thing>;\n  any?: unknown;\n}\n",
  );
  assert.equal(
    translated({ anyOf: [{ const: "a" }, { const: "b" }] }),
    "export type Thing = \"a\" | \"b\";\n",
  );
  assert.equal(
    translated({
      type: "object",
      properties: { a: { type: "integer" } },
      required: ["a"],
      oneOf: [{ properties: { b: { type: "string" } }, required: ["b"] }, { type: "object" }],
    }),
    "export type Thing = {\n  a: number;\n} & (\n  | {\n    b: string;\n  }\n  | {}\n);\n",
  );
});

test("what is not known is not passed over", () => {
  assert.throws(() => translated({ patternProperties: {} }), /unknown keyword patternProperties/);
  assert.throws(() => translated({ type: "tuple" }), /unknown type tuple/);
});
