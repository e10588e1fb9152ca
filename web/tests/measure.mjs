// @ts-check
// Measures the page: how much is loaded first, how soon something is seen, and what its main thread does while events
// stream in. Prints JSON; asserts nothing.
//
//   node web/tests/measure.mjs [--events-per-second 50] [--runs 8] [--cpu-slowdown 1]

import { parseArgs } from "node:util";

import { DESK, launchBrowser, PHONE } from "./browser.mjs";
import { openFeed } from "./feed.mjs";
import { forget, observations, observe } from "./observation.mjs";
import { playedSession } from "./played.mjs";
import { part } from "./room.mjs";
import { startSite } from "./stage.mjs";
import { startWorld } from "./world.mjs";

/** @typedef {import("playwright-core").Page} Page */

const USER_KEY = "web-measure";
/** What comes after the page has settled is not its first load. */
const SETTLED = "networkidle";

const { values } = parseArgs({
  options: {
    "events-per-second": { type: "string", default: "50" },
    runs: { type: "string", default: "8" },
    "cpu-slowdown": { type: "string", default: "1" },
  },
});
const eventsPerSecond = Number(values["events-per-second"]);
const slowdown = Number(values["cpu-slowdown"]);

const world = await startWorld();
const site = await startSite(world);
const browser = await launchBrowser();
try {
  const { sessionId, events } = await playedSession({ url: world.url, userKey: USER_KEY, runs: Number(values.runs) });
  const report = {
    chromium: browser.version(),
    cpu_slowdown: slowdown,
    first_load: await measureLoad(site.url),
    streaming: {
      desk: await measureStreaming(site.url, sessionId, events, { viewport: DESK }),
      phone: await measureStreaming(site.url, sessionId, events, { viewport: PHONE, isMobile: true, hasTouch: true }),
    },
  };
  console.log(JSON.stringify(report, null, 2));
} finally {
  await browser.close();
  await site.close();
  await world.close();
}

/** @param {string} url */
async function measureLoad(url) {
  const context = await browser.newContext({ viewport: DESK });
  const page = await context.newPage();
  await observe(page);
  await slowDown(page);
  await page.goto(url, { waitUntil: SETTLED });
  const load = await page.evaluate(() => {
    const entries = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
    const loads = /** @type {PerformanceResourceTiming[]} */ (entries);
    const isCall = (/** @type {PerformanceResourceTiming} */ entry) => /\/(api|health|ready)/.test(new URL(entry.name).pathname);
    const bytes = (/** @type {PerformanceResourceTiming[]} */ some) => some.reduce((sum, { transferSize }) => sum + transferSize, 0);
    const files = loads.filter((entry) => !isCall(entry));
    const paint = performance.getEntriesByName("first-contentful-paint")[0];
    return {
      files: files.length,
      files_transferred_bytes: bytes(files),
      files_decoded_bytes: files.reduce((sum, { decodedBodySize }) => sum + decodedBodySize, 0),
      calls_transferred_bytes: bytes(loads.filter(isCall)),
      first_contentful_paint_ms: Math.round(paint?.startTime ?? -1),
      largest: files
        .sort((one, other) => other.transferSize - one.transferSize)
        .slice(0, 8)
        .map(({ name, transferSize }) => `${new URL(name).pathname} ${transferSize}`),
    };
  });
  const observed = await observations(page);
  await page.reload({ waitUntil: SETTLED });
  const again = await page.evaluate(() =>
    /** @type {PerformanceResourceTiming[]} */ ([
      ...performance.getEntriesByType("navigation"),
      ...performance.getEntriesByType("resource"),
    ]).reduce((sum, { transferSize }) => sum + transferSize, 0),
  );
  await context.close();
  return { ...load, ...observed, second_load_transferred_bytes: again };
}

/**
 * @param {string} url
 * @param {string} sessionId
 * @param {object[]} events
 * @param {import("playwright-core").BrowserContextOptions} view
 */
async function measureStreaming(url, sessionId, events, view) {
  const feed = await openFeed({ target: url, events, eventsPerSecond });
  const context = await browser.newContext(view);
  await context.addInitScript((key) => localStorage.setItem("greenroom.user", key), USER_KEY);
  const page = await context.newPage();
  await observe(page);
  await slowDown(page);
  await page.goto(`${feed.url}/#/s/${sessionId}`);
  await page.locator('[data-part="message"]').first().waitFor();
  // On a phone only one pane is seen; the results are the one that grows.
  const stageTab = page.locator('[data-part="tab"][data-tab="stage"]');
  if (await stageTab.isVisible()) await stageTab.click();
  await forget(page);
  await feed.told();
  await page.locator(part("page", { phase: "DONE" })).waitFor();
  const observed = await observations(page);
  const size = await page.evaluate(() => ({
    elements: document.querySelectorAll("*").length,
    heap_bytes: /** @type {{ usedJSHeapSize?: number } | undefined} */ (Reflect.get(performance, "memory"))?.usedJSHeapSize,
  }));
  await context.close();
  await feed.close();
  return { events: events.length, events_per_second: eventsPerSecond, ...observed, ...size };
}

/** @param {Page} page */
async function slowDown(page) {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Emulation.setCPUThrottlingRate", { rate: slowdown });
}
