//! The model ports for OpenAI and whatever speaks its protocol.
//!
//! Written by hand on reqwest rather than on `async-openai`, because the journal's promises need what that crate
//! hides: *one HTTP request is one call* (it retries on its own), the request id, `Retry-After` and the raw status of
//! every answer, and the sources of a web search. It would also bring a type for every corner of the API, where five
//! requests and a dozen stream events are all that is spoken here, and unknown events must be ignored, not refused.
//!
//! A provider is an *endpoint* (`endpoint`: one operation at one server, with its key, circuit and prices), and each of
//! its requests is a *call* (`call`: sent once, read under a deadline, classified, counted and logged in one place).
//! What differs is what is asked and how the answer is read: `client`, `generation`, `take_up` and `stored` for the language model,
//! `transcription`, `speech`, `moderation`, and `live` for recognition while somebody speaks, where a call is an utterance
//! on a stream that many share.
//!
//! What is deliberately absent: retries (the decider alone retries; a failure is only classified here), fall-backs
//! from one model to another, and anything that invents content.

mod call;
mod chat;
mod circuit;
mod client;
mod config;
mod endpoint;
mod failure;
mod generation;
mod live;
mod moderation;
mod operation;
mod price;
mod probe;
mod reply;
mod responses;
mod speech;
mod sse;
mod stored;
mod take_up;
mod transcription;
mod unconfigured;

pub use circuit::{CircuitLimits, CircuitPhase, CircuitStatus};
pub use client::OpenAi;
pub use config::{
    ApiStyle, BackgroundMode, EndpointConfig, LIVE_TRANSCRIPTION_MODEL, MODERATION_MODEL, OpenAiConfig,
    OutputLimitField, SPEECH_MODEL, TRANSCRIPTION_MODEL,
};
pub use endpoint::{BuildError, ProviderStatus};
pub use live::OpenAiLiveTranscriber;
pub use moderation::OpenAiModerator;
pub use price::{PriceTable, PriceTableError};
pub use probe::{ProbeFinding, ProbeReport};
pub use speech::{OpenAiSpeaker, SPEECH_TEXT_CHARS_MAX};
pub use transcription::OpenAiTranscriber;
pub use unconfigured::Unconfigured;
