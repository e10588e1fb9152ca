// A session on a bench: its clock, its chance, its network and the server's ends of its sockets are the
// test's.

import { GreenroomClient } from "../../src/client.js";
import { createFakeClock } from "./fake_clock.js";
import { fakeWebSocket } from "./fake_socket.js";

/** @typedef {import("./fake_socket.js").ServerEnd} ServerEnd */

/**
 * @param {object} [options]
 * @param {(end: ServerEnd) => void} [options.onConnect] else a test looks at `ends` and acts by itself
 * @param {typeof globalThis.fetch} [options.fetch]
 * @param {() => number} [options.random]
 */
export function sessionBench({ onConnect = () => {}, fetch = unreachable, random = () => 0.5 } = {}) {
  const clock = createFakeClock();
  /** @type {ServerEnd[]} */
  const ends = [];
  const network = { online: true, wake: () => {} };
  let ids = 0;
  /** @type {unknown[]} */
  const reported = [];
  const client = new GreenroomClient({
    baseUrl: "https://greenroom.test/",
    userKey: "somebody",
    ports: {
      fetch,
      clock,
      random,
      reportError: (error) => void reported.push(error),
      newId: () => `id-${(ids += 1)}`,
      WebSocket: fakeWebSocket((end) => {
        ends.push(end);
        onConnect(end);
      }),
      network: {
        isOnline: () => network.online,
        onWake(listener) {
          network.wake = listener;
          return () => {
            network.wake = () => {};
          };
        },
      },
    },
  });
  const session = client.openSession("sess_1");
  /** @type {import("../../src/session.js").SessionChange[]} */
  const changes = [];
  session.subscribe((_, change) => changes.push(change));

  return {
    client,
    clock,
    session,
    network,
    ends,
    changes,
    reported,
    /** The server's end of the socket of now. */
    end: () => ends.at(-1) ?? failed(),
    /** The server lets the client in, and there is nothing to replay. */
    letIn() {
      const end = ends.at(-1) ?? failed();
      end.accept();
      end.tell({ type: "replay.done", seq: session.state.lastSeq });
      return end;
    },
  };
}

/** @returns {never} */
function failed() {
  throw new Error("nobody connected");
}

/** @returns {Promise<never>} */
async function unreachable() {
  throw new TypeError("fetch failed");
}
