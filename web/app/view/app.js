// The whole page: banner, the three places (room, brief, stage), the tab bar of small screens, dialogs, live
// regions.

import { html } from "../../vendor/lit-html/lit-html.js";
import { announcer } from "./announcer.js";
import { banners } from "./banners.js";
import { brief } from "./brief.js";
import { credentialsDialog } from "./credentials.js";
import { dock } from "./dock.js";
import { gate } from "./gate.js";
import { header } from "./header.js";
import { shortcuts } from "./keys.js";
import { BRIEF_TITLE_ID } from "./places.js";
import { results } from "./results/index.js";
import { sessionsDialog } from "./sessions.js";
import { settingsDialog } from "./settings.js";
import { stageLine } from "./stage_line.js";
import { tabBar } from "./tab_bar.js";
import { timeline } from "./timeline.js";

/** @type {import("../view.js").View} */
export const app = (model, actions, t) => html`
  <a class="skip-link" href="#composer" @click=${skipToComposer}>${t("page.skip_to_conversation")}</a>
  <div
    class="page"
    data-part="page"
    data-pane=${model.ui.pane}
    data-phase=${model.session?.phase ?? ""}
  >
    ${header(model, actions, t)}
    <section class="banners" aria-label=${t("page.news")}>${banners(model, actions, t)}</section>
    <main class="places">
      <section class="place room" id="talk-place" aria-labelledby="conversation-title">
        <h2 class="visually-hidden" id="conversation-title">${t("page.conversation")}</h2>
        ${timeline(model, actions, t)} ${dock(model, actions, t)}
      </section>
      <div class="wings">
        <section class="place brief" id="brief-place" aria-labelledby=${BRIEF_TITLE_ID}>
          <h2 class="place-title" id=${BRIEF_TITLE_ID} tabindex="-1">${t("page.brief")}</h2>
          ${brief(model, actions, t)}
        </section>
        <section class="place stage" id="stage-place" aria-labelledby="stage-title">
          <h2 class="place-title" id="stage-title">${t("page.stage")}</h2>
          ${gate(model, actions, t)} ${stageLine(model, actions, t)} ${results(model, actions, t)}
        </section>
      </div>
    </main>
    ${tabBar(model, actions, t)}
  </div>
  ${sessionsDialog(model, actions, t)} ${settingsDialog(model, actions, t)}
  ${credentialsDialog(model, actions, t)}
  ${shortcuts(model, actions, t)}
  ${announcer(model, actions, t)}
`;

/** The address names the session, so a link within the page must not change it. @param {Event} event */
function skipToComposer(event) {
  event.preventDefault();
  document.getElementById("composer")?.focus();
}
