// The one big button: begins and ends a call, or is held while one speaks. Its ring shows the sound; below it
// stands in words what happens now.

import { html } from "../../vendor/lit-html/lit-html.js";
import { live } from "../../vendor/lit-html/directives/live.js";
import { microphoneIcon, wavesIcon } from "./icons.js";

/** @type {import("../view.js").View} */
export const talk = (model, actions, t) => {
  const state = talkState(model);
  const isPressed = model.ui.voice.mode === "push_to_talk" ? isHeld(state) : state !== "off";
  return html`
    <button
      class="talk"
      id="talk"
      type="button"
      data-part="talk"
      data-state=${state}
      data-mode=${model.ui.voice.mode}
      aria-pressed=${live(String(isPressed))}
      aria-label=${t(buttonName(state, model))}
      aria-describedby="talk-state"
      ?disabled=${!model.session || model.connection.status === "closed"}
      @pointerdown=${(/** @type {PointerEvent} */ event) => pointerDown(event, model, actions)}
      @pointerup=${() => pointerUp(model, actions)}
      @pointercancel=${() => pointerUp(model, actions)}
      @keydown=${(/** @type {KeyboardEvent} */ event) => keyDown(event, model, actions)}
      @keyup=${(/** @type {KeyboardEvent} */ event) => keyUp(event, model, actions)}
      @click=${(/** @type {MouseEvent} */ event) => click(event, model, actions)}
      @contextmenu=${(/** @type {Event} */ event) => event.preventDefault()}
    >
      <span class="talk-ring" data-part="level"></span>
      <span class="talk-face">${pictureOf(state)}</span>
    </button>
  `;
};

/** @type {import("../view.js").View} */
export const talkLabel = (model, _actions, t) => html`
  <p class="talk-state" id="talk-state" data-part="talk-state">${t(stateKey(talkState(model), model))}</p>
`;

/**
 * What the button shows: `off` without a call.
 *
 * @param {import("../store.js").Model} model
 * @returns {"off" | "starting" | "idle" | "listening" | "hearing" | "thinking" | "speaking" | "paused"}
 */
export function talkState({ call }) {
  if (!call || call.status === "ended" || call.status === "taken") return "off";
  return call.status;
}

/** @param {ReturnType<typeof talkState>} state */
const isHeld = (state) => state === "listening" || state === "hearing";

/** @param {ReturnType<typeof talkState>} state */
function pictureOf(state) {
  return state === "speaking" || state === "paused" ? wavesIcon : microphoneIcon;
}

/**
 * @param {ReturnType<typeof talkState>} state
 * @param {import("../store.js").Model} model
 */
function buttonName(state, { ui }) {
  if (ui.voice.mode === "push_to_talk") return "room.talk_hold";
  return state === "off" ? "room.talk_start" : "room.talk_end";
}

/**
 * @param {ReturnType<typeof talkState>} state
 * @param {import("../store.js").Model} model
 */
function stateKey(state, { ui, call }) {
  if (call?.status === "taken") return "room.state_taken";
  if (ui.voice.mode === "push_to_talk" && (state === "off" || state === "idle")) return "room.state_hold";
  if (ui.muted && (state === "listening" || state === "hearing")) return "room.state_muted";
  return `room.state_${state}`;
}

/**
 * @param {PointerEvent} event
 * @param {import("../store.js").Model} model
 * @param {import("../actions.js").Actions} actions
 */
function pointerDown(event, { ui }, actions) {
  if (ui.voice.mode !== "push_to_talk" || event.button !== 0) return;
  /** @type {Element} */ (event.currentTarget).setPointerCapture(event.pointerId);
  actions.press();
}

/**
 * @param {import("../store.js").Model} model
 * @param {import("../actions.js").Actions} actions
 */
function pointerUp({ ui }, actions) {
  if (ui.voice.mode === "push_to_talk") actions.lift();
}

/**
 * Space and Enter hold the button like a finger does.
 *
 * @param {KeyboardEvent} event
 * @param {import("../store.js").Model} model
 * @param {import("../actions.js").Actions} actions
 */
function keyDown(event, { ui }, actions) {
  if (ui.voice.mode !== "push_to_talk" || (event.code !== "Space" && event.code !== "Enter")) return;
  event.preventDefault();
  if (!event.repeat) actions.hold();
}

/**
 * @param {KeyboardEvent} event
 * @param {import("../store.js").Model} model
 * @param {import("../actions.js").Actions} actions
 */
function keyUp(event, { ui }, actions) {
  if (ui.voice.mode !== "push_to_talk" || (event.code !== "Space" && event.code !== "Enter")) return;
  event.preventDefault();
  actions.release();
}

/**
 * @param {MouseEvent} event
 * @param {import("../store.js").Model} model
 * @param {import("../actions.js").Actions} actions
 */
function click(event, model, actions) {
  if (model.ui.voice.mode === "hands_free") {
    if (talkState(model) === "off") void actions.startCall();
    else actions.stopCall();
    return;
  }
  // A press by assistive technology comes without a pointer and without a key.
  if (event.detail === 0) actions.tap();
}
