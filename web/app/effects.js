// What a drawing leaves to be done in the document itself: its language and title, dialogs, the level of the
// sound, keys that work wherever one is.

/**
 * @typedef {import("./store.js").Model} Model
 * @typedef {import("./actions.js").Actions} Actions
 */

/** Elements that have a use of their own for the space bar. */
const TAKES_SPACE = "input, textarea, select, button, a[href], summary, audio, video, [contenteditable]";

/**
 * @param {Model} model
 * @param {import("./texts/translate.js").Translate} t
 */
export function dressDocument(model, t) {
  const root = document.documentElement;
  if (root.lang !== model.ui.language) root.lang = model.ui.language;
  if (model.ui.theme === "system") delete root.dataset.theme;
  else root.dataset.theme = model.ui.theme;
  const subject = model.session?.slots[model.playbook?.title_slot ?? ""]?.value;
  const title = typeof subject === "string" ? `${subject} · ${t("page.title")}` : t("page.title");
  if (document.title !== title) document.title = title;
}

/**
 * Opens and closes dialogs as the model has it; the browser keeps focus inside, and gives it back.
 *
 * @param {Model} model
 */
export function syncDialogs(model) {
  for (const dialog of document.querySelectorAll("dialog")) {
    const isWanted = dialog.dataset.dialog === model.ui.dialog;
    if (isWanted && !dialog.open) dialog.showModal();
    else if (!isWanted && dialog.open) dialog.close();
  }
}

/**
 * Where brief and stage share a column that scrolls, shows the stage as soon as there is a run on it.
 *
 * @returns {(model: Model) => void} call it after each drawing
 */
export function createStageFollower() {
  let runsSeen = 0;
  return ({ session }) => {
    const runs = session && !session.replaying ? session.runs.length : 0;
    const stage = document.getElementById("stage-place");
    const column = stage?.parentElement;
    // The column alone: what is scrolled into view may take the whole page with it.
    if (runs > runsSeen && column) column.scrollTop = stage.offsetTop - column.offsetTop;
    runsSeen = runs;
  };
}

/**
 * Sets `--level` of the talk button once an animation frame while there is a call: too often for the model.
 *
 * @param {() => import("../client/src/audio/transport.js").Call | null} currentCall
 * @param {(call: import("../client/src/audio/transport.js").Call) => void} eachFrame what else follows the
 *   sound
 * @returns {() => void} call it after each drawing
 */
export function createLevelRing(currentCall, eachFrame) {
  let isRunning = false;
  let shown = 0;
  const step = () => {
    const call = currentCall();
    const ring = /** @type {HTMLElement | null} */ (document.querySelector("[data-part=level]"));
    if (!call || !ring) {
      isRunning = false;
      shown = 0;
      ring?.style.removeProperty("--level");
      return;
    }
    const level = call.state.status === "speaking" ? call.outputLevel : call.level;
    // Rises at once and falls slowly, as an ear expects of a meter.
    shown = Math.max(level, shown * 0.88);
    ring.style.setProperty("--level", shown.toFixed(3));
    eachFrame(call);
    requestAnimationFrame(step);
  };
  return () => {
    if (isRunning || !currentCall()) return;
    isRunning = true;
    requestAnimationFrame(step);
  };
}

/**
 * Push-to-talk by the space bar, anywhere that has no use of its own for it.
 *
 * @param {() => Model} model
 * @param {Actions} actions
 */
export function listenToSpaceBar(model, actions) {
  let isHeld = false;
  const letGo = () => {
    if (!isHeld) return;
    isHeld = false;
    actions.release();
  };
  addEventListener("keydown", (event) => {
    if (event.code !== "Space" || event.ctrlKey || event.altKey || event.metaKey) return;
    const target = /** @type {Element | null} */ (event.target instanceof Element ? event.target : null);
    const { ui } = model();
    if (ui.voice.mode !== "push_to_talk" || ui.dialog || target?.closest(TAKES_SPACE)) return;
    event.preventDefault();
    if (event.repeat || isHeld) return;
    isHeld = true;
    actions.hold();
  });
  addEventListener("keyup", (event) => {
    if (event.code === "Space") letGo();
  });
  addEventListener("blur", letGo);
}
