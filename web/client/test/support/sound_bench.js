// What a browser has for sound, as far as a call needs it, without a sound: nodes that lead nowhere, a
// microphone that the test allows, an encoder that fails when it is told to.

import { startCall } from "../../src/audio/call.js";

/** @typedef {{ isStopped: boolean, label: string, enabled: boolean, stop: () => void }} FakeTrack */

class FakeNode {
  connect() {}
  disconnect() {}
}

class FakeContext extends EventTarget {
  static made = 0;
  constructor() {
    super();
    FakeContext.made += 1;
  }
  state = "running";
  sampleRate = 48_000;
  destination = new FakeNode();
  audioWorklet = { addModule: async () => undefined };
  async resume() {}
  async close() {
    if (this.state === "closed") throw new DOMException("closed twice", "InvalidStateError");
    this.state = "closed";
  }
}

class FakeAnalyser extends FakeNode {
  fftSize = 1024;
  getFloatTimeDomainData() {}
}

/** Answers what it is asked for, as the audio thread does. */
class FakeWorkletNode extends FakeNode {
  /** @type {FakeWorkletNode[]} */
  static made = [];
  /** @type {any[]} */
  orders = [];
  /** @type {{ postMessage: (order: any) => void, onmessage: ((message: any) => void) | null }} */
  port = { postMessage: (order) => void this.orders.push(order), onmessage: null };

  /** @param {unknown} _ @param {string} name @param {any} options */
  constructor(_, name, options) {
    super();
    this.name = name;
    this.options = options;
    FakeWorkletNode.made.push(this);
  }
}

class FakeEncoder {
  /** @type {FakeEncoder[]} */
  static made = [];
  static isConfigSupported = async () => ({ supported: true });
  state = "unconfigured";
  encodeQueueSize = 0;

  /** @param {{ output: (chunk: any) => void, error: (error: Error) => void }} init */
  constructor(init) {
    this.init = init;
    FakeEncoder.made.push(this);
  }
  configure() { this.state = "configured"; }
  encode() { this.init.output({ byteLength: 3, copyTo() {} }); }
  async flush() {}
  close() { this.state = "closed"; }
  fail() {
    this.state = "closed";
    this.init.error(new DOMException("reclaimed", "QuotaExceededError"));
  }
}

/** Makes a frame of each packet. */
class FakeDecoder extends FakeEncoder {
  decode() {
    this.init.output({ numberOfFrames: 960, copyTo() {}, close() {} });
  }
}

const WORLD = {
  AudioContext: FakeContext,
  AnalyserNode: FakeAnalyser,
  GainNode: FakeNode,
  AudioWorkletNode: FakeWorkletNode,
  MediaStreamAudioSourceNode: FakeNode,
  MediaStream: class {},
  AudioEncoder: FakeEncoder,
  AudioDecoder: FakeDecoder,
  AudioData: class { close() {} },
  EncodedAudioChunk: class {},
};

/** A call's surroundings; what the microphone is allowed with is the test's. */
export function soundBench() {
  FakeWorkletNode.made = [];
  FakeEncoder.made = [];
  /** @type {FakeTrack[]} */
  const tracks = [];
  /** @type {{ ask: () => Promise<void> }} */
  const permission = { ask: async () => undefined };
  const mediaDevices = Object.assign(new EventTarget(), {
    async getUserMedia() {
      await permission.ask();
      const track = Object.assign(new EventTarget(), {
        isStopped: false, label: "the microphone", enabled: true,
        getSettings: () => ({ deviceId: "mic" }),
        stop() { track.isStopped = true; },
      });
      tracks.push(track);
      return { getAudioTracks: () => [track] };
    },
    enumerateDevices: async () => [{ kind: "audioinput", deviceId: "mic", label: "the microphone" }],
  });
  const page = Object.assign(new EventTarget(), { hidden: false });
  const audioSession = { type: "auto" };
  const navigator = { mediaDevices, audioSession };
  Object.defineProperty(globalThis, "navigator", { value: navigator, configurable: true });
  Object.assign(globalThis, WORLD, { document: page, isSecureContext: true });

  /** @type {any[]} */
  const sent = [];
  /** @type {Record<string, Set<Function>>} */
  const listeners = {};
  /** @param {string} name @returns {any} */
  const on = (name) => (/** @type {Function} */ listener) => {
    (listeners[name] ??= new Set()).add(listener);
    return () => void listeners[name]?.delete(listener);
  };
  /** @param {string} name @param {unknown[]} told */
  const tell = (name, ...told) => listeners[name]?.forEach((listener) => listener(...told));
  const transport = {
    isOpen: true, isClosed: false, bufferedBytes: 0,
    send: (/** @type {any} */ bytes) => sent.push({ type: "sound", bytes }) > 0,
    sendJson: (/** @type {any} */ frame) => sent.push(frame) > 0,
    onSignal: on("signal"), onEvent: on("event"), onBinary: on("binary"),
    onDisconnect: on("disconnect"), onReconnect: on("reconnect"), onClose: on("close"),
  };

  return {
    sent, tracks, permission, page, tell, transport, audioSession,
    /** @param {import("../../src/audio/transport.js").CallOptions} options @param {() => boolean} [isWanted] */
    start: (options, isWanted) => startCall(transport, options, isWanted),
    /** The server takes what was asked last. */
    accept() {
      const { id } = sent.findLast(({ type }) => type === "audio.start");
      tell("signal", { type: "accepted", id, seq: 1, duplicate: false });
    },
    typesSent: () => sent.map(({ type }) => type),
    /** @param {string} name @returns {FakeWorkletNode} the newest */
    worklet: (name) => FakeWorkletNode.made.findLast((node) => node.name === name) ?? failed(),
    /** @returns {FakeEncoder} the newest that encodes for a call */
    encoder: () => FakeEncoder.made.findLast((each) => !(each instanceof FakeDecoder)) ?? failed(),
    contextsMade: () => FakeContext.made,
    listenersLeft: () => Object.values(listeners).reduce((sum, each) => sum + each.size, 0),
  };
}

/** @returns {never} */
function failed() {
  throw new Error("nothing of that kind was made");
}
