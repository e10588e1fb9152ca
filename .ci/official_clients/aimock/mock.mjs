// aimock with what a launch session needs: a planner, four stages, ears, a voice, and a moderator.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

/** What the mock hears in every recording. */
export const HEARD = "The product is called LumiSerum.";
/** What its moderator flags. */
export const FLAGGED = "pipe bomb";

const document = (name) => readFileSync(new URL(`documents/${name}.json`, import.meta.url), "utf8");

/** How each prompt of the launch playbook begins. */
const STAGES = {
  "You are the researcher": document("research"),
  "You are the strategist": document("strategy"),
  "You are the creative": document("creative"),
  "You are the voice director": document("voice"),
};
const PLANNER = "You are the host";
const ANSWER = { answer: "Understood.", slot_updates: [], ask: null, question: "", intent: "none" };

/** Starts it; `folder` is where the package is installed. */
export async function startMock(folder) {
  const { LLMock } = createRequire(`${folder}/`)("@copilotkit/aimock");
  const mock = new LLMock({ port: 0, logLevel: "silent" });
  const writes = (beginning, content) =>
    mock.addFixture({ match: { predicate: (request) => instructions(request).startsWith(beginning) }, response: { content } });
  for (const [beginning, content] of Object.entries(STAGES)) writes(beginning, content);
  writes(PLANNER, JSON.stringify(ANSWER));
  mock.onTranscription({ transcription: { text: HEARD, language: "english", duration: 2.5 } });
  mock.onSpeech(/./, { audio: tone().toString("base64"), format: "wav" });
  mock.onModerate(new RegExp(FLAGGED), { flagged: true, categories: { "illicit/violent": true } });
  await mock.start();
  return mock;
}

function instructions(request) {
  const system = request.messages?.find((message) => message.role === "system");
  return typeof system?.content === "string" ? system.content : "";
}

/** Half a second of a tone as WAV, 24 kHz mono. */
function tone() {
  const [rate, samples] = [24_000, 12_000];
  const wav = Buffer.alloc(44 + samples * 2);
  wav.write("RIFF", 0);
  wav.writeUInt32LE(36 + samples * 2, 4);
  wav.write("WAVEfmt ", 8);
  wav.writeUInt32LE(16, 16);
  wav.writeUInt16LE(1, 20);
  wav.writeUInt16LE(1, 22);
  wav.writeUInt32LE(rate, 24);
  wav.writeUInt32LE(rate * 2, 28);
  wav.writeUInt16LE(2, 32);
  wav.writeUInt16LE(16, 34);
  wav.write("data", 36);
  wav.writeUInt32LE(samples * 2, 40);
  for (let at = 0; at < samples; at += 1) {
    wav.writeInt16LE(Math.round(8_000 * Math.sin((at * 440 * 2 * Math.PI) / rate)), 44 + at * 2);
  }
  return wav;
}
