// The page of the studio: a call over a bare socket, and a tap on what it plays. What happens is kept for the
// test to read.

import { listDevices, startCall } from "../../client/src/audio/call.js";

/** @typedef {{ at: number, samples: Float32Array }} Tapped */

/** @type {Tapped[]} */
const tapped = [];
/** What the speaker's processor was told, and when, in samples. @type {{ type: string, at: number }[]} */
const ordered = [];
/** @type {AudioContext | null} */
let engine = null;
/** @type {AudioWorkletNode | null} */
let tap = null;
/** What is said to wait in the socket. @type {number | null} */
let pretended = null;

const connect = /** @type {(this: AudioNode, to: AudioNode) => AudioNode} */ (AudioNode.prototype.connect);
// Everything that goes to the loudspeaker goes through the tap as well.
AudioNode.prototype.connect = /** @type {any} */ (/** @this {AudioNode} @param {AudioNode} to */ function (to) {
  if (to instanceof AudioDestinationNode) {
    engine = /** @type {AudioContext} */ (this.context);
    tap ??= openTap(engine);
    connect.call(this, tap);
  }
  return connect.call(this, to);
});

const { addModule } = AudioWorklet.prototype;
AudioWorklet.prototype.addModule = async function (url) {
  await addModule.call(this, new URL("./tap.worklet.js", import.meta.url));
  return addModule.call(this, url);
};

/** @param {AudioContext} context */
function openTap(context) {
  const node = new AudioWorkletNode(context, "tap");
  node.port.onmessage = ({ data: { at, samples, orders } }) => {
    ordered.push(...orders);
    if (samples) tapped.push({ at, samples });
  };
  connect.call(node, context.destination);
  return node;
}

/** Recordings are to arrive as they are, not as a browser improves them. */
function takeProcessingAway() {
  const { mediaDevices } = navigator;
  const original = mediaDevices.getUserMedia.bind(mediaDevices);
  mediaDevices.getUserMedia = (constraints) => {
    const audio = { .../** @type {MediaTrackConstraints} */ (constraints?.audio) };
    return original({ audio: { ...audio, echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
  };
}

/** @returns {import("../../client/src/audio/transport.js").AudioTransport & { open: () => Promise<void> }} */
function openTransport() {
  /** @type {Record<string, Set<Function>>} */
  const listeners = { signal: new Set(), event: new Set(), binary: new Set(), disconnect: new Set(), reconnect: new Set(), close: new Set() };
  /** @param {string} name @returns {(listener: Function) => () => void} */
  const on = (name) => (listener) => {
    listeners[name]?.add(listener);
    return () => void listeners[name]?.delete(listener);
  };
  /** @param {string} name @param {unknown[]} values */
  const tell = (name, ...values) => listeners[name]?.forEach((listener) => listener(...values));
  /** @type {WebSocket | null} */
  let socket = null;

  async function open() {
    const isFirst = socket === null;
    const opened = new WebSocket(`ws://${location.host}/socket`);
    opened.binaryType = "arraybuffer";
    socket = opened;
    opened.onclose = () => tell("disconnect");
    opened.onmessage = ({ data }) => {
      if (typeof data !== "string") return tell("binary", data);
      const frame = JSON.parse(data);
      tell("event_id" in frame ? "event" : "signal", frame);
    };
    await new Promise((resolve) => { opened.onopen = resolve; });
    if (!isFirst) tell("reconnect");
  }

  /** @param {any} bytes */
  const send = (bytes) => {
    if (socket?.readyState !== WebSocket.OPEN) return false;
    socket.send(bytes);
    return true;
  };
  return {
    open, send, isClosed: false,
    sendJson: (frame) => send(JSON.stringify(frame)),
    get isOpen() { return socket?.readyState === WebSocket.OPEN; },
    get bufferedBytes() { return pretended ?? socket?.bufferedAmount ?? 0; },
    onSignal: on("signal"), onEvent: on("event"), onBinary: on("binary"),
    onDisconnect: on("disconnect"), onReconnect: on("reconnect"), onClose: on("close"),
  };
}

/**
 * What was tapped, as one stretch from its first sound to its last, silence between included. It begins with
 * a block.
 */
function recording() {
  const first = tapped[0];
  const last = tapped.at(-1);
  if (!first || !last) return { at: 0, samples: [] };
  const whole = new Float32Array(last.at + last.samples.length - first.at);
  for (const { at, samples } of tapped) whole.set(samples, at - first.at);
  const end = whole.findLastIndex((sample) => sample !== 0) + 1;
  return { at: first.at, samples: [...whole.subarray(0, end)] };
}

const transport = openTransport();
/** @type {any} */
const studio = {
  call: null,
  /** @type {unknown[]} */
  states: [],
  ordered,
  recording,
  takeProcessingAway,
  forget() {
    tapped.length = 0;
    ordered.length = 0;
  },
  reconnect: transport.open,
  rateHz: () => engine?.sampleRate ?? 0,
  suspend: () => engine?.suspend(),
  engineState: () => engine?.state,
  listDevices,
  /** @param {number | null} bytes */
  pretendBuffered(bytes) {
    pretended = bytes;
  },
  /** @param {import("../../client/src/audio/transport.js").CallOptions} options */
  async begin(options) {
    if (!transport.isOpen) await transport.open();
    try {
      studio.call = await startCall(transport, options);
    } catch (error) {
      return { failure: error instanceof Error ? { name: error.name, kind: Reflect.get(error, "kind"), message: error.message } : {} };
    }
    const note = (/** @type {any} */ state) => studio.states.push({ ...state, error: state.error?.kind ?? state.error?.code ?? null });
    note(studio.call.state);
    studio.call.subscribe(note);
    return { failure: null };
  },
};
Reflect.set(window, "studio", studio);
