//! The load tester: sessions that talk to a server in real time, what is checked of its answers, and what they cost.
//!
//! What happens in one session is decided by [`Conversation`], which has no socket and no clock: it says what the
//! microphone sends, reads what came, plays it, and knows what had to come. [`voice`] gives it both, many times over, and
//! makes the report. `docs/loadtest.md` says what each figure means.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "figures of a report: counts and times far below the limits of what they are cast to"
)]

pub(crate) mod arguments;
mod conversation;
mod detector;
mod exchange;
mod floor;
mod microphone;
pub(crate) mod options;
mod playback;
mod player;
pub(crate) mod process;
mod recordings;
mod report;
mod script;
pub(crate) mod session;
mod statistics;
mod tally;
mod violation;
mod voice;

pub use conversation::Conversation;
pub use detector::{DetectorReport, detector_alone};
pub use floor::serve_floor;
pub use microphone::{Line, Microphone, Sound};
pub use options::{Output, Simulated, VoiceOptions};
pub use playback::Playback;
pub use player::Arrival;
pub use recordings::{FrameShape, Recording, Recordings};
pub use report::VoiceReport;
pub use script::Reaction;
pub use statistics::Distribution;
pub use tally::Tally;
pub use violation::{Found, Violation};
pub use voice::voice;
