// The seam between a session's socket and live voice: what `startCall` is given, and what it gives back.
//
// Sound and the signals around it are never repeated, so nothing here is kept: what cannot be sent now is lost, and
// after a reconnect the call takes the microphone again by itself (`onReconnect`).

/**
 * @typedef {import("../protocol.js").Signal} Signal
 * @typedef {import("../protocol.js").ClientFrame} ClientFrame
 * @typedef {import("../state.js").SessionEvent} SessionEvent
 */

/**
 * Ends what a function of this seam began.
 *
 * @callback Unsubscribe
 * @returns {void}
 */

/**
 * A session's socket as live voice sees it. It outlives the sockets behind it.
 *
 * @typedef {object} AudioTransport
 * @property {boolean} isOpen whether something can be sent now
 * @property {boolean} isClosed whether it was closed for good, and nobody tries to open it
 * @property {number} bufferedBytes what waits in the socket; microphone frames are better dropped above a limit
 * @property {(bytes: ArrayBuffer | ArrayBufferView<ArrayBuffer>) => boolean} send one binary frame; false if it
 *   could not leave, then it is lost
 * @property {(frame: ClientFrame) => boolean} sendJson one text frame, sent once; false if it could not leave. Give it
 *   an `id` to recognise its `accepted` or `rejected` among the signals
 * @property {(listener: (signal: Signal) => void) => Unsubscribe} onSignal every signal of the socket, in order
 * @property {(listener: (event: SessionEvent) => void) => Unsubscribe} onEvent every event, once, after it was applied
 * @property {(listener: (bytes: ArrayBuffer) => void) => Unsubscribe} onBinary every binary frame
 * @property {(listener: () => void) => Unsubscribe} onDisconnect the socket is gone: what was being played or heard is
 *   not continued
 * @property {(listener: () => void) => Unsubscribe} onReconnect another socket is open: send `audio.start` again.
 *   Called with the first that the server tells on it, before all that was missed is replayed
 * @property {(listener: () => void) => Unsubscribe} onClose the session was closed for good: end the call
 */

/**
 * @typedef {object} CallOptions
 * @property {"auto" | "opus" | "pcm"} [codec] how the microphone is sent; `auto` takes Opus where the browser has it
 * @property {"hands_free" | "push_to_talk" | "listen_only"} mode who decides that an utterance is over; `listen_only`:
 *   replies are heard, without a microphone. It has to be taken for a moment all the same, so that another socket that
 *   has it loses it
 * @property {boolean} [record] keep both sides as a recording
 * @property {string} [deviceId] the microphone; the system's if it is not there any more
 * @property {string} [outputDeviceId] the loudspeaker, likewise
 * @property {string} [voicePreset] one of the playbook's voices
 */

/**
 * @typedef {object} CallState
 * @property {"starting" | "idle" | "listening" | "hearing" | "thinking" | "speaking" | "paused" | "taken" | "ended"} status
 *   `idle`: push-to-talk, not held; `listening`: audio flows, nobody speaks; `hearing`: somebody does; `thinking`: the
 *   words are being made out or answered; `speaking`: a reply is played; `paused`: it was interrupted and may go on;
 *   `taken`: another socket has the microphone
 * @property {string} partial the words of the utterance so far; empty outside of one
 * @property {string | null} deviceLabel the microphone's name, once the browser tells it
 * @property {boolean} muted
 * @property {"opus" | "pcm_s16le"} codec what is sent
 * @property {CallOptions["mode"]} mode
 * @property {boolean} held push-to-talk: audio flows
 * @property {boolean} suspended the browser lets nothing be heard, either way, until somebody touches the page, or the
 *   phone is free again
 * @property {import("../protocol.js").SpeechDiscardReason | null} discarded why no turn came of the last utterance
 * @property {string | null} lostDevice the microphone that went away; the call goes on with `deviceLabel`, or with none
 * @property {number} droppedMs how much of what was said did not leave, because the network did not take it
 * @property {Error | null} error why it ended or what does not work: a `MicrophoneError`, an `ApiError` of the server
 */

/**
 * A conversation by voice that is under way.
 *
 * @typedef {object} Call
 * @property {CallState} state immutable; replaced when something changes
 * @property {number} level the microphone's, 0 to 1; read it once per animation frame
 * @property {number} outputLevel the loudspeaker's, 0 to 1
 * @property {null | { replyId: string, turnId: string | null, ms: number }} played how much of the newest reply was
 *   played so far
 * @property {(listener: (state: CallState) => void) => Unsubscribe} subscribe
 * @property {() => Promise<void>} takeBack takes the microphone again that another socket took
 * @property {() => void} hold push-to-talk: from now on audio flows
 * @property {() => void} release push-to-talk: the utterance is over
 * @property {(muted: boolean) => void} setMuted
 * @property {(deviceId: string) => Promise<void>} setDevice
 * @property {(deviceId: string) => Promise<void>} setOutputDevice
 * @property {() => Promise<void>} stop releases the microphone and ends the call
 */

export {};
