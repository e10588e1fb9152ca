// @ts-check
// A world to play in: the simulator and the server, each a process of its own, over one temporary folder.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, rmSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const REPOSITORY = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
/** How long a process may take until it answers; a cold start of a debug build on a loaded machine takes seconds. */
const READY_TIMEOUT_MS = 60_000;
const READY_INTERVAL_MS = 25;
/** How long a process that was asked to end may take before it is killed. */
const END_TIMEOUT_MS = 40_000;
/** What a started program keeps of this one's environment; settings of the server are none of it. */
const INHERITED = ["PATH", "HOME", "LD_LIBRARY_PATH", "LLVM_PROFILE_FILE"];
/** Ears, a voice and checks, beside the language model. */
const SERVICES = {
  GREENROOM_STT__MODEL: "sim-transcribe",
  GREENROOM_STT__REALTIME: "on",
  GREENROOM_STT__REALTIME_MODEL: "sim-live-transcribe",
  GREENROOM_TTS__MODEL: "sim-tts",
  GREENROOM_MODERATION__MODEL: "sim-moderation",
};
/** A simulator that writes as fast as it can be read. */
const FAST = ["--first-token-ms", "5", "--tokens-per-second", "20000"];

/**
 * @typedef {object} WorldOptions
 * @property {boolean} [withModel]      whether the server is told of the simulator; without, it has no language model
 * @property {string[]} [simulator]     arguments of the simulator, in the place of those that make it fast
 * @property {Record<string, string>} [env]  more environment for the server
 *
 * @typedef {object} World
 * @property {number} port                              where the server listens, also after a restart
 * @property {string} url                               of the server itself
 * @property {() => Promise<void>} kill                 as `kill -9` does; ends when it is gone
 * @property {() => void} askToEnd                      SIGTERM: it drains, then ends
 * @property {() => Promise<void>} ended                ends when the server has
 * @property {() => Promise<void>} start                starts it again, on the same port and data
 * @property {(rules: object[]) => Promise<void>} fault replaces what goes wrong at the simulator (docs/simulator.md)
 * @property {() => Promise<string>} lastWords          the end of what the server complained of, for a report
 * @property {() => Promise<void>} close                ends everything and removes the folder
 */

/** @type {Set<import("node:child_process").ChildProcess>} */
const running = new Set();
/** @type {Set<string>} */
const folders = new Set();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});
// A runner that gives a file up sends these; without a handler nobody would be told of the exit.
for (const signal of /** @type {const} */ (["SIGTERM", "SIGINT", "SIGHUP"])) {
  process.on(signal, () => process.exit(1));
}

/**
 * Starts the simulator, then the server.
 * @param {WorldOptions} [options]
 * @returns {Promise<World>}
 */
export async function startWorld({ withModel = true, simulator = FAST, env = {} } = {}) {
  const folder = await temporaryFolder("greenroom-web-");
  const [simulatorPort = 0, port = 0] = await freePorts(2);
  const simulatorUrl = `http://127.0.0.1:${simulatorPort}`;
  const url = `http://127.0.0.1:${port}`;
  const config = path.join(folder, "greenroom.toml");
  await writeFile(config, "");

  const model = {
    GREENROOM_LLM__PROVIDER: "simulator",
    GREENROOM_LLM__BASE_URL: `${simulatorUrl}/v1`,
    GREENROOM_LLM__MODEL: "sim-large",
    GREENROOM_LLM__SMALL_MODEL: "sim-small",
    GREENROOM_LLM__API: "responses",
    ...SERVICES,
  };
  const provider = start({
    program: program("LOADTEST_BIN", "loadtest"),
    args: ["provider", "--listen", `127.0.0.1:${simulatorPort}`, ...simulator],
    folder,
    log: path.join(folder, "simulator.log"),
  });
  const serverLog = path.join(folder, "server.log");
  const startServer = () =>
    start({
      program: program("GREENROOM_BIN", "greenroom"),
      args: ["serve", "--listen", `127.0.0.1:${port}`, "--data-dir", path.join(folder, "data"), "--config", config],
      env: { ...(withModel ? model : {}), ...env },
      folder,
      log: serverLog,
    });
  let server = startServer();
  const lastWords = async () => {
    const lines = (await readFile(serverLog, "utf8")).split("\n");
    return lines.filter((line) => !line.includes('"level":"INFO"')).slice(-20).join("\n");
  };
  const close = async () => {
    await Promise.all([end(server, "SIGKILL"), end(provider, "SIGKILL")]);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await ready(provider, `${simulatorUrl}/_sim/health`);
    await ready(server, `${url}/ready`);
  } catch (error) {
    const words = await lastWords();
    await close();
    throw new Error(`the world did not start: ${words}`, { cause: error });
  }

  return {
    port,
    url,
    kill: () => end(server, "SIGKILL"),
    askToEnd: () => void server.kill("SIGTERM"),
    ended: () => end(server, null),
    start: async () => {
      server = startServer();
      await ready(server, `${url}/ready`);
    },
    fault: async (rules) => {
      const answer = await fetch(`${simulatorUrl}/_sim/faults`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(rules),
      });
      if (!answer.ok) throw new Error(`the simulator refuses the faults: ${await answer.text()}`);
    },
    lastWords,
    close,
  };
}

/**
 * A folder that is gone at the latest when this process is, however that ends.
 * @param {string} prefix
 */
export async function temporaryFolder(prefix) {
  const folder = await mkdtemp(path.join(os.tmpdir(), prefix));
  folders.add(folder);
  return folder;
}

/** Where cargo puts what it builds. */
export function targetFolder() {
  const inRepository = { cwd: REPOSITORY, encoding: /** @type {const} */ ("utf8"), maxBuffer: 64 << 20 };
  const metadata = execFileSync("cargo", ["metadata", "--no-deps", "--format-version", "1"], inRepository);
  return JSON.parse(metadata).target_directory;
}

/**
 * A program named by the environment, else as `cargo build` made it.
 * @param {string} variable
 * @param {string} name
 */
function program(variable, name) {
  const file = process.env[variable] ?? path.join(targetFolder(), "debug", name);
  if (!existsSync(file)) {
    throw new Error(`${file} is missing: cargo build -p greenroom -p greenroom-loadtest, or set ${variable}`);
  }
  return file;
}

/** @param {{ program: string, args: string[], folder: string, log: string, env?: Record<string, string> }} launch */
function start({ program, args, folder, log, env = {} }) {
  const inherited = INHERITED.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]));
  const output = openSync(log, "a");
  const child = spawn(program, args, {
    cwd: folder,
    env: { ...Object.fromEntries(inherited), ...env },
    stdio: ["ignore", output, output],
  });
  closeSync(output);
  running.add(child);
  child.once("exit", () => running.delete(child));
  return child;
}

/**
 * Waits until `url` is answered with success.
 * @param {import("node:child_process").ChildProcess} child
 * @param {string} url
 */
async function ready(child, url) {
  const deadlineMs = Date.now() + READY_TIMEOUT_MS;
  while (Date.now() < deadlineMs) {
    if (hasEnded(child)) throw new Error(`${child.spawnfile} ended with ${child.exitCode ?? child.signalCode}`);
    const answer = await fetch(url).catch(() => null);
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, READY_INTERVAL_MS));
  }
  throw new Error(`${url} did not answer within ${READY_TIMEOUT_MS} ms`);
}

/**
 * Waits until a process has ended, after a signal if there is one; one that does not end is killed.
 * @param {import("node:child_process").ChildProcess} child
 * @param {NodeJS.Signals | null} signal
 */
async function end(child, signal) {
  if (hasEnded(child)) return;
  const ended = once(child, "exit");
  if (signal) child.kill(signal);
  const impatience = setTimeout(() => child.kill("SIGKILL"), END_TIMEOUT_MS);
  await ended;
  clearTimeout(impatience);
}

/** @param {import("node:child_process").ChildProcess} child */
function hasEnded(child) {
  return child.exitCode !== null || child.signalCode !== null;
}

/**
 * Ports that were free a moment ago; held together, so that they differ.
 * @param {number} count
 * @returns {Promise<number[]>}
 */
async function freePorts(count) {
  const holders = await Promise.all(
    Array.from({ length: count }, async () => {
      const holder = net.createServer().listen(0, "127.0.0.1");
      await once(holder, "listening");
      return holder;
    }),
  );
  const ports = holders.map((holder) => /** @type {net.AddressInfo} */ (holder.address()).port);
  await Promise.all(holders.map((holder) => new Promise((resolve) => holder.close(resolve))));
  return ports;
}
