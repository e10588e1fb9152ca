//! Every limit that a client can run into, in one place.

use crate::Millis;

/// Characters of one user message (CONTRACT: 1 to 3000).
pub const MESSAGE_CHARS_MAX: usize = 3_000;
/// Bytes of one WebSocket text frame.
pub const TEXT_FRAME_BYTES_MAX: usize = 64 * 1024;
/// Bytes of one WebSocket audio frame.
pub const AUDIO_FRAME_BYTES_MAX: usize = 16 * 1024;
/// Bytes of one JSON request body; a message of 3,000 four-byte characters, escaped, fits.
pub const JSON_BODY_BYTES_MAX: usize = 64 * 1024;
/// Bytes of an idempotency key.
pub const COMMAND_ID_BYTES_MAX: usize = 128;
/// Commands with an id that a session remembers, so that a repeated one is recognised.
pub const COMMANDS_REMEMBERED: usize = 1_000;
/// Commands of one session that may wait for the journal at once.
pub const COMMANDS_WAITING_MAX: usize = 64;
/// Turns that may wait for their transcription or for the journal.
pub const TURNS_WAITING_MAX: usize = 4;
/// Events in one page of the log.
pub const EVENTS_PAGE_MAX: usize = 1_000;
/// Bytes of events after which a page of the log ends, with fewer of them than were asked for.
pub const EVENTS_PAGE_BYTES_MAX: usize = 1024 * 1024;
/// Rows in one page of any other list.
pub const LIST_PAGE_MAX: u32 = 200;
/// Bytes of a name in a playbook or of an opaque key.
pub const NAME_BYTES_MAX: usize = 64;
/// Bytes of an `X-User-Key`.
pub const USER_KEY_BYTES_MAX: usize = 256;
/// Slot edits in one request.
pub const SLOT_EDITS_MAX: usize = 32;
/// Characters of one slot value, or of one item of a list.
pub const SLOT_VALUE_CHARS_MAX: usize = 1_000;
/// Items of a list slot.
pub const SLOT_ITEMS_MAX: usize = 20;
/// Bytes that one structured reply of a model may have; more is a breach.
pub const MODEL_OUTPUT_BYTES_MAX: usize = 256 * 1024;
/// How often the server pings an idle socket; two missed pongs end the connection.
pub const PING_INTERVAL: Millis = Millis(20_000);
/// A socket whose write makes no progress for this long is closed with 4008.
pub const WRITE_STALL_MAX: Millis = Millis(10_000);
/// Rejected frames after which a connection counts as abused, within [`ABUSE_WINDOW`].
pub const ABUSE_REJECTS_MAX: u32 = 100;
/// The window of [`ABUSE_REJECTS_MAX`].
pub const ABUSE_WINDOW: Millis = Millis(10_000);
/// Messages and commands that one socket may send in a second before it is told `SYS_RATE_LIMIT`.
pub const SOCKET_FRAMES_PER_SECOND_MAX: u32 = 200;
