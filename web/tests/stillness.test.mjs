// @ts-check
// Nothing moves of its own accord while a session is told, at a pace at which nobody could read along.

import assert from "node:assert/strict";
import { test } from "node:test";

import { DESK, PHONE } from "./browser.mjs";
import { openFeed } from "./feed.mjs";
import { forget, observations, observeFromNow } from "./observation.mjs";
import { playedSession } from "./played.mjs";
import { part } from "./room.mjs";
import { play } from "./stage.mjs";

const USER_KEY = "web-stillness";
const EVENTS_PER_SECOND = 50;
/** Shifts of up to 0.1 in all are called good (web.dev/cls); over two runs the page keeps to a fifth of that. */
const SHIFT_MAX = 0.02;

for (const [name, context] of /** @type {const} */ ([
  ["a desk", { viewport: DESK }],
  ["a phone", { viewport: PHONE, isMobile: true, hasTouch: true }],
])) {
  test(`while brief and results stream in, everything keeps its place on ${name}`, () =>
    play({}, async ({ world, line, visit }) => {
      const { sessionId, events } = await playedSession({ url: world.url, userKey: USER_KEY, runs: 2 });
      /** @type {() => void} */
      let begin = () => {};
      const begins = new Promise((/** @type {(value: void) => void} */ resolve) => (begin = resolve));
      const feed = await openFeed({ target: line.url, events, eventsPerSecond: EVENTS_PER_SECOND, begins });
      try {
        const page = await visit({
          context,
          remembered: { "greenroom.user": USER_KEY },
          path: `${feed.url}/#/s/${sessionId}`,
        });
        await page.locator(part("slot")).first().waitFor({ state: "attached" });
        const stageTab = page.locator(part("tab", { tab: "stage" }));
        if (await stageTab.isVisible()) await stageTab.click();
        await page.locator(part("gate")).waitFor();
        await observeFromNow(page);
        await forget(page);
        begin();
        await feed.told();
        await page.locator(part("page", { phase: "DONE" })).waitFor();
        const { cumulative_layout_shift: shift, largest_shifts: largest } = await observations(page);
        assert.ok(shift < SHIFT_MAX, `shifted by ${shift}:\n${largest.join("\n")}`);
      } finally {
        await feed.close();
      }
    }));
}
