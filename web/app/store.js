// The one model of the page, and how it changes: replaced in parts, never written into, drawn at most once a
// frame. Views read it; nobody but `actions.js` changes it.

/**
 * @typedef {import("../client/src/state.js").SessionState} SessionState
 * @typedef {import("../client/src/connection.js").ConnectionState} ConnectionState
 * @typedef {import("./actions.js").Actions} Actions
 * @typedef {import("./texts/translate.js").Translate} Translate
 * @typedef {"ko" | "en"} Language
 * @typedef {"system" | "light" | "dark"} Theme
 * @typedef {"talk" | "brief" | "stage"} Pane
 */

/**
 * The server's error as it came, or one of the page's own kinds.
 *
 * @typedef {object} Notice
 * @property {string} id
 * @property {string} kind                `error`, or one that `view/notices.js` knows
 * @property {unknown} [error]            the client's ApiError or MicrophoneError, as it was thrown
 * @property {string} [key]               a key of the texts, where there is no error
 * @property {Record<string, string | number>} [parameters]
 * @property {number} atMs
 * @property {number} afterSeq the session's last event by then: what comes later may have settled it
 */

/**
 * What `call.state` of the client says, as the last change told it.
 *
 * @typedef {import("../client/src/audio/transport.js").CallState} CallState
 */

/**
 * Typed, and not yet an event of the session: on its way, or waiting for a connection.
 *
 * @typedef {object} PendingMessage
 * @property {string} key
 * @property {string} text
 * @property {string | null} turnId  once the server took it; it goes when its message has come
 */

/**
 * @typedef {object} Turn
 * @property {import("../client/src/protocol.js").TurnOutcome} outcome
 * @property {import("../client/src/protocol.js").TurnLatency} latency
 */

/**
 * How somebody wants to talk, kept over a reload.
 *
 * @typedef {object} VoiceSettings
 * @property {"hands_free" | "push_to_talk"} mode
 * @property {string} inputDeviceId     empty: the system's
 * @property {string} outputDeviceId    empty: the system's
 * @property {string} voicePreset       empty: the playbook's first
 * @property {boolean} record
 */

/** @typedef {import("../client/src/answers.js").SessionItem} SessionRow */

/**
 * The caller's own sessions, as far as they were asked for.
 *
 * @typedef {object} SessionsList
 * @property {"idle" | "loading" | "loaded" | "failed"} status
 * @property {readonly SessionRow[]} items
 * @property {number} total
 * @property {string} query
 * @property {string | null} confirming  the session whose deletion has to be confirmed
 */

/**
 * What the page alone knows: which pane, which dialog, what is typed. Owners of views add their own fields.
 *
 * @typedef {object} Ui
 * @property {Language} language
 * @property {Theme} theme
 * @property {Pane} pane                       of the tab bar; wider screens show more than one
 * @property {"sessions" | "settings" | "credentials" | "shortcuts" | null} dialog
 * @property {boolean} tokenRefused            a token was given, and it is not the server's
 * @property {boolean} timelineAtEnd           the newest entry is in view
 * @property {"starting" | "ready" | "failed"} boot
 * @property {string} composerText
 * @property {number} timelineShown            how many of the newest entries are drawn
 * @property {boolean} muted
 * @property {VoiceSettings} voice
 * @property {{inputs: Device[], outputs: Device[]}} devices
 * @property {readonly string[]} dismissedTroubles   ids of what was put away
 * @property {readonly import("./spoken.js").NumberedLine[]} spoken   what screen readers were told last
 * @property {boolean} areShortcutsOn          keys that are characters do something
 * @property {Record<string, unknown>} local   small things of one view, under that view's own names
 *
 * @typedef {{deviceId: string, label: string}} Device
 */

/**
 * @typedef {object} Model
 * @property {string | null} sessionId
 * @property {SessionState | null} session
 * @property {ConnectionState} connection
 * @property {CallState | null} call             null while there is no call
 * @property {import("../client/src/answers.js").Playbook | null} playbook
 * @property {import("../client/src/answers.js").Health | null} health
 * @property {readonly PendingMessage[]} pending  oldest first
 * @property {ReadonlyMap<string, Turn>} turns    how turns ended and what their time went to, by turn id
 * @property {{turnId: string | null, ms: number} | null} playing the reply that is spoken here, and how far
 *   it came
 * @property {boolean} speechElsewhere           somebody speaks into another device of this session
 * @property {SessionsList} sessionsList
 * @property {Notice[]} notices                  oldest first
 * @property {Ui} ui
 * @property {number} nowMs                      moves once a second while somebody shows a time that runs
 */

/**
 * @typedef {object} Store
 * @property {() => Model} model
 * @property {(patch: Partial<Model>) => void} set
 * @property {(patch: Partial<Ui>) => void} setUi
 * @property {(listener: (model: Model) => void) => () => void} subscribe called at most once an animation
 *   frame
 */

/**
 * A store whose listeners hear of any number of changes once, with the next animation frame.
 *
 * @param {Model} initial
 * @param {(draw: () => void) => void} [schedule]  how to wait for the next frame
 * @returns {Store}
 */
export function createStore(initial, schedule = nextFrame) {
  let model = initial;
  let isScheduled = false;
  /** @type {Set<(model: Model) => void>} */
  const listeners = new Set();

  const tell = () => {
    isScheduled = false;
    for (const listener of listeners) listener(model);
  };
  /** @type {Store["set"]} */
  const set = (patch) => {
    model = { ...model, ...patch };
    if (isScheduled) return;
    isScheduled = true;
    schedule(tell);
  };

  return {
    model: () => model,
    set,
    setUi: (patch) => set({ ui: { ...model.ui, ...patch } }),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** A page in the background gets no frames, but its title and its live regions are read all the same. */
const DRAWN_WITHIN_MS = 250;

/**
 * Draws with the next frame, or without one: the page may go to the background before it comes.
 *
 * @param {() => void} draw
 */
export function nextFrame(draw) {
  const drawOnce = () => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    draw();
  };
  const frame = requestAnimationFrame(drawOnce);
  const timer = setTimeout(drawOnce, DRAWN_WITHIN_MS);
}
