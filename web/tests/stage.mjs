// @ts-check
// A stage for one journey: a world, a line to it, a browser, and pages whose complaints fail the journey.

import assert from "node:assert/strict";
import { mkdir, rm } from "node:fs/promises";
import path from "node:path";

import { complaintsOf, DESK, launchBrowser } from "./browser.mjs";
import { startDevServer } from "./dev_server.mjs";
import { openLine } from "./line.mjs";
import { writeMicrophone } from "./recordings.mjs";
import { startWorld, targetFolder, temporaryFolder } from "./world.mjs";

/**
 * @typedef {import("playwright-core").Page} Page
 * @typedef {import("playwright-core").BrowserContextOptions} ContextOptions
 *
 * @typedef {object} StageOptions
 * @property {import("./world.mjs").WorldOptions} [world]
 * @property {boolean} [microphone]   whether the browser has one
 * @property {string[]} [chromium]    more arguments of the browser
 * @property {RegExp[]} [tolerated]   complaints that this journey provokes: loads that fail while the line is cut, say
 *
 * @typedef {object} Visitor
 * @property {"ko" | "en"} [language]
 * @property {"light" | "dark"} [theme]
 * @property {ContextOptions} [context]   viewport, touch, reduced motion
 * @property {boolean} [mayListen]        whether the page was allowed the microphone
 * @property {Page} [beside]              a page of the same person: another tab of the same browser
 * @property {Record<string, string>} [remembered]   what this browser keeps from an earlier visit (localStorage)
 * @property {string} [path]              where to go, `/` unless said otherwise
 *
 * @typedef {object} Stage
 * @property {import("./world.mjs").World} world
 * @property {import("./line.mjs").Line} line
 * @property {(visitor?: Visitor) => Promise<Page>} visit
 * @property {(parts: (string | number)[]) => Promise<void>} prepareMicrophone   recordings by id, silences in ms
 * @property {(page: Page) => Promise<LoggedEvent[]>} eventsOf   the whole log of the session that a page shows
 *
 * @typedef {object} LoggedEvent
 * @property {string} event_id
 * @property {number} seq
 * @property {string} type
 * @property {Record<string, any>} data   as docs/protocol.md has it, which differs by type
 */

/** No single thing that a journey waits for takes longer, on a machine with two busy cores. */
const PATIENCE_MS = 30_000;
const EVENTS_PAGE = 1000;

/** Where screenshots go: to be looked at, never to be kept with the sources. */
export const ARTIFACTS = process.env.GREENROOM_ARTIFACTS ?? path.join(targetFolder(), "web-artifacts");

/**
 * Plays a journey. A failure is told with the server's last words and a picture of every page.
 * @param {StageOptions} options
 * @param {(stage: Stage) => Promise<void>} journey
 */
export async function play(options, journey) {
  const folder = await temporaryFolder("greenroom-browser-");
  const microphoneFile = path.join(folder, "microphone.wav");
  /** @type {{ page: Page, complaints: string[] }[]} */
  const visits = [];
  /** @type {(() => Promise<unknown>)[]} */
  const closings = [() => rm(folder, { recursive: true, force: true })];
  try {
    const world = await startWorld(options.world);
    closings.push(world.close);
    const site = await startSite(world);
    closings.push(site.close);
    const line = await openLine(Number(new URL(site.url).port));
    closings.push(line.close);
    const browser = await launchBrowser({
      ...(options.microphone ? { microphoneFile } : {}),
      ...(options.chromium ? { arguments: options.chromium } : {}),
    });
    closings.push(() => browser.close());

    /** @type {Stage["visit"]} */
    const visit = async (visitor = {}) => {
      const context = visitor.beside?.context() ?? (await newContext(browser, line.url, visitor));
      const page = await context.newPage();
      page.setDefaultTimeout(PATIENCE_MS);
      visits.push({ page, complaints: complaintsOf(page) });
      await page.goto(visitor.path ?? "/");
      return page;
    };
    const stage = {
      world,
      line,
      visit,
      prepareMicrophone: (/** @type {(string | number)[]} */ parts) => writeMicrophone(browser, microphoneFile, parts),
      eventsOf: (/** @type {Page} */ page) => eventsOf(world.url, page),
    };
    const isTolerated = (/** @type {string} */ complaint) =>
      (options.tolerated ?? []).some((pattern) => pattern.test(complaint));
    try {
      await journey(stage);
      const complaints = visits.flatMap((visit) => visit.complaints).filter((complaint) => !isTolerated(complaint));
      assert.deepEqual(complaints, [], "the page complained");
    } catch (error) {
      const complaints = new Set(visits.flatMap((visit) => visit.complaints.filter((complaint) => !isTolerated(complaint))));
      const pictures = await Promise.all(visits.map(({ page }) => failurePicture(page)));
      const report = [`pictures: ${pictures.join(", ")}`, ...complaints, "the server's last words:", await world.lastWords()];
      throw new Error(`${error instanceof Error ? error.message : error}\n${report.join("\n")}`, { cause: error });
    }
  } finally {
    for (const close of closings.reverse()) await close();
  }
}

/**
 * Takes a picture of a page for people to look at.
 * @param {Page} page
 * @param {string} name
 */
export async function takePicture(page, name) {
  await mkdir(ARTIFACTS, { recursive: true });
  const file = path.join(ARTIFACTS, `${name}.png`);
  await page.screenshot({ path: file, animations: "disabled" });
  return file;
}

/**
 * What serves the page: the server itself, or with GREENROOM_PAGE=disk the files beside it.
 * @param {import("./world.mjs").World} world
 */
export async function startSite(world) {
  if (process.env.GREENROOM_PAGE !== "disk") return { url: world.url, close: async () => {} };
  return startDevServer({ upstream: world.url });
}

/**
 * @param {import("playwright-core").Browser} browser
 * @param {string} baseURL
 * @param {Visitor} visitor
 */
async function newContext(browser, baseURL, visitor) {
  const { language = "en", theme = "light", context: options, mayListen = true, remembered = {} } = visitor;
  const context = await browser.newContext({
    baseURL,
    viewport: DESK,
    locale: language === "ko" ? "ko-KR" : "en-US",
    colorScheme: theme,
    ...options,
  });
  await context.addInitScript((entries) => {
    for (const [name, value] of entries) localStorage.setItem(name, value);
  }, Object.entries(remembered));
  if (mayListen) await context.grantPermissions(["microphone", "clipboard-read", "clipboard-write"]);
  return context;
}

/** @param {Page} page */
async function failurePicture(page) {
  const name = `failure-${process.pid}-${Date.now()}-${Math.random().toString(36).slice(2, 6)}`;
  return takePicture(page, name).catch(() => "none: the page is gone");
}

/**
 * @param {string} serverUrl
 * @param {Page} page
 * @returns {Promise<LoggedEvent[]>}
 */
async function eventsOf(serverUrl, page) {
  const sessionId = sessionIdOf(page);
  const userKey = await page.evaluate(() => localStorage.getItem("greenroom.user"));
  const headers = { Accept: "application/json", "X-User-Key": userKey ?? "" };
  /** @type {LoggedEvent[]} */
  const events = [];
  for (;;) {
    const after = events.at(-1)?.seq ?? 0;
    const path = `/api/chat/session/${sessionId}/events?after=${after}&limit=${EVENTS_PAGE}`;
    const answer = await fetch(serverUrl + path, { headers });
    if (!answer.ok) throw new Error(`the log cannot be read: ${await answer.text()}`);
    const { events: more, head } = await answer.json();
    events.push(...more);
    if (more.length === 0 || (events.at(-1)?.seq ?? 0) >= head) return events;
  }
}

/**
 * The session that a page shows, by its address.
 * @param {Page} page
 */
export function sessionIdOf(page) {
  const sessionId = /#\/s\/(sess_[0-9A-Z]+)/.exec(page.url())?.[1];
  if (!sessionId) throw new Error(`${page.url()} names no session`);
  return sessionId;
}
