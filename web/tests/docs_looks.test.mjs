// @ts-check
// The documentation as people of all kinds see it: axe, narrow and wide, light and dark, and pictures to be looked at.

import assert from "node:assert/strict";
import { test } from "node:test";

import { DESK, graveViolations, PHONE } from "./browser.mjs";
import { part } from "./room.mjs";
import { play, takePicture } from "./stage.mjs";

/** @typedef {import("playwright-core").Page} Page */

const PAGES = { docs: "/docs", protocol: "/docs/protocol", errors: "/docs/errors" };

for (const [name, path] of Object.entries(PAGES)) {
  test(`${path} can be used by everyone, on a phone and on a desk, light and dark`, () =>
    play({}, async ({ visit }) => {
      for (const theme of /** @type {const} */ (["light", "dark"])) {
        for (const [size, viewport] of Object.entries({ phone: PHONE, desk: DESK })) {
          const page = await visit({ path, theme, context: { viewport } });
          await page.getByRole("heading", { level: 1 }).waitFor();
          if (name === "docs") await makeSession(page);
          assert.deepEqual(await graveViolations(page), [], `${theme} ${size}`);
          assert.ok(await fits(page), `nothing sticks out of the screen: ${theme} ${size}`);
          await takePicture(page, `${name}-${size}-${theme}`);
          await page.close();
        }
      }
    }));
}

/** An open form with an answer is looked at too. @param {Page} page */
async function makeSession(page) {
  const operation = page.locator("#sessions_create");
  await operation.scrollIntoViewIfNeeded();
  await operation.getByRole("button", { name: "Try it" }).click();
  await operation.getByRole("button", { name: /^Send / }).click();
  await operation.locator(part("answer")).waitFor();
}

/** Whether the page is no wider than the screen. @param {Page} page */
async function fits(page) {
  return page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth);
}
