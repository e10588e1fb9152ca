// The microphone itself: asking for it, and telling why it cannot be had in a way that a page can explain.

/** @typedef {"denied" | "missing" | "busy" | "unsupported" | "insecure"} MicrophoneErrorKind */

/** Why there is no microphone. */
export class MicrophoneError extends Error {
  /**
   * @param {MicrophoneErrorKind} kind
   * @param {unknown} [cause]
   */
  constructor(kind, cause) {
    super(`no microphone: ${kind}`, { cause });
    this.name = "MicrophoneError";
    this.kind = kind;
  }
}

/** What `getUserMedia` is known to fail with. */
const KIND_OF_FAILURE = /** @type {Record<string, MicrophoneErrorKind>} */ ({
  NotAllowedError: "denied",
  PermissionDeniedError: "denied",
  SecurityError: "denied",
  NotFoundError: "missing",
  OverconstrainedError: "missing",
  NotReadableError: "busy",
  AbortError: "busy",
});

/**
 * @param {unknown} failure
 * @returns {MicrophoneError}
 */
export function microphoneErrorOf(failure) {
  if (failure instanceof MicrophoneError) return failure;
  const name = failure instanceof Error ? failure.name : "";
  return new MicrophoneError(KIND_OF_FAILURE[name] ?? "unsupported", failure);
}

/**
 * @param {string} [deviceId] this one and no other; none means the system's
 * @returns {Promise<MediaStreamTrack>} throws {@link MicrophoneError}
 */
export async function openMicrophone(deviceId) {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new MicrophoneError(globalThis.isSecureContext ? "unsupported" : "insecure");
  }
  const audio = {
    echoCancellation: true,
    noiseSuppression: true,
    autoGainControl: true,
    channelCount: 1,
    ...(deviceId && { deviceId: { exact: deviceId } }),
  };
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ audio });
    const [track] = stream.getAudioTracks();
    if (track) return track;
  } catch (failure) {
    throw microphoneErrorOf(failure);
  }
  throw new MicrophoneError("missing");
}

/**
 * The same; if this one cannot be had any more, the system's.
 *
 * @param {string} [deviceId]
 */
export async function openMicrophoneOrAnother(deviceId) {
  try {
    return await openMicrophone(deviceId);
  } catch (error) {
    const isGone = error instanceof MicrophoneError && error.kind === "missing";
    if (!deviceId || !isGone) throw error;
    return openMicrophone();
  }
}

/** @typedef {{ deviceId: string, label: string }} Device */

/**
 * The devices that can be chosen. Browsers tell their names, and some tell them at all, only once the
 * microphone was allowed.
 *
 * @returns {Promise<{ inputs: Device[], outputs: Device[] }>}
 */
export async function listDevices() {
  const devices = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
  /** @param {MediaDeviceKind} kind */
  const ofKind = (kind) => devices
    .filter((device) => device.kind === kind && device.deviceId !== "")
    .map(({ deviceId, label }) => ({ deviceId, label }));
  return { inputs: ofKind("audioinput"), outputs: ofKind("audiooutput") };
}
