//! The actors over scripted ports, with paused time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod background;
mod checks;
mod commands;
mod cursors;
mod deletion;
mod faults;
mod journal;
mod lifecycle;
mod model;
mod moderator;
mod operator;
mod outages;
mod outputs;
mod outside;
mod races;
mod runs;
mod schedule;
mod snapshots;
mod world;
