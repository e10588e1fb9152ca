//! What a trial is to do.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use serde::Serialize;

use crate::world::Program;

/// People of one trial: each has a socket, a record and a microphone or a script.
const PEOPLE_MAX: usize = 2_000;

/// What `loadtest faults` is to do.
#[derive(Debug, Clone, Serialize)]
pub struct FaultsOptions {
    /// The server's program.
    #[serde(skip)]
    pub server: Program,
    /// The simulator's.
    #[serde(skip)]
    pub simulator: Program,
    /// Where everything of the trial goes; it must not hold another one.
    pub folder: PathBuf,
    /// How many people there are, each with a session and, one after another, more.
    pub people: usize,
    /// How long things go wrong.
    #[serde(serialize_with = "as_seconds")]
    pub duration: Duration,
    /// How long everything may take afterwards until it has come to rest.
    #[serde(serialize_with = "as_seconds")]
    pub rest: Duration,
    /// What all that looks arbitrary follows from.
    pub seed: u64,
    /// Whether the server has the hooks that panics are provoked by.
    pub with_hooks: bool,
}

impl FaultsOptions {
    /// Says what makes no sense.
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(
            (1..=PEOPLE_MAX).contains(&self.people),
            "1 to {PEOPLE_MAX} sessions at once, not {}",
            self.people
        );
        ensure!(!self.duration.is_zero(), "it takes some time: give --duration");
        Ok(())
    }
}

fn as_seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}
