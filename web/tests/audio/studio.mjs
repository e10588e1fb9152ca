// @ts-check
// A studio for live voice in a browser: a page with a call, and in the place of a Greenroom server a bare
// socket whose every byte the test sends and reads.

import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import http from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { complaintsOf, launchBrowser } from "../browser.mjs";

const WEB_FOLDER = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/** As strict as the server's. */
const POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'";
const MEDIA_TYPES = new Map([[".html", "text/html; charset=utf-8"], [".js", "text/javascript; charset=utf-8"]]);
const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;

/**
 * @typedef {object} Studio
 * @property {import("playwright-core").Page} page
 * @property {string[]} complaints
 * @property {any[]} messages                  what the page sent as JSON, with `receivedMs`
 * @property {{ bytes: Buffer, receivedMs: number }[]} frames   what it sent as audio
 * @property {(signal: object) => void} tell
 * @property {(bytes: Uint8Array) => void} play
 * @property {() => void} hangUp               the socket breaks
 * @property {(matches: (message: any) => boolean, what: string) => Promise<any>} message  the first such
 *   message, once it is there
 * @property {(options: object) => Promise<any>} begin
 * @property {() => Promise<void>} close
 */

/**
 * @param {{ microphoneFile?: string, isAllowed?: boolean, chromium?: string[] }} [options]
 * @returns {Promise<Studio>}
 */
export async function openStudio({ microphoneFile, isAllowed = true, chromium = [] } = {}) {
  /** @type {any[]} */
  const messages = [];
  /** @type {Studio["frames"]} */
  const frames = [];
  /** @type {Set<() => void>} */
  const waiting = new Set();
  /** @type {import("node:stream").Duplex | null} */
  let socket = null;

  const server = http.createServer(serveFile);
  server.on("upgrade", (request, opened) => {
    socket = opened;
    opened.on("error", () => opened.destroy());
    const accept = createHash("sha1").update(`${request.headers["sec-websocket-key"]}${WEBSOCKET_GUID}`).digest("base64");
    opened.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
    readFrames(opened, (opcode, bytes) => {
      if (opcode === BINARY) frames.push({ bytes, receivedMs: performance.now() });
      if (opcode === CLOSE) opened.end();
      if (opcode !== TEXT) return;
      const message = JSON.parse(bytes.toString("utf8"));
      messages.push({ ...message, receivedMs: performance.now() });
      if (message.type === "audio.start" && message.id) tell({ type: "accepted", id: message.id, seq: 1, duplicate: false });
      for (const look of waiting) look();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());

  const browser = await launchBrowser({
    ...(microphoneFile ? { microphoneFile } : {}),
    arguments: ["--autoplay-policy=no-user-gesture-required", ...chromium],
  });
  const context = await browser.newContext({ permissions: isAllowed ? ["microphone"] : [] });
  const page = await context.newPage();
  const complaints = complaintsOf(page);
  await page.goto(`http://127.0.0.1:${port}/web/tests/audio/studio.html`);
  await page.waitForFunction(() => "studio" in window);

  /** @param {object} signal */
  function tell(signal) {
    socket?.write(frameOf(TEXT, Buffer.from(JSON.stringify(signal))));
  }

  /** @type {Studio["message"]} */
  function message(matches, what) {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = messages.find(matches);
        if (!found) return;
        waiting.delete(look);
        clearTimeout(impatience);
        resolve(found);
      };
      const impatience = setTimeout(() => {
        waiting.delete(look);
        reject(new Error(`never came: ${what}; what came: ${JSON.stringify(messages)}`));
      }, 30_000);
      waiting.add(look);
      look();
    });
  }

  return {
    page, complaints, messages, frames, tell, message,
    play: (bytes) => void socket?.write(frameOf(BINARY, Buffer.from(bytes))),
    hangUp: () => void socket?.destroy(),
    begin: (options) => page.evaluate((given) => Reflect.get(window, "studio").begin(given), options),
    close: async () => {
      await browser.close();
      server.closeAllConnections();
      socket?.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/**
 * @param {http.IncomingMessage} request
 * @param {http.ServerResponse} response
 */
async function serveFile(request, response) {
  const { pathname } = new URL(request.url ?? "/", "http://localhost");
  const file = path.join(WEB_FOLDER, path.normalize(pathname).replace(/^\/web\//, ""));
  const content = await readFile(file).catch(() => null);
  response.writeHead(content ? 200 : 404, {
    "Content-Type": MEDIA_TYPES.get(path.extname(file)) ?? "text/plain",
    "Content-Security-Policy": POLICY,
  });
  response.end(content);
}

/**
 * Takes the frames of a client off a socket: each is masked, and none of a browser's small ones comes in
 * pieces.
 * @param {import("node:stream").Duplex} socket
 * @param {(opcode: number, bytes: Buffer) => void} onFrame
 */
function readFrames(socket, onFrame) {
  let read = Buffer.alloc(0);
  socket.on("data", (more) => {
    read = Buffer.concat([read, more]);
    for (;;) {
      if (read.length < 2) return;
      const short = read.readUInt8(1) & 0x7f;
      const start = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (read.length < start) return;
      const length = short < 126 ? short : short === 126 ? read.readUInt16BE(2) : Number(read.readBigUInt64BE(2));
      if (read.length < start + 4 + length) return;
      const mask = read.subarray(start, start + 4);
      const bytes = Buffer.from(read.subarray(start + 4, start + 4 + length)).map((byte, index) => byte ^ (mask[index % 4] ?? 0));
      onFrame(read.readUInt8(0) & 0x0f, Buffer.from(bytes));
      read = read.subarray(start + 4 + length);
    }
  });
}

/**
 * @param {number} opcode
 * @param {Buffer} bytes
 */
function frameOf(opcode, bytes) {
  const header = Buffer.alloc(bytes.length < 126 ? 2 : 4);
  header[0] = 0x80 | opcode;
  if (bytes.length < 126) header[1] = bytes.length;
  else {
    header[1] = 126;
    header.writeUInt16BE(bytes.length, 2);
  }
  return Buffer.concat([header, bytes]);
}
