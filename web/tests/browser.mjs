// @ts-check
// A browser as people have it: Debian's Chromium, with a microphone that plays a file.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

import { chromium } from "playwright-core";

/**
 * @typedef {import("playwright-core").Browser} Browser
 * @typedef {import("playwright-core").Page} Page
 *
 * @typedef {object} Viewport
 * @property {number} width
 * @property {number} height
 */

export const PHONE = { width: 390, height: 844 };
export const DESK = { width: 1440, height: 900 };

const CHROMIUM = process.env.CHROMIUM_BIN ?? "/usr/bin/chromium";
/** axe's words for what keeps somebody from using the page. */
const GRAVE_IMPACTS = new Set(["serious", "critical"]);
/** WCAG 2.2 AA and what it builds on. */
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

/**
 * @param {{ microphoneFile?: string, arguments?: string[] }} [options] `microphoneFile` is read when a page opens the
 *   microphone, and played once; without it this machine's own microphone is used, if it has one
 * @returns {Promise<Browser>}
 */
export async function launchBrowser({ microphoneFile, arguments: more = [] } = {}) {
  const microphone = microphoneFile
    ? ["--use-fake-device-for-media-stream", `--use-file-for-fake-audio-capture=${microphoneFile}%noloop`]
    : [];
  return chromium.launch({
    executablePath: CHROMIUM,
    // Chromium's sandbox does not start as root, as which containers run.
    args: ["--no-sandbox", "--disable-audio-output", "--disable-quic", ...microphone, ...more],
  });
}

/**
 * Collects what a page complains of: errors of scripts, failed loads, breaches of the Content-Security-Policy.
 * @param {Page} page
 * @returns {string[]} grows
 */
export function complaintsOf(page) {
  /** @type {string[]} */
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(`uncaught: ${error.stack ?? error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(`${message.text()} (${message.location().url})`);
  });
  return complaints;
}

/**
 * What axe-core finds on a page that keeps somebody from using it, one line each.
 * @param {Page} page
 * @returns {Promise<string[]>}
 */
export async function graveViolations(page) {
  const source = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  // Evaluated by the debugger: the page's policy stays as it is.
  await page.evaluate(source);
  const found = await page.evaluate(async (rules) => {
    /** @type {typeof import("axe-core")} */
    const axe = Reflect.get(window, "axe");
    const { violations } = await axe.run(document, { runOnly: { type: "tag", values: rules }, resultTypes: ["violations"] });
    return violations.map(({ id, impact, nodes }) => ({
      id,
      impact: impact ?? "",
      nodes: nodes.map((node) => `${node.target.join(" ")} — ${node.failureSummary?.replace(/\s+/g, " ") ?? ""}`),
    }));
  }, RULES);
  return found
    .filter(({ impact }) => GRAVE_IMPACTS.has(impact))
    .flatMap(({ id, impact, nodes }) => nodes.map((node) => `${id} (${impact}): ${node}`));
}
