// One socket, from its upgrade to its end: whether it has opened, when it was last heard, and that it is over
// once it is silent for too long.

/** What browsers say of a connection that broke without a word. */
const BROKEN = 1006;
/** Until a socket has opened. */
const OPEN_WITHIN_MS = 10_000;
/** A timer that fires later than this was held up, and what came meanwhile is still to be read. */
const TIMER_LATE_MS = 1_000;

/**
 * @typedef {object} LineOptions
 * @property {typeof globalThis.WebSocket} WebSocket
 * @property {import("./clock.js").Clock} clock
 * @property {{ url: string, protocols: string[] }} address
 * @property {(data: unknown) => void} onFrame
 * @property {(code: number) => void} onEnd once, and nothing after it: the close code
 */

/**
 * @typedef {object} Line
 * @property {number | null} openedAt when the upgrade succeeded
 * @property {number} silentMs for how long nothing came
 * @property {number} bufferedBytes
 * @property {(data: string | ArrayBuffer | ArrayBufferView<ArrayBuffer>) => void} send
 * @property {(answerWithinMs: number) => void} ping asks for a sign of life, unless one is waited for already
 * @property {() => void} drop nothing is heard of it any more
 */

/**
 * @param {LineOptions} options
 * @returns {Line} throws what the browser throws at an address or a subprotocol that cannot be
 */
export function openLine({ WebSocket, clock, address, onFrame, onEnd }) {
  const socket = new WebSocket(address.url, address.protocols);
  socket.binaryType = "arraybuffer";
  /** @type {number | null} */
  let openedAt = null;
  let heardAt = clock.now();
  /** @type {unknown} */
  let deadline = null;

  function heard() {
    heardAt = clock.now();
    clock.clearTimer(deadline);
    deadline = null;
  }

  /** @param {number} withinMs */
  function expectSignOfLife(withinMs) {
    const dueAt = clock.now() + withinMs;
    deadline = clock.setTimer(() => {
      if (clock.now() - dueAt > TIMER_LATE_MS) expectSignOfLife(withinMs);
      else end(BROKEN);
    }, withinMs);
  }

  /** @param {number} code */
  function end(code) {
    drop();
    onEnd(code);
  }

  function drop() {
    clock.clearTimer(deadline);
    socket.onopen = null;
    socket.onmessage = null;
    socket.onerror = null;
    socket.onclose = null;
    socket.close();
  }

  socket.onopen = () => {
    openedAt = clock.now();
    heard();
  };
  socket.onmessage = ({ data }) => {
    heard();
    onFrame(data);
  };
  // In a browser, a close follows; elsewhere, a socket that could not be opened may leave it at this.
  socket.onerror = () => {
    if (openedAt === null) end(BROKEN);
  };
  socket.onclose = ({ code }) => end(code);
  expectSignOfLife(OPEN_WITHIN_MS);

  return {
    get openedAt() {
      return openedAt;
    },
    get silentMs() {
      return clock.now() - heardAt;
    },
    get bufferedBytes() {
      return socket.bufferedAmount;
    },
    send: (data) => socket.send(data),
    ping(answerWithinMs) {
      if (deadline !== null) return;
      socket.send(JSON.stringify({ type: "ping" }));
      expectSignOfLife(answerWithinMs);
    },
    drop,
  };
}
