// The keys of the page. Those that are characters can be turned off, since speech input and screen readers
// may send them meaning something else (WCAG 2.1.4). The space bar is `effects.js`, the list of all
// `view/keys.js`.

/**
 * @typedef {import("./store.js").Model} Model
 * @typedef {import("./actions.js").Actions} Actions
 */

/** Where a character is something that somebody writes, or chooses by its first letter. */
const TAKES_CHARACTERS =
  "input, textarea, select, [contenteditable], [role=listbox], [role=combobox], [role=menu]";

/**
 * Does what the keys mean, wherever one is.
 *
 * @param {EventTarget} target  the window
 * @param {() => Model} model
 * @param {Actions} actions
 */
export function listenToKeys(target, model, actions) {
  target.addEventListener("keydown", (event) => {
    const pressed = /** @type {KeyboardEvent} */ (event);
    const deed = deedOf(pressed, model());
    if (!deed) return;
    pressed.preventDefault();
    if (deed === "stop") void actions.stopReply();
    else if (deed === "compose") actions.typeInstead();
    else actions.showDialog("shortcuts");
  });
}

/**
 * What a key means here.
 *
 * @param {Pick<KeyboardEvent, "key" | "ctrlKey" | "altKey" | "metaKey" | "isComposing" | "defaultPrevented"
 *   | "target">} event
 * @param {Model} model
 * @returns {"stop" | "compose" | "list" | null}
 */
export function deedOf(event, { session, call, ui }) {
  const { key, target } = event;
  if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.altKey || event.metaKey)
    return null;
  // The browser's own dialogs are closed by Escape, and nothing behind them listens.
  if (ui.dialog !== null) return null;
  // There it gives up an edit.
  if (key === "Escape" && isIn(target, "[data-part=slot]")) return null;
  if (key === "Escape") return session?.reply || call?.status === "speaking" ? "stop" : null;
  if (!ui.areShortcutsOn || isIn(target, TAKES_CHARACTERS)) return null;
  if (key === "/") return "compose";
  return key === "?" ? "list" : null;
}

/**
 * @param {EventTarget | null} target
 * @param {string} selector
 */
function isIn(target, selector) {
  return target !== null && "closest" in target && /** @type {Element} */ (target).closest(selector) !== null;
}
