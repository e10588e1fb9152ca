import assert from "node:assert/strict";
import { test } from "node:test";

import { backoffMs, meaningOfClose } from "../src/close_codes.js";
import { EXAMPLES, eventId } from "./support/journals.js";
import { sessionBench } from "./support/session_bench.js";

/** @param {number} seq */
function event(seq) {
  return { ...EXAMPLES["session.started"], seq, event_id: eventId(seq) };
}

/**
 * @param {string} code
 * @param {object} [more]
 */
function errorBody(code, more = {}) {
  return { code, message: code, details: null, retryable: true, retry_after: null, ...more };
}

/** @param {number} status @param {object} body */
function answering(status, body) {
  return async () => new Response(JSON.stringify(body), { status });
}

test("connects with the session's last event and with who asks", () => {
  const bench = sessionBench();
  const { url, protocols } = bench.end();
  assert.equal(url, "wss://greenroom.test/api/chat/session/sess_1/ws?last_event_id=evt_00000");
  assert.deepEqual(protocols, ["greenroom.v1", "user.somebody"]);
  assert.equal(bench.session.connection.status, "connecting");
  bench.client.token = "secret";
  bench.letIn().close(1006);
  bench.session.retryNow();
  assert.deepEqual(bench.end().protocols, ["greenroom.v1", "token.secret", "user.somebody"]);
  bench.session.close();
});

test("a connection is open once the server has answered, not when the upgrade succeeded", () => {
  const bench = sessionBench();
  bench.end().accept();
  assert.equal(bench.session.connection.status, "connecting");
  bench.end().tell(event(1));
  assert.equal(bench.session.connection.status, "open");
  assert.equal(bench.session.state.replaying, true);
  bench.end().tell({ type: "replay.done", seq: 1 });
  assert.equal(bench.session.state.replaying, false);
  bench.session.close();
});

test("the backoff doubles with full jitter up to its maximum", () => {
  const most = [1, 2, 3, 4, 5, 6, 7, 8, 100].map((failures) => backoffMs("network", failures, () => 1));
  assert.deepEqual(most, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  assert.equal(backoffMs("network", 9, () => 0), 0);
});

test("an overloaded server is asked later each time", () => {
  for (let failures = 1; failures < 5; failures += 1) {
    assert.ok(backoffMs("overloaded", failures, () => 1) <= backoffMs("overloaded", failures + 1, () => 0));
  }
  assert.equal(backoffMs("overloaded", 100, () => 1), 60_000);
});

test("failures are counted until a connection was good", async () => {
  const bench = sessionBench();
  const delays = [];
  for (let round = 0; round < 4; round += 1) {
    bench.end().close(1006);
    const { status, attempt, retryAt = 0 } = bench.session.connection;
    assert.deepEqual([status, attempt], ["waiting", round + 1]);
    delays.push(retryAt - bench.clock.now());
    await bench.clock.advance(retryAt - bench.clock.now());
  }
  assert.deepEqual(delays, [250, 500, 1_000, 2_000]);
  // One that is let in and dies at once was not good; one that lives for a while was.
  bench.letIn().close(1006);
  assert.equal(bench.session.connection.attempt, 5);
  await bench.clock.advance(30_000);
  bench.letIn();
  await bench.clock.advance(5_000);
  bench.end().close(1006);
  assert.equal(bench.session.connection.attempt, 1);
  bench.session.close();
});

test("an event that was new makes a connection a good one", async () => {
  const bench = sessionBench();
  bench.end().close(1006);
  await bench.clock.advance(250);
  bench.end().close(1006);
  await bench.clock.advance(500);
  bench.end().accept();
  bench.end().tell(event(1));
  bench.end().close(1006);
  assert.equal(bench.session.connection.attempt, 1);
  bench.session.close();
});

test("a gap is never applied: what is missing is asked for on another socket", async () => {
  const bench = sessionBench();
  const first = bench.end();
  first.accept();
  first.tell(event(1));
  first.tell(event(3));
  assert.equal(first.isLive, false);
  assert.equal(bench.session.state.lastSeq, 1);
  await bench.clock.advance(250);
  assert.equal(bench.end().lastEventId, "evt_00001");
  bench.session.close();
});

test("what comes twice is dropped, and the connection stays", () => {
  const bench = sessionBench();
  const end = bench.end();
  end.accept();
  for (const seq of [1, 1, 2, 1, 2]) end.tell(event(seq));
  assert.equal(end.isLive, true);
  assert.equal(bench.session.state.events, 2);
  bench.session.close();
});

test("what is no frame of the protocol ends the socket: something may be lost with it", () => {
  for (const text of ["{", "null", "3"]) {
    const bench = sessionBench();
    bench.letIn().tell(text);
    assert.equal(bench.end().isLive, false, text);
    bench.session.close();
  }
});

test("a socket that was given up is heard by nobody", async () => {
  const bench = sessionBench();
  const first = bench.letIn();
  first.close(1006);
  await bench.clock.advance(250);
  bench.letIn();
  first.isLive = true;
  const before = bench.changes.length;
  first.tell({ type: "speech.started" });
  first.tell(event(9));
  first.close(4004);
  assert.equal(bench.changes.length, before);
  assert.equal(bench.session.connection.status, "open");
  bench.session.close();
});

for (const [code, reason, isFinal] of /** @type {const} */ ([
  [1000, "network", false], [1001, "network", false], [1006, "network", false], [1011, "network", false],
  [1007, "refused", true], [1008, "refused", true], [1009, "refused", true],
  [1012, "draining", false], [1013, "overloaded", false],
  [4004, "gone", true], [4008, "slow", false], [4009, "taken_over", true], [4999, "network", false],
])) {
  test(`close code ${code} means ${reason}${isFinal ? ", for good" : ""}`, async () => {
    assert.deepEqual(meaningOfClose(code), { reason, isFinal });
    const bench = sessionBench();
    bench.letIn().close(code);
    assert.equal(bench.session.connection.reason, reason);
    assert.equal(bench.session.connection.status, isFinal ? "closed" : "waiting");
    await bench.clock.advance(60_000);
    assert.equal(bench.ends.length > 1, !isFinal);
    bench.session.close();
  });
}

test("what the server says before it refuses is told with the refusal", () => {
  const bench = sessionBench();
  bench.end().accept();
  bench.end().tell({ type: "notice", error: errorBody("SESSION_RESTART_LIMIT", { retryable: false }) });
  bench.end().close(1008);
  assert.equal(bench.session.connection.error?.code, "SESSION_RESTART_LIMIT");
});

test("an overloaded server's own time is kept to", () => {
  const bench = sessionBench();
  bench.end().accept();
  bench.end().tell({ type: "notice", error: errorBody("SYS_OVERLOADED", { retry_after: 20 }) });
  bench.end().close(1013);
  const { retryAt = 0, error } = bench.session.connection;
  assert.equal(retryAt - bench.clock.now(), 20_000);
  assert.equal(error?.code, "SYS_OVERLOADED");
  bench.session.close();
});

test("a notice of a connection that was open is no reason of its end", () => {
  const bench = sessionBench();
  const end = bench.letIn();
  end.tell({ type: "notice", error: errorBody("STT_FAILED", { retry_after: 60 }) });
  end.close(1006);
  const { error, retryAt = 0 } = bench.session.connection;
  assert.equal(error, undefined);
  assert.equal(retryAt - bench.clock.now(), 250);
  bench.session.close();
});

test("a server that knows less begins anew with us, once", async () => {
  const bench = sessionBench();
  const first = bench.letIn();
  first.tell(event(1));
  const ahead = { type: "notice", error: errorBody("SESSION_EVENT_AHEAD", { retryable: false }) };
  first.tell(ahead);
  first.close(1008);
  assert.equal(bench.session.state.lastSeq, 0);
  assert.equal(bench.session.state.replaying, true);
  const second = bench.end();
  assert.equal(second.lastEventId, "evt_00000");
  second.accept();
  second.tell(ahead);
  second.close(1008);
  assert.equal(bench.session.connection.status, "closed");
  assert.equal(bench.ends.length, 2);
});

test("a draining server is waited for as long as it asked, from the close on", async () => {
  const bench = sessionBench();
  const end = bench.letIn();
  end.tell({ type: "server.draining", reconnect_after_ms: 3_500 });
  assert.deepEqual(bench.session.connection, { status: "open", attempt: 0, reason: "draining" });
  await bench.clock.advance(8_000);
  end.tell(event(1));
  assert.equal(bench.session.state.lastSeq, 1, "what ends is told until the close");
  const closedAt = bench.clock.now();
  end.close(1012);
  assert.deepEqual(bench.session.connection, {
    status: "waiting", attempt: 1, reason: "draining", retryAt: closedAt + 3_500,
  });
  bench.network.wake();
  await bench.clock.advance(3_499);
  assert.equal(bench.ends.length, 1, "not even a wake-up comes before");
  await bench.clock.advance(1);
  assert.equal(bench.ends.length, 2);
  bench.end().close(1006);
  assert.ok((bench.session.connection.retryAt ?? 0) - bench.clock.now() <= 1_000, "then as ever");
  bench.session.close();
});

test("a server that was killed while it drained is given its time all the same", () => {
  const bench = sessionBench();
  bench.letIn().tell({ type: "server.draining", reconnect_after_ms: 9_000 });
  bench.end().close(1006);
  assert.equal((bench.session.connection.retryAt ?? 0) - bench.clock.now(), 9_000);
  bench.session.retryNow();
  assert.equal(bench.ends.length, 2, "but whoever asks for it by hand need not wait");
  bench.session.close();
});

test("silence is asked about, and who does not answer is gone", async () => {
  const bench = sessionBench();
  const end = bench.letIn();
  await bench.clock.advance(15_000);
  assert.deepEqual(end.received, [{ type: "ping" }]);
  end.tell({ type: "pong" });
  await bench.clock.advance(15_000);
  assert.equal(end.isLive, true);
  assert.equal(end.received.length, 2);
  await bench.clock.advance(10_000);
  assert.equal(end.isLive, false);
  assert.equal(bench.session.connection.reason, "network");
  bench.session.close();
});

test("whatever comes is a sign of life", async () => {
  const bench = sessionBench();
  const end = bench.letIn();
  await bench.clock.advance(15_000);
  end.tell(new ArrayBuffer(2));
  await bench.clock.advance(14_000);
  assert.equal(end.received.length, 1);
  assert.equal(end.isLive, true);
  bench.session.close();
});

test("a socket that does not open is given up", async () => {
  const bench = sessionBench();
  await bench.clock.advance(9_999);
  assert.equal(bench.session.connection.status, "connecting");
  await bench.clock.advance(1);
  assert.equal(bench.session.connection.status, "waiting");
  bench.session.close();
});

test("an answer that waits behind a page that was held up is not taken for missing", async () => {
  const bench = sessionBench();
  const end = bench.letIn();
  await bench.clock.advance(15_000);
  assert.equal(end.received.length, 1);
  bench.clock.stall(14_000);
  await bench.clock.advance(0);
  end.tell({ type: "pong" });
  assert.equal(end.isLive, true);
  assert.equal(bench.session.connection.status, "open");
  bench.session.close();
});

test("after sleep the connection is asked at once whether it lives", async () => {
  const bench = sessionBench();
  const end = bench.letIn();
  bench.clock.sleep(3_600_000);
  await bench.clock.advance(5_000);
  assert.deepEqual(end.received, [{ type: "ping" }]);
  await bench.clock.advance(4_000);
  assert.equal(end.isLive, false);
  bench.session.close();
});

test("after sleep nobody waits for the rest of a backoff", async () => {
  const bench = sessionBench({ random: () => 1 });
  for (let failures = 1; failures < 8; failures += 1) {
    bench.end().close(1006);
    if (failures < 7) await bench.clock.advance(30_000);
  }
  assert.equal((bench.session.connection.retryAt ?? 0) - bench.clock.now(), 30_000);
  const before = bench.ends.length;
  bench.clock.sleep(3_600_000);
  await bench.clock.advance(5_000);
  assert.equal(bench.ends.length, before + 1);
  bench.session.close();
});

test("offline says so, and online comes back at once", async () => {
  const bench = sessionBench({ random: () => 1 });
  const end = bench.letIn();
  bench.network.online = false;
  bench.network.wake();
  assert.deepEqual(end.received, [{ type: "ping" }], "a socket may live on: a server on this machine, say");
  await bench.clock.advance(4_000);
  assert.equal(bench.session.connection.status, "offline");
  await bench.clock.advance(20_000);
  assert.equal(bench.session.connection.status, "offline");
  bench.end().close(1006);
  bench.network.online = true;
  await bench.clock.advance(1_000);
  const before = bench.ends.length;
  bench.network.wake();
  assert.equal(bench.ends.length, before + 1);
  bench.end().close(1006);
  assert.equal((bench.session.connection.retryAt ?? 0) - bench.clock.now(), 500, "it counts anew");
  await bench.clock.advance(500);
  bench.letIn();
  assert.deepEqual(bench.session.connection, { status: "open", attempt: 0 });
  bench.session.close();
});

test("a network that keeps changing does not make a storm", async () => {
  const bench = sessionBench();
  bench.end().close(1006);
  for (let change = 0; change < 100; change += 1) {
    bench.network.wake();
    if (bench.end().isLive) bench.end().close(1006);
  }
  assert.ok(bench.ends.length <= 2, `${bench.ends.length} connections in no time`);
  bench.session.close();
});

test("a request tells why a socket did not open", async () => {
  const refusals = /** @type {const} */ ([
    [401, "AUTH_REQUIRED", "closed", "refused"],
    [403, "AUTH_ORIGIN", "closed", "refused"],
    [404, "SESSION_NOT_FOUND", "closed", "gone"],
    [410, "SESSION_GONE", "closed", "gone"],
    [429, "SYS_RATE_LIMIT", "waiting", "overloaded"],
    [503, "SYS_DRAINING", "waiting", "draining"],
    [500, "SYS_INTERNAL", "waiting", "network"],
  ]);
  for (const [status, code, expected, reason] of refusals) {
    const bench = sessionBench({ fetch: answering(status, { error: errorBody(code, { retry_after: 7 }) }) });
    bench.end().close(1006);
    await bench.clock.advance(0);
    assert.equal(bench.session.connection.status, expected, code);
    assert.equal(bench.session.connection.reason, reason, code);
    bench.session.close();
  }
});

test("of a socket that had opened nobody asks why it ended", async () => {
  let asked = 0;
  const bench = sessionBench({
    fetch: async () => {
      asked += 1;
      return new Response("{}");
    },
  });
  bench.letIn().close(1006);
  await bench.clock.advance(250);
  assert.equal(asked, 0);
  bench.end().close(1006);
  await bench.clock.advance(0);
  assert.equal(asked, 1);
  bench.session.close();
});

test("what a request tells too late is about another connection", async () => {
  /** @type {(answer: Response) => void} */
  let answer = () => {};
  const bench = sessionBench({
    fetch: () => new Promise((resolve) => {
      answer = resolve;
    }),
  });
  bench.end().close(1006);
  await bench.clock.advance(250);
  bench.letIn();
  answer(new Response(JSON.stringify({ error: errorBody("AUTH_REQUIRED") }), { status: 401 }));
  // What follows from the answer takes as many turns of the loop as its body has layers.
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(bench.session.connection.status, "open");
  bench.session.close();
});

test("a socket that fails without a close has failed", () => {
  const bench = sessionBench();
  bench.end().fail();
  assert.equal(bench.session.connection.status, "waiting");
  bench.session.close();
});

test("a token that was wrong can be given again", async () => {
  const error = errorBody("AUTH_REQUIRED", { retryable: false });
  const bench = sessionBench({ fetch: answering(401, { error }) });
  bench.end().close(1006);
  await bench.clock.advance(0);
  assert.equal(bench.session.connection.error?.code, "AUTH_REQUIRED");
  await bench.clock.advance(60_000);
  assert.equal(bench.ends.length, 1);
  assert.equal(bench.clock.timers(), 0, "whoever is refused keeps nothing busy");
  bench.client.token = "right";
  bench.session.retryNow();
  bench.letIn();
  assert.equal(bench.session.connection.status, "open");
  bench.session.close();
});

test("a closed session is closed", async () => {
  const bench = sessionBench();
  const end = bench.letIn();
  bench.session.close();
  assert.equal(end.isLive, false);
  assert.deepEqual(bench.session.connection, { status: "closed", attempt: 0 });
  bench.session.retryNow();
  bench.network.wake();
  await bench.clock.advance(60_000);
  assert.equal(bench.ends.length, 1);
  assert.equal(bench.clock.timers(), 0);
});

test("a listener that fails stops neither the log nor the other listeners", () => {
  const bench = sessionBench();
  bench.session.subscribe((_, { event: applied }) => {
    if (applied !== undefined) throw new Error(`a page's own defect at ${applied.seq}`);
  });
  /** @type {number[]} */
  const seen = [];
  bench.session.subscribe((_, { event: applied }) => applied !== undefined && seen.push(applied.seq));
  bench.end().accept();
  bench.end().tell(event(1));
  bench.end().tell(event(2));
  assert.deepEqual(seen, [1, 2]);
  assert.deepEqual(bench.reported.map(String), [
    "Error: a page's own defect at 1", "Error: a page's own defect at 2",
  ]);
  bench.session.close();
});
