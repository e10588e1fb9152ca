// @ts-check
// A call in trouble: no microphone, another device's, a broken line, a network that takes nothing.

import assert from "node:assert/strict";
import { test } from "node:test";

import { openStudio } from "./studio.mjs";

const FAKE_DEVICE = "--use-fake-device-for-media-stream";

/**
 * @param {Parameters<typeof openStudio>[0]} options
 * @param {(studio: import("./studio.mjs").Studio) => Promise<void>} act
 */
async function inStudio(options, act) {
  const studio = await openStudio(options);
  try {
    await act(studio);
    assert.deepEqual(studio.complaints, []);
  } finally {
    await studio.close();
  }
}

/**
 * @param {import("./studio.mjs").Studio} studio
 * @param {string} wanted
 */
async function status(studio, wanted) {
  await studio.page.waitForFunction((name) => Reflect.get(window, "studio").call.state.status === name, wanted);
}

/** @param {import("./studio.mjs").Studio} studio */
async function frameComes(studio) {
  const before = studio.frames.length;
  for (let looks = 0; studio.frames.length === before; looks += 1) {
    assert.ok(looks < 600, "no frame came");
    await studio.page.waitForTimeout(20);
  }
}

/** @param {import("./studio.mjs").Studio} studio @param {string} type */
function countOf(studio, type) {
  return studio.messages.filter((message) => message.type === type).length;
}

test("a microphone that is denied, or that is not there, is told as such, and nothing was asked of the server", async () => {
  await inStudio({ chromium: [FAKE_DEVICE], isAllowed: false }, async (studio) => {
    const { failure } = await studio.begin({ mode: "hands_free" });
    assert.deepEqual([failure.name, failure.kind], ["MicrophoneError", "denied"]);
    assert.deepEqual(studio.messages, []);
  });
  await inStudio({}, async (studio) => {
    const { failure } = await studio.begin({ mode: "hands_free" });
    assert.deepEqual([failure.name, failure.kind], ["MicrophoneError", "missing"]);
  });
});

test("without a microphone replies can be listened to", async () => {
  await inStudio({ isAllowed: false }, async (studio) => {
    assert.deepEqual(await studio.begin({ mode: "listen_only", codec: "pcm" }), { failure: null });
    await studio.message(({ type }) => type === "audio.stop", "audio.stop");
    assert.deepEqual(studio.messages.map(({ type }) => type), ["audio.start", "audio.stop"]);
    await status(studio, "idle");
    studio.tell({ type: "audio.begin", reply_id: "r1", codec: "pcm_s16le", sample_rate: 24_000 });
    studio.play(new Uint8Array(Int16Array.from({ length: 4_800 }, () => 8_000).buffer));
    studio.tell({ type: "audio.end", reply_id: "r1" });
    await studio.message(({ played_ms }) => played_ms === 200, "the last ack");
  });
});

test("another device takes the microphone: nothing is sent and nobody listens, until it is taken back", async () => {
  await inStudio({ chromium: [FAKE_DEVICE] }, async (studio) => {
    await studio.begin({ mode: "hands_free", codec: "pcm" });
    await frameComes(studio);
    studio.tell({ type: "microphone.taken" });
    await status(studio, "taken");
    assert.equal(await studio.page.evaluate(() => Reflect.get(window, "studio").call.state.deviceLabel), null);
    await studio.page.waitForTimeout(200);
    const before = studio.frames.length;
    await studio.page.waitForTimeout(300);
    assert.equal(studio.frames.length, before);
    await studio.page.evaluate(() => Reflect.get(window, "studio").call.takeBack());
    await status(studio, "listening");
    await frameComes(studio);
    assert.equal(countOf(studio, "audio.start"), 2);
  });
});

test("after a broken line the microphone is taken again, and what was being played is not gone on with", async () => {
  await inStudio({ chromium: [FAKE_DEVICE] }, async (studio) => {
    await studio.begin({ mode: "hands_free", codec: "pcm" });
    await frameComes(studio);
    studio.tell({ type: "audio.begin", reply_id: "r1", codec: "pcm_s16le", sample_rate: 24_000 });
    studio.play(new Uint8Array(Int16Array.from({ length: 30_000 }, () => 8_000).buffer));
    await status(studio, "speaking");
    studio.hangUp();
    await status(studio, "starting");
    const { frames, messages } = studio;
    const [framesBefore, messagesBefore] = [frames.length, messages.length];
    await studio.page.evaluate(() => Reflect.get(window, "studio").forget());
    await studio.page.evaluate(() => Reflect.get(window, "studio").reconnect());
    await status(studio, "listening");
    await frameComes(studio);
    assert.equal(messages[messagesBefore].type, "audio.start", "nothing before it");
    assert.ok(frames.slice(framesBefore).every(({ receivedMs }) => receivedMs > messages[messagesBefore].receivedMs));
    await studio.page.waitForTimeout(300);
    assert.deepEqual(messages.slice(messagesBefore).map(({ type }) => type), ["audio.start"], "no ack of the reply before");
    const { samples } = await studio.page.evaluate(() => Reflect.get(window, "studio").recording());
    assert.ok(samples.length <= 128, "a fade at most");
  });
});

test("while the network takes nothing, what waits is bounded and what is lost is told; then it goes on", async () => {
  await inStudio({ chromium: [FAKE_DEVICE] }, async (studio) => {
    await studio.begin({ mode: "hands_free", codec: "pcm" });
    await frameComes(studio);
    // The kernel takes megabytes before a socket is full; a slow network is told of instead.
    await studio.page.evaluate(() => Reflect.get(window, "studio").pretendBuffered(130_000));
    await studio.page.waitForFunction(() => Reflect.get(window, "studio").call.state.droppedMs >= 100);
    const before = studio.frames.length;
    await studio.page.waitForTimeout(200);
    assert.ok(studio.frames.length - before <= 1);
    await studio.page.evaluate(() => Reflect.get(window, "studio").pretendBuffered(null));
    await frameComes(studio);
  });
});

test("muted, silence flows; to hang up gives everything back", async () => {
  await inStudio({ chromium: [FAKE_DEVICE] }, async (studio) => {
    await studio.begin({ mode: "hands_free", codec: "pcm" });
    // The fake device beeps once a second.
    await studio.page.waitForFunction(() => Reflect.get(window, "studio").call.level > 0);
    await studio.page.evaluate(() => Reflect.get(window, "studio").call.setMuted(true));
    await studio.page.waitForTimeout(300);
    const muted = studio.frames.length;
    await studio.page.waitForTimeout(1_500);
    assert.ok(studio.frames.length > muted, "silence is sent");
    assert.ok(studio.frames.slice(muted).every(({ bytes }) => bytes.every((byte) => byte === 0)));
    await studio.page.evaluate(() => Reflect.get(window, "studio").call.stop());
    await studio.message(({ type }) => type === "audio.stop", "audio.stop");
    const [last] = studio.messages.filter(({ type }) => type === "audio.start").slice(-1);
    assert.equal("output" in last, false, "nothing is to be spoken any more");
    assert.equal(await studio.page.evaluate(() => Reflect.get(window, "studio").call.state.status), "ended");
    assert.equal(await studio.page.evaluate(() => Reflect.get(window, "studio").engineState()), "closed");
  });
});

test("another microphone is taken in the middle of a call, and one that is not there is refused", async () => {
  await inStudio({ chromium: [`${FAKE_DEVICE}=device-count=2`] }, async (studio) => {
    await studio.begin({ mode: "hands_free", codec: "pcm" });
    await frameComes(studio);
    const first = await studio.page.evaluate(() => Reflect.get(window, "studio").call.state.deviceLabel);
    const labels = await studio.page.evaluate(async () => {
      const { inputs } = await Reflect.get(window, "studio").listDevices();
      const { call } = Reflect.get(window, "studio");
      const other = inputs.find((/** @type {any} */ input) => input.label !== call.state.deviceLabel && input.deviceId !== "default");
      await call.setDevice(other.deviceId);
      const failure = await call.setDevice("nowhere").catch((/** @type {any} */ error) => error.kind);
      return { wanted: other.label, got: call.state.deviceLabel, failure };
    });
    assert.notEqual(labels.wanted, first);
    assert.deepEqual([labels.got, labels.failure], [labels.wanted, "missing"]);
    await frameComes(studio);
    assert.equal(countOf(studio, "audio.start"), 1, "the server need not know");
  });
});
