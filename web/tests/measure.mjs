// @ts-check
// Measures the page: how much is loaded first, how soon something is seen, and what its main thread does while events
// stream in. Prints JSON; asserts nothing.
//
//   node web/tests/measure.mjs [--events-per-second 50] [--runs 8] [--cpu-slowdown 1]

import { parseArgs } from "node:util";

import { DESK, launchBrowser, PHONE } from "./browser.mjs";
import { openFeed } from "./feed.mjs";
import { ENGLISH_BRIEF, part } from "./room.mjs";
import { startSite } from "./stage.mjs";
import { startWorld } from "./world.mjs";

/** @typedef {import("playwright-core").Page} Page */

const USER_KEY = "web-measure";
const JSON_HEADERS = { "Content-Type": "application/json", Accept: "application/json", "X-User-Key": USER_KEY };
const EVENTS_PAGE = 1000;
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
  const { sessionId, events } = await playedSession(world.url, Number(values.runs));
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

/**
 * From its first line on, a page counts its long tasks, layout shifts and late frames.
 * @param {Page} page
 */
async function observe(page) {
  await page.addInitScript(() => {
    const seen = {
      longTasksMs: /** @type {number[]} */ ([]),
      shifts: /** @type {{ value: number, moved: string }[]} */ ([]),
      framesMs: /** @type {number[]} */ ([]),
      sinceMs: 0,
    };
    const nameOf = (/** @type {Node | null} */ node) => {
      const element = node instanceof Element ? node : node?.parentElement;
      return element ? `${element.localName}.${[...element.classList].join(".")}` : "?";
    };
    Reflect.set(window, "observed", seen);
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) seen.longTasksMs.push(duration);
    }).observe({ type: "longtask", buffered: true });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        if (Reflect.get(entry, "hadRecentInput")) continue;
        /** @type {{ node: Node | null }[]} */
        const sources = Reflect.get(entry, "sources");
        seen.shifts.push({ value: Reflect.get(entry, "value"), moved: sources.map(({ node }) => nameOf(node)).join(" ") });
      }
    }).observe({ type: "layout-shift", buffered: true });
    let previousMs = performance.now();
    const frame = (/** @type {number} */ nowMs) => {
      seen.framesMs.push(nowMs - previousMs);
      previousMs = nowMs;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
}

/** @param {Page} page */
async function forget(page) {
  await page.evaluate(() => {
    const seen = Reflect.get(window, "observed");
    Object.assign(seen, { longTasksMs: [], shifts: [], framesMs: [], sinceMs: performance.now() });
  });
}

/** @param {Page} page */
async function observations(page) {
  return page.evaluate(() => {
    /** @type {{ longTasksMs: number[], shifts: { value: number, moved: string }[], framesMs: number[], sinceMs: number }} */
    const seen = Reflect.get(window, "observed");
    const ascending = (/** @type {number[]} */ list) => [...list].sort((one, other) => one - other);
    const frames = ascending(seen.framesMs);
    return {
      observed_ms: Math.round(performance.now() - seen.sinceMs),
      long_tasks: seen.longTasksMs.length,
      longest_task_ms: Math.round(Math.max(0, ...seen.longTasksMs)),
      long_tasks_total_ms: Math.round(seen.longTasksMs.reduce((sum, ms) => sum + ms, 0)),
      cumulative_layout_shift: Number(seen.shifts.reduce((sum, { value }) => sum + value, 0).toFixed(4)),
      largest_shifts: seen.shifts
        .sort((one, other) => other.value - one.value)
        .slice(0, 4)
        .map(({ value, moved }) => `${value.toFixed(4)} ${moved}`),
      frame_p50_ms: Math.round(frames[Math.floor(frames.length / 2)] ?? 0),
      frame_p99_ms: Math.round(frames[Math.floor(frames.length * 0.99)] ?? 0),
    };
  });
}

/** @param {Page} page */
async function slowDown(page) {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Emulation.setCPUThrottlingRate", { rate: slowdown });
}

/**
 * A session with several runs behind it, and its whole log.
 * @param {string} url
 * @param {number} runs
 */
async function playedSession(url, runs) {
  const { session_id: sessionId } = await post(`${url}/api/chat/session`, { locale: "en" });
  await post(`${url}/api/chat/session/${sessionId}/message`, { message: ENGLISH_BRIEF });
  for (let run = 0; run < runs; run += 1) await post(`${url}/api/runs/${sessionId}/generate`, {});
  /** @type {{ seq: number }[]} */
  const events = [];
  for (;;) {
    const address = `${url}/api/chat/session/${sessionId}/events?after=${events.at(-1)?.seq ?? 0}&limit=${EVENTS_PAGE}`;
    const { events: more, head } = await (await fetch(address, { headers: JSON_HEADERS })).json();
    events.push(...more);
    if ((events.at(-1)?.seq ?? 0) >= head) return { sessionId: String(sessionId), events };
  }
}

/**
 * @param {string} url
 * @param {object} body
 */
async function post(url, body) {
  const answer = await fetch(url, { method: "POST", headers: JSON_HEADERS, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${url}: ${await answer.text()}`);
  return answer.json();
}
