// Where the page begins: the store, the client of the server, and one drawing for each frame in which
// something changed.

import { render } from "../vendor/lit-html/lit-html.js";
import { GreenroomClient, listDevices } from "../client/src/index.js";
import { createActions } from "./actions.js";
import { notePlayed } from "./call_life.js";
import {
  createLevelRing,
  createStageFollower,
  dressDocument,
  listenToSpaceBar,
  syncDialogs,
} from "./effects.js";
import { canKeep, kept, userKey } from "./kept.js";
import { listenToKeys } from "./keys.js";
import { initialModel } from "./model.js";
import { keepSpoken } from "./spoken.js";
import { createStore } from "./store.js";
import { translatorOf } from "./texts/translate.js";
import { keepTime } from "./ticking.js";
import { app } from "./view/app.js";

const HEALTH_EVERY_MS = 60_000;
/** So long the first drawing waits for how the server fares: a later banner would push all aside. */
const HEALTH_WAITED_FOR_MS = 400;

const store = createStore(initialModel());
const client = new GreenroomClient({
  baseUrl: location.origin,
  userKey: userKey(),
  locale: store.model().ui.language,
  ...(kept("token") && { token: /** @type {string} */ (kept("token")) }),
});
const { actions, life, call } = createActions({
  store,
  client,
  devices: listDevices,
  focusComposer: () => document.getElementById("composer")?.focus(),
});

const root = /** @type {HTMLElement} */ (document.getElementById("page"));
const followLevel = createLevelRing(call.current, (sounding) => notePlayed(store, sounding));
const followStage = createStageFollower();
listenToSpaceBar(store.model, actions);
listenToKeys(window, store.model, actions);
keepSpoken(store, translatorOf);
keepTime(store);
if (!canKeep()) actions.notify({ kind: "storage" });
setInterval(() => {
  if (document.visibilityState === "visible") void actions.refreshHealth();
}, HEALTH_EVERY_MS);
void life.boot();
await Promise.race([life.refreshHealth(), new Promise((waited) => setTimeout(waited, HEALTH_WAITED_FOR_MS))]);
store.subscribe((model) => {
  const t = translatorOf(model.ui.language);
  dressDocument(model, t);
  render(app(model, actions, t), root);
  syncDialogs(model);
  followLevel();
  followStage(model);
});
store.set({});
