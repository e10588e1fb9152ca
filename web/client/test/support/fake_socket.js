// Sockets without a network: a test is the server at their other end.

/**
 * @typedef {object} ServerEnd
 * @property {string} url
 * @property {string[]} protocols
 * @property {string | null} lastEventId what the client wants to resume after
 * @property {Array<any>} received frames of the client, parsed; binary ones as they came
 * @property {boolean} isLive neither end has closed it
 * @property {() => void} accept
 * @property {(frame: object | string | ArrayBuffer) => void} tell
 * @property {(code: number) => void} close
 * @property {() => void} fail as some runtimes do it: without a close
 * @property {((frame: any) => void) | null} onFrame
 */

/**
 * A `WebSocket` whose other ends arrive at `onConnect`.
 *
 * @param {(end: ServerEnd) => void} onConnect
 * @returns {typeof globalThis.WebSocket}
 */
export function fakeWebSocket(onConnect) {
  class FakeWebSocket {
    /**
     * @param {string} url
     * @param {string[]} protocols
     */
    constructor(url, protocols) {
      this.binaryType = "blob";
      this.bufferedAmount = 0;
      this.readyState = 0;
      /** @type {((event: any) => void) | null} */
      this.onopen = null;
      /** @type {((event: any) => void) | null} */
      this.onmessage = null;
      /** @type {((event: any) => void) | null} */
      this.onerror = null;
      /** @type {((event: any) => void) | null} */
      this.onclose = null;
      /** @type {ServerEnd} */
      this.end = {
        url,
        protocols,
        lastEventId: new URL(url).searchParams.get("last_event_id"),
        received: [],
        isLive: true,
        onFrame: null,
        accept: () => {
          if (!this.end.isLive) return;
          this.readyState = 1;
          this.onopen?.({});
        },
        tell: (frame) => {
          if (!this.end.isLive) return;
          const isRaw = typeof frame === "string" || frame instanceof ArrayBuffer;
          this.onmessage?.({ data: isRaw ? frame : JSON.stringify(frame) });
        },
        close: (code) => {
          if (!this.end.isLive) return;
          this.end.isLive = false;
          this.readyState = 3;
          this.onclose?.({ code });
        },
        fail: () => {
          this.end.isLive = false;
          this.readyState = 3;
          this.onerror?.({});
        },
      };
      onConnect(this.end);
    }

    /** @param {unknown} data */
    send(data) {
      if (this.readyState === 0) throw new Error("a browser throws when a socket is used before it is open");
      if (!this.end.isLive) return;
      const frame = typeof data === "string" ? JSON.parse(data) : data;
      this.end.received.push(frame);
      this.end.onFrame?.(frame);
    }

    close() {
      this.end.isLive = false;
      this.readyState = 3;
    }
  }
  return /** @type {typeof globalThis.WebSocket} */ (/** @type {unknown} */ (FakeWebSocket));
}
