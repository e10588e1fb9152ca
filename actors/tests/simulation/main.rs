//! Whole servers simulated: thousands of sessions over scripted ports, on one thread and in no time, with everything that
//! can go wrong drawn from a seed. After each step the rules of `ARCHITECTURE.md` are checked.
//!
//! `GREENROOM_SIMULATION_SEED=7 cargo test -p greenroom-actors --test simulation` plays the world of a seed again;
//! `cargo run -p greenroom-actors --example simulate` plays as many as one likes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

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
mod universe;
#[path = "../sessions/world.rs"]
#[allow(dead_code, reason = "shared with the tests of sessions")]
mod world;

use std::collections::BTreeMap;

/// Plays the world of this seed as well.
const SEED_VARIABLE: &str = "GREENROOM_SIMULATION_SEED";
/// Worlds in the test: together they meet every fault.
const WORLDS: u64 = 24;
/// What must come about in them as well, or they would show nothing.
const EVENTS: [&str; 13] = [
    "run completed",
    "run failed",
    "run cancelled",
    "turn Ok",
    "turn Interrupted",
    "turn Failed",
    "message heard",
    "response taken up",
    "job tried again",
    "session restarted",
    "session stopped",
    "session deleted",
    "refused: the answer was lost",
];

#[test]
fn whatever_happens_to_a_server_its_rules_hold() {
    let chosen = std::env::var(SEED_VARIABLE)
        .ok()
        .map(|seed| seed.parse().unwrap());
    let mut met = BTreeMap::new();
    for seed in (0..WORLDS).chain(chosen) {
        let history = universe::play(seed).unwrap_or_else(|broken| {
            panic!(
                "{} (at step {}; play it again: {SEED_VARIABLE}={seed})",
                broken.rule, broken.step
            )
        });
        for (what, times) in history.counts {
            *met.entry(what).or_insert(0) += times;
        }
    }
    let wanted = universe::faults().chain(EVENTS.map(str::to_owned));
    let missed: Vec<String> = wanted.filter(|what| !met.contains_key(what)).collect();
    assert!(missed.is_empty(), "these worlds never meet {missed:?}");
}

#[test]
fn a_seed_is_one_history() {
    for seed in [3, 79] {
        assert_eq!(universe::play(seed), universe::play(seed), "seed {seed}");
    }
}
