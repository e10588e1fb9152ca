//! What the core and the actors need from the outside, as traits. `src` hands in the implementations.

mod blobs;
mod capabilities;
mod erasures;
mod journal;
mod model;
mod moderation;
mod read_models;
mod speech;

use greenroom_protocol::Timestamp;

pub use blobs::{BlobEntry, BlobError, BlobStream, Blobs};
pub use capabilities::{Capabilities, LlmIdentity, ModelIdentity, ModerationPolicy};
pub use erasures::{EraseError, ErasedBy, Erasure, Erasures, Purged};
pub use journal::{
    Append, AppendOutcome, Entry, Epoch, Journal, OpenError, OpenMode, Opened, ReadError, SessionSummary,
    Snapshot, StoredFact, TenantId,
};
pub use model::{
    Background, CallFailure, CallReceipt, LanguageModel, ModelEvent, ModelRequest, ModelSize, ModelStream,
    OutputSchema, PromptMessage, PromptRole, SearchSource,
};
pub use moderation::{ModerationRequest, Moderator, Verdict};
pub use read_models::{
    JobFilter, JobRow, Page, Paging, ReadModels, RunRow, RunStatus, SessionCost, SessionFilter, SessionRow,
    StuckSince,
};
pub use speech::{
    LiveAudio, LiveTranscriber, LiveTranscription, LiveTranscriptionEvent, LiveTranscriptionRequest, Speaker,
    SpeechAudio, SpeechEvent, SpeechFormat, SpeechRequest, SpeechStream, Transcriber, Transcription,
    TranscriptionRequest,
};

/// Where the time is read.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Where ids come from: unique, and rising within one source.
pub trait IdSource: Send {
    /// A fresh id.
    fn next_ulid(&mut self) -> ulid::Ulid;
    /// A number between 0 and 1, for jitter.
    fn jitter(&mut self) -> f64;
}
