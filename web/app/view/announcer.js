// The two live regions of the page, the only ones that speak by themselves. What is said is
// `announcements.js`.

import { html } from "../../vendor/lit-html/lit-html.js";
import { PLACES } from "../spoken.js";

/** @type {import("../view.js").View} */
export const announcer = (model) => html`
  <div
    class="visually-hidden"
    id="announcer"
    data-part="announcer"
    role="status"
    aria-live="polite"
    aria-atomic="false"
  >
    ${places(model, "polite")}
  </div>
  <div
    class="visually-hidden"
    data-part="announcer-urgent"
    role="alert"
    aria-live="assertive"
    aria-atomic="false"
  >
    ${places(model, "assertive")}
  </div>
`;

/**
 * Paragraphs that are always there: only what is put into one is read, and not what is next to it.
 *
 * @param {import("../store.js").Model} model
 * @param {"polite" | "assertive"} urgency
 */
function places(model, urgency) {
  const lines = model.ui.spoken.filter((line) => line.urgency === urgency);
  return Array.from({ length: PLACES }, (_, place) => {
    const line = lines.find((each) => each.number % PLACES === place);
    return html`<p lang=${line?.lang ?? model.ui.language}>${line?.text ?? ""}</p>`;
  });
}
