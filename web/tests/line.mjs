// @ts-check
// The line between a browser and the server, which can be cut: what is open breaks, and nothing new gets through.

import { once } from "node:events";
import net from "node:net";

/**
 * @typedef {object} Line
 * @property {string} url                where the browser goes
 * @property {() => void} cut
 * @property {() => void} mend
 * @property {() => Promise<void>} close
 */

/**
 * @param {number} targetPort on loopback
 * @returns {Promise<Line>}
 */
export async function openLine(targetPort) {
  /** @type {Set<net.Socket>} */
  const open = new Set();
  let isCut = false;
  const server = net.createServer((near) => {
    if (isCut) {
      near.destroy();
      return;
    }
    const far = net.connect(targetPort, "127.0.0.1");
    const hangUp = () => {
      near.destroy();
      far.destroy();
    };
    for (const side of [near, far]) {
      open.add(side);
      side.setNoDelay(true);
      side.on("error", hangUp);
      side.on("close", () => {
        open.delete(side);
        hangUp();
      });
    }
    near.pipe(far);
    far.pipe(near);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {net.AddressInfo} */ (server.address());
  const hangUpAll = () => {
    for (const socket of open) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${port}`,
    cut: () => {
      isCut = true;
      hangUpAll();
    },
    mend: () => {
      isCut = false;
    },
    close: async () => {
      hangUpAll();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
