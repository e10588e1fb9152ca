// @ts-check
// What is sent is played: without a gap, silent within a frame of a pause, and acknowledged as far as it was
// heard.

import assert from "node:assert/strict";
import { test } from "node:test";

import { openStudio } from "./studio.mjs";

const TONE_HZ = 440;
const AMPLITUDE = 0.5;
const RATE_HZ = 24_000;
const FRAME_MS = 20;
const ACKS_WITHIN_MS = 250;
/** What the audio thread makes at once. */
const BLOCK = 128;

/**
 * @param {string} codec
 * @param {(studio: import("./studio.mjs").Studio) => Promise<void>} act
 */
async function inCall(codec, act) {
  const studio = await openStudio({ chromium: ["--use-fake-device-for-media-stream"] });
  try {
    assert.deepEqual(await studio.begin({ mode: "push_to_talk", codec }), { failure: null });
    await status(studio, "idle");
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

/** @param {number} from @param {number} until of milliseconds of a tone */
function tone(from, until) {
  /** @type {Buffer[]} */
  const frames = [];
  for (let atMs = from; atMs < until; atMs += FRAME_MS) {
    const pcm = Int16Array.from({ length: (RATE_HZ * FRAME_MS) / 1000 }, (_, index) => (
      32_768 * AMPLITUDE * Math.sin((2 * Math.PI * TONE_HZ * ((RATE_HZ * atMs) / 1000 + index)) / RATE_HZ)
    ));
    frames.push(Buffer.from(pcm.buffer));
  }
  return frames;
}

/**
 * All at once: how busy this machine is, is not the question here.
 * @param {import("./studio.mjs").Studio} studio
 * @param {Uint8Array[]} frames
 */
function play(studio, frames) {
  for (const frame of frames) studio.play(frame);
}

/** @param {import("./studio.mjs").Studio} studio @param {string} replyId */
function acksOf(studio, replyId) {
  return studio.messages.filter(({ type, reply_id }) => type === "playback.ack" && reply_id === replyId);
}

/** @param {import("./studio.mjs").Studio} studio */
async function recorded(studio) {
  const [{ at, samples }, rateHz, ordered] = await studio.page.evaluate(() => {
    const page = Reflect.get(window, "studio");
    return [page.recording(), page.rateHz(), page.ordered];
  });
  return { at, samples: Float32Array.from(samples), rateHz, ordered };
}

/**
 * How far a tone is from what it would be if nothing were missing in it: each sample against what the two
 * before make of it. A gap, a click or a doubled sample stands out.
 * @param {Float32Array} samples
 * @param {number} rateHz
 */
function worstBreak(samples, rateHz) {
  const turn = 2 * Math.cos((2 * Math.PI * TONE_HZ) / rateHz);
  let worst = { size: 0, at: 0 };
  for (let index = 2; index < samples.length; index += 1) {
    const expected = turn * (samples[index - 1] ?? 0) - (samples[index - 2] ?? 0);
    const size = Math.abs((samples[index] ?? 0) - expected);
    if (size > worst.size) worst = { size, at: index };
  }
  return worst;
}

test("a tone is played without a gap, and acknowledged while it is played and at its end", async (context) => {
  await inCall("pcm", async (studio) => {
    const lengthMs = 3_000;
    studio.tell({ type: "audio.begin", reply_id: "r1", codec: "pcm_s16le", sample_rate: RATE_HZ });
    play(studio, tone(0, lengthMs));
    studio.tell({ type: "audio.end", reply_id: "r1" });
    await studio.message(({ reply_id, played_ms }) => reply_id === "r1" && played_ms === lengthMs, "the last ack");
    await status(studio, "idle");

    const { samples, rateHz } = await recorded(studio);
    const middle = samples.subarray(100, -100);
    const broken = worstBreak(middle, rateHz);
    const acks = acksOf(studio, "r1");
    context.diagnostic(
      `played ${(samples.length * 1000) / rateHz} ms at ${rateHz} Hz, worst break ${broken.size.toExponential(1)} of full scale; ` +
        `${acks.length} acks`,
    );
    assert.ok(Math.abs((samples.length * 1000) / rateHz - lengthMs) < 1, "all of it, and nothing else");
    assert.ok(broken.size < 1e-3, `broken at sample ${broken.at} by ${broken.size}`);
    for (const [index, ack] of acks.slice(1).entries()) {
      const stretchMs = ack.played_ms - acks[index].played_ms;
      assert.ok(stretchMs >= 0 && stretchMs <= ACKS_WITHIN_MS, `${stretchMs} ms between two acks`);
    }
  });
});

test("a pause is silent within a frame, and what follows it is the very next sample", async (context) => {
  await inCall("pcm", async (studio) => {
    studio.tell({ type: "audio.begin", reply_id: "r1", codec: "pcm_s16le", sample_rate: RATE_HZ });
    play(studio, tone(0, 1_200));
    await studio.message(({ played_ms }) => played_ms > 200, "an ack");
    studio.tell({ type: "audio.pause", reply_id: "r1", at_ms: 1_200 });
    await status(studio, "paused");
    await studio.page.waitForTimeout(300);
    const before = await recorded(studio);
    const [pausedAck] = acksOf(studio, "r1").slice(-1);
    const pausedAt = before.ordered.find((/** @type {any} */ order) => order.type === "pause").at;
    const late = before.at + before.samples.length - pausedAt;
    const playedMs = (before.samples.length * 1000) / before.rateHz;
    context.diagnostic(
      `${late} samples (${((late * 1000) / before.rateHz).toFixed(1)} ms) after the order; ` +
        `acknowledged ${pausedAck.played_ms} of ${playedMs.toFixed(1)} ms`,
    );
    assert.ok(late <= BLOCK, `${late} samples`);
    assert.ok(Math.abs(pausedAck.played_ms - playedMs) <= 1);

    const count = studio.messages.length;
    await studio.page.waitForTimeout(400);
    assert.equal(studio.messages.length, count, "a pause is acknowledged once");
    await studio.page.evaluate(() => Reflect.get(window, "studio").forget());
    studio.tell({ type: "audio.resume", reply_id: "r1", at_ms: 1_200 });
    studio.tell({ type: "audio.end", reply_id: "r1" });
    await studio.message(({ played_ms }) => played_ms === 1_200, "the last ack");
    const after = await recorded(studio);
    const wholeMs = ((before.samples.length + after.samples.length) * 1000) / before.rateHz;
    context.diagnostic(`${wholeMs.toFixed(2)} of 1200 ms were played on both sides of the pause`);
    assert.ok(Math.abs(wholeMs - 1_200) < 0.5, `${wholeMs} ms`);
    // Without the fades, the tone goes on in phase as if there had been no pause.
    const phaseAt = Math.ceil(before.samples.length / BLOCK) * BLOCK;
    for (let index = BLOCK; index < BLOCK + 1_000; index += 1) {
      const expected = AMPLITUDE * Math.sin((2 * Math.PI * TONE_HZ * (phaseAt + index)) / before.rateHz);
      assert.ok(Math.abs((after.samples[index] ?? 0) - expected) < 0.01, `sample ${index}`);
    }
  });
});

test("a cancelled reply falls silent, is acknowledged no more, and gives way to the next", async () => {
  await inCall("pcm", async (studio) => {
    studio.tell({ type: "audio.begin", reply_id: "r1", codec: "pcm_s16le", sample_rate: RATE_HZ });
    play(studio, tone(0, 800));
    await studio.message(({ played_ms }) => played_ms > 0, "an ack");
    studio.tell({ type: "audio.pause", reply_id: "r1", at_ms: 800 });
    await status(studio, "paused");
    studio.tell({ type: "audio.cancel", reply_id: "r1", at_ms: 800 });
    await status(studio, "idle");
    for (const frame of tone(800, 900)) studio.play(frame);
    await studio.page.waitForTimeout(300);
    const acks = acksOf(studio, "r1");
    assert.ok(acks.at(-1).played_ms < 800);
    await studio.page.evaluate(() => Reflect.get(window, "studio").forget());

    studio.tell({ type: "audio.begin", reply_id: "r2", codec: "pcm_s16le", sample_rate: RATE_HZ });
    play(studio, tone(0, 60));
    studio.tell({ type: "audio.end", reply_id: "r2" });
    await studio.message(({ reply_id, played_ms }) => reply_id === "r2" && played_ms === 60, "all of a short reply");
    const { samples, rateHz } = await recorded(studio);
    assert.ok(Math.abs((samples.length * 1000) / rateHz - 60) < 1, "nothing of the one before");
    assert.deepEqual(acksOf(studio, "r1"), acks);
  });
});

test("Opus is played whole: as long as its packets are, in one piece", async (context) => {
  await inCall("opus", async (studio) => {
    const packets = await studio.page.evaluate(encodeTone, { frames: 100, toneHz: TONE_HZ, amplitude: AMPLITUDE });
    studio.tell({ type: "audio.begin", reply_id: "r1", codec: "opus", sample_rate: 48_000 });
    play(studio, packets.map((packet) => Buffer.from(packet, "base64")));
    studio.tell({ type: "audio.end", reply_id: "r1" });
    await studio.message(({ played_ms }) => played_ms === packets.length * FRAME_MS, "the last ack");
    const { samples, rateHz } = await recorded(studio);
    const settled = samples.subarray(rateHz / 5, -rateHz / 5);
    const broken = worstBreak(settled, rateHz);
    context.diagnostic(`${(samples.length * 1000) / rateHz} of ${packets.length * FRAME_MS} ms, worst break ${broken.size.toExponential(1)}`);
    assert.ok(Math.abs((samples.length * 1000) / rateHz - packets.length * FRAME_MS) < 15, "the codec's own start is silent");
    assert.ok(broken.size < 0.02, `broken at sample ${broken.at} by ${broken.size}`);
  });
});

test("while the browser plays nothing, nothing is said to be heard; afterwards all of it", async () => {
  await inCall("pcm", async (studio) => {
    await studio.page.evaluate(() => Reflect.get(window, "studio").suspend());
    await studio.page.waitForFunction(() => Reflect.get(window, "studio").call.state.suspended);
    studio.tell({ type: "audio.begin", reply_id: "r1", codec: "pcm_s16le", sample_rate: RATE_HZ });
    for (const frame of tone(0, 400)) studio.play(frame);
    studio.tell({ type: "audio.end", reply_id: "r1" });
    await studio.message(({ type }) => type === "playback.ack", "an ack");
    await studio.page.waitForTimeout(300);
    assert.deepEqual(acksOf(studio, "r1").map(({ played_ms }) => played_ms), [0]);
    await studio.page.mouse.click(10, 10);
    await studio.message(({ played_ms }) => played_ms === 400, "the last ack");
    assert.equal(await studio.page.evaluate(() => Reflect.get(window, "studio").call.state.suspended), false);
  });
});

/**
 * In the page: a tone as Opus packets.
 * @param {{ frames: number, toneHz: number, amplitude: number }} tone
 */
async function encodeTone({ frames, toneHz, amplitude }) {
  /** @type {string[]} */
  const packets = [];
  const encoder = new AudioEncoder({
    output: (chunk) => {
      const bytes = new Uint8Array(chunk.byteLength);
      chunk.copyTo(bytes);
      packets.push(btoa(String.fromCharCode(...bytes)));
    },
    error: (error) => { throw error; },
  });
  encoder.configure({ codec: "opus", sampleRate: 48_000, numberOfChannels: 1, bitrate: 64_000 });
  for (let frame = 0; frame < frames; frame += 1) {
    const data = Float32Array.from({ length: 960 }, (_, index) => (
      amplitude * Math.sin((2 * Math.PI * toneHz * (frame * 960 + index)) / 48_000)
    ));
    encoder.encode(new AudioData({
      format: "f32-planar", sampleRate: 48_000, numberOfChannels: 1, numberOfFrames: 960, timestamp: frame * 20_000, data,
    }));
  }
  await encoder.flush();
  return packets;
}
