// @ts-check
// A typed session, from the first question to the package in one's hands.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { unzip } from "./archive.mjs";
import { PHONE } from "./browser.mjs";
import { assertShowsAll, begin, comeIn, ENGLISH_BRIEF, fillBrief, inPhase, KOREAN_BRIEF, listen, part, say, shown, STAGES } from "./room.mjs";
import { play } from "./stage.mjs";

/** What an exported package of the launch playbook holds (docs/protocol.md, REST). */
const PACKAGE_FILES = ["ad_copies.csv", "index.html", "package.json", "package.md", "provenance.json", "subtitles.srt", "subtitles.vtt"];

test("a typed session comes to DONE, and its package is whole", () =>
  play({}, async ({ visit, eventsOf }) => {
    const page = await visit();
    await comeIn(page);
    await say(page, "Morning Glow");
    await listen(page);
    await fillBrief(page, ENGLISH_BRIEF);
    await begin(page);
    await inPhase(page, "DONE");
    await assertShowsAll(page, await eventsOf(page));
    assert.deepEqual((await shown(page)).lamps, STAGES.map((stage) => `${stage} completed`));

    const download = page.waitForEvent("download");
    await page.locator(part("export")).click();
    const files = unzip(await readFile(await (await download).path()));
    assert.deepEqual([...files.keys()].map(baseName).sort(), PACKAGE_FILES);
    const document = [...files].find(([name]) => baseName(name) === "package.json")?.[1];
    const content = JSON.parse(document?.toString("utf8") ?? "");
    assert.equal(content.state, "DONE");
    assert.equal(content.simulated, true);
  }));

test("every result can be opened and says what the stage wrote", () =>
  play({}, async ({ visit, eventsOf }) => {
    const page = await visit();
    await comeIn(page);
    await fillBrief(page, ENGLISH_BRIEF);
    await begin(page);
    await inPhase(page, "DONE");
    const completed = (await eventsOf(page)).filter(({ type }) => type === "stage.completed");
    assert.deepEqual(completed.map(({ data }) => data.stage), STAGES);
    for (const { data } of completed) {
      await page.locator(part("result-tab", { stage: data.stage })).click();
      const panel = page.locator(part("result-panel", { stage: data.stage }));
      await panel.waitFor();
      const words = (await panel.textContent()) ?? "";
      for (const text of someTexts(data.output)) assert.ok(words.includes(text), `${data.stage} shows ${text}`);
    }
  }));

test("on a phone, in Korean, from the first word to DONE", () =>
  play({}, async ({ visit, eventsOf }) => {
    const context = { viewport: PHONE, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };
    const page = await visit({ language: "ko", context });
    await comeIn(page);
    assert.equal(await page.locator("html").getAttribute("lang"), "ko");
    await say(page, KOREAN_BRIEF);
    await page.locator(part("tab", { tab: "stage" })).tap();
    await page.locator(part("gate", { ready: "true" })).waitFor();
    await page.locator(part("generate")).tap();
    await inPhase(page, "DONE");
    await page.locator(part("result-tab", { stage: "research" })).tap();
    await page.locator(part("result-panel", { stage: "research" })).waitFor();
    await assertShowsAll(page, await eventsOf(page));
    assert.deepEqual(await overflowing(page), [], "nothing sticks out of the screen");
  }));

test("a value that is edited in place is the user's own, and the words stay that an earlier one came from", () =>
  play({}, async ({ visit, eventsOf }) => {
    const page = await visit();
    await comeIn(page);
    await fillBrief(page, ENGLISH_BRIEF);
    const card = page.locator(part("slot", { path: "product.name" }));
    await card.getByRole("button", { name: /edit/i }).click();
    const box = card.getByRole("textbox");
    await box.fill("Evening Glow");
    await box.press("Enter");
    await card.filter({ hasText: "Evening Glow" }).waitFor();
    await box.waitFor({ state: "detached" });
    const edits = (await eventsOf(page)).filter(({ type, data }) => type === "slot.updated" && data.path === "product.name");
    assert.deepEqual(edits.map(({ data }) => data.value), ["Morning Glow", "Evening Glow"]);
    assert.equal(edits.at(-1)?.data.source.kind, "edit");
  }));

/** @param {string} name */
function baseName(name) {
  return name.slice(name.lastIndexOf("/") + 1);
}

/**
 * The texts of an output that a person reads: one of each list, whatever its name.
 * @param {unknown} value
 * @returns {string[]}
 */
function someTexts(value) {
  if (typeof value === "string") return value.length > 20 && !value.startsWith("https:") ? [value] : [];
  if (Array.isArray(value)) return value.slice(0, 1).flatMap(someTexts);
  if (value === null || typeof value !== "object") return [];
  return Object.values(value).flatMap(someTexts);
}

/**
 * Elements that are wider than the screen.
 * @param {import("playwright-core").Page} page
 */
async function overflowing(page) {
  return page.evaluate(() => {
    const widthPx = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= widthPx) return [];
    return [...document.querySelectorAll("body *")]
      .filter((element) => element.getBoundingClientRect().right > widthPx + 1)
      .map((element) => element.outerHTML.slice(0, 120));
  });
}
