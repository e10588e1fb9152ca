// Both languages say everything, and every text is one that the pages ask for.

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";

import { en } from "../texts/en.js";
import { ko } from "../texts/ko.js";

const FOLDER = new URL("../", import.meta.url);
const PROTOCOL = new URL("../../../docs/protocol.md", import.meta.url);

/** @param {object} texts */
const wordsOf = (texts) => Object.entries(texts).filter(([, text]) => typeof text === "string");
/** @param {string} text */
const placesOf = (text) => [...text.matchAll(/\{\w+\}/g)].map(String).sort();

test("Korean and English have the same texts, with the same places to fill", () => {
  assert.deepEqual(Object.keys(ko), Object.keys(en));
  assert.deepEqual(Object.keys(ko.codes), Object.keys(en.codes));
  const korean = new Map(wordsOf(ko));
  for (const [word, text] of wordsOf(en))
    assert.deepEqual(placesOf(korean.get(word) ?? ""), placesOf(text), word);
});

test("every text is shown somewhere", async () => {
  const modules = (await readdir(FOLDER)).filter((name) => name.endsWith(".js") && name !== "texts.js");
  const sources = (await Promise.all(modules.map((name) => readFile(new URL(name, FOLDER), "utf8")))).join(
    "\n",
  );
  const unused = wordsOf(en)
    .map(([word]) => word)
    .filter((word) => !sources.includes(`"${word}"`) && !word.startsWith("status_"));
  assert.deepEqual(unused, []);
});

test("every close code of the protocol is explained", async () => {
  const table = await readFile(PROTOCOL, "utf8");
  const codes = [...table.matchAll(/^\| (\d{4}) \|/gm)].map(([, code]) => Number(code));
  assert.ok(codes.includes(4008));
  for (const code of codes) assert.ok(en.codes[code], String(code));
});
