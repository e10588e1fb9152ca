// The time of the model: it moves while somebody shows a time that runs, and else stands still and draws
// nothing.

import { countsDown } from "./troubles.js";

const TICK_MS = 1000;

/** @param {import("./store.js").Store} store */
export function keepTime(store) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const tick = () => {
    timer = undefined;
    store.set({ nowMs: Date.now() });
  };
  store.subscribe((model) => {
    if (timer !== undefined || !isTimeShown(model)) return;
    // It may have stood still for long.
    if (Date.now() - model.nowMs >= TICK_MS) tick();
    else timer = setTimeout(tick, TICK_MS);
  });
}

/** @param {import("./store.js").Model} model */
function isTimeShown(model) {
  return countsDown(model) || model.session?.runs.at(-1)?.status === "running";
}
