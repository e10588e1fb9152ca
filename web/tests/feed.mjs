// @ts-check
// A socket that tells a session's log again, at a pace: for measuring what the page does meanwhile.

import { createHash } from "node:crypto";
import http from "node:http";
import net from "node:net";
import { once } from "node:events";

const WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const TEXT = 0x81;

/**
 * @typedef {object} Feed
 * @property {string} url
 * @property {() => Promise<void>} told   ends when every event was sent
 * @property {() => Promise<void>} close
 */

/**
 * Serves the sockets of a session from its log; everything else is asked of `target`.
 * @param {object} options
 * @param {string} options.target
 * @param {object[]} options.events
 * @param {number} options.eventsPerSecond
 * @param {Promise<void>} [options.begins]   what is told after the first event waits for it
 * @returns {Promise<Feed>}
 */
export async function openFeed({ target, events, eventsPerSecond, begins = Promise.resolve() }) {
  const { hostname, port: targetPort } = new URL(target);
  /** @type {() => void} */
  let allTold = () => {};
  const told = new Promise((resolve) => (allTold = () => resolve(undefined)));
  const server = http.createServer((request, response) => {
    const options = { hostname, port: targetPort, path: request.url, method: request.method, headers: request.headers };
    const outgoing = http.request(options, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    outgoing.on("error", () => response.destroy());
    request.pipe(outgoing);
  });
  server.on("upgrade", (request, socket) => {
    socket.on("error", () => socket.destroy());
    const accept = createHash("sha1").update(`${request.headers["sec-websocket-key"]}${WEBSOCKET_GUID}`).digest("base64");
    socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
        `Sec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: greenroom.v1\r\n\r\n`,
    );
    const send = (/** @type {object} */ message) => socket.write(textFrame(JSON.stringify(message)));
    // Everything after the first event is told as it happens, not as what was missed.
    const [first, ...rest] = events;
    if (first) send(first);
    send({ type: "replay.done", seq: 1 });
    void begins.then(() => {
      const startedMs = Date.now();
      let sent = 0;
      const pace = setInterval(() => {
        const due = Math.min(rest.length, Math.floor(((Date.now() - startedMs) * eventsPerSecond) / 1000));
        for (; sent < due; sent += 1) send(rest[sent] ?? {});
        if (sent < rest.length) return;
        clearInterval(pace);
        allTold();
      }, 1000 / eventsPerSecond);
      socket.on("close", () => clearInterval(pace));
    });
    // Whatever the page sends is a ping: it is shown a session that nobody takes part in.
    socket.on("data", () => send({ type: "pong" }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {net.AddressInfo} */ (server.address());
  return {
    url: `http://127.0.0.1:${port}`,
    told: async () => void (await told),
    close: async () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** @param {string} text */
function textFrame(text) {
  const payload = Buffer.from(text);
  const length =
    payload.length < 126
      ? Buffer.from([TEXT, payload.length])
      : payload.length < 65_536
        ? Buffer.from([TEXT, 126, payload.length >> 8, payload.length & 0xff])
        : Buffer.concat([Buffer.from([TEXT, 127, 0, 0, 0, 0]), uint32(payload.length)]);
  return Buffer.concat([length, payload]);
}

/** @param {number} value */
function uint32(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
