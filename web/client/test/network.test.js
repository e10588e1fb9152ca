import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { browserNetwork } from "../src/network.js";

/** What a browser has and Node has not; put in the place of what may be there, and taken away again. */
const PAGE = {
  document: Object.assign(new EventTarget(), { visibilityState: "visible" }),
  navigator: { onLine: true, connection: new EventTarget() },
};
const windowEvents = new EventTarget();
/** @type {Array<[string, PropertyDescriptor | undefined]>} */
let before = [];

beforeEach(() => {
  const globals = {
    ...PAGE,
    addEventListener: windowEvents.addEventListener.bind(windowEvents),
    removeEventListener: windowEvents.removeEventListener.bind(windowEvents),
  };
  before = Object.keys(globals).map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)]);
  for (const [name, value] of Object.entries(globals)) {
    Object.defineProperty(globalThis, name, { value, configurable: true });
  }
});

afterEach(() => {
  for (const [name, descriptor] of before) {
    if (descriptor === undefined) Reflect.deleteProperty(globalThis, name);
    else Object.defineProperty(globalThis, name, descriptor);
  }
});

test("wakes when the network comes, goes or changes, and when the page is seen or thawed", () => {
  let woken = 0;
  const stop = browserNetwork.onWake(() => {
    woken += 1;
  });
  const tell = () => {
    for (const type of ["online", "offline", "pageshow"]) windowEvents.dispatchEvent(new Event(type));
    for (const type of ["visibilitychange", "resume"]) PAGE.document.dispatchEvent(new Event(type));
    PAGE.navigator.connection.dispatchEvent(new Event("change"));
  };
  tell();
  assert.equal(woken, 6);
  PAGE.document.visibilityState = "hidden";
  PAGE.document.dispatchEvent(new Event("visibilitychange"));
  assert.equal(woken, 6, "a page that is hidden wakes nobody");
  PAGE.document.visibilityState = "visible";
  stop();
  tell();
  assert.equal(woken, 6);
});

test("believes the browser only when it says that there is no network", () => {
  assert.equal(browserNetwork.isOnline(), true);
  PAGE.navigator.onLine = false;
  assert.equal(browserNetwork.isOnline(), false);
  PAGE.navigator.onLine = true;
});
