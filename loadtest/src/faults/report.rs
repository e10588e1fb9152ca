//! What a trial came to.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::finding::Finding;
use super::people::Return;
use super::stagehand::Tried;
use crate::checker::{self, Violation};
use crate::load::Distribution;

/// Findings and violations that a printed report shows; all of them are in the document.
const SHOWN: usize = 40;

/// The report of a trial.
#[derive(Debug, Serialize)]
pub struct FaultsReport {
    /// Which document this is.
    pub schema: &'static str,
    /// What everything follows from.
    pub seed: u64,
    /// What repeats it.
    pub replay: String,
    /// Where everything of it is.
    pub folder: String,
    /// People at once.
    pub people: usize,
    /// How long things went wrong.
    pub duration_s: f64,
    /// How often each kind of trouble was tried and took effect.
    pub troubles: BTreeMap<&'static str, Tried>,
    /// How often the server was ended, by `kill -9` and by SIGTERM.
    pub ends: Ends,
    /// Panics in the server's log.
    pub panics: usize,
    /// Events that clients saw and that are lost, or that came in the wrong order: must be 0.
    pub losses: usize,
    /// How connections came back.
    pub returns: Returns,
    /// The server's memory.
    pub memory: Memory,
    /// Whether `greenroom verify` was there to be asked.
    pub was_verified: bool,
    /// Sessions that were erased.
    pub erased: usize,
    /// What was found besides.
    pub findings: Vec<Finding>,
    /// What the checker looked at, and what it found.
    pub checker: checker::Report,
}

/// How the server ended and came back.
#[derive(Debug, Default, Serialize)]
pub struct Ends {
    /// By `kill -9`.
    pub kills: usize,
    /// By SIGTERM.
    pub terminations: usize,
    /// From SIGTERM to the end of the process, in milliseconds.
    pub ending_ms: Distribution,
    /// From the start of the process until it served, in milliseconds.
    pub starting_ms: Distribution,
}

/// How connections came back, in milliseconds.
#[derive(Debug, Serialize)]
pub struct Returns {
    /// From a loss until there was a connection again.
    pub away_ms: Distribution,
    /// From then until everything that was missed had come.
    pub caught_up_ms: Distribution,
}

/// Resident memory of the server.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Memory {
    /// Before anybody came.
    pub before_kib: u64,
    /// After everybody had gone.
    pub after_kib: u64,
}

impl Memory {
    /// More than twice what it was, 64 MiB, and the database's caches, which are empty before anybody came, is no reserve,
    /// but something that was not given back.
    pub(super) fn finding(self) -> Option<Finding> {
        // The writer's 32 MiB, and 2 MiB of each of four readers.
        const DATABASE_CACHES_KIB: u64 = 40 * 1024;
        const RESERVE_KIB: u64 = 64 * 1024 + DATABASE_CACHES_KIB;
        let Self {
            before_kib,
            after_kib,
        } = self;
        (after_kib > before_kib * 2 + RESERVE_KIB).then_some(Finding::Memory {
            before_kib,
            after_kib,
        })
    }
}

impl Returns {
    pub(super) fn of(returns: &[Return]) -> Self {
        let distribution = |of: fn(&Return) -> Duration| {
            Distribution::of(returns.iter().map(of).map(milliseconds).collect())
        };
        Self {
            away_ms: distribution(|way| way.away),
            caught_up_ms: distribution(|way| way.caught_up),
        }
    }
}

impl FaultsReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty() && self.checker.is_clean()
    }

    /// How much is wrong.
    pub fn fault_count(&self) -> usize {
        self.findings.len() + self.checker.violations.len()
    }
}

impl fmt::Display for FaultsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "seed {}: {} people, {:.0} s; {}",
            self.seed, self.people, self.duration_s, self.folder
        )?;
        let troubles = self.troubles.iter();
        let told: Vec<String> = troubles
            .map(|(name, tried)| format!("{name} {}/{}", tried.done, tried.tried))
            .collect();
        writeln!(f, "took effect of what was tried: {}", told.join(", "))?;
        writeln!(
            f,
            "{} kills, {} terminations ({}), starts {}; {} panics; {} sessions erased",
            self.ends.kills,
            self.ends.terminations,
            Told(&self.ends.ending_ms),
            Told(&self.ends.starting_ms),
            self.panics,
            self.erased
        )?;
        writeln!(
            f,
            "connections came back: away {}, then caught up {}",
            Told(&self.returns.away_ms),
            Told(&self.returns.caught_up_ms)
        )?;
        writeln!(
            f,
            "memory {} KiB before, {} KiB after; verified: {}",
            self.memory.before_kib, self.memory.after_kib, self.was_verified
        )?;
        writeln!(f, "losses: {}", self.losses)?;
        writeln!(f, "{}", self.checker)?;
        writeln!(f, "{} findings", self.findings.len())?;
        for finding in self.findings.iter().take(SHOWN) {
            writeln!(f, "  {finding}")?;
        }
        write!(f, "again: {}", self.replay)
    }
}

/// Events that a client saw and the journal does not hold so, numbers out of order, and promises that were not kept.
pub(super) fn losses(violations: &[Violation]) -> usize {
    let is_loss = |violation: &&Violation| {
        matches!(
            violation,
            Violation::SeenNotInJournal { .. }
                | Violation::SeenDiffers { .. }
                | Violation::JournalMissing { .. }
                | Violation::SeqBroken { .. }
                | Violation::PromiseBroken { .. }
        )
    };
    violations.iter().filter(is_loss).count()
}

/// A time in milliseconds.
pub(super) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// A distribution of milliseconds in a few words.
struct Told<'a>(&'a Distribution);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Distribution {
            count, p50, p99, max, ..
        } = self.0;
        write!(f, "{count} × p50 {p50:.0} p99 {p99:.0} max {max:.0} ms")
    }
}
