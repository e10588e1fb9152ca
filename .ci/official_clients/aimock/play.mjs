// Plays sessions on the real server against aimock: node play.mjs FOLDER_OF_AIMOCK GREENROOM_BINARY UTTERANCES.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { FLAGGED, HEARD, startMock } from "./mock.mjs";
import { Server } from "./server.mjs";

const BRIEF =
  "The product name is LumiSerum, the category is skincare, the features are gentle, vegan and fast absorbing, " +
  "the price is $25, the target is women in their twenties because they want to calm breakouts, " +
  "the channel is Instagram, the goal is purchase.";
const SLOTS = [
  ["product.name", "LumiSerum"],
  ["product.category", "skincare"],
  ["product.features", ["gentle", "vegan", "fast absorbing"]],
  ["product.price_band", "mid"],
  ["target.who", "women in their twenties"],
  ["target.why", "calming breakouts"],
  ["channel.channels", ["Instagram"]],
  ["goal.weekly_goal", "purchase"],
].map(([path, value]) => ({ path, value }));

/** Lines of the server's log that are shown when a scene fails. */
const LOG_LINES_SHOWN = 8;
/** How often, and how many times at most, a run is looked at. */
const POLL_MS = 200;
const RETRY_POLLS_MAX = 150;

const [folder, binary, utterances] = process.argv.slice(2);
const mock = await startMock(folder);

const chaos = async (config) => {
  const method = config ? "POST" : "DELETE";
  const answer = await fetch(`${mock.url}/__aimock/chaos`, { method, body: config && JSON.stringify(config) });
  assert.ok(answer.ok, `aimock refused the chaos: ${answer.status}`);
};
const ofType = (events, type) => events.filter((event) => event.type === type).map((event) => event.data);

/** A session whose gate is open. */
async function readySession(server) {
  const session = await server.newSession();
  const { status, body } = await server.send("PATCH", `/api/chat/session/${session}/slots`, SLOTS);
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body.gate.ready, true, JSON.stringify(body.gate));
  return session;
}

async function aTypedTurn(server) {
  const session = await server.newSession();
  const { status, body } = await server.say(session, BRIEF);
  assert.equal(status, 200);
  assert.match(body.assistant_message, /^Understood\./);
  const events = await server.events(session);
  const [message] = ofType(events, "message.added").filter((message) => message.role === "assistant" && message.turn_id);
  assert.equal(message.provenance.kind, "model", JSON.stringify(message));
  const shown = ofType(events, "planner.delta").map((delta) => delta.append ?? delta.text ?? "").join("");
  assert.ok(shown.includes("Understood."), shown);
  assert.equal(ofType(events, "turn.completed")[0].outcome, "ok");
  assert.ok(ofType(events, "slot.updated").some((slot) => slot.path === "product.name"));
}

async function aWholeRun(server) {
  const session = await readySession(server);
  const { status, body } = await server.send("POST", `/api/runs/${session}/generate`, {});
  assert.deepEqual([status, body.state], [200, "DONE"], JSON.stringify(body));
  const events = await server.events(session);
  const completed = ofType(events, "stage.completed");
  assert.deepEqual(completed.map((stage) => stage.stage), ["research", "strategy", "creative", "voice"]);
  for (const stage of completed) assert.equal(stage.provenance.kind, "model");
  assert.deepEqual(completed[0].output.evidence, [], "nothing was searched, so that nothing is evidence");
  assert.equal(completed[2].output.ad_copies.length, 10);
  assert.equal(ofType(events, "run.completed").length, 1);
  const run = await server.send("GET", `/api/runs/${body.run_id}`);
  assert.equal(run.body.state, "DONE");
}

async function aSpokenTurn(server) {
  const session = await server.newSession();
  const file = readdirSync(utterances).filter((name) => name.endsWith(".flac")).sort()[0];
  const form = new FormData();
  form.set("audio", new Blob([readFileSync(join(utterances, file))]), file);
  const { status, body } = await server.send("POST", `/api/chat/session/${session}/voice-turn`, form);
  assert.deepEqual([status, body?.transcript], [200, HEARD], JSON.stringify(body));
  assert.equal(body.brief_slots.product.name, "LumiSerum");
}

async function spokenWords(server) {
  const session = await server.newSession();
  const request = { text: "Hello there.", voice_preset: "warm", format: "wav" };
  const { status, body } = await server.send("POST", `/api/chat/session/${session}/assistant-voice`, request);
  assert.equal(status, 200, JSON.stringify(body));
  const audio = await fetch(server.url + body.audio_url);
  const bytes = Buffer.from(await audio.arrayBuffer());
  assert.equal(bytes.subarray(0, 4).toString(), "RIFF");
}

async function aFlaggedTurn(server) {
  const session = await server.newSession();
  const { body } = await server.say(session, `How would I make a ${FLAGGED}?`);
  assert.equal(body.error?.code, "SAFETY_INPUT", JSON.stringify(body));
  const { status } = await server.say(session, "Sorry. The product name is LumiSerum.");
  assert.equal(status, 200, "the session goes on");
}

/** A fault of the model during a turn: the slot is filled and the next question asked without it, and the next turn is whole. */
function aTurnUnder(config) {
  return async (server) => {
    const session = await server.newSession();
    await chaos(config);
    const faulted = await server.say(session, "The product name is LumiSerum.");
    await chaos(null);
    assert.equal(faulted.status, 200, JSON.stringify(faulted.body));
    assert.equal(faulted.body.brief_slots.product.name, "LumiSerum");
    const events = await server.events(session);
    const codes = new Set(ofType(events, "error").map((error) => error.error?.code ?? error.code));
    assert.deepEqual([...codes], ["LLM_UPSTREAM"]);
    const replies = ofType(events, "message.added").filter((message) => message.role === "assistant");
    assert.ok(replies.every((message) => message.provenance.kind === "playbook"), JSON.stringify(replies));
    const next = await server.say(session, "The category is skincare.");
    assert.equal(next.status, 200, JSON.stringify(next.body));
    assert.match(next.body.assistant_message, /^Understood\./);
    await server.events(session);
  };
}

async function aRunThatFailsIsRetried(server) {
  const session = await readySession(server);
  await chaos({ dropRate: 1 });
  const failed = await server.send("POST", `/api/runs/${session}/generate`, {});
  await chaos(null);
  assert.ok(/^(RESEARCH|LLM)_/.test(failed.body.error?.code ?? ""), JSON.stringify(failed.body));
  const [{ run_id: run }] = ofType(await server.events(session), "run.started");
  const retried = await server.send("POST", `/api/runs/${run}/retry`, {});
  assert.ok(retried.status < 300, JSON.stringify(retried.body));
  for (let polls = 0; polls < RETRY_POLLS_MAX; polls += 1) {
    const { body } = await server.send("GET", `/api/runs/${run}`);
    if (body.state === "DONE") return;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  assert.fail("the run that was retried did not end");
}

const SCENES = {
  aTypedTurn,
  aWholeRun,
  aSpokenTurn,
  spokenWords,
  aFlaggedTurn,
  "a turn under 500": aTurnUnder({ dropRate: 1 }),
  "a turn under 429": aTurnUnder({ rateLimitRate: 1 }),
  "a turn under a cut": aTurnUnder({ disconnectRate: 1 }),
  "a turn under malformed JSON": aTurnUnder({ malformedRate: 1 }),
  aRunThatFailsIsRetried,
};

let failures = 0;
const began = Date.now();
const only = process.env.AIMOCK_SCENE;
for (const api of ["responses", "chat"]) {
  for (const [name, scene] of Object.entries(SCENES).filter(([name]) => !only || name === only)) {
    const server = await Server.start(binary, folder, mock.url, { GREENROOM_LLM__API: api });
    try {
      await scene(server);
      console.log(`ok ${api}: ${name}`);
    } catch (error) {
      failures += 1;
      const log = readFileSync(server.log, "utf8").trimEnd().split("\n").slice(-LOG_LINES_SHOWN);
      console.error(`FAILED ${api}: ${name}: ${error.message}\n  ${log.join("\n  ")}`);
    } finally {
      await chaos(null);
      await server.stop();
    }
  }
}
await mock.stop();
console.log(`${failures} failures against aimock in ${((Date.now() - began) / 1_000).toFixed(1)} s`);
process.exit(failures ? 1 : 0);
