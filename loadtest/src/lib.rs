//! The provider simulator, the load tester and the checker.
//!
//! The simulator stands in for an AI provider in tests and demonstrations. It runs as a process of its own, names
//! its models `sim-…`, and marks what it writes.

pub mod checker;
pub mod client;
mod command;
pub mod faults;
pub mod load;
pub mod provider;
pub mod voice;
mod wall_clock;
pub mod world;

pub use command::{main_with, run};
