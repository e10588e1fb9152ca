import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

/** @param {string} path */
const read = (path) => readFileSync(new URL(`../${path}`, import.meta.url), "utf8");

test("the README shows the example as it runs, in 20 lines", () => {
  const example = read("examples/voice_agent.js");
  assert.ok(read("README.md").includes(`\`\`\`js\n${example}\`\`\``));
  assert.ok(example.trimEnd().split("\n").length <= 20);
});

test("the README names every code of the client's own", () => {
  const readme = read("README.md");
  const codes = new Set(read("src/errors.js").match(/"CLIENT_\w+"/g));
  assert.ok(codes.size > 0);
  for (const code of codes) assert.ok(readme.includes(code.replaceAll('"', "`")), code);
});
