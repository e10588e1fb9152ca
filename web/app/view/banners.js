// What is wrong, over the page rather than in it: nothing moves when a trouble comes or goes. Which ones
// there are is `troubles.js`; screen readers hear of them from the announcer, so that no banner has to be a
// live region.

import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { repeat } from "../../vendor/lit-html/directives/repeat.js";
import { languageOf } from "../texts/language_of.js";
import { browserOf, troubles } from "../troubles.js";
import { remainingText } from "./duration.js";
import { isSimulated } from "./header.js";
import { closeIcon, warningIcon } from "./icons.js";
import { localValue } from "./local.js";
import { howToSetUp } from "./no_key.js";
import { showBrief, showRun } from "./places.js";

/**
 * @typedef {import("../store.js").Model} Model
 * @typedef {import("../actions.js").Actions} Actions
 * @typedef {import("../texts/translate.js").Translate} Translate
 * @typedef {import("../troubles.js").Trouble} Trouble
 * @typedef {import("../treatments.js").TroubleAction} TroubleAction
 */

/** More would hide what they are about; the others are one button away. */
const SHOWN_MAX = 2;

/** @type {Readonly<Record<TroubleAction, (model: Model, actions: Actions) => unknown>>} */
const DEEDS = Object.freeze({
  retry_now: (_model, actions) => actions.retryConnection(),
  retry_call: (_model, actions) => actions.startCall(),
  type_instead: (_model, actions) => actions.typeInstead(),
  new_session: (_model, actions) => actions.newSession(),
  open_sessions: (_model, actions) => actions.showDialog("sessions"),
  load_anew: (_model, actions) => actions.loadAnew(),
  send_again: (model, actions) => actions.send(model.ui.composerText),
  retry_run: (_model, actions) => actions.retryRun(),
  show_brief: (_model, actions) => showBrief(actions),
  show_stage: (_model, actions) => showRun(actions),
  enter_token: (_model, actions) => actions.showDialog("credentials"),
});

/** Actions that end the trouble as far as the page is concerned: what fails again is told again. */
const SETTLES = new Set([
  "retry_call",
  "type_instead",
  "send_again",
  "new_session",
  "load_anew",
  "show_brief",
  "show_stage",
]);

/** @type {import("../view.js").View} */
export const banners = (model, actions, t) => html`
  ${isSimulated(model) ? simulatedBand(t) : nothing} ${stack(model, actions, t)}
`;

/** @param {Translate} t */
const simulatedBand = (t) => html`
  <p class="simulated-band" data-part="banner" data-kind="simulated">
    <span>${warningIcon}<strong>${t("trouble.simulated")}</strong> ${t("trouble.simulated_text")}</span>
  </p>
`;

/** @type {import("../view.js").View} */
const stack = (model, actions, t) => {
  const all = troubles(model, t, browserOf(navigator.userAgent));
  const areAllShown = localValue(model, "areAllTroublesShown", false);
  const hidden = all.length - SHOWN_MAX;
  return html`
    <div class="troubles" ?hidden=${all.length === 0}>
      ${repeat(
        areAllShown ? all : all.slice(0, SHOWN_MAX),
        (trouble) => trouble.id,
        (trouble) => bannerOf(trouble, model, actions, t),
      )}
      ${
        hidden > 0
          ? html`<button
              class="button troubles-more"
              type="button"
              aria-expanded=${areAllShown}
              @click=${() => actions.setLocal({ areAllTroublesShown: !areAllShown })}
            >
              ${areAllShown ? t("trouble.fewer") : t("trouble.more", { count: hidden })}
            </button>`
          : nothing
      }
    </div>
  `;
};

/**
 * @param {Trouble} trouble
 * @param {Model} model
 * @param {Actions} actions
 * @param {Translate} t
 */
const bannerOf = (trouble, model, actions, t) => {
  const titleId = `trouble-${trouble.id.replaceAll(/\W/g, "-")}`;
  return html`
    <div
      class="banner"
      data-part="banner"
      data-kind=${trouble.kind}
      data-severity=${trouble.severity}
      role="group"
      aria-labelledby=${titleId}
    >
      <span class="banner-mark" aria-hidden="true">${warningIcon}</span>
      <div class="banner-words">
        <h2 class="banner-title" id=${titleId}>
          <span class="visually-hidden">${t(`trouble.severity.${trouble.severity}`)}: </span>
          <span lang=${languageOf(trouble.title)}>${trouble.title}</span>
        </h2>
        ${trouble.reason ? html`<p lang=${languageOf(trouble.reason)}>${trouble.reason}</p>` : nothing}
        ${trouble.text ? html`<p>${trouble.text}</p>` : nothing} ${nextSteps(trouble, model, actions, t)}
        ${howToSetUp(trouble, model, actions, t)}
      </div>
      ${
        trouble.isDismissible
          ? html`<button
              class="icon-button"
              type="button"
              aria-label=${t("trouble.dismiss", { title: trouble.title })}
              @click=${(/** @type {MouseEvent} */ event) => putAwayByHand(event, trouble, actions)}
            >
              ${closeIcon}
            </button>`
          : nothing
      }
    </div>
  `;
};

/**
 * What can be done now, and how long it takes until more can, or the page does it by itself.
 *
 * @param {Trouble} trouble
 * @param {Model} model
 * @param {Actions} actions
 * @param {Translate} t
 */
const nextSteps = (trouble, model, actions, t) => {
  const leftMs = trouble.countdownTo === null ? 0 : trouble.countdownTo - model.nowMs;
  // Before that time it would only be refused again.
  const offered = trouble.actions.filter((action) => action !== "send_again" || leftMs <= 0);
  const time = countdownText(trouble, leftMs, t);
  if (offered.length === 0 && time === "") return nothing;
  return html`<div class="banner-actions">
    ${offered.map((action, index) => actionButton(action, index === 0, trouble, model, actions, t))}
    ${time === "" ? nothing : html`<p class="banner-countdown tabular" data-part="countdown">${time}</p>`}
  </div>`;
};

/**
 * @param {TroubleAction} action
 * @param {boolean} isFirst
 * @param {Trouble} trouble
 * @param {Model} model
 * @param {Actions} actions
 * @param {Translate} t
 */
const actionButton = (action, isFirst, trouble, model, actions, t) => html`
  <button
    class="button"
    type="button"
    data-kind=${isFirst ? "primary" : "plain"}
    data-action=${action}
    @click=${() => {
      if (SETTLES.has(action)) putAway(trouble, actions);
      void DEEDS[action](model, actions);
    }}
  >
    ${t(`trouble.action.${action}`)}
  </button>
`;

/**
 * @param {Trouble} trouble
 * @param {number} leftMs
 * @param {Translate} t
 */
function countdownText({ countdownTo, countdownKey }, leftMs, t) {
  if (countdownTo === null) return "";
  if (leftMs > 0) return t(countdownKey, { time: remainingText(leftMs) });
  // What the page does by itself it does now; what a person may do has its button by now.
  return countdownKey === "trouble.send_again_in" ? "" : t("trouble.trying_now");
}

/**
 * Puts a banner away. Notices are forgotten; other troubles are still there, but not shown again.
 *
 * @param {Trouble} trouble
 * @param {Actions} actions
 */
function putAway({ id, noticeIds, isDismissible }, actions) {
  if (!isDismissible) return;
  for (const noticeId of noticeIds) actions.dismissNotice(noticeId);
  if (noticeIds.length === 0) actions.dismissTrouble(id);
}

/**
 * The button that had focus is about to go: the next banner takes it, or the conversation.
 *
 * @param {MouseEvent} event
 * @param {Trouble} trouble
 * @param {Actions} actions
 */
function putAwayByHand(event, trouble, actions) {
  const banner = /** @type {HTMLElement} */ (event.currentTarget).closest(".banner");
  const neighbour = banner?.nextElementSibling ?? banner?.previousElementSibling;
  const heir = neighbour?.matches("button") ? neighbour : neighbour?.querySelector("button");
  const next = /** @type {HTMLElement | null} */ (heir ?? document.getElementById("timeline"));
  putAway(trouble, actions);
  next?.focus({ preventScroll: true });
}
