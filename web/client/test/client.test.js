import assert from "node:assert/strict";
import { test } from "node:test";

import { ApiError } from "../src/errors.js";
import { GreenroomClient } from "../src/index.js";

/**
 * A client whose requests a test answers.
 *
 * @param {(url: string, init: any) => Response | Promise<Response>} answer
 * @param {object} [options]
 */
function clientOf(answer, options = {}) {
  return new GreenroomClient({
    baseUrl: "https://greenroom.test/",
    ports: { fetch: async (input, init) => answer(String(input), init) },
    ...options,
  });
}

/**
 * @param {Promise<unknown>} promise
 * @returns {Promise<ApiError>}
 */
async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
  return assert.fail("it did not fail");
}

/** @param {object} body @param {ResponseInit} [init] */
function json(body, init) {
  return new Response(JSON.stringify(body), init);
}

test("each call is the request that the server has for it", async () => {
  /** @type {string[]} */
  const asked = [];
  const client = clientOf((url, { method, body }) => {
    asked.push([method, url.replace("https://greenroom.test", ""), body].filter(Boolean).join(" "));
    if (method === "DELETE") return new Response(null, { status: 204 });
    return json({ audio_url: "/static/assets/a.mp3" });
  });
  await client.createSession({ locale: "en" });
  await client.showSession("sess_1");
  await client.listSessions({ q: "a b&c", limit: 5, ...{ state: undefined } });
  await client.deleteSession("sess_1");
  await client.playbook("sess_1", { locale: "ko" });
  await client.exportRun("run_1");
  await client.fetchAsset("/api/chat/session/sess_1/assets/asset_1");
  const speech = await client.speak("sess_1", { text: "hi" });
  await client.health();
  assert.deepEqual(asked, [
    'POST /api/chat/session {"locale":"en"}',
    "GET /api/chat/session/sess_1",
    "GET /api/chat/sessions?q=a+b%26c&limit=5",
    "DELETE /api/chat/session/sess_1",
    "GET /api/chat/session/sess_1/playbook?locale=ko",
    "GET /api/runs/run_1/export",
    "GET /api/chat/session/sess_1/assets/asset_1",
    'POST /api/chat/session/sess_1/assistant-voice {"text":"hi"}',
    "GET /health/detailed",
  ]);
  assert.equal(speech.audio_url, "https://greenroom.test/static/assets/a.mp3");
});

test("a server below a path of its host is asked there for everything", async () => {
  /** @type {string[]} */
  const asked = [];
  const answer = (/** @type {string} */ url) => (asked.push(url), json({ audio_url: "/static/assets/a.mp3" }));
  const client = clientOf(answer, { baseUrl: "https://example.test/room/" });
  const { audio_url: address } = await client.speak("sess_1", { text: "hi" });
  assert.deepEqual(asked, ["https://example.test/room/api/chat/session/sess_1/assistant-voice"]);
  assert.equal(address, "https://example.test/room/static/assets/a.mp3");
});

test("who asks is in the headers, as of now", async () => {
  /** @type {any} */
  let headers;
  const client = clientOf((_, init) => {
    ({ headers } = init);
    return json({});
  }, { userKey: "me", locale: "ko" });
  await client.health();
  assert.deepEqual([headers["X-User-Key"], headers["Accept-Language"]], ["me", "ko"]);
  assert.equal(headers.Authorization, undefined);
  client.token = "secret";
  client.locale = "en";
  await client.health();
  assert.deepEqual([headers.Authorization, headers["Accept-Language"]], ["Bearer secret", "en"]);
});

test("the server's errors are thrown as it tells them", async () => {
  const error = {
    code: "SYS_RATE_LIMIT", message: "slow down", details: { limit: 1 }, retryable: true, retry_after: 9,
  };
  const client = clientOf(() => json({ error }, { status: 429, headers: { "x-request-id": "req_1" } }));
  const { code, message, details, retryable, retryAfter, status, requestId } = await failure(client.health());
  assert.deepEqual({ code, message, details, retryable, retryAfter, status, requestId }, {
    code: "SYS_RATE_LIMIT",
    message: "slow down",
    details: { limit: 1 },
    retryable: true,
    retryAfter: 9,
    status: 429,
    requestId: "req_1",
  });
});

test("a missing token is a 401 that can be told from all else", async () => {
  const body = { code: "AUTH_REQUIRED", message: "who?", details: null, retryable: false, retry_after: null };
  const error = await failure(clientOf(() => json({ error: body }, { status: 401 })).createSession());
  assert.deepEqual([error.status, error.code], [401, "AUTH_REQUIRED"]);
});

test("a token that no header can carry is told as that, and not as a broken network", async () => {
  const client = clientOf(() => assert.fail("nothing can be sent"), { token: "비밀" });
  const { code, retryable } = await failure(client.health());
  assert.deepEqual([code, retryable], ["CLIENT_CREDENTIALS", false]);
});

test("what is no answer of the server is told as that", async () => {
  for (const status of [404, 502]) {
    const error = await failure(clientOf(() => new Response("<h1>nginx</h1>", { status })).health());
    assert.deepEqual([error.code, error.status, error.retryable], ["CLIENT_ANSWER", status, status === 502]);
  }
  assert.equal((await failure(clientOf(() => new Response("<h1>")).health())).code, "CLIENT_ANSWER");
  const unreachable = await failure(clientOf(() => Promise.reject(new TypeError("fetch failed"))).health());
  assert.deepEqual([unreachable.code, unreachable.retryable], ["CLIENT_NETWORK", true]);
});

test("whoever asked may stop waiting, and gets their own reason", async () => {
  const client = clientOf((_, { signal }) => new Promise((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  }));
  const controller = new AbortController();
  const waiting = client.health({ signal: controller.signal });
  const reason = new Error("changed my mind");
  controller.abort(reason);
  await assert.rejects(waiting, reason);
  await assert.rejects(client.health({ signal: controller.signal }), reason);
});

test("an export has the name that the server gives it", async () => {
  for (const [disposition, fileName] of /** @type {const} */ ([
    [`attachment; filename="greenroom.zip"; filename*=UTF-8''${encodeURIComponent("루미세럼.zip")}`, "루미세럼.zip"],
    ['attachment; filename="plain name.zip"', "plain name.zip"],
    ["attachment; filename=bare.zip", "bare.zip"],
    ["attachment; filename=\"a.zip\"; filename*=UTF-8''%E0%A4%A", "a.zip"],
    ["attachment", "run_1.zip"],
  ])) {
    const client = clientOf(() => new Response("zip", { headers: { "content-disposition": disposition } }));
    const exported = await client.exportRun("run_1");
    assert.equal(exported.fileName, fileName);
    assert.equal(await exported.blob.text(), "zip");
  }
});

test("credentials that no socket can carry close the session instead of trying for ever", () => {
  class Refusing {
    constructor() {
      throw new DOMException("invalid subprotocol", "SyntaxError");
    }
  }
  const WebSocket = /** @type {any} */ (Refusing);
  const session = clientOf(() => json({}), { userKey: "한", ports: { WebSocket } }).openSession("sess_1");
  assert.equal(session.connection.status, "closed");
  assert.equal(session.connection.error?.code, "CLIENT_CREDENTIALS");
  session.close();
});

test("an answer that breaks off, or whose reader gives up, is told like one that never came", async () => {
  const broken = () => new Response(new ReadableStream({
    start(stream) {
      stream.enqueue(new TextEncoder().encode('{"half":'));
      stream.error(new TypeError("network error"));
    },
  }));
  assert.equal((await failure(clientOf(broken).health())).code, "CLIENT_NETWORK");
  assert.equal((await failure(clientOf(broken).exportRun("run_1"))).code, "CLIENT_NETWORK");

  const controller = new AbortController();
  const stalled = clientOf((_, { signal }) => new Response(new ReadableStream({
    start(stream) {
      signal.addEventListener("abort", () => stream.error(signal.reason));
    },
  })));
  const reading = stalled.fetchAsset("/api/chat/session/sess_1/assets/asset_1", { signal: controller.signal });
  await new Promise((resolve) => setImmediate(resolve));
  const reason = new Error("changed my mind");
  controller.abort(reason);
  await assert.rejects(reading, reason);
});
