// The whole page: banner, the three places (room, brief, stage), the tab bar of small screens, dialogs, live regions.

import { html } from "../../vendor/lit-html/lit-html.js";
import { announcer } from "./announcer.js";
import { banners } from "./banners.js";
import { brief } from "./brief.js";
import { gate } from "./gate.js";
import { results } from "./results/index.js";
import { stageLine } from "./stage_line.js";

/** @type {import("../view.js").View} */
export const app = (model, actions, t) => html`
  <a class="skip-link" href="#conversation">${t("page.skip_to_conversation")}</a>
  <div class="page" data-pane=${model.ui.pane} ?data-has-run=${(model.session?.runs.length ?? 0) > 0}>
    <div class="banners">${banners(model, actions, t)}</div>
    <main class="places">
      <section class="place room" id="conversation" tabindex="-1" aria-labelledby="conversation-title">
        <h2 class="visually-hidden" id="conversation-title">${t("page.conversation")}</h2>
      </section>
      <section class="place brief" id="brief" tabindex="-1" aria-labelledby="brief-title">
        <h2 class="place-title" id="brief-title">${t("page.brief")}</h2>
        ${brief(model, actions, t)}
      </section>
      <section class="place stage" id="stage" tabindex="-1" aria-labelledby="stage-title">
        <h2 class="place-title" id="stage-title">${t("page.stage")}</h2>
        ${gate(model, actions, t)} ${stageLine(model, actions, t)} ${results(model, actions, t)}
      </section>
    </main>
  </div>
  ${announcer(model, actions, t)}
`;
