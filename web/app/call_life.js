// A conversation by voice: begun, held, muted, moved to another device, ended.

import { keep } from "./kept.js";
import { createTalkKey } from "./talk_key.js";

/**
 * @typedef {import("../client/src/audio/transport.js").Call} Call
 * @typedef {import("../client/src/audio/transport.js").CallState} CallState
 * @typedef {import("./store.js").Ui["devices"]} Devices
 *
 * @typedef {object} CallLife
 * @property {() => Promise<void>} start
 * @property {() => void} stop
 * @property {() => void} hold
 * @property {() => void} release
 * @property {() => void} press    the button goes down under a finger: holds, or ends what a tap began
 * @property {() => void} lift     it comes up: releases, unless it was but a tap
 * @property {() => void} tap      holds, and at the next tap releases: for whoever cannot hold
 * @property {(muted: boolean) => void} setMuted
 * @property {(settings: Partial<import("./store.js").VoiceSettings>) => void} configure
 * @property {() => Promise<void>} listDevices
 * @property {() => Call | null} current
 */

/**
 * @param {object} parts
 * @param {import("./store.js").Store} parts.store
 * @param {() => import("../client/src/index.js").GreenroomSession | null} parts.session
 * @param {() => Promise<Devices>} parts.devices
 * @param {(error: unknown) => void} parts.report
 * @param {() => number} [parts.nowMs]
 * @returns {CallLife}
 */
export function createCallLife({ store, session, devices, report, nowMs = () => performance.now() }) {
  /** @type {Call | null} */
  let call = null;
  /** Counts what was begun: a start that somebody gave up meanwhile is ended as soon as it is there. */
  let generation = 0;
  const key = createTalkKey({
    onDown: () => {
      if (call) call.hold();
      else void start();
    },
    onUp: () => call?.release(),
    nowMs,
  });

  const start = async () => {
    const talkingTo = session();
    if (call?.state.status === "taken") return call.takeBack().catch(report);
    if (!talkingTo || store.model().call) return;
    const started = ++generation;
    const { voice, muted } = store.model().ui;
    store.set({ call: { ...STARTING, mode: voice.mode } });
    try {
      const begun = await talkingTo.startCall({
        mode: voice.mode,
        record: voice.record,
        ...(voice.inputDeviceId && { deviceId: voice.inputDeviceId }),
        ...(voice.outputDeviceId && { outputDeviceId: voice.outputDeviceId }),
        ...(voice.voicePreset && { voicePreset: voice.voicePreset }),
      });
      if (started !== generation) {
        void begun.stop();
        return;
      }
      call = begun;
      if (muted) begun.setMuted(true);
      begun.subscribe((state) => {
        if (call === begun) follow(state);
      });
      follow(begun.state);
      void listDevices();
    } catch (error) {
      if (started !== generation) return;
      key.letGo();
      store.set({ call: null });
      report(error);
    }
  };

  /** @param {CallState} state */
  const follow = (state) => {
    const wasHeld = store.model().call?.held ?? false;
    if (state.status !== "ended") {
      store.set({ call: state });
      const isListenedTo = state.status !== "starting" && state.status !== "taken";
      // The page was hidden, or the microphone is gone: whoever held it has to press again. A connection that
      // broke comes back.
      if (wasHeld && !state.held && state.status !== "starting") key.letGo();
      // The button went down before the server listened.
      else if (key.isDown && !state.held && isListenedTo) call?.hold();
      return;
    }
    call = null;
    key.letGo();
    store.set({ call: null, playing: null });
    if (state.error) report(state.error);
  };

  const stop = () => {
    generation += 1;
    key.letGo();
    const ended = call;
    call = null;
    store.set({ call: null, playing: null });
    void ended?.stop();
  };

  const listDevices = async () => {
    store.setUi({ devices: await devices() });
  };

  return {
    start,
    stop,
    hold: key.hold,
    release: key.release,
    press: key.press,
    lift: key.lift,
    tap: key.tap,
    setMuted(muted) {
      store.setUi({ muted });
      call?.setMuted(muted);
    },
    configure(settings) {
      const before = store.model().ui.voice;
      const voice = { ...before, ...settings };
      keep("voice", JSON.stringify(voice));
      store.setUi({ voice });
      if (!store.model().call) return;
      // How a turn ends, the voice and the recording are agreed on when a call begins.
      const isAgreedAnew =
        voice.mode !== before.mode ||
        voice.voicePreset !== before.voicePreset ||
        voice.record !== before.record;
      if (isAgreedAnew || !call) {
        stop();
        void start();
        return;
      }
      if (voice.inputDeviceId !== before.inputDeviceId) call.setDevice(voice.inputDeviceId).catch(report);
      if (voice.outputDeviceId !== before.outputDeviceId)
        call.setOutputDevice(voice.outputDeviceId).catch(report);
    },
    listDevices,
    current: () => call,
  };
}

/**
 * Reads how far the reply that is spoken has come: it moves with every frame of sound, too often for the
 * model.
 *
 * @param {import("./store.js").Store} store
 * @param {Call} call
 */
export function notePlayed(store, { played }) {
  const { playing } = store.model();
  if (!playing || !played || playing.turnId !== played.turnId) return;
  if (played.ms - playing.ms >= PLAYED_STEP_MS)
    store.set({ playing: { turnId: played.turnId, ms: played.ms } });
}

/** About as long as the shortest words take. */
const PLAYED_STEP_MS = 150;

/** A call that was asked for, and that the client has not made yet. @type {CallState} */
const STARTING = {
  status: "starting",
  partial: "",
  deviceLabel: null,
  muted: false,
  codec: "pcm_s16le",
  mode: "hands_free",
  held: false,
  suspended: false,
  discarded: null,
  lostDevice: null,
  droppedMs: 0,
  error: null,
};
