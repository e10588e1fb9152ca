// A conversation by voice: begun, held, muted, moved to another device, ended.

import { keep } from "./kept.js";

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
  let isHeld = false;
  let pressedAtMs = 0;
  let isLatched = false;

  const start = async () => {
    const talkingTo = session();
    if (call?.state.status === "taken") return call.takeBack();
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
      store.set({ call: null });
      report(error);
    }
  };

  /** @param {CallState} state */
  const follow = (state) => {
    if (state.status !== "ended") {
      store.set({ call: state });
      // The button went down before the server listened.
      if (isHeld && state.status === "idle" && !state.held) call?.hold();
      return;
    }
    call = null;
    store.set({ call: null, playing: null });
    if (state.error) report(state.error);
  };

  const stop = () => {
    generation += 1;
    isHeld = false;
    isLatched = false;
    const ended = call;
    call = null;
    store.set({ call: null, playing: null });
    void ended?.stop();
  };

  const hold = () => {
    isHeld = true;
    if (call) call.hold();
    else void start();
  };
  const release = () => {
    isHeld = false;
    isLatched = false;
    call?.release();
  };

  const listDevices = async () => {
    store.setUi({ devices: await devices() });
  };

  return {
    start,
    stop,
    hold,
    release,
    press() {
      pressedAtMs = nowMs();
      if (!isLatched) hold();
    },
    lift() {
      const wasTap = nowMs() - pressedAtMs < TAP_MS_MAX;
      if (wasTap && !isLatched) isLatched = true;
      else release();
    },
    tap() {
      if (isLatched) {
        release();
      } else {
        isLatched = true;
        hold();
      }
    },
    setMuted(muted) {
      store.setUi({ muted });
      call?.setMuted(muted);
    },
    configure(settings) {
      const before = store.model().ui.voice;
      const voice = { ...before, ...settings };
      keep("voice", JSON.stringify(voice));
      store.setUi({ voice });
      if (!call) return;
      if (voice.inputDeviceId !== before.inputDeviceId) call.setDevice(voice.inputDeviceId).catch(report);
      if (voice.outputDeviceId !== before.outputDeviceId)
        call.setOutputDevice(voice.outputDeviceId).catch(report);
      // How a turn ends, the voice and the recording are agreed on when a call begins.
      const isAgreedAnew =
        voice.mode !== before.mode ||
        voice.voicePreset !== before.voicePreset ||
        voice.record !== before.record;
      if (!isAgreedAnew) return;
      stop();
      void start();
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

/** A press shorter than this is a tap: it keeps the line open until the next one, for whoever cannot hold. */
const TAP_MS_MAX = 350;

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
