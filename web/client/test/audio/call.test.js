// A call from its first click to its last: what the server is told, and that nothing listens afterwards.

import assert from "node:assert/strict";
import { test } from "node:test";

import { soundBench } from "../support/sound_bench.js";

/** Everything in here is decided in microtasks. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** @param {ReturnType<typeof soundBench>} bench */
function assertSilent(bench) {
  assert.ok(bench.tracks.every((track) => track.isStopped), "no microphone is open");
  assert.equal(bench.listenersLeft(), 0);
}

test("a call that ends before the server has answered gives back what it will be given", async () => {
  const bench = soundBench();
  const call = await bench.start({ mode: "hands_free", codec: "pcm" });
  await call.stop();
  assert.deepEqual(bench.typesSent(), ["audio.start", "audio.start", "audio.stop"]);
  assert.equal("output" in bench.sent[1], false);
  assertSilent(bench);
});

test("a call that another device took the microphone of ends without taking it back", async () => {
  const bench = soundBench();
  const call = await bench.start({ mode: "hands_free", codec: "pcm" });
  bench.accept();
  bench.tell("signal", { type: "microphone.taken" });
  await call.stop();
  assert.deepEqual(bench.typesSent(), ["audio.start"]);
  assertSilent(bench);
});

test("whoever hangs up while the microphone is taken back takes nothing", async () => {
  const bench = soundBench();
  const call = await bench.start({ mode: "hands_free", codec: "pcm" });
  bench.accept();
  bench.tell("signal", { type: "microphone.taken" });
  const takingBack = call.takeBack();
  await call.stop();
  await takingBack;
  await call.takeBack();
  await call.setDevice("mic");
  assert.deepEqual(bench.typesSent(), ["audio.start"]);
  assertSilent(bench);
});

test("a session that closes while the browser asks for the microphone has no call", async () => {
  const bench = soundBench();
  bench.permission.ask = async () => { bench.transport.isClosed = true; };
  await assert.rejects(bench.start({ mode: "hands_free", codec: "pcm" }), { code: "CLIENT_CLOSED" });
  await assert.rejects(bench.start({ mode: "hands_free", codec: "pcm" }), { code: "CLIENT_CLOSED" });
  assert.equal(bench.tracks.length, 1, "the second one asked for nothing");
  assert.deepEqual(bench.sent, []);
  assertSilent(bench);
});

test("a call that nobody wants any more, once it could begin, is none", async () => {
  const bench = soundBench();
  let isWanted = true;
  bench.permission.ask = async () => { isWanted = false; };
  await assert.rejects(bench.start({ mode: "hands_free", codec: "pcm" }, () => isWanted), { code: "CLIENT_OUTDATED" });
  assert.deepEqual(bench.sent, []);
  assertSilent(bench);
});

test("a page whose listener fails still gets its microphone closed", async (context) => {
  const bench = soundBench();
  const reported = context.mock.method(globalThis.console, "error", () => undefined);
  const call = await bench.start({ mode: "hands_free", codec: "pcm" });
  call.subscribe(() => { throw new Error("the page's defect"); });
  await call.stop();
  assert.ok(reported.mock.callCount() > 0);
  assertSilent(bench);
});

test("when the encoder fails, the server is told of samples, and they flow with the same microphone", async () => {
  const bench = soundBench();
  const call = await bench.start({ mode: "hands_free", codec: "opus" });
  bench.accept();
  const opus = bench.worklet("greenroom-capture");
  assert.equal(call.state.codec, "opus");
  bench.encoder().fail();
  assert.equal(call.state.codec, "pcm_s16le");
  const { codec, sample_rate, output } = bench.sent.at(-1);
  assert.deepEqual([codec, sample_rate, output.codec], ["pcm_s16le", 16_000, "opus"]);
  assert.equal(opus.orders.at(-1).type, "close");
  const pcm = bench.worklet("greenroom-capture");
  assert.deepEqual(pcm.orders, [], "nothing flows before the server knows");
  bench.accept();
  assert.deepEqual(pcm.orders.map(({ type }) => type), ["open"]);
  pcm.port.onmessage?.({ data: { opening: 1, frame: new Int16Array(320) } });
  assert.equal(bench.sent.at(-1).bytes.byteLength, 640);
  assert.deepEqual(bench.tracks.map(({ isStopped }) => isStopped), [false]);
  await call.stop();
  assertSilent(bench);
});

test("a key that is held while the encoder fails is held all the same", async () => {
  const bench = soundBench();
  const call = await bench.start({ mode: "push_to_talk", codec: "opus" });
  bench.accept();
  call.hold();
  bench.encoder().fail();
  bench.accept();
  assert.equal(call.state.held, true);
  assert.deepEqual(bench.worklet("greenroom-capture").orders.map(({ type }) => type), ["open"]);
  await call.stop();
});

test("after a connection that broke the codec that works is asked for", async () => {
  const bench = soundBench();
  const call = await bench.start({ mode: "hands_free", codec: "opus" });
  bench.accept();
  bench.tell("disconnect");
  bench.encoder().fail();
  const asked = bench.sent.length;
  bench.tell("reconnect");
  assert.deepEqual(bench.sent.slice(asked).map(({ type, codec }) => [type, codec]), [["audio.start", "pcm_s16le"]]);
  await call.stop();
});

test("a reply that was played to its end before its pause came holds nothing up", async () => {
  const bench = soundBench();
  const call = await bench.start({ mode: "hands_free", codec: "pcm" });
  bench.accept();
  const speaker = bench.worklet("greenroom-speaker");
  for (const reply_id of ["r1", "r2"]) {
    bench.tell("signal", { type: "audio.begin", reply_id, codec: "pcm_s16le", sample_rate: 24_000 });
  }
  bench.tell("signal", { type: "audio.pause", reply_id: "r1", at_ms: 0 });
  speaker.port.onmessage?.({ data: { reply: 1, playedSamples: 0, now: "over" } });
  bench.tell("signal", { type: "audio.resume", reply_id: "r1", at_ms: 0 });
  assert.deepEqual(speaker.orders.map(({ type }) => type), ["begin", "begin", "pause", "resume"]);
  bench.tell("signal", { type: "audio.pause", reply_id: "r2", at_ms: 0 });
  speaker.port.onmessage?.({ data: { reply: 2, playedSamples: 0, now: "over" } });
  await settled();
  bench.tell("signal", { type: "audio.cancel", reply_id: "r2", at_ms: 0 });
  assert.equal(speaker.orders.at(-1).type, "pause", "nothing is left to go on");
  await call.stop();
});

test("a call that is given up does not take the loudspeaker from the one that came after", async () => {
  const bench = soundBench();
  /** @type {() => void} */
  let allow = () => undefined;
  bench.permission.ask = () => new Promise((resolve) => { allow = resolve; });
  let isWanted = true;
  const first = bench.start({ mode: "hands_free", codec: "pcm" }, () => isWanted).catch(() => "given up");
  await settled();
  const second = await bench.start({ mode: "listen_only", codec: "pcm" });
  isWanted = false;
  allow();
  assert.equal(await first, "given up");
  assert.equal(bench.audioSession.type, "play-and-record");
  await second.stop();
  assert.equal(bench.audioSession.type, "auto");
});
