// The types of the package as somebody else's project meets them: emitted, and compiled with everything that
// a strict project asks for.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const CLIENT = fileURLToPath(new URL("..", import.meta.url));
const TYPESCRIPT = path.dirname(createRequire(import.meta.url).resolve("typescript/package.json"));

const PAGE = `
import { GreenroomClient, MicrophoneError, emptyState, fold } from "@greenroom/client";
import type { Call, CallState, SessionState } from "@greenroom/client";
import type { Event, Signal } from "@greenroom/client/protocol";

const client = new GreenroomClient({ baseUrl: "https://greenroom.test", userKey: "somebody" });
const session = client.openSession((await client.createSession({ locale: "en" })).session_id);
session.subscribe((state: SessionState, { event, signal }) => {
  const told: Signal | undefined = signal;
  const texts: string[] = state.timeline.flatMap((item) => (item.kind === "message" ? [item.text] : []));
  if (event?.type === "turn.completed") console.log(event.data.latency, texts, told?.type);
});
const call: Call = await session.startCall({ mode: "hands_free" });
call.subscribe(({ status }: CallState) => console.log(status));
export const replayed = (events: Event[]) => events.reduce(fold, emptyState("sess_1"));
export const isDenied = (error: unknown) => error instanceof MicrophoneError && error.kind === "denied";
// @ts-expect-error a turn is a text
await session.send(3);
`;

/** @param {string[]} given */
function tsc(...given) {
  const { stdout, status } = spawnSync(process.execPath, [path.join(TYPESCRIPT, "bin/tsc"), ...given], {
    encoding: "utf8",
  });
  assert.equal(stdout, "");
  assert.equal(status, 0);
}

test("the package's types stand on their own", async () => {
  const project = await mkdtemp(path.join(os.tmpdir(), "greenroom-types-"));
  try {
    const installed = path.join(project, "node_modules/@greenroom/client");
    await mkdir(installed, { recursive: true });
    for (const each of ["package.json", "src"]) {
      await cp(path.join(CLIENT, each), path.join(installed, each), { recursive: true });
    }
    tsc("-p", path.join(CLIENT, "tsconfig.build.json"), "--outDir", path.join(installed, "types"));
    await cp(path.join(CLIENT, "src/protocol.d.ts"), path.join(installed, "types/protocol.d.ts"));
    const compilerOptions = {
      strict: true, noEmit: true, skipLibCheck: false, exactOptionalPropertyTypes: true,
      target: "es2022", lib: ["es2022", "dom", "dom.iterable"], types: [],
      module: "nodenext", moduleResolution: "nodenext",
    };
    const configuration = JSON.stringify({ compilerOptions, files: ["page.ts"] });
    await writeFile(path.join(project, "tsconfig.json"), configuration);
    await writeFile(path.join(project, "package.json"), '{ "type": "module" }');
    await writeFile(path.join(project, "page.ts"), PAGE);
    tsc("-p", project);
  } finally {
    await rm(project, { recursive: true, force: true });
  }
});
