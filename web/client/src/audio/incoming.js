// The way in of a call: what the server speaks, as far as it was played.

import { createSpeaker } from "./speaker.js";

/** @typedef {ReturnType<typeof createIncoming>} Incoming */

/**
 * @param {object} parts
 * @param {import("./transport.js").AudioTransport} parts.transport
 * @param {AudioContext} parts.context
 * @param {import("./call_book.js").CallBook} parts.book
 * @param {(error: Error) => void} parts.onError nothing is played any more
 */
export function createIncoming({ transport, context, book, onError }) {
  /** @type {import("./transport.js").Call["played"]} */
  let played = null;
  const speaker = createSpeaker(context, {
    onPlayed: (reply_id, played_ms) => {
      if (played?.replyId === reply_id) played = { ...played, ms: played_ms };
      transport.sendJson({ type: "playback.ack", reply_id, played_ms });
    },
    onStarted: () => book.tell({ type: "output", output: "playing" }),
    onSilent: () => book.tell({ type: "output", output: "silent" }),
    onError,
  });

  /** @param {import("../protocol.js").Signal} signal */
  function signalled(signal) {
    switch (signal.type) {
      case "audio.begin":
        played = { replyId: signal.reply_id, turnId: signal.turn_id ?? null, ms: 0 };
        speaker.begin(signal);
        break;
      case "audio.end": void speaker.end(signal.reply_id); break;
      case "audio.pause": speaker.pause(signal.reply_id); break;
      case "audio.resume": speaker.resume(); break;
      case "audio.cancel": speaker.cancel(signal.reply_id); break;
    }
  }

  return {
    signalled,
    frame: speaker.frame,
    clear: speaker.clear,
    readLevel: speaker.readLevel,
    close: speaker.close,
    get played() { return played; },
  };
}
