// The first view loads in one go: index.html names every module that main.js imports, and every style, and no
// other.

import assert from "node:assert/strict";
import { access, readFile, readdir } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const WEB_FOLDER = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const index = await readFile(path.join(WEB_FOLDER, "index.html"), "utf8");

test("index.html preloads what main.js imports", async () => {
  const preloaded = [...index.matchAll(/<link rel="modulepreload" href="\/web\/([^"]+)">/g)].map(
    ([, file]) => file,
  );
  assert.deepEqual(preloaded.sort(), await modulesBehind("app/main.js"));
});

test("index.html has every style of the page", async () => {
  const linked = [...index.matchAll(/<link rel="stylesheet" href="\/web\/app\/styles\/([^"]+)">/g)].map(
    ([, file]) => file,
  );
  assert.deepEqual(linked.sort(), (await readdir(path.join(WEB_FOLDER, "app/styles"))).sort());
});

test("what index.html names is there", async () => {
  const named = [...index.matchAll(/(?:href|src)="\/web\/([^"]+)"/g)].map(([, file = ""]) => file);
  assert.ok(named.length > 0);
  for (const file of named) await access(path.join(WEB_FOLDER, file));
});

/**
 * The files that a module imports, and those that they import; not what is imported later, on demand.
 *
 * @param {string} entry
 */
async function modulesBehind(entry) {
  /** @type {Set<string>} */
  const found = new Set();
  const waiting = [entry];
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    const source = await readFile(path.join(WEB_FOLDER, file), "utf8");
    for (const [, specifier = ""] of source.matchAll(
      /(?:^|[;}\s])(?:import|export)[^"'();]*?["'](\.[^"']+)["']/g,
    )) {
      const imported = path.join(path.dirname(file), specifier);
      if (found.has(imported)) continue;
      found.add(imported);
      waiting.push(imported);
    }
  }
  return [...found].sort();
}
