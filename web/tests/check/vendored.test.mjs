// @ts-check
// What lies in web/vendor is what was published under that name and version, byte for byte.

import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const WEB = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const VENDOR = path.join(WEB, "vendor");

for (const name of await readdir(VENDOR)) {
  const vendored = path.join(VENDOR, name);
  const published = path.join(WEB, "node_modules", name);

  test(`${name} is as it was published`, async () => {
    const files = (await readdir(vendored, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
    assert.notEqual(files.length, 0);
    for (const file of files) {
      const relative = path.relative(vendored, path.join(file.parentPath, file.name));
      const [ours, theirs] = await Promise.all([vendored, published].map((folder) => readFile(path.join(folder, relative))));
      assert.ok(ours && theirs && ours.equals(theirs), relative);
    }
  });

  test(`${name} brings all that it imports`, async () => {
    const files = (await readdir(vendored, { recursive: true, withFileTypes: true })).filter((entry) => entry.name.endsWith(".js"));
    for (const file of files) {
      const source = await readFile(path.join(file.parentPath, file.name), "utf8");
      for (const [, imported] of source.matchAll(/\bfrom\s*"([^"]+)"|\bimport\s*"([^"]+)"/g)) {
        if (!imported) continue;
        assert.match(imported, /^\.{1,2}\//, `${file.name} imports ${imported} by a path`);
        await readFile(path.resolve(file.parentPath, imported));
      }
    }
  });
}
