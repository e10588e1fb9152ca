// How one wants to talk: hands free or by pressing, with which microphone and loudspeaker, in which voice;
// and, where the banner has no room for them, language, theme and documents.

import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { live } from "../../vendor/lit-html/directives/live.js";
import { dialog } from "./dialog.js";
import { downIcon } from "./icons.js";

/**
 * @typedef {import("../store.js").Device} Device
 * @typedef {{value: string, label: string}} Choice
 */

/** @type {import("../view.js").View} */
export const settingsDialog = (model, actions, t) =>
  dialog({ name: "settings", title: t("room.settings"), body: body(model, actions, t), model, actions, t });

/** @type {import("../view.js").View} */
const body = (model, actions, t) => {
  if (model.ui.dialog !== "settings") return nothing;
  const { voice, devices, language, theme } = model.ui;
  const voices = model.playbook?.voices ?? [];
  return html`
    <form class="settings" method="dialog">
      <fieldset class="settings-group">
        <legend>${t("room.settings_talk")}</legend>
        ${picks("mode", voice.mode, talkModes(t), (mode) =>
          actions.setVoice({ mode: mode === "push_to_talk" ? mode : "hands_free" }),
        )}
        <p class="hint">${t(`room.mode_hint_${voice.mode}`)}</p>
        ${choose(t("room.microphone"), voice.inputDeviceId, deviceChoices(devices.inputs, t), (chosen) =>
          actions.setVoice({ inputDeviceId: chosen }),
        )}
        ${choose(t("room.loudspeaker"), voice.outputDeviceId, deviceChoices(devices.outputs, t), (chosen) =>
          actions.setVoice({ outputDeviceId: chosen }),
        )}
        ${
          voices.length > 1
            ? choose(t("room.voice"), voice.voicePreset, voiceChoices(voices, t), (voicePreset) =>
                actions.setVoice({ voicePreset }),
              )
            : nothing
        }
        <label class="check">
          <input
            type="checkbox"
            .checked=${live(voice.record)}
            @change=${(/** @type {Event} */ event) =>
              actions.setVoice({ record: /** @type {HTMLInputElement} */ (event.target).checked })}
          />
          <span>${t("room.record")}<small class="hint">${t("room.record_hint")}</small></span>
        </label>
        ${recordings(model, actions, t)}
      </fieldset>
      <fieldset class="settings-group">
        <legend>${t("room.settings_page")}</legend>
        ${picks("language", language, LANGUAGES, (chosen) =>
          actions.setLanguage(chosen === "ko" ? "ko" : "en"),
        )}
        ${picks("theme", theme, themes(t), (chosen) =>
          actions.setTheme(chosen === "light" || chosen === "dark" ? chosen : "system"),
        )}
        <p><a href="/docs">${t("room.docs_long")}</a></p>
        <button class="button" type="button" data-part="shortcuts" @click=${() => actions.showDialog("shortcuts")}>
          ${t("trouble.keys.title")}
        </button>
      </fieldset>
    </form>
  `;
};

/** @type {import("../view.js").View} */
const recordings = (model, actions, t) => {
  const kept = model.session?.assets.filter((asset) => asset.kind === "recording") ?? [];
  if (kept.length === 0) return nothing;
  return html`<ul class="recordings" aria-label=${t("room.recordings")}>
    ${kept.map(
      (asset) => html`<li>
        <button class="button" type="button" @click=${() => actions.saveAsset(asset.url)}>
          ${downIcon}${t("room.recording_save", { at: t.time(asset.at, WHEN) })}
        </button>
      </li>`,
    )}
  </ul>`;
};

/** @type {Intl.DateTimeFormatOptions} */
const WHEN = { month: "short", day: "numeric", hour: "numeric", minute: "2-digit" };

/** Names of languages are said in themselves. @type {readonly Choice[]} */
const LANGUAGES = [
  { value: "ko", label: "한국어" },
  { value: "en", label: "English" },
];

/** @param {import("../texts/translate.js").Translate} t */
const talkModes = (t) => [
  { value: "hands_free", label: t("room.mode_hands_free") },
  { value: "push_to_talk", label: t("room.mode_push_to_talk") },
];

/** @param {import("../texts/translate.js").Translate} t */
const themes = (t) =>
  ["system", "light", "dark"].map((value) => ({ value, label: t(`room.theme_${value}`) }));

/**
 * @param {readonly Device[]} devices
 * @param {import("../texts/translate.js").Translate} t
 * @returns {readonly Choice[]}
 */
const deviceChoices = (devices, t) => [
  { value: "", label: t("room.device_default") },
  ...devices
    .filter((device) => device.deviceId && device.deviceId !== "default")
    .map((device, index) => ({
      value: device.deviceId,
      label: device.label || t("room.device_unnamed", { number: index + 1 }),
    })),
];

/**
 * @param {readonly {id: string, label?: string}[]} voices
 * @param {import("../texts/translate.js").Translate} t
 * @returns {readonly Choice[]}
 */
const voiceChoices = (voices, t) => [
  { value: "", label: t("room.voice_default") },
  ...voices.map((voice) => ({ value: voice.id, label: voice.label ?? voice.id })),
];

/**
 * @param {string} label
 * @param {string} chosen
 * @param {readonly Choice[]} choices
 * @param {(value: string) => void} onChange
 */
const choose = (label, chosen, choices, onChange) => html`
  <label class="field">
    <span>${label}</span>
    <select
      class="input"
      .value=${live(chosen)}
      @change=${(/** @type {Event} */ event) =>
        onChange(/** @type {HTMLSelectElement} */ (event.target).value)}
    >
      ${choices.map((choice) => option(choice, chosen))}
    </select>
  </label>
`;

/**
 * @param {Choice} choice
 * @param {string} chosen
 */
const option = ({ value, label }, chosen) =>
  html`<option value=${value} ?selected=${value === chosen}>${label}</option>`;

/**
 * A few choices side by side.
 *
 * @param {string} name
 * @param {string} chosen
 * @param {readonly Choice[]} choices
 * @param {(value: string) => void} onChange
 */
const picks = (name, chosen, choices, onChange) => html`
  <div class="picks">
    ${choices.map(
      ({ value, label }) => html`<label class="pick">
        <input
          class="visually-hidden"
          type="radio"
          name=${name}
          value=${value}
          .checked=${live(value === chosen)}
          @change=${() => onChange(value)}
        /><span>${label}</span>
      </label>`,
    )}
  </div>
`;
