// Takes the eye and the focus to a place of the page, on another pane too.

/** @typedef {import("../actions.js").Actions} Actions */

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

/**
 * Focuses an element once the frame that draws it is over.
 * @param {string} id
 */
export function focusWhenDrawn(id) {
  requestAnimationFrame(() =>
    requestAnimationFrame(() => {
      const element = document.getElementById(id);
      if (!element) return;
      element.focus({ preventScroll: true });
      element.scrollIntoView({ block: "nearest" });
    }),
  );
}
