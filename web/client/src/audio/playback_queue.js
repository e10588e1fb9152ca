// What waits to be played, reply after reply, and how much of each was played: counted in samples that were
// really handed out, so that neither silence nor a pause counts as heard.
//
// A reply starts once enough of it is there to ride out an uneven network, or all of it, or what is there has
// waited long enough; after it ran dry it starts in the same way again. A cancelled reply is forgotten, and a
// pause ends with it.

/**
 * @typedef {object} PlaybackSettings
 * @property {number} startSamples so much has to wait before a reply starts
 * @property {number} startWithinSamples after so long it starts with less
 * @property {number} reportEverySamples
 */

/**
 * `started`: its first sample is next; `playing`: another stretch was played; `dry`: there is no more of it
 * yet; `paused`; `over`: all of it was played.
 *
 * @typedef {object} PlaybackReport
 * @property {number} reply
 * @property {number} playedSamples
 * @property {"started" | "playing" | "dry" | "paused" | "over"} now
 */

/**
 * @typedef {object} QueuedReply
 * @property {number} reply
 * @property {Float32Array[]} chunks
 * @property {number} takenOfFirst
 * @property {number} waitingSamples
 * @property {number} playedSamples
 * @property {number} waitedSamples
 * @property {boolean} hasStarted
 * @property {boolean} isFlowing
 * @property {boolean} isEnded
 */

/** @typedef {ReturnType<typeof createPlaybackQueue>} PlaybackQueue */

/** @param {PlaybackSettings} settings */
export function createPlaybackQueue({ startSamples, startWithinSamples, reportEverySamples }) {
  /** @type {QueuedReply[]} */
  let replies = [];
  /** @type {PlaybackReport[]} */
  let reports = [];
  let isPaused = false;
  let unreportedSamples = 0;

  /** @param {number} reply */
  function begin(reply) {
    replies.push({
      reply, chunks: [], takenOfFirst: 0, waitingSamples: 0, playedSamples: 0, waitedSamples: 0,
      hasStarted: false, isFlowing: false, isEnded: false,
    });
  }

  /**
   * @param {number} reply one that is gone or complete takes nothing
   * @param {Float32Array} samples
   */
  function push(reply, samples) {
    const queued = find(reply);
    if (!queued || queued.isEnded || samples.length === 0) return;
    queued.chunks.push(samples);
    queued.waitingSamples += samples.length;
  }

  /** @param {number} reply */
  function end(reply) {
    const queued = find(reply);
    if (queued) queued.isEnded = true;
  }

  function pause() {
    // All of what it was meant for may have been played meanwhile; what begins later does not stand still.
    isPaused = replies.length > 0;
    if (replies[0]) report(replies[0], "paused");
  }

  function resume() {
    isPaused = false;
  }

  /** @param {number} reply */
  function cancel(reply) {
    replies = replies.filter((queued) => queued.reply !== reply);
    isPaused = false;
  }

  function clear() {
    replies = [];
    isPaused = false;
  }

  /** Whether the next sample of the output is one of a reply, and not silence. */
  function isSounding() {
    const head = replies[0];
    return head !== undefined && !isPaused && head.isFlowing && head.waitingSamples > 0;
  }

  /** @param {Float32Array} output is filled with what comes next, and with silence where nothing does */
  function pull(output) {
    let filled = 0;
    while (!isPaused && filled < output.length) {
      const head = replies[0];
      if (!head || !flows(head, output.length - filled)) break;
      filled += take(head, output.subarray(filled));
      if (head.waitingSamples === 0 && head.isEnded) {
        replies.shift();
        report(head, "over");
      } else if (filled < output.length) {
        head.isFlowing = false;
        report(head, "dry");
        break;
      }
    }
    output.fill(0, filled);
    if (replies[0] && unreportedSamples >= reportEverySamples) report(replies[0], "playing");
  }

  /**
   * @param {QueuedReply} head
   * @param {number} passingSamples
   */
  function flows(head, passingSamples) {
    if (head.isFlowing) return true;
    const isEnough = head.waitingSamples >= startSamples || head.waitedSamples >= startWithinSamples;
    if (!isEnough && !head.isEnded) {
      if (head.waitingSamples > 0) head.waitedSamples += passingSamples;
      return false;
    }
    head.isFlowing = true;
    head.waitedSamples = 0;
    if (!head.hasStarted) report(head, "started");
    head.hasStarted = true;
    return true;
  }

  /**
   * @param {QueuedReply} head
   * @param {Float32Array} room
   */
  function take(head, room) {
    let taken = 0;
    while (taken < room.length && head.waitingSamples > 0) {
      const first = /** @type {Float32Array} */ (head.chunks[0]);
      const part = first.subarray(head.takenOfFirst, head.takenOfFirst + room.length - taken);
      room.set(part, taken);
      taken += part.length;
      head.takenOfFirst += part.length;
      head.waitingSamples -= part.length;
      if (head.takenOfFirst === first.length) {
        head.chunks.shift();
        head.takenOfFirst = 0;
      }
    }
    head.playedSamples += taken;
    unreportedSamples += taken;
    return taken;
  }

  /**
   * @param {QueuedReply} queued
   * @param {PlaybackReport["now"]} now
   */
  function report(queued, now) {
    unreportedSamples = 0;
    reports.push({ reply: queued.reply, playedSamples: queued.playedSamples, now });
  }

  /** @returns {PlaybackReport[]} what happened since they were taken last */
  function takeReports() {
    const taken = reports;
    if (taken.length > 0) reports = [];
    return taken;
  }

  /** @param {number} reply */
  function find(reply) {
    return replies.find((queued) => queued.reply === reply);
  }

  return { begin, push, end, pause, resume, cancel, clear, isSounding, pull, takeReports };
}
