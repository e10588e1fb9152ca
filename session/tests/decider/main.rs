//! The decider, driven by scripted words, models and clocks.

mod attempts;
mod background;
mod chance;
mod conversation;
mod evidence;
mod injection;
mod jobs;
mod moderation;
mod operator;
mod outputs;
mod outside;
mod play;
mod run;
mod snapshots;
mod voice;
