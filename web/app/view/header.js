// The banner of the page: whose house it is, whether the line is up, one's sessions, language, theme,
// documents.

import { html } from "../../vendor/lit-html/lit-html.js";
import { darkThemeIcon, lightThemeIcon, sessionsIcon, systemThemeIcon, wordmark } from "./icons.js";

/** @typedef {import("../store.js").Theme} Theme */

/** @type {readonly Theme[]} */
const THEMES = ["system", "light", "dark"];
const THEME_ICONS = { system: systemThemeIcon, light: lightThemeIcon, dark: darkThemeIcon };

/** @type {import("../view.js").View} */
export const header = (model, actions, t) => html`
  <header class="house">
    <h1 class="house-name">${wordmark}<span class="visually-hidden">${t("page.title")}</span></h1>
    <div class="house-tools">
      ${connectionDot(model, actions, t)}
      <button
        class="tool"
        type="button"
        data-part="sessions"
        aria-haspopup="dialog"
        aria-label=${t("room.sessions")}
        @click=${() => actions.showDialog("sessions")}
      >
        ${sessionsIcon}<span class="tool-label">${t("room.sessions")}</span>
      </button>
      ${languageButton(model, actions, t)} ${themeButton(model, actions, t)}
      <a class="tool wide-only" href="/docs">${t("room.docs")}</a>
    </div>
  </header>
`;

/** @type {import("../view.js").View} */
const connectionDot = (model, _actions, t) => html`
  <p class="connection" data-part="connection" data-status=${model.connection.status}>
    <span class="connection-dot" aria-hidden="true"></span>
    <span class="connection-text">${t(`room.connection_${model.connection.status}`)}</span>
  </p>
`;

/**
 * Whether a simulator wrote anything of this session, or would write what comes next.
 *
 * @param {import("../store.js").Model} model
 */
export function isSimulated(model) {
  return (
    Boolean(model.session?.simulated) ||
    (model.health !== null && mentionsSimulator(model.health.dependencies))
  );
}

/**
 * @param {unknown} value
 * @returns {boolean}
 */
function mentionsSimulator(value) {
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(([name, part]) =>
    name === "simulated" ? part === true : mentionsSimulator(part),
  );
}

/** @type {import("../view.js").View} */
const languageButton = (model, actions, t) => {
  const other = model.ui.language === "ko" ? "en" : "ko";
  return html`<button
    class="tool wide-only"
    type="button"
    lang=${other}
    data-part="language"
    title=${t("room.language_switch")}
    @click=${() => actions.setLanguage(other)}
  >
    ${t("room.language_other")}
  </button>`;
};

/** @type {import("../view.js").View} */
const themeButton = (model, actions, t) => {
  const { theme } = model.ui;
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? "system";
  const label = t("room.theme_is", { theme: t(`room.theme_${theme}`) });
  return html`<button
    class="tool wide-only"
    type="button"
    data-part="theme"
    aria-label=${label}
    title=${label}
    @click=${() => actions.setTheme(next)}
  >
    ${THEME_ICONS[theme]}
  </button>`;
};
