// What the package exports.

export { listDevices, MicrophoneError } from "./audio/microphone.js";
export { GreenroomClient } from "./client.js";
export { ApiError } from "./errors.js";
export { fold } from "./fold.js";
export { emptyState } from "./state.js";

/**
 * @typedef {import("./client.js").ClientOptions} ClientOptions
 * @typedef {import("./session.js").GreenroomSession} GreenroomSession
 * @typedef {import("./session.js").SessionChange} SessionChange
 * @typedef {import("./state.js").SessionState} SessionState
 * @typedef {import("./state.js").SessionEvent} SessionEvent
 * @typedef {import("./state.js").TimelineItem} TimelineItem
 * @typedef {import("./state.js").Run} Run
 * @typedef {import("./state.js").Stage} Stage
 * @typedef {import("./state.js").Slot} Slot
 * @typedef {import("./connection.js").ConnectionState} ConnectionState
 * @typedef {import("./outbox.js").Accepted} Accepted
 * @typedef {import("./outbox.js").PendingCommand} PendingCommand
 * @typedef {import("./errors.js").ClientErrorCode} ClientErrorCode
 * @typedef {import("./audio/transport.js").AudioTransport} AudioTransport
 * @typedef {import("./audio/transport.js").Call} Call
 * @typedef {import("./audio/transport.js").CallOptions} CallOptions
 * @typedef {import("./audio/transport.js").CallState} CallState
 * @typedef {import("./protocol.js").Signal} Signal
 * @typedef {import("./protocol.js").ErrorBody} ErrorBody
 */
