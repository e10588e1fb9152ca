// Events come out of a stream whole, however the network cuts it.

import assert from "node:assert/strict";
import { test } from "node:test";

import fc from "fast-check";

import { createEventStreamParser } from "../event_stream.js";

test("events, comments, and data of several lines", () => {
  const parse = createEventStreamParser();
  assert.deepEqual(parse(": hello\nretry: 500\nevent: pong\nid: evt_00001\ndata: {\ndata: }\n\n"), [
    { type: "pong", id: "evt_00001", data: "{\n}" },
  ]);
  assert.deepEqual(parse("data:bare\n\nevent: nothing\n\n"), [
    { type: "message", id: "evt_00001", data: "bare" },
  ]);
});

test("where a stream is cut, and how its lines end, makes no difference", () => {
  const line = fc.string({ unit: fc.constantFrom("a", "가", ":", " ", "{") });
  const event = fc.record({
    type: fc.constantFrom("one", "two"),
    data: fc.array(line, { minLength: 1, maxLength: 3 }),
  });
  const end = fc.constantFrom("\n", "\r\n", "\r");
  fc.assert(
    fc.property(fc.array(event), end, fc.array(fc.nat()), (events, lineEnd, cuts) => {
      const lines = events.flatMap(({ type, data }) => [
        `event: ${type}`,
        ...data.map((each) => `data: ${each}`),
        "",
      ]);
      // A comment after the last event: an end of line that may be half of another one waits for what follows.
      const whole = [...lines, ": end", ""].join(lineEnd);
      const places = [
        0,
        ...cuts.map((cut) => cut % (whole.length + 1)).sort((one, next) => one - next),
        whole.length,
      ];
      const parse = createEventStreamParser();
      const parsed = places.flatMap((place, index) =>
        parse(whole.slice(place, places[index + 1] ?? whole.length)),
      );
      assert.deepEqual(
        parsed.map(({ type, data }) => ({ type, data })),
        events.map(({ type, data }) => ({ type, data: data.join("\n") })),
      );
    }),
  );
});
