// @ts-check
// The page from disk in front of a running server: what is changed in web/ is seen at the next reload.
//
//   node web/tests/dev_server.mjs [--listen 127.0.0.1:8081] [--upstream http://127.0.0.1:8080]
//
// `/`, `/web/…` and `/favicon.svg` are files, sent with the headers of src/http/edge.rs; everything else, sockets
// included, goes to the server.

import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import http from "node:http";
import net from "node:net";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const WEB_FOLDER = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const EDGE_FILE = path.resolve(WEB_FOLDER, "../src/http/edge.rs");
/** Nothing of these folders is embedded in the server. */
const NEVER_SERVED = new Set(["node_modules", "tests", "test", "package.json", "package-lock.json"]);

const MEDIA_TYPES = new Map([
  [".html", "text/html; charset=utf-8"],
  [".js", "text/javascript; charset=utf-8"],
  [".css", "text/css; charset=utf-8"],
  [".svg", "image/svg+xml"],
  [".json", "application/json"],
]);

/**
 * @typedef {object} DevServer
 * @property {string} url where the page is
 * @property {() => Promise<void>} close
 */

/**
 * Serves the page from disk and everything else from `upstream`.
 * @param {{ upstream: string, host?: string, port?: number }} options port 0 takes a free one
 * @returns {Promise<DevServer>}
 */
export async function startDevServer({ upstream, host = "127.0.0.1", port = 0 }) {
  const target = new URL(upstream);
  const policy = await contentSecurityPolicy();
  const server = http.createServer((request, response) => {
    const file = servedFile(new URL(request.url ?? "/", "http://localhost").pathname);
    if (file === null) forward(request, response, target);
    else send(response, file, policy);
  });
  server.on("upgrade", (request, socket, head) => tunnel(request, /** @type {net.Socket} */ (socket), head, target));
  await /** @type {Promise<void>} */ (
    new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, host, resolve);
    })
  );
  const address = /** @type {net.AddressInfo} */ (server.address());
  return {
    url: `http://${host}:${address.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The policy as the server sends it, so that the page is never tried under another one. */
async function contentSecurityPolicy() {
  const source = await readFile(EDGE_FILE, "utf8");
  const literal = /CONTENT_SECURITY_POLICY,\s*HeaderValue::from_static\(\s*"((?:[^"\\]|\\[\s\S])*)"/.exec(source);
  if (!literal?.[1]) throw new Error(`no Content-Security-Policy is found in ${EDGE_FILE}`);
  // A backslash at the end of a line swallows the line break and the indentation after it.
  return literal[1].replace(/\\\n\s*/g, "");
}

/**
 * The file behind a path, or null if the path is the server's.
 * @param {string} pathname
 */
function servedFile(pathname) {
  if (pathname === "/") return path.join(WEB_FOLDER, "index.html");
  if (pathname === "/favicon.svg") return path.join(WEB_FOLDER, "favicon.svg");
  if (!pathname.startsWith("/web/")) return null;
  const segments = decodeURIComponent(pathname).slice("/web/".length).split("/");
  if (segments.some((segment) => segment === ".." || NEVER_SERVED.has(segment))) return null;
  return path.join(WEB_FOLDER, ...segments);
}

/**
 * @param {http.ServerResponse} response
 * @param {string} file
 * @param {string} policy
 */
async function send(response, file, policy) {
  const found = await stat(file).catch(() => null);
  if (!found?.isFile()) {
    response.writeHead(404, { "Content-Type": "text/plain; charset=utf-8" }).end(`${file} is not there\n`);
    return;
  }
  response.writeHead(200, {
    "Content-Type": MEDIA_TYPES.get(path.extname(file)) ?? "application/octet-stream",
    "Content-Length": found.size,
    "Content-Security-Policy": policy,
    "Permissions-Policy": "microphone=(self), camera=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
  });
  createReadStream(file).pipe(response);
}

/**
 * @param {http.IncomingMessage} request
 * @param {http.ServerResponse} response
 * @param {URL} target
 */
function forward(request, response, target) {
  const { hostname, port } = target;
  // The host stays the page's own, which the server holds its origin against.
  const options = { hostname, port, path: request.url, method: request.method, headers: request.headers };
  const outgoing = http.request(options, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
    // What breaks off behind has to break off in front: a page may not take half an answer for a whole one.
    answer.on("error", () => response.destroy());
  });
  outgoing.on("error", () => {
    if (response.headersSent) response.destroy();
    else response.writeHead(502, { "Content-Type": "text/plain; charset=utf-8" }).end("the server does not answer\n");
  });
  response.on("close", () => outgoing.destroy());
  request.pipe(outgoing);
}

/**
 * @param {http.IncomingMessage} request
 * @param {net.Socket} socket
 * @param {Buffer} head
 * @param {URL} target
 */
function tunnel(request, socket, head, target) {
  const upstream = net.connect(Number(target.port), target.hostname, () => {
    const headers = pairs(request.rawHeaders).map(([name, value]) => `${name}: ${value}\r\n`);
    upstream.write(`${request.method} ${request.url} HTTP/1.1\r\n${headers.join("")}\r\n`);
    upstream.write(head);
    upstream.pipe(socket);
    socket.pipe(upstream);
  });
  upstream.setNoDelay(true);
  socket.setNoDelay(true);
  const end = () => {
    upstream.destroy();
    socket.destroy();
  };
  for (const side of [upstream, socket]) side.on("error", end).on("close", end);
}

/**
 * @param {string[]} flat names and values in turn
 * @returns {[string, string][]}
 */
function pairs(flat) {
  return flat.flatMap((name, index) => (index % 2 === 0 ? [/** @type {[string, string]} */ ([name, flat[index + 1] ?? ""])] : []));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      listen: { type: "string", default: "127.0.0.1:8081" },
      upstream: { type: "string", default: "http://127.0.0.1:8080" },
    },
  });
  const [host, port] = values.listen.split(":");
  const { url } = await startDevServer({ upstream: values.upstream, host, port: Number(port) });
  console.log(`${url} shows the page in ${WEB_FOLDER}, and asks ${values.upstream}`);
}
