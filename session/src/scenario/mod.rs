//! Scenarios: conversations written down, with what must follow from each step.
//!
//! A scenario is played through the very decider and reader that sessions use, with a clock that only moves when told
//! and ids that count up. The form is described in `docs/scenarios.md`.

mod document;
mod expectation;
mod form;
mod invariants;
mod player;
mod record;
#[cfg(test)]
mod tests;

pub use document::{PHRASE_PREFIX, Scenario, ScenarioFault};
pub use player::{Mismatch, Played, play};
pub use record::{RecordError, record};
