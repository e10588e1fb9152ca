// @ts-check
// What a page's main thread does, and what moves on the page of its own accord, as the browser tells it.

/** @typedef {import("playwright-core").Page} Page */

/**
 * From its first line on, a page counts its long tasks, layout shifts and late frames.
 * @param {Page} page
 */
export async function observe(page) {
  await page.addInitScript(beginToObserve);
}

/**
 * The same for a page that is there already: of what was before, the shifts and the long tasks are counted, too.
 * @param {Page} page
 */
export async function observeFromNow(page) {
  await page.evaluate(beginToObserve);
}

/**
 * What was counted so far counts no longer.
 * @param {Page} page
 */
export async function forget(page) {
  await page.evaluate(() => {
    const seen = Reflect.get(window, "observed");
    Object.assign(seen, { longTasksMs: [], shifts: [], framesMs: [], sinceMs: performance.now() });
  });
}

/**
 * What was counted.
 * @param {Page} page
 */
export async function observations(page) {
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

/** Runs in the page. */
function beginToObserve() {
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
    for (const { startTime, duration } of list.getEntries()) {
      if (startTime >= seen.sinceMs) seen.longTasksMs.push(duration);
    }
  }).observe({ type: "longtask", buffered: true });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (Reflect.get(entry, "hadRecentInput") || entry.startTime < seen.sinceMs) continue;
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
}
