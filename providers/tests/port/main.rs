//! The ports against a server whose every byte the test decides.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its scaffolding too"
)]

mod background;
mod faults;
mod lifetimes;
mod live;
mod moderation;
mod probe;
mod realtime_server;
mod replies;
mod scripted_server;
mod services;
mod speech;
mod transcription;
