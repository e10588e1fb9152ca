// What live voice sees of a session's socket, and what a page is told.

import assert from "node:assert/strict";
import { test } from "node:test";

import { settle } from "./support/fake_clock.js";
import { EXAMPLES, eventId } from "./support/journals.js";
import { sessionBench } from "./support/session_bench.js";
import { soundBench } from "./support/sound_bench.js";

/** @param {number} seq */
function event(seq) {
  return { ...EXAMPLES["session.started"], seq, event_id: eventId(seq) };
}

/** @param {ReturnType<typeof sessionBench>} bench */
function heardBy({ session }) {
  /** @type {string[]} */
  const heard = [];
  const { audioTransport: transport } = session;
  transport.onSignal(({ type }) => heard.push(`signal ${type}`));
  transport.onEvent(({ seq }) => heard.push(`event ${seq}`));
  transport.onBinary(({ byteLength }) => heard.push(`${byteLength} bytes`));
  transport.onReconnect(() => heard.push("connected"));
  transport.onDisconnect(() => heard.push("disconnected"));
  transport.onClose(() => heard.push("closed"));
  return heard;
}

test("live voice hears everything of a socket once, in order, over all sockets", async () => {
  const bench = sessionBench();
  const heard = heardBy(bench);
  bench.end().close(1006);
  await bench.clock.advance(250);
  const first = bench.letIn();
  first.tell(event(1));
  first.tell(event(1));
  first.tell({ type: "speech.started" });
  first.tell(new ArrayBuffer(4));
  first.close(1006);
  await bench.clock.advance(1_000);
  bench.letIn();
  bench.session.close();
  assert.deepEqual(heard, [
    "connected", "signal replay.done", "event 1", "signal speech.started", "4 bytes", "disconnected",
    "connected", "signal replay.done", "disconnected", "closed",
  ]);
});

test("what live voice sends leaves now or not at all", async () => {
  const bench = sessionBench();
  const { audioTransport: transport } = bench.session;
  assert.equal(transport.isOpen, false);
  assert.equal(transport.send(new ArrayBuffer(2)), false);
  assert.equal(transport.sendJson({ type: "audio.commit" }), false);
  const end = bench.letIn();
  assert.equal(transport.isOpen, true);
  assert.equal(transport.send(new Uint8Array([1, 2])), true);
  assert.equal(transport.sendJson({ type: "audio.stop" }), true);
  assert.deepEqual(end.received, [new Uint8Array([1, 2]), { type: "audio.stop" }]);
  assert.equal(transport.bufferedBytes, 0);
  end.close(1006);
  assert.equal(transport.isOpen, false);
  assert.equal(transport.sendJson({ type: "audio.stop" }), false);
  bench.session.close();
});

test("a page is told of each thing that happens once, with the state after it", () => {
  const bench = sessionBench();
  /** @type {string[]} */
  const told = [];
  const stop = bench.session.subscribe(({ lastSeq }, change) => {
    told.push(`${Object.keys(change)} ${lastSeq}`);
  });
  const end = bench.letIn();
  end.tell(event(1));
  end.tell(event(1));
  end.tell({ type: "speech.started" });
  void bench.session.send("hello").catch(() => {});
  stop();
  end.tell(event(2));
  assert.deepEqual(told, ["connection 0", "signal 0", "event 1", "signal 1", "pending 1"]);
  bench.session.close();
});

test("a page may close a session wherever it is told something", async () => {
  for (const status of ["connecting", "waiting", "open"]) {
    const bench = sessionBench();
    bench.session.subscribe((_, { connection }) => connection?.status === status && bench.session.close());
    if (status === "open") {
      bench.letIn();
    } else {
      bench.end().close(1006);
      await bench.clock.advance(60_000);
    }
    assert.equal(bench.session.connection.status, "closed", status);
    assert.equal(bench.ends.length, 1, status);
    assert.equal(bench.clock.timers(), 0, status);
  }
});

test("whoever closes a session when it opens is told no more of it", () => {
  const bench = sessionBench();
  /** @type {object[]} */
  const told = [];
  bench.session.subscribe((_, change) => {
    told.push(change);
    if (change.connection?.status === "open") bench.session.close();
  });
  const end = bench.end();
  end.accept();
  end.tell(event(1));
  assert.deepEqual(told.map((change) => Object.keys(change)), [["connection"], ["connection"]]);
  assert.equal(bench.session.state.lastSeq, 0);
});

test("a call is heard in the very click, once the log was replayed", async () => {
  const sound = soundBench();
  const bench = sessionBench();
  bench.letIn();
  await import("../src/audio/call.js");
  await settle();
  const begun = sound.contextsMade();
  const starting = bench.session.startCall({ mode: "hands_free", codec: "pcm" });
  assert.equal(sound.contextsMade(), begun + 1);
  const call = await starting;
  bench.session.close();
  assert.equal(call.state.status, "ended");
  assert.ok(sound.tracks.every((track) => track.isStopped));
  await assert.rejects(bench.session.startCall({ mode: "hands_free" }), { code: "CLIENT_CLOSED" });
});
