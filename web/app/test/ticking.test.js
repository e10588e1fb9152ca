// Time moves while somebody shows one that runs, and else stands still.

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { createStore } from "../store.js";
import { keepTime } from "../ticking.js";
import { NOW_MS, sceneOf } from "./support/scene.js";

test("a countdown ticks once a second, and nothing does when it is over", () => {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: NOW_MS + 90_000 });
  try {
    const store = createStore(sceneOf({}), (draw) => draw());
    keepTime(store);
    store.set({});
    mock.timers.tick(5000);
    assert.equal(store.model().nowMs, NOW_MS, "nobody looks");

    const retryAt = Date.now() + 3000;
    store.set({ connection: { status: "waiting", attempt: 2, reason: "network", retryAt } });
    assert.equal(store.model().nowMs, NOW_MS + 95_000, "it had stood still for long");
    mock.timers.tick(2000);
    assert.equal(store.model().nowMs, NOW_MS + 97_000);

    store.set({ connection: { status: "open", attempt: 0 } });
    mock.timers.tick(1000);
    const stoodStillAt = store.model().nowMs;
    mock.timers.tick(60_000);
    assert.equal(store.model().nowMs, stoodStillAt);
  } finally {
    mock.timers.reset();
  }
});
