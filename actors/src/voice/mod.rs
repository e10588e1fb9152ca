//! Live voice: each connection that sends audio has a line, with its ear and its mouth, beside the session.
//!
//! A session sees words and decisions, never sound. Everything on a line is local to one task: frames go in by the
//! intake, sound and signals come out by the outlet, and the session is reached through its directory like by anybody
//! else.

mod floor;
mod intake;
pub mod mouth;
pub mod outlet;
mod speech_clock;

pub(crate) use floor::Floor;
