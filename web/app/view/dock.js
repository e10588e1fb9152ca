// The foot of the room: the talk button between what goes with it, and the composer.

import { html } from "../../vendor/lit-html/lit-html.js";
import { composer } from "./composer.js";
import { holdIcon, microphoneIcon, microphoneOffIcon, slidersIcon, wavesIcon } from "./icons.js";
import { talk, talkLabel, talkState } from "./talk.js";

/** @type {import("../view.js").View} */
export const dock = (model, actions, t) => html`
  <div class="dock">
    <div class="dock-voice">
      <div class="dock-side" data-side="start">${modeButton(model, actions, t)}</div>
      ${talk(model, actions, t)}
      <div class="dock-side" data-side="end">
        ${muteButton(model, actions, t)} ${settingsButton(model, actions, t)}
      </div>
      ${talkLabel(model, actions, t)}
    </div>
    ${composer(model, actions, t)}
  </div>
`;

/** @type {import("../view.js").View} */
const modeButton = (model, actions, t) => {
  const isHandsFree = model.ui.voice.mode === "hands_free";
  return html`<button
    class="dock-button"
    type="button"
    data-part="talk-mode"
    aria-label=${t("room.mode_is", { mode: t(`room.mode_${model.ui.voice.mode}`) })}
    title=${t("room.mode_is", { mode: t(`room.mode_${model.ui.voice.mode}`) })}
    @click=${() => actions.setVoice({ mode: isHandsFree ? "push_to_talk" : "hands_free" })}
  >
    ${isHandsFree ? wavesIcon : holdIcon}
    <span class="dock-word">${t(`room.mode_${model.ui.voice.mode}`)}</span>
  </button>`;
};

/** @type {import("../view.js").View} */
const muteButton = (model, actions, t) => html`
  <button
    class="icon-button"
    type="button"
    data-part="mute"
    aria-pressed=${model.ui.muted}
    aria-label=${t("room.mute")}
    title=${t("room.mute")}
    data-hidden=${talkState(model) === "off"}
    @click=${() => actions.setMuted(!model.ui.muted)}
  >
    ${model.ui.muted ? microphoneOffIcon : microphoneIcon}
  </button>
`;

/** @type {import("../view.js").View} */
const settingsButton = (_model, actions, t) => html`
  <button
    class="icon-button"
    type="button"
    data-part="settings"
    aria-haspopup="dialog"
    aria-label=${t("room.settings")}
    title=${t("room.settings")}
    @click=${() => actions.showDialog("settings")}
  >
    ${slidersIcon}
  </button>
`;
