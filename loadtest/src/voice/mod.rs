//! What lets the simulator hear and speak: recordings that it knows, recognition of them, speech, and its formats.
//!
//! Synchronous and without I/O. Nothing here understands or reads as a person would: recognition tells recordings
//! that ship with the project from everything else, and speech comes from rules.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "counts of samples and frames, times and levels go back and forth between integers and floats, far below the limits of both"
)]

pub mod encode;
pub mod recognise;
pub mod synthesise;
pub mod utterances;
