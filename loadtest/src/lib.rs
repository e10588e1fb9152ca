//! The provider simulator, the load tester and the checker.
//!
//! The simulator stands in for an AI provider in tests and demonstrations. It runs as a process of its own, names
//! its models `sim-…`, and marks what it writes.

mod command;
pub mod provider;

pub use command::{main_with, run};
