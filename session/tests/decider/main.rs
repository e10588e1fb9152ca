//! The decider, driven by scripted words, models and clocks.

mod conversation;
mod moderation;
mod outputs;
mod play;
mod run;
