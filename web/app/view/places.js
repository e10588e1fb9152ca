// Takes the eye and the focus to a place of the page, on another pane too.

/** @typedef {import("../actions.js").Actions} Actions */

/** So many frames are waited for an element that something on its way is to bring. */
const FRAMES_MAX = 60;

/**
 * The id of a slot's card.
 * @param {string} path
 */
export const cardId = (path) => `slot-${path}`;

/**
 * The id of a message of the timeline.
 * @param {string} messageId
 */
export const messageElementId = (messageId) => `message-${messageId}`;

/**
 * @param {Actions} actions
 * @param {string} path
 */
export function showCard(actions, path) {
  actions.setPane("brief");
  focusWhenDrawn(cardId(path));
}

/**
 * @param {Actions} actions
 * @param {string} messageId
 */
export function showMessage(actions, messageId) {
  actions.setPane("talk");
  focusWhenDrawn(messageElementId(messageId));
}

/** The id of what begins a run. */
export const BEGIN_ID = "begin-run";

/** @param {Actions} actions */
export function showStage(actions) {
  actions.setPane("stage");
  focusWhenDrawn(BEGIN_ID);
}

/** The id of the brief's title. */
export const BRIEF_TITLE_ID = "brief-title";

/** @param {Actions} actions */
export function showBrief(actions) {
  actions.setPane("brief");
  focusWhenDrawn(BRIEF_TITLE_ID);
}

/** The id of what tells how the run goes that is looked at. */
export const RUN_STATE_ID = "run-state";

/** @param {Actions} actions */
export function showRun(actions) {
  actions.setPane("stage");
  focusWhenDrawn(RUN_STATE_ID);
}

/**
 * Focuses an element once it is drawn; gives up when nothing brings it.
 * @param {string} id
 * @param {number} [framesLeft]
 */
export function focusWhenDrawn(id, framesLeft = FRAMES_MAX) {
  // The frame that is drawn next may have been asked for after this one: it takes two to be sure.
  requestAnimationFrame(() => requestAnimationFrame(() => focusOrWait(id, framesLeft)));
}

/**
 * @param {string} id
 * @param {number} framesLeft
 */
function focusOrWait(id, framesLeft) {
  const element = document.getElementById(id);
  if (element) {
    element.focus({ preventScroll: true });
    element.scrollIntoView({ block: "nearest" });
  } else if (framesLeft > 0) {
    requestAnimationFrame(() => focusOrWait(id, framesLeft - 1));
  }
}
