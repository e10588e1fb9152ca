//! Live voice over scripted ports, with paused time and recorded speech: what a person says, and what becomes of it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod barge_in;
mod call;
mod devices;
mod ears;
mod hearing;
mod input;
#[path = "../sessions/journal.rs"]
#[allow(dead_code, reason = "shared with the tests of sessions")]
mod journal;
mod live;
#[path = "../sessions/model.rs"]
#[allow(dead_code, reason = "shared with the tests of sessions")]
mod model;
#[path = "../sessions/moderator.rs"]
#[allow(dead_code, reason = "shared with the tests of sessions")]
mod moderator;
#[path = "../sessions/outputs.rs"]
mod outputs;
mod recording;
mod sounds;
#[path = "../mouth/speaker.rs"]
#[allow(dead_code, reason = "shared with the tests of the mouth")]
mod speaker;
#[path = "../sessions/world.rs"]
#[allow(dead_code, reason = "shared with the tests of sessions")]
mod world;
