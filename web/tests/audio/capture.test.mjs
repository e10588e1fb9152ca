// @ts-check
// What is said arrives: a recording as the microphone of a real browser, held against what comes out of the
// socket.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";

import { createResampler } from "../../client/src/audio/resampler.js";
import { launchBrowser } from "../browser.mjs";
import { writeMicrophone } from "../recordings.mjs";
import { compare, samplesOfWav } from "./listening.mjs";
import { openStudio } from "./studio.mjs";

const SPEECH_MS = 3_624;
const PARTS = [1_500, "brief-04-features", 1_500];
const FILE_RATE_HZ = 48_000;
const SPEECH_RATE_HZ = 16_000;

/**
 * @param {(studio: import("./studio.mjs").Studio, said: Float32Array<ArrayBuffer>) => Promise<void>} act
 */
async function withRecording(act) {
  const folder = await mkdtemp(path.join(os.tmpdir(), "greenroom-studio-"));
  const microphoneFile = path.join(folder, "microphone.wav");
  const browser = await launchBrowser();
  await writeMicrophone(browser, microphoneFile, PARTS);
  await browser.close();
  const studio = await openStudio({ microphoneFile });
  try {
    await studio.page.evaluate(() => Reflect.get(window, "studio").takeProcessingAway());
    await act(studio, samplesOfWav(await readFile(microphoneFile)));
    assert.deepEqual(studio.complaints, []);
  } finally {
    await studio.close();
    await rm(folder, { recursive: true });
  }
}

/**
 * Until so much sound has come.
 * @param {import("./studio.mjs").Studio} studio
 * @param {number} soundMs
 */
async function listen(studio, soundMs) {
  for (let looks = 0; studio.frames.length * 20 < soundMs; looks += 1) {
    assert.ok(looks < 600, `only ${studio.frames.length} frames came`);
    await studio.page.waitForTimeout(50);
  }
}

/**
 * Both at the rate of speech recognition, in which alone they have to be alike.
 * @param {Float32Array} said
 * @param {Float32Array} heard
 * @param {import("node:test").TestContext} context
 */
function intactness(said, heard, context) {
  const { lag, stretches } = compare(said, heard, SPEECH_RATE_HZ);
  const likeness = stretches.map((stretch) => stretch.likeness).sort((a, b) => a - b);
  const drifts = stretches.map(({ drift }) => drift);
  const drift = Math.max(...drifts) - Math.min(...drifts);
  const [worst = 0, median = 0] = [likeness[0], likeness[likeness.length >> 1]];
  context.diagnostic(
    `${stretches.length} stretches of speech; likeness: worst ${worst.toFixed(4)}, median ${median.toFixed(4)}; ` +
      `drift ${drift} samples; begins ${(-lag * 1000) / SPEECH_RATE_HZ} ms into the recording`,
  );
  assert.ok(stretches.length * 100 > SPEECH_MS / 2, "most of it is there to be compared");
  // A frame that is lost, or comes twice, shifts all that follows by 320 samples.
  assert.ok(drift <= 16, `nothing is lost or doubled: ${drifts}`);
  return { worst, median };
}

/**
 * @param {number} rateHz
 * @param {Float32Array<ArrayBuffer>} samples
 */
function atSpeechRate(rateHz, samples) {
  const resampler = createResampler(rateHz, SPEECH_RATE_HZ);
  return Float32Array.from([...resampler.push(samples), ...resampler.finish()]);
}

test("PCM arrives whole, in frames of 20 ms at 16 kHz", async (context) => {
  await withRecording(async (studio, said) => {
    assert.deepEqual(await studio.begin({ mode: "hands_free", codec: "pcm" }), { failure: null });
    const start = await studio.message(({ type }) => type === "audio.start", "audio.start");
    const { codec, sample_rate, channels, turn_detection, record, output } = start;
    assert.deepEqual(
      { codec, sample_rate, channels, turn_detection, record, output },
      {
        codec: "pcm_s16le", sample_rate: 16_000, channels: 1, turn_detection: "server_vad", record: false,
        output: { codec: "pcm_s16le", sample_rate: 24_000 },
      },
    );
    await listen(studio, 6_500);
    assert.ok(studio.frames.every(({ bytes }) => bytes.length === 640));
    const heard = samplesOfWav(Buffer.concat([Buffer.from("data0000"), ...studio.frames.map(({ bytes }) => bytes)]));
    const { median } = intactness(atSpeechRate(FILE_RATE_HZ, said), heard, context);
    // Not each: on a machine that is too busy, Chromium's own recording has holes, which it fills with
    // silence.
    assert.ok(median > 0.98, "it is as it was");
  });
});

test("Opus arrives whole, one packet a frame", async (context) => {
  await withRecording(async (studio, said) => {
    await studio.begin({ mode: "hands_free", codec: "opus" });
    const start = await studio.message(({ type }) => type === "audio.start", "audio.start");
    assert.deepEqual([start.codec, start.sample_rate, start.output.codec], ["opus", 48_000, "opus"]);
    await listen(studio, 6_500);
    const packets = studio.frames.map(({ bytes }) => bytes.toString("base64"));
    const bytes = studio.frames.reduce((sum, frame) => sum + frame.bytes.length, 0);
    const decoded = await studio.page.evaluate(decodeOpus, packets);
    assert.equal(decoded.length, packets.length * 960, "each packet is 20 ms");
    context.diagnostic(`${packets.length} packets, ${Math.round((bytes * 8) / (packets.length * 20))} kbit/s`);
    const heard = atSpeechRate(FILE_RATE_HZ, Float32Array.from(decoded));
    const { median } = intactness(atSpeechRate(FILE_RATE_HZ, said), heard, context);
    // Opus keeps the sound of an s, not its shape.
    assert.ok(median > 0.85, "most of it has the shape that it had");
  });
});

test("push-to-talk sends what is said while it is held, all of it before its commit", async () => {
  await withRecording(async (studio) => {
    await studio.begin({ mode: "push_to_talk", codec: "pcm" });
    const start = await studio.message(({ type }) => type === "audio.start", "audio.start");
    assert.equal(start.turn_detection, "manual");
    await studio.page.waitForFunction(() => Reflect.get(window, "studio").call.state.status === "idle");
    await studio.page.waitForTimeout(300);
    assert.equal(studio.frames.length, 0, "nothing leaves while it is not held");
    await studio.page.evaluate(() => Reflect.get(window, "studio").call.hold());
    await listen(studio, 500);
    await studio.page.evaluate(() => Reflect.get(window, "studio").call.release());
    const commit = await studio.message(({ type }) => type === "audio.commit", "audio.commit");
    assert.ok(studio.frames.every(({ receivedMs }) => receivedMs <= commit.receivedMs));
    const before = studio.frames.length;
    await studio.page.waitForTimeout(300);
    assert.equal(studio.frames.length, before);
  });
});

/**
 * In the page: Opus packets as samples at 48 kHz.
 * @param {string[]} packets
 */
async function decodeOpus(packets) {
  /** @type {number[]} */
  const samples = [];
  const decoder = new AudioDecoder({
    output: (sound) => {
      const part = new Float32Array(sound.numberOfFrames);
      sound.copyTo(part, { planeIndex: 0, format: "f32-planar" });
      samples.push(...part);
    },
    error: (error) => { throw error; },
  });
  decoder.configure({ codec: "opus", sampleRate: 48_000, numberOfChannels: 1 });
  for (const [index, packet] of packets.entries()) {
    const data = Uint8Array.from(atob(packet), (character) => character.charCodeAt(0));
    decoder.decode(new EncodedAudioChunk({ type: "key", timestamp: index * 20_000, data }));
  }
  await decoder.flush();
  return samples;
}
