//! The words on the wire: events, envelopes, signals, client messages, errors, ids and limits.
//!
//! Nothing here does anything; every other crate speaks in these types.

mod brief;
mod client;
mod delta;
mod envelope;
mod error;
mod error_table;
mod event;
mod id;
pub mod limits;
mod schema;
mod signal;
mod time;

pub use brief::{BriefSlots, Gate, SlotPath, SlotPathError, SlotSource, SlotUpdate};
pub use client::{
    AudioCodec, AudioOutput, ClientFrame, ClientMessage, ClientParseError, Endpointing, TurnDetection,
};
pub use delta::{Delta, DeltaChange, DeltaError, push_pointer_token};
pub use envelope::{Envelope, EnvelopeError, Frame};
pub use error::{ApiError, ErrorBody};
pub use error_table::ErrorCode;
pub use event::*;
pub use id::{
    AssetId, CallId, CommandId, CommandIdError, EventId, IdError, JobId, MessageId, RunId, Seq, SessionId,
    StageId, TurnId,
};
pub use schema::protocol_schema;
pub use signal::{Signal, SpeechDiscardReason};
pub use time::{Millis, Timestamp};
