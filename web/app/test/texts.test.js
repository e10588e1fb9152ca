// Both languages say the same things, and every word that the page asks for is there.

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import path from "node:path";

import { en } from "../texts/en.js";
import { ko } from "../texts/ko.js";
import { translatorOf } from "../texts/translate.js";

const APP = fileURLToPath(new URL("..", import.meta.url));

/**
 * Every text by its key.
 *
 * @param {object} texts
 * @param {string} [prefix]
 * @returns {Map<string, string>}
 */
function flat(texts, prefix = "") {
  /** @type {Map<string, string>} */
  const all = new Map();
  for (const [name, value] of Object.entries(texts)) {
    const key = `${prefix}${name}`;
    if (typeof value === "string") all.set(key, value);
    else for (const [inner, text] of flat(value, `${key}.`)) all.set(inner, text);
  }
  return all;
}

const korean = flat(ko);
const english = flat(en);
/** @param {string} text */
const parameters = (text) => Array.from(text.matchAll(/\{(\w+)\}/g), (match) => match[1]).sort();

/** Every module of the page, by its name. */
const sources = await Promise.all(
  (await readdir(APP, { recursive: true }))
    .filter((name) => name.endsWith(".js") && !name.includes("test") && !name.startsWith("texts"))
    .map(async (name) => ({ name, source: await readFile(path.join(APP, name), "utf8") })),
);

test("both languages have the same texts, in the same order", () => {
  assert.deepEqual([...korean.keys()], [...english.keys()]);
});

test("no text is empty, and each takes the same parameters in both languages", () => {
  for (const [key, text] of english) {
    assert.notEqual(text.trim(), "", key);
    assert.notEqual(korean.get(key)?.trim(), "", key);
    assert.deepEqual(parameters(korean.get(key) ?? ""), parameters(text), key);
  }
});

test("Korean is Korean, but for names", () => {
  const names = new Set([
    "page.title",
    "room.language_other",
    "room.language_switch",
    "trouble.said.reply",
    "trouble.keys.escape",
  ]);
  const foreign = [...korean].filter(
    ([, text]) => !/\p{Script=Hangul}/u.test(text.replaceAll(/\{\w+\}/g, "")),
  );
  const words = foreign.filter(
    ([key, text]) => !names.has(key) && /\p{Letter}{2}/u.test(text.replaceAll(/\{\w+\}/g, "")),
  );
  assert.deepEqual(words, []);
});

test("English is English, but for the name of the other language", () => {
  const foreign = [...english].filter(
    ([key, text]) => /\p{Script=Hangul}/u.test(text) && !key.startsWith("room.language_"),
  );
  assert.deepEqual(foreign, []);
});

test("every text that a module names is there", () => {
  const sections = Object.keys(en).join("|");
  const named = new RegExp(`["'\`]((?:${sections})(?:\\.\\w+)+)["'\`]`, "g");
  let found = 0;
  for (const { name, source } of sources) {
    for (const [, key = ""] of source.matchAll(named)) {
      found += 1;
      assert.ok(english.has(key), `${key} in ${name}`);
    }
  }
  assert.ok(found > 100, `${found} keys were found`);
});

test("every text is asked for by some module", () => {
  const all = sources.map(({ source }) => source).join("\n");
  const unused = [...english.keys()].filter((key) => !all.includes(key) && !isMade(key, all));
  assert.deepEqual(unused, []);
});

test("an unknown text shows its key, and parameters are filled in as they are", () => {
  const t = translatorOf("en");
  assert.equal(t("trouble.nothing_of_the_kind"), "trouble.nothing_of_the_kind");
  assert.equal(t("trouble.try_again_in", { time: "$& {time}" }), "Trying again in $& {time}");
  assert.equal(t("trouble.try_again_in", {}), "Trying again in {time}");
});

/**
 * Whether a module puts the key together: `trouble.next.${next}` asks for each that begins so.
 *
 * @param {string} key
 * @param {string} all
 */
function isMade(key, all) {
  const beginnings = all.matchAll(/`((?:\w+\.)+\w*)\$\{/g);
  return Array.from(beginnings).some(([, beginning = ""]) => key.startsWith(beginning));
}
