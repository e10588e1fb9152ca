//! The protocol as clients see it: golden files, round trips, arbitrary input, generated documents.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod documents;
mod errors;
mod examples;
mod golden;
mod never_panics;
mod round_trip;
mod strategies;

use serde_json::Value;

/// Compares a generated file in the repository with what it should hold, or writes it when asked to.
#[track_caller]
fn check_generated(path_in_repository: &str, expected: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../").to_owned() + path_in_repository;
    if std::env::var_os("GREENROOM_REGENERATE").is_some() {
        std::fs::write(&path, expected).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == expected,
        "{path_in_repository} is stale; look at what changed for clients, then run\n    \
         GREENROOM_REGENERATE=1 cargo test -p greenroom-protocol"
    );
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}
