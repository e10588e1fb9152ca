// What becomes of the microphone's frames while the network does not take them.
//
// What lies in the socket cannot be taken back, so it is the newest that are dropped: once more than four
// seconds wait, all frames are, until no more than one second waits. One hole costs an utterance fewer words
// than many small ones.

const WAITING_MAX_MS = 4_000;
const WAITING_AGAIN_MS = 1_000;

/**
 * @param {number} bytesPerSecond of the frames
 * @returns {(bufferedBytes: number) => boolean} whether the next frame may be sent, given what waits in the
 *   socket
 */
export function createBackpressure(bytesPerSecond) {
  let isFull = false;
  return (bufferedBytes) => {
    const waitingMs = (bufferedBytes * 1000) / bytesPerSecond;
    isFull = waitingMs > (isFull ? WAITING_AGAIN_MS : WAITING_MAX_MS);
    return !isFull;
  };
}
