// Why there is no microphone, and which one is listened to.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { createInput } from "../../src/audio/input.js";
import { listDevices, MicrophoneError, openMicrophone, openMicrophoneOrAnother } from "../../src/audio/microphone.js";

/** A room with devices that come and go. */
class Room extends EventTarget {
  /** @type {string[]} */
  inputs = [];
  /** @type {string | null} */
  failure = null;
  /** @type {(EventTarget & { deviceId: string, isStopped: boolean })[]} */
  opened = [];

  /** @param {{ audio: { deviceId?: { exact: string } } }} constraints */
  async getUserMedia({ audio }) {
    const deviceId = audio.deviceId?.exact ?? this.inputs[0] ?? "";
    if (this.failure) throw new DOMException("", this.failure);
    if (!this.inputs.includes(deviceId)) throw new DOMException("", audio.deviceId ? "OverconstrainedError" : "NotFoundError");
    const track = Object.assign(new EventTarget(), {
      deviceId, label: `the ${deviceId}`, isStopped: false,
      getSettings: () => ({ deviceId }),
      stop() { this.isStopped = true; },
    });
    this.opened.push(track);
    return { getAudioTracks: () => [track] };
  }

  async enumerateDevices() {
    const inputs = this.inputs.map((deviceId) => ({ kind: "audioinput", deviceId, label: `the ${deviceId}` }));
    return [...inputs, { kind: "audiooutput", deviceId: "out", label: "Out" }, { kind: "videoinput", deviceId: "cam", label: "" },
      { kind: "audioinput", deviceId: "", label: "" }];
  }

  /** @param {string[]} inputs */
  async change(...inputs) {
    this.inputs = inputs;
    this.dispatchEvent(new Event("devicechange"));
    // Everything in here is decided in microtasks.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** @param {object | undefined} mediaDevices */
function install(mediaDevices, isSecureContext = true) {
  Object.defineProperty(globalThis, "navigator", { value: { mediaDevices }, configurable: true });
  Object.assign(globalThis, { isSecureContext });
}

afterEach(() => install(undefined));

for (const [name, kind] of [
  ["NotAllowedError", "denied"], ["SecurityError", "denied"], ["NotFoundError", "missing"], ["OverconstrainedError", "missing"],
  ["NotReadableError", "busy"], ["AbortError", "busy"], ["TypeError", "unsupported"],
]) {
  test(`${name} means that it is ${kind}`, async () => {
    const room = new Room();
    room.failure = name ?? null;
    install(room);
    await assert.rejects(openMicrophone(), (error) => error instanceof MicrophoneError && error.kind === kind);
  });
}

test("a page that came over an open line has no microphone, nor has a browser without one", async () => {
  install(undefined, false);
  await assert.rejects(openMicrophone(), { kind: "insecure" });
  install({}, true);
  await assert.rejects(openMicrophone(), { kind: "unsupported" });
});

test("one that was chosen and is gone gives way to the system's; one that is denied does not", async () => {
  const room = new Room();
  room.inputs = ["desk"];
  install(room);
  assert.equal((await openMicrophoneOrAnother("headset")).label, "the desk");
  await assert.rejects(openMicrophone("headset"), { kind: "missing" });
  room.failure = "NotAllowedError";
  await assert.rejects(openMicrophoneOrAnother("headset"), { kind: "denied" });
  assert.equal(room.opened.length, 1, "who is refused is not asked again");
});

test("devices are listed by what they are for; without a name for them there are none", async () => {
  const room = new Room();
  room.inputs = ["desk"];
  install(room);
  assert.deepEqual(await listDevices(), {
    inputs: [{ deviceId: "desk", label: "the desk" }], outputs: [{ deviceId: "out", label: "Out" }],
  });
  install(undefined);
  assert.deepEqual(await listDevices(), { inputs: [], outputs: [] });
});

/** @param {Room} room */
async function inputOf(room) {
  /** @type {string[]} */
  const told = [];
  const input = createInput({
    onTrack: (track) => told.push(track?.label ?? "none"),
    onLost: (label) => told.push(`lost ${label}`),
    onMissing: ({ kind }) => told.push(kind),
  });
  input.use(await openMicrophone(room.inputs[0]));
  return { input, told };
}

test("a device that is unplugged is replaced, and when there is none, by the next that comes", async () => {
  const room = new Room();
  room.inputs = ["headset", "desk"];
  install(room);
  const { input, told } = await inputOf(room);
  await room.change("desk");
  await room.change();
  assert.equal(input.isOpen, false);
  await room.change("camera");
  assert.deepEqual(told, [
    "the headset", "lost the headset", "the desk", "lost the desk", "none", "missing", "the camera",
  ]);
});

test("a track that ends is a device that went away, but not one that was let go", async () => {
  const room = new Room();
  room.inputs = ["headset", "desk"];
  install(room);
  const { input, told } = await inputOf(room);
  await input.open(openMicrophone("desk"));
  room.opened[0]?.dispatchEvent(new Event("ended"));
  assert.deepEqual(told, ["the headset", "the desk"]);
  room.opened[1]?.dispatchEvent(new Event("ended"));
  await room.change("headset", "desk");
  assert.deepEqual(told.slice(2), ["lost the desk", "the headset"]);
});

test("of two choices the last one counts, and the other device is let go", async () => {
  const room = new Room();
  room.inputs = ["headset", "desk", "camera"];
  install(room);
  const { input, told } = await inputOf(room);
  await Promise.all([input.open(openMicrophone("desk")), input.open(openMicrophone("camera"))]);
  assert.deepEqual(told, ["the headset", "the camera"]);
  assert.deepEqual(room.opened.map(({ deviceId, isStopped }) => [deviceId, isStopped]), [
    ["headset", false], ["desk", true], ["camera", false],
  ]);
});

test("a microphone that was given back stays back", async () => {
  const room = new Room();
  room.inputs = ["desk"];
  install(room);
  const { input, told } = await inputOf(room);
  const opening = input.open(openMicrophone("desk"));
  input.release();
  await opening;
  await room.change("headset");
  assert.deepEqual(told, ["the desk", "none"]);
  assert.equal(room.opened[1]?.isStopped, true);
});
