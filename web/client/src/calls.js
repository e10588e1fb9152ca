// A session's calls: one at a time, by code that is there before somebody asks for one.

import { clientError } from "./errors.js";

/**
 * @typedef {import("./audio/transport.js").AudioTransport} AudioTransport
 * @typedef {import("./audio/transport.js").Call} Call
 * @typedef {import("./audio/transport.js").CallOptions} CallOptions
 * @typedef {Pick<typeof import("./audio/call.js"), "startCall">} CallCode
 */

/**
 * @param {AudioTransport} transport
 * @param {() => Promise<CallCode>} [load]
 */
export function createCalls(transport, load = () => import("./audio/call.js")) {
  /** @type {CallCode | null} */
  let code = null;
  /** @type {Promise<CallCode> | null} */
  let loading = null;
  /** @type {Call | null} */
  let call = null;
  let started = 0;

  async function loadOnce() {
    try {
      loading ??= load();
      code = await loading;
      return code;
    } catch (cause) {
      // The next call asks for it again.
      loading = null;
      const what = "The code of calls cannot be loaded.";
      throw clientError("CLIENT_NETWORK", what, { retryable: true, cause });
    }
  }

  return {
    /**
     * Loads the code ahead. Safari lets a page be heard only by what its click does at once: whoever loads
     * first has no click any more.
     */
    prepare() {
      loadOnce().catch(() => undefined);
    },

    /**
     * Ends the call before, also one that is still beginning.
     *
     * @param {CallOptions} options
     * @returns {Promise<Call>}
     */
    async start(options) {
      started += 1;
      const ours = started;
      void call?.stop();
      call = null;
      const { startCall } = code ?? (await loadOnce());
      const begun = await startCall(transport, options, () => ours === started);
      call = begun;
      return begun;
    },
  };
}
