// Where one types: Enter sends, Shift and Enter begins a new line, and composing Hangul never sends half a
// syllable.

import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { live } from "../../vendor/lit-html/directives/live.js";
import { sendIcon, stopIcon } from "./icons.js";
import { talkState } from "./talk.js";

/** What the server takes, counted as it counts: in characters, not in code units. */
const CHARACTERS_MAX = 3000;
/** From here on it is told how much room is left. */
const COUNTED_FROM = 2700;
/** What some browsers report while a syllable is still being composed. */
const COMPOSING_KEY_CODE = 229;

/** @type {import("../view.js").View} */
export const composer = (model, actions, t) => {
  const text = model.ui.composerText;
  const count = text.length < COUNTED_FROM ? text.length : [...text].length;
  const isTooLong = count > CHARACTERS_MAX;
  const canSend = isSendable(text, model);
  // Not what was drawn last, which a fast typist, or a tab in the background, is ahead of.
  const send = (/** @type {EventTarget | null} */ field) => {
    const typed = /** @type {HTMLTextAreaElement} */ (field).value;
    if (isSendable(typed, model)) void actions.send(typed.trim());
  };
  return html`
    <form
      class="composer"
      @submit=${(/** @type {Event} */ event) => {
        event.preventDefault();
        send(/** @type {HTMLFormElement} */ (event.currentTarget).querySelector("textarea"));
      }}
    >
      <label class="visually-hidden" for="composer">${t("room.message")}</label>
      <textarea
        class="composer-field"
        id="composer"
        rows="1"
        autocomplete="off"
        enterkeyhint="send"
        placeholder=${t("room.message_placeholder")}
        aria-invalid=${isTooLong}
        aria-describedby="composer-count"
        .value=${live(text)}
        @input=${(/** @type {Event} */ event) =>
          actions.compose(/** @type {HTMLTextAreaElement} */ (event.target).value)}
        @keydown=${(/** @type {KeyboardEvent} */ event) => {
          if (event.key !== "Enter" || event.shiftKey || isComposing(event)) return;
          event.preventDefault();
          send(event.currentTarget);
        }}
      ></textarea>
      ${stopButton(model, actions, t)}
      <button
        class="composer-send"
        type="submit"
        data-part="send"
        ?disabled=${!canSend}
        aria-label=${t("room.send")}
      >
        ${sendIcon}
      </button>
      <p class="composer-count tabular" id="composer-count" data-over=${isTooLong}>
        ${count >= COUNTED_FROM ? told(count, t) : nothing}
      </p>
    </form>
  `;
};

/**
 * @param {string} text
 * @param {import("../store.js").Model} model
 */
function isSendable(text, { session, connection }) {
  const fits = text.trim() !== "" && [...text].length <= CHARACTERS_MAX;
  return fits && session !== null && connection.status !== "closed";
}

/** @param {KeyboardEvent} event */
function isComposing(event) {
  return event.isComposing || event.keyCode === COMPOSING_KEY_CODE;
}

/**
 * @param {number} count
 * @param {import("../texts/translate.js").Translate} t
 */
function told(count, t) {
  const key = count > CHARACTERS_MAX ? "room.too_long" : "room.counted";
  return t(key, { count: t.number(count), max: t.number(CHARACTERS_MAX) });
}

/** @type {import("../view.js").View} */
const stopButton = (model, actions, t) => {
  const state = talkState(model);
  const isReplying = model.session?.turn != null || state === "speaking" || state === "paused";
  return html`<button
    class="composer-stop"
    type="button"
    data-part="stop-reply"
    data-hidden=${!isReplying}
    aria-label=${t("room.stop_reply")}
    title=${t("room.stop_reply")}
    @click=${actions.stopReply}
  >
    ${stopIcon}
  </button>`;
};
