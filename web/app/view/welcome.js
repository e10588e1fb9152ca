// The head of every conversation: what this is, and the two ways to begin. It stays when the conversation has
// begun, so that nothing below it jumps. What the assistant says first stands below it, in the server's
// words.

import { html, nothing } from "../../vendor/lit-html/lit-html.js";

/** @type {import("../view.js").View} */
export const welcome = (model, actions, t) => {
  // Until its log has been replayed nobody knows how long the conversation is, and whether this is seen at
  // all.
  if (model.session ? model.session.replaying : model.ui.boot !== "failed") return nothing;
  return html`
    <li class="welcome" data-part="welcome">
      ${doorAjar}
      <p class="welcome-title">${t("room.welcome_title")}</p>
      <p class="welcome-how">${t("room.welcome_how")}</p>
      ${
        model.ui.boot === "failed"
          ? html`<button class="button" data-kind="primary" type="button" @click=${actions.newSession}>
            ${t("room.begin_again")}
          </button>`
          : nothing
      }
    </li>
  `;
};

/** A door that stands ajar, and the light of the stage behind it. */
const doorAjar = html`
  <svg class="door" viewBox="0 0 120 96" aria-hidden="true">
    <path class="door-light" d="M62 14h20v66l26 12H62z" />
    <path class="door-frame" d="M36 82V12h48v70" />
    <path class="door-leaf" d="M36 82V12l30 8v70z" />
    <circle class="door-knob" cx="59" cy="54" r="2" />
    <path class="door-floor" d="M10 82h26M92 82h18" />
  </svg>
`;
