// What is filled in becomes the request that the reference describes.

import assert from "node:assert/strict";
import { test } from "node:test";

import { missingOf, requestOf } from "../operation.js";

/** @type {import("../operation.js").Operation} */
const EVENTS = {
  id: "events_events",
  method: "GET",
  path: "/api/chat/session/{session_id}/events",
  parameters: [
    { name: "session_id", in: "path", required: true, example: null, values: [] },
    { name: "Last-Event-ID", in: "header", required: false, example: null, values: [] },
    { name: "after", in: "query", required: false, example: null, values: [] },
  ],
  body: null,
  answers: ["application/json", "text/event-stream"],
};

/** @param {Partial<import("../operation.js").Filled>} filled */
function filledWith(filled) {
  return { parameters: {}, body: "", fields: {}, accept: "", ...filled };
}

test("parameters go where they belong, and what is empty is left out", () => {
  const filled = filledWith({
    parameters: { session_id: "sess_1/..", "Last-Event-ID": "evt_00001", after: " " },
    accept: "text/event-stream",
  });
  assert.deepEqual(requestOf(EVENTS, filled, { "X-User-Key": "me" }), {
    path: "/api/chat/session/sess_1%2F../events",
    init: {
      method: "GET",
      headers: { "X-User-Key": "me", Accept: "text/event-stream", "Last-Event-ID": "evt_00001" },
    },
  });
  const withQuery = requestOf(EVENTS, filledWith({ parameters: { session_id: "s", after: "1&2" } }), {});
  assert.equal(withQuery.path, "/api/chat/session/s/events?after=1%262");
  assert.deepEqual(missingOf(EVENTS, filledWith({})), ["session_id"]);
});

test("a body is sent as it was typed, and not at all when it is blank", () => {
  const operation = {
    ...EVENTS,
    method: "POST",
    body: { media_type: "application/json", example: {}, fields: null },
  };
  const { init } = requestOf(operation, filledWith({ body: "{ broken" }), {});
  assert.deepEqual([init.body, init.headers["Content-Type"]], ["{ broken", "application/json"]);
  assert.ok(!("body" in requestOf(operation, filledWith({ body: "  " }), {}).init));
});

test("a form carries its files, and leaves its media type to the browser", () => {
  const fields = ["audio", "locale"].map((name) => ({
    name,
    file: name === "audio",
    required: name === "audio",
    values: [],
  }));
  const operation = {
    ...EVENTS,
    method: "POST",
    body: { media_type: "multipart/form-data", example: null, fields },
  };
  const audio = new File(["RIFF"], "words.wav");
  const filled = filledWith({ parameters: { session_id: "s" }, fields: { audio, locale: "" } });
  const { body, headers } = requestOf(operation, filled, {}).init;
  assert.ok(body instanceof FormData && body.get("audio") instanceof File && !body.has("locale"));
  assert.deepEqual(headers, {});
  assert.deepEqual(missingOf(operation, filledWith({ parameters: { session_id: "s" } })), ["audio"]);
});
