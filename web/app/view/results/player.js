// Speaks a script and says where it is: one sound at a time for the whole page. What is drawn of it is a
// plain value in `model.ui.local`; the sound itself stays here.

import { refusalOf } from "../local.js";

/** The key of `model.ui.local` for what the player does. */
export const PLAYER_KEY = "results:player";
/**
 * How often the position is drawn anew while it plays: smooth for the eye with the style sheet's help, cheap
 * to draw.
 */
const DRAWN_EVERY_MS = 100;

/**
 * @typedef {object} Player
 * @property {string} text            the script that it speaks
 * @property {string} voice           the preset
 * @property {"loading" | "playing" | "paused" | "ended" | "failed"} status
 * @property {number} share           how far it has come, 0 to 1
 * @property {number} durationMs      0 until it is known
 * @property {string} message         why it failed
 */

/** @typedef {import("../../actions.js").Actions} Actions */

/** @type {HTMLAudioElement | null} */
let sound = null;
/** @type {Player | null} */
let player = null;
let drawnAtMs = 0;

/**
 * Speaks a script from where it stood, or from a share of it. What was made before is not asked for again.
 * @param {Actions} actions
 * @param {string} text
 * @param {string} voice
 * @param {number} [fromShare]
 */
export async function play(actions, text, voice, fromShare) {
  const isThisScript = player?.text === text && player.voice === voice;
  const isSame = isThisScript && sound !== null && player?.status !== "failed";
  if (!isSame && !(await load(actions, text, voice))) return;
  if (!sound) return;
  if (fromShare !== undefined) seekSound(sound, fromShare);
  else if (sound.ended) sound.currentTime = 0;
  try {
    await sound.play();
  } catch (error) {
    tell(actions, { status: "failed", message: refusalOf(error).message });
    return;
  }
  follow(actions, sound);
}

export function pause() {
  sound?.pause();
}

/**
 * @param {Actions} actions
 * @param {number} share
 */
export function seek(actions, share) {
  if (!sound || !player || player.status === "loading") return;
  seekSound(sound, share);
  tell(actions, { share });
}

/** Ends what is spoken: something else is asked for, or its session is left. */
export function silence() {
  const silenced = sound;
  sound = null;
  player = null;
  silenced?.pause();
}

/**
 * @param {Actions} actions
 * @param {string} text
 * @param {string} voice
 */
async function load(actions, text, voice) {
  silence();
  /** @type {Player} */
  const asked = { text, voice, status: "loading", share: 0, durationMs: 0, message: "" };
  player = asked;
  actions.setLocal({ [PLAYER_KEY]: asked });
  try {
    const { audio_url: url } = await actions.speak(text, voice || undefined);
    // Another script was asked for meanwhile.
    if (player !== asked) return false;
    sound = soundOf(actions, url);
    return true;
  } catch (error) {
    if (player === asked) tell(actions, { status: "failed", message: refusalOf(error).message });
    return false;
  }
}

/**
 * @param {Actions} actions
 * @param {string} url
 */
function soundOf(actions, url) {
  const audio = new Audio(url);
  audio.preload = "auto";
  const isCurrent = () => audio === sound;
  audio.addEventListener("durationchange", () => {
    if (isCurrent() && Number.isFinite(audio.duration)) tell(actions, { durationMs: audio.duration * 1000 });
  });
  audio.addEventListener("pause", () => {
    if (isCurrent() && !audio.ended) tell(actions, { status: "paused", share: shareOfSound(audio) });
  });
  audio.addEventListener("ended", () => {
    if (isCurrent()) tell(actions, { status: "ended", share: 1 });
  });
  audio.addEventListener("error", () => {
    if (isCurrent()) tell(actions, { status: "failed", message: audio.error?.message ?? "" });
  });
  return audio;
}

/**
 * Draws the position while it plays.
 * @param {Actions} actions
 * @param {HTMLAudioElement} audio
 */
function follow(actions, audio) {
  tell(actions, { status: "playing", share: shareOfSound(audio) });
  /** @param {number} nowMs */
  const frame = (nowMs) => {
    if (audio !== sound || audio.paused) return;
    if (nowMs - drawnAtMs >= DRAWN_EVERY_MS) {
      drawnAtMs = nowMs;
      tell(actions, { share: shareOfSound(audio) });
    }
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}

/**
 * @param {Actions} actions
 * @param {Partial<Player>} change
 */
function tell(actions, change) {
  if (!player) return;
  player = { ...player, ...change };
  actions.setLocal({ [PLAYER_KEY]: player });
}

/** @param {HTMLAudioElement} audio */
function shareOfSound(audio) {
  return Number.isFinite(audio.duration) && audio.duration > 0 ? audio.currentTime / audio.duration : 0;
}

/**
 * @param {HTMLAudioElement} audio
 * @param {number} share
 */
function seekSound(audio, share) {
  if (Number.isFinite(audio.duration)) audio.currentTime = Math.min(1, Math.max(0, share)) * audio.duration;
}
