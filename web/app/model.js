// What the page looks like before it knows anything.

import { keptChoice, kept } from "./kept.js";

/** So many of the newest entries are drawn; the rest on demand, so that a long conversation stays fast. */
export const TIMELINE_SHOWN_FIRST = 60;

/** @type {import("./store.js").ConnectionState} */
export const DISCONNECTED = { status: "connecting", attempt: 0 };

/** @type {import("./store.js").VoiceSettings} */
const VOICE_DEFAULTS = {
  mode: "hands_free",
  inputDeviceId: "",
  outputDeviceId: "",
  voicePreset: "",
  record: false,
};

/** @returns {import("./store.js").Model} */
export function initialModel() {
  return {
    sessionId: null,
    session: null,
    connection: DISCONNECTED,
    call: null,
    playbook: null,
    health: null,
    pending: [],
    turns: new Map(),
    playing: null,
    speechElsewhere: false,
    sessionsList: { status: "idle", items: [], total: 0, query: "", confirming: null },
    notices: [],
    ui: {
      language: keptChoice("language", preferredLanguages()),
      theme: keptChoice("theme", ["system", "light", "dark"]),
      pane: "talk",
      dialog: null,
      tokenRefused: false,
      boot: "starting",
      composerText: kept("draft") ?? "",
      timelineShown: TIMELINE_SHOWN_FIRST,
      timelineAtEnd: true,
      muted: false,
      voice: keptVoice(),
      devices: { inputs: [], outputs: [] },
      dismissedTroubles: [],
      spoken: [],
      areShortcutsOn: kept("shortcuts") !== "off",
      local: {},
    },
    nowMs: Date.now(),
  };
}

/** @returns {["ko", "en"] | ["en", "ko"]} */
function preferredLanguages() {
  return navigator.language.startsWith("ko") ? ["ko", "en"] : ["en", "ko"];
}

/** @returns {import("./store.js").VoiceSettings} */
function keptVoice() {
  try {
    const { mode, inputDeviceId, outputDeviceId, voicePreset, record } = JSON.parse(kept("voice") ?? "{}");
    return {
      mode: mode === "push_to_talk" ? mode : "hands_free",
      inputDeviceId: String(inputDeviceId ?? ""),
      outputDeviceId: String(outputDeviceId ?? ""),
      voicePreset: String(voicePreset ?? ""),
      record: record === true,
    };
  } catch {
    return VOICE_DEFAULTS;
  }
}
