// The real server as a process of its own, and a client of its REST interface.

import { spawn } from "node:child_process";
import { mkdtempSync, openSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";

const START_TIMEOUT_MS = 20_000;

async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => probe.once("listening", resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

export class Server {
  /** Starts a server of its own data whose providers are all at `providerUrl`; `settings` are more of its environment. */
  static async start(binary, scratch, providerUrl, settings) {
    const folder = mkdtempSync(join(scratch, "server-"));
    const port = await freePort();
    const log = openSync(join(folder, "server.log"), "w");
    const env = {
      PATH: process.env.PATH,
      OPENAI_API_KEY: "aimock-key",
      OPENAI_BASE_URL: `${providerUrl}/v1`,
      GREENROOM_STT__MODEL: "gpt-4o-mini-transcribe",
      GREENROOM_TTS__MODEL: "gpt-4o-mini-tts",
      GREENROOM_MODERATION__MODEL: "omni-moderation-latest",
      ...settings,
    };
    const args = ["serve", "--listen", `127.0.0.1:${port}`, "--data-dir", join(folder, "data")];
    const child = spawn(binary, args, { cwd: folder, env, stdio: ["ignore", log, log] });
    const server = new Server(child, `http://127.0.0.1:${port}`, join(folder, "server.log"));
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (!(await server.isReady())) {
      if (child.exitCode !== null || Date.now() > deadline) throw new Error(`the server did not start, see ${server.log}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return server;
  }

  constructor(child, url, log) {
    Object.assign(this, { child, url, log });
  }

  async isReady() {
    return fetch(`${this.url}/ready`).then((answer) => answer.ok, () => false);
  }

  async stop() {
    const ended = new Promise((resolve) => this.child.once("exit", resolve));
    this.child.kill("SIGKILL");
    await ended;
  }

  async send(method, path, body) {
    const isForm = body instanceof FormData;
    const headers = { accept: "application/json", ...(body && !isForm ? { "content-type": "application/json" } : {}) };
    const answer = await fetch(this.url + path, { method, headers, body: isForm || !body ? body : JSON.stringify(body) });
    const text = await answer.text();
    return { status: answer.status, body: text ? JSON.parse(text) : null };
  }

  async newSession() {
    const { status, body } = await this.send("POST", "/api/chat/session", { locale: "en" });
    if (status !== 200) throw new Error(`no session: ${status} ${JSON.stringify(body)}`);
    return body.session_id;
  }

  say(session, message) {
    return this.send("POST", `/api/chat/session/${session}/message`, { message });
  }

  /** The whole log of a session, whose numbers must have no gap. */
  async events(session) {
    const { body } = await this.send("GET", `/api/chat/session/${session}/events?after=0&limit=1000`);
    body.events.forEach((event, index) => {
      if (event.seq !== index + 1) throw new Error(`event ${index + 1} has the number ${event.seq}`);
    });
    return body.events;
  }
}
