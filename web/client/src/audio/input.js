// Which microphone is listened to: the one that was chosen, another one when that goes away, none when there
// is no other, and one again as soon as there is.

import { listDevices, microphoneErrorOf, openMicrophone } from "./microphone.js";

/**
 * @typedef {object} InputListener
 * @property {(track: MediaStreamTrack | null) => void} onTrack listen to this one from now on, and release
 *   the one before
 * @property {(lostLabel: string) => void} onLost the microphone went away; another one is looked for
 * @property {(error: import("./microphone.js").MicrophoneError) => void} onMissing there is none, for now
 */

/** @typedef {ReturnType<typeof createInput>} Input */

/** @param {InputListener} listener */
export function createInput({ onTrack, onLost, onMissing }) {
  /** @type {MediaStreamTrack | null} */
  let track = null;
  /** Of several searches only the last one counts. */
  let search = 0;
  let isWanted = false;
  const listening = new AbortController();
  navigator.mediaDevices?.addEventListener("devicechange", look, { signal: listening.signal });

  /** @param {MediaStreamTrack} found */
  function use(found) {
    isWanted = true;
    search += 1;
    track = found;
    found.addEventListener("ended", () => {
      if (track === found) lose();
    }, { signal: listening.signal });
    onTrack(found);
  }

  /** Some browsers tell of a device that went away by their list of devices alone. */
  async function look() {
    if (!isWanted) return;
    if (!track) return replace();
    const looked = track;
    const { deviceId } = looked.getSettings();
    const { inputs } = await listDevices();
    if (looked === track && deviceId && !inputs.some((input) => input.deviceId === deviceId)) await lose();
  }

  function lose() {
    onLost(track?.label ?? "");
    return replace();
  }

  async function replace() {
    try {
      await open(openMicrophone());
    } catch (error) {
      track = null;
      onTrack(null);
      onMissing(microphoneErrorOf(error));
    }
  }

  /**
   * Until the other one is there, the one before is listened to. What comes of it after another was asked for
   * does not count.
   *
   * @param {Promise<MediaStreamTrack>} opening
   */
  async function open(opening) {
    const ours = (search += 1);
    try {
      const found = await opening;
      if (ours === search) use(found);
      else found.stop();
    } catch (error) {
      if (ours === search) throw error;
    }
  }

  /** Nobody listens, and none is looked for. */
  function release() {
    isWanted = false;
    search += 1;
    track = null;
    onTrack(null);
  }

  function close() {
    release();
    listening.abort();
  }

  return { use, open, release, close, get isOpen() { return track !== null; } };
}
