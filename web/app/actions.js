// What a person can do on the page. Every view gets these and calls nothing else.

import { createCallLife } from "./call_life.js";
import { keep } from "./kept.js";
import { createMessages } from "./messages.js";
import { askForToken, createSessionLife } from "./session_life.js";
import { createOwnSessions } from "./sessions_list.js";
import { silence } from "./view/results/player.js";

/**
 * @typedef {object} Actions
 * @property {() => Promise<void>} newSession              begins another session and goes to it
 * @property {(sessionId: string) => void} openSession     goes to a session of one's own
 * @property {(sessionId: string | null) => void} confirmDelete  asks whether it is meant; null: it is not
 * @property {(sessionId: string) => Promise<void>} deleteSession  erases it, for good
 * @property {(query: string) => void} searchSessions      asks the server once typing rests
 * @property {() => void} showMoreSessions
 * @property {(dialog: import("./store.js").Ui["dialog"]) => void} showDialog   null closes it
 * @property {(token: string) => Promise<void>} enterToken
 * @property {(text: string) => Promise<void>} send        a refused text goes back into the composer
 * @property {(text: string) => void} compose              what the composer holds, kept over a reload
 * @property {() => Promise<void>} stopReply
 * @property {(path: string, value: unknown) => Promise<void>} setSlot null clears; refused: throws ApiError
 * @property {(options?: {draft?: boolean}) => Promise<void>} generate
 * @property {() => Promise<void>} cancelRun
 * @property {() => Promise<void>} retryRun
 * @property {(runId: string) => Promise<void>} exportRun saves the archive as a file; refused: throws
 *   ApiError
 * @property {(url: string) => Promise<void>} saveAsset    saves a recording as a file
 * @property {(text: string, voicePreset?: string) => Promise<{audio_url: string}>} speak
 * @property {() => Promise<void>} startCall
 * @property {() => void} stopCall
 * @property {() => void} hold                             push-to-talk: the button is down
 * @property {() => void} release
 * @property {() => void} press of a finger: a short press keeps listening until the next
 * @property {() => void} lift
 * @property {() => void} tap of assistive technology: on, and at the next one off
 * @property {(muted: boolean) => void} setMuted
 * @property {(settings: Partial<import("./store.js").VoiceSettings>) => void} setVoice
 * @property {() => Promise<void>} listDevices
 * @property {() => void} retryConnection
 * @property {() => void} loadAnew                         forgets what was folded, and replays the session
 * @property {() => void} typeInstead                      goes to the composer
 * @property {(notice: {kind: string, key?: string, error?: unknown, parameters?: Record<string, string |
 *   number>}) => void} notify
 * @property {(noticeId: string) => void} dismissNotice
 * @property {(troubleId: string) => void} dismissTrouble  of what goes on: it is not shown again
 * @property {(areOn: boolean) => void} setShortcuts       keys that are characters
 * @property {(language: import("./store.js").Language) => void} setLanguage
 * @property {(theme: import("./store.js").Theme) => void} setTheme
 * @property {(pane: import("./store.js").Pane) => void} setPane
 * @property {() => void} showEarlier                      draws more of a long conversation
 * @property {(timelineAtEnd: boolean) => void} setTimelineAtEnd   whether the newest entry is in view
 * @property {(patch: Record<string, unknown>) => void} setLocal small things of one view, in `model.ui.local`
 * @property {() => Promise<void>} refreshHealth
 */

/** Newest notices are kept; a storm of errors must not grow the page. */
const NOTICES_MAX = 20;
/** Old runs and warnings that were put away never come again. */
const DISMISSED_MAX = 32;
const TIMELINE_STEP = 120;

/**
 * Who does the actions, one for each side of the page's life.
 *
 * @typedef {object} Parts
 * @property {import("./store.js").Store} store
 * @property {import("../client/src/index.js").GreenroomClient} client
 * @property {() => Promise<import("./store.js").Ui["devices"]>} devices
 * @property {() => void} focusComposer
 *
 * @typedef {Parts & {
 *   life: import("./session_life.js").SessionLife,
 *   call: import("./call_life.js").CallLife,
 *   own: import("./sessions_list.js").OwnSessions,
 *   messages: ReturnType<typeof createMessages>,
 *   notify: Actions["notify"],
 *   report: (error: unknown) => void,
 * }} Doers
 */

/**
 * @param {Parts} parts
 * @returns {{actions: Actions} & Pick<Doers, "life" | "call">}
 */
export function createActions(parts) {
  const { store, client, devices } = parts;
  const notify = noticesOf(store);
  /** @param {unknown} error */
  const report = (error) => {
    if (askForToken(store, error)) return;
    notify({ kind: isMicrophoneError(error) ? "microphone" : "error", error });
  };
  const leave = () => {
    call.stop();
    silence();
  };
  const life = createSessionLife({ store, client, leave, report });
  const call = createCallLife({ store, session: life.current, devices, report });
  const own = createOwnSessions({ store, client, forget: life.forget, report });
  const messages = createMessages({ store, session: life.current, report });
  const doers = { ...parts, life, call, own, messages, notify, report };
  const actions = {
    ...sessionActions(doers),
    ...conversationActions(doers),
    ...voiceActions(doers),
    ...pageActions(doers),
    ...noticeActions(doers),
  };
  return { actions, life, call };
}

/**
 * Which session is shown, and which there are.
 *
 * @param {Doers} doers
 */
function sessionActions({ store, client, life, own, call, report }) {
  return /** @satisfies {Partial<Actions>} */ ({
    newSession: async () => {
      store.setUi({ dialog: null, pane: "talk" });
      await life.begin();
    },
    openSession: (/** @type {string} */ sessionId) => {
      store.setUi({ dialog: null, pane: "talk" });
      life.open(sessionId);
    },
    confirmDelete: own.confirm,
    deleteSession: own.erase,
    searchSessions: own.search,
    showMoreSessions: own.more,
    showDialog: (/** @type {import("./store.js").Ui["dialog"]} */ dialog) => {
      store.setUi({ dialog });
      if (dialog === "sessions") own.search("");
      if (dialog === "settings") call.listDevices().catch(report);
    },
    enterToken: async (/** @type {string} */ token) => {
      keep("token", token);
      client.token = token;
      store.setUi({ dialog: null, tokenRefused: false });
      if (life.current()) life.loadAnew();
      else await life.boot();
    },
    retryConnection: () => life.current()?.retryNow(),
    loadAnew: life.loadAnew,
    refreshHealth: life.refreshHealth,
  });
}

/**
 * What is said, corrected and asked for in a session.
 *
 * @param {Doers} doers
 */
function conversationActions({ store, client, life, messages, report }) {
  /** @param {(session: import("../client/src/index.js").GreenroomSession) => Promise<unknown>} make */
  const command = async (make) => {
    const session = life.current();
    if (session) await make(session).catch(report);
  };
  return /** @satisfies {Partial<Actions>} */ ({
    send: messages.send,
    compose: messages.compose,
    stopReply: () => command((session) => session.cancelResponse()),
    setSlot: async (/** @type {string} */ path, /** @type {unknown} */ value) => {
      await life.current()?.setSlot(path, value);
    },
    generate: (/** @type {{draft?: boolean}} */ options = {}) =>
      command(async (session) => {
        await session.generate(options);
        goToPane(store, "stage");
      }),
    cancelRun: () => command((session) => session.cancelRun()),
    retryRun: () => command((session) => session.retryRun()),
    exportRun: async (/** @type {string} */ runId) => saveFile(await client.exportRun(runId)),
    saveAsset: (/** @type {string} */ url) => client.fetchAsset(url).then(saveFile).catch(report),
    speak: (/** @type {string} */ text, /** @type {string | undefined} */ voicePreset) => {
      const sessionId = life.current()?.state.sessionId ?? "";
      return client.speak(sessionId, { text, ...(voicePreset && { voice_preset: voicePreset }) });
    },
  });
}

/** @param {Doers} doers */
function voiceActions({ call }) {
  return /** @satisfies {Partial<Actions>} */ ({
    startCall: call.start,
    stopCall: call.stop,
    hold: call.hold,
    release: call.release,
    press: call.press,
    lift: call.lift,
    tap: call.tap,
    setMuted: call.setMuted,
    setVoice: call.configure,
    listDevices: call.listDevices,
  });
}

/**
 * How the page looks, and which part of it.
 *
 * @param {Doers} doers
 */
function pageActions({ store, client, life, focusComposer }) {
  return /** @satisfies {Partial<Actions>} */ ({
    typeInstead: () => {
      store.setUi({ pane: "talk" });
      requestAnimationFrame(focusComposer);
    },
    setShortcuts: (/** @type {boolean} */ areShortcutsOn) => {
      keep("shortcuts", areShortcutsOn ? "on" : "off");
      store.setUi({ areShortcutsOn });
    },
    setLanguage: (/** @type {import("./store.js").Language} */ language) => {
      keep("language", language);
      client.locale = language;
      store.setUi({ language });
      void life.refreshPlaybook();
    },
    setTheme: (/** @type {import("./store.js").Theme} */ theme) => {
      keep("theme", theme);
      store.setUi({ theme });
    },
    setPane: (/** @type {import("./store.js").Pane} */ pane) => goToPane(store, pane),
    showEarlier: () => store.setUi({ timelineShown: store.model().ui.timelineShown + TIMELINE_STEP }),
    setTimelineAtEnd: (/** @type {boolean} */ timelineAtEnd) => {
      if (store.model().ui.timelineAtEnd !== timelineAtEnd) store.setUi({ timelineAtEnd });
    },
    setLocal: (/** @type {Record<string, unknown>} */ patch) =>
      store.setUi({ local: { ...store.model().ui.local, ...patch } }),
  });
}

/**
 * What the page tells of troubles, until somebody has read it.
 *
 * @param {Doers} doers
 */
function noticeActions({ store, notify }) {
  return /** @satisfies {Partial<Actions>} */ ({
    notify,
    dismissNotice: (/** @type {string} */ noticeId) => {
      store.set({ notices: store.model().notices.filter((notice) => notice.id !== noticeId) });
    },
    dismissTrouble: (/** @type {string} */ troubleId) => {
      const dismissedTroubles = [...store.model().ui.dismissedTroubles, troubleId].slice(-DISMISSED_MAX);
      store.setUi({ dismissedTroubles });
    },
  });
}

/**
 * @param {import("./store.js").Store} store
 * @returns {Actions["notify"]}
 */
function noticesOf(store) {
  let noticesEver = 0;
  return (notice) => {
    const afterSeq = store.model().session?.lastSeq ?? 0;
    const told = { ...notice, id: `notice-${++noticesEver}`, atMs: Date.now(), afterSeq };
    store.set({ notices: [...store.model().notices, told].slice(-NOTICES_MAX) });
  };
}

/**
 * @param {import("./store.js").Store} store
 * @param {import("./store.js").Pane} pane
 */
function goToPane(store, pane) {
  store.setUi({ pane });
  // Where brief and stage share a column, going there is scrolling there.
  requestAnimationFrame(() =>
    document.getElementById(`${pane}-place`)?.scrollIntoView({ block: "nearest" }),
  );
}

/** @param {unknown} error */
function isMicrophoneError(error) {
  return error instanceof Error && error.name === "MicrophoneError";
}

/** @param {{blob: Blob, fileName: string}} file */
function saveFile({ blob, fileName }) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = fileName;
  link.click();
  // The browser reads the address when it gets to it; a minute is long enough for the slowest.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
