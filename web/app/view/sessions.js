// One's own sessions: search, open, begin, erase.

import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { live } from "../../vendor/lit-html/directives/live.js";
import { ref } from "../../vendor/lit-html/directives/ref.js";
import { repeat } from "../../vendor/lit-html/directives/repeat.js";
import { dialog } from "./dialog.js";
import { plusIcon, searchIcon, trashIcon } from "./icons.js";

/** @typedef {import("../store.js").SessionRow} SessionRow */

/** @type {import("../view.js").View} */
export const sessionsDialog = (model, actions, t) =>
  dialog({ name: "sessions", title: t("room.sessions"), body: body(model, actions, t), model, actions, t });

/** @type {import("../view.js").View} */
const body = (model, actions, t) => {
  // A closed dialog draws nothing: its rows would be made anew with every event of the session.
  if (model.ui.dialog !== "sessions") return nothing;
  const { items, total, query, status } = model.sessionsList;
  return html`
    <div class="sessions-tools">
      <label class="search">
        <span class="visually-hidden">${t("room.sessions_search")}</span>
        ${searchIcon}
        <input
          class="input"
          type="search"
          autocomplete="off"
          placeholder=${t("room.sessions_search")}
          .value=${live(query)}
          @input=${(/** @type {InputEvent} */ event) =>
            actions.searchSessions(/** @type {HTMLInputElement} */ (event.target).value)}
        />
      </label>
      <button
        class="button"
        data-kind="primary"
        type="button"
        data-part="new-session"
        @click=${actions.newSession}
      >
        ${plusIcon}${t("room.session_new")}
      </button>
    </div>
    <p class="visually-hidden" role="status">${counted(model, t)}</p>
    <ul class="session-rows" aria-busy=${status === "loading"}>
      ${repeat(
        items,
        (row) => row.session_id,
        (row) => sessionRow(row, model, actions, t),
      )}
    </ul>
    ${
      items.length === 0 && status !== "loading" && status !== "idle"
        ? html`<p class="sessions-none">${t(query ? "room.sessions_none_found" : "room.sessions_none")}</p>`
        : nothing
    }
    ${
      items.length < total
        ? html`<button class="button" type="button" @click=${actions.showMoreSessions}>
          ${t("room.sessions_more")}
        </button>`
        : nothing
    }
  `;
};

/**
 * @param {SessionRow} row
 * @param {import("../store.js").Model} model
 * @param {import("../actions.js").Actions} actions
 * @param {import("../texts/translate.js").Translate} t
 */
const sessionRow = (row, model, actions, t) => {
  const title = row.title || t("room.session_untitled");
  const isOpen = row.session_id === model.sessionId;
  if (model.sessionsList.confirming === row.session_id) return confirmation(row, title, actions, t);
  return html`<li class="session-row" data-part="session-row" data-session=${row.session_id}>
    <button
      class="session-open"
      type="button"
      aria-current=${isOpen ? "true" : "false"}
      @click=${() => actions.openSession(row.session_id)}
    >
      <span class="session-title">${title}</span>
      <span class="session-meta">
        <span class="session-phase" data-phase=${row.state}>${phaseName(row.state, t)}</span>
        <time datetime=${row.updated_at}>${t.time(row.updated_at, WHEN)}</time>
      </span>
    </button>
    <button
      class="icon-button"
      type="button"
      aria-label=${t("room.session_delete", { title })}
      @click=${() => actions.confirmDelete(row.session_id)}
    >
      ${trashIcon}
    </button>
  </li>`;
};

/**
 * @param {SessionRow} row
 * @param {string} title
 * @param {import("../actions.js").Actions} actions
 * @param {import("../texts/translate.js").Translate} t
 */
const confirmation = (row, title, actions, t) => html`
  <li class="session-row" data-part="session-row" data-session=${row.session_id} data-confirming>
    <p class="session-question" id="question-${row.session_id}" role="alert">
      ${t("room.session_delete_sure", { title })}
    </p>
    <div class="session-answers">
      <button
        class="button"
        data-kind="danger"
        type="button"
        aria-describedby="question-${row.session_id}"
        @click=${() => eraseSession(row.session_id, actions)}
      >
        ${t("room.session_delete_yes")}
      </button>
      <button
        class="button"
        type="button"
        ${ref(focusWhenShown)}
        @click=${() => keepSession(row.session_id, actions)}
      >
        ${t("room.keep")}
      </button>
    </div>
  </li>
`;

/**
 * The question comes where the button was that asked it; the safe answer is at hand.
 *
 * @param {Element} [button]
 */
function focusWhenShown(button) {
  // It is made before it is put into the page.
  if (button instanceof HTMLElement) requestAnimationFrame(() => button.focus());
}

/**
 * @param {string} sessionId
 * @param {import("../actions.js").Actions} actions
 */
function keepSession(sessionId, actions) {
  actions.confirmDelete(null);
  requestAnimationFrame(() => focusIn(`[data-session="${sessionId}"] .session-open`));
}

/**
 * @param {string} sessionId
 * @param {import("../actions.js").Actions} actions
 */
async function eraseSession(sessionId, actions) {
  await actions.deleteSession(sessionId);
  requestAnimationFrame(() => focusIn(".search input"));
}

/** @param {string} selector of an element within the dialog that is open */
function focusIn(selector) {
  const element = document.querySelector(`dialog[open] ${selector}`);
  if (element instanceof HTMLElement) element.focus();
}

/** @type {Intl.DateTimeFormatOptions} */
const WHEN = { month: "short", day: "numeric", hour: "numeric", minute: "2-digit" };

/**
 * What a state of the wire is called; one that the page does not know, as it is.
 *
 * @param {string} phase
 * @param {import("../texts/translate.js").Translate} t
 */
export function phaseName(phase, t) {
  const key = `room.phase_${phase.toLowerCase()}`;
  return t.has(key) ? t(key) : phase;
}

/**
 * @param {import("../store.js").Model} model
 * @param {import("../texts/translate.js").Translate} t
 */
function counted({ sessionsList: { status, total } }, t) {
  return status === "loaded" ? t("room.sessions_counted", { count: t.number(total) }) : "";
}
