//! The mouth of a voice line over scripted ports, with paused time: what a client is sent, and what a session is told.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod barge_in;
mod client;
mod faults;
#[path = "../sessions/journal.rs"]
#[allow(dead_code, reason = "shared with the tests of sessions")]
mod journal;
#[path = "../sessions/model.rs"]
#[allow(dead_code, reason = "shared with the tests of sessions")]
mod model;
#[path = "../sessions/moderator.rs"]
#[allow(dead_code, reason = "shared with the tests of sessions")]
mod moderator;
#[path = "../sessions/outputs.rs"]
mod outputs;
mod pacing;
mod replies;
mod speaker;
mod stage;
#[path = "../sessions/world.rs"]
#[allow(dead_code, reason = "shared with the tests of sessions")]
mod world;
