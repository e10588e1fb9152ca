// The browser's audio engine during a call. Browsers keep it silent until somebody touches the page, and
// phones stop it for a telephone call or behind a locked screen: it is set going again with the next touch,
// or when the page is seen.

/** How many are open: one may be given up after another began. */
let openContexts = 0;

const GESTURES = ["pointerdown", "pointerup", "keydown"];

/** @typedef {ReturnType<typeof openSoundContext>} SoundContext */

/**
 * Begin it in the very handler of a click: later some browsers do not count the click any more. Safari lets
 * a page be heard that has the microphone, too: `resume` once it is there.
 *
 * @param {(isSuspended: boolean) => void} onChange
 */
export function openSoundContext(onChange) {
  const context = new AudioContext({ latencyHint: "interactive" });
  openContexts += 1;
  tellWhatPlays();
  const listening = new AbortController();
  const { signal } = listening;
  const isSuspended = () => context.state !== "running";

  function resume() {
    if (!isSuspended()) return;
    // A refusal only means: not yet.
    context.resume().catch(() => undefined);
  }

  context.addEventListener("statechange", () => onChange(isSuspended()), { signal });
  for (const gesture of GESTURES) document.addEventListener(gesture, resume, { signal, capture: true });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) resume();
  }, { signal });
  resume();

  /** @param {string} deviceId empty: the system's */
  async function setOutputDevice(deviceId) {
    if (!("setSinkId" in context)) throw new Error("this browser does not let a page choose the loudspeaker");
    await /** @type {{ setSinkId: (id: string) => Promise<void> }} */ (context).setSinkId(deviceId);
  }

  async function close() {
    if (signal.aborted) return;
    listening.abort();
    openContexts -= 1;
    tellWhatPlays();
    await context.close();
  }

  return { context, isSuspended, resume, setOutputDevice, close };
}

/** Safari has to know that a page listens while it plays, or it plays through the ear piece. */
function tellWhatPlays() {
  const { audioSession } = /** @type {{ audioSession?: { type: string } }} */ (navigator);
  if (audioSession) audioSession.type = openContexts > 0 ? "play-and-record" : "auto";
}
