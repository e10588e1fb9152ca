//! The checker: holds what clients saw, what the server's journals say and what the simulator billed against each other.

mod bill;
mod evidence;
mod journal;
mod promises;
mod records;
mod violation;

use std::fmt;

use serde::Serialize;

pub use evidence::{ClientRecord, Erasure, Evidence, OperatorRow, read_records};
pub use promises::Promise;
pub use violation::{Subject, Violation};

use bill::Calls;

/// Violations that a printed report shows; all of them are in [`Report::violations`].
const VIOLATIONS_SHOWN: usize = 50;

/// What may still be under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expectation {
    /// Everything has ended: an open turn, run or call is a violation.
    AtRest,
    /// The server is at work.
    UnderWay,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// How much was looked at.
    pub counts: Counts,
    /// What is wrong.
    pub violations: Vec<Violation>,
}

/// How much was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Sessions whose journal was read.
    pub sessions: usize,
    /// Events in the journals.
    pub events: usize,
    /// Clients with a record.
    pub clients: usize,
    /// Connections that they opened.
    pub connections: usize,
    /// Events that they saw.
    pub seen: usize,
    /// Turns begun.
    pub turns: usize,
    /// Turns that failed.
    pub turns_failed: usize,
    /// Turns that were too old to be taken up again.
    pub turns_abandoned: usize,
    /// Runs begun.
    pub runs: usize,
    /// Runs that ended in success.
    pub runs_done: usize,
    /// Runs that ended in failure.
    pub runs_failed: usize,
    /// Runs that were cancelled.
    pub runs_cancelled: usize,
    /// Stages completed.
    pub stages_completed: usize,
    /// Calls reserved.
    pub calls_reserved: usize,
    /// Calls settled.
    pub calls_settled: usize,
    /// Calls that the simulator counted.
    pub calls_billed: usize,
    /// Rows that an operator gave.
    pub operator_rows: usize,
    /// Promises that clients were given.
    pub promises: usize,
    /// Calls of sessions that were erased, which nothing can be held against any more.
    pub calls_of_the_erased: usize,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        writeln!(
            f,
            "{} sessions, {} events; {} clients saw {} events over {} connections",
            counts.sessions, counts.events, counts.clients, counts.seen, counts.connections
        )?;
        writeln!(
            f,
            "{} turns; {} runs: {} done, {} failed, {} cancelled; {} stages completed",
            counts.turns,
            counts.runs,
            counts.runs_done,
            counts.runs_failed,
            counts.runs_cancelled,
            counts.stages_completed
        )?;
        writeln!(
            f,
            "{} calls reserved, {} settled, {} billed; {} operator rows",
            counts.calls_reserved, counts.calls_settled, counts.calls_billed, counts.operator_rows
        )?;
        if self.is_clean() {
            return write!(f, "nothing is wrong");
        }
        write!(f, "{} violations", self.violations.len())?;
        for violation in self.violations.iter().take(VIOLATIONS_SHOWN) {
            write!(f, "\n  {violation}")?;
        }
        match self.violations.len().saturating_sub(VIOLATIONS_SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

/// Checks everything against everything.
pub fn check(evidence: &Evidence, expectation: Expectation) -> Report {
    let mut report = Report::default();
    let mut calls = Calls::default();
    report.counts.sessions = evidence.journals.len();
    for (session, journal) in &evidence.journals {
        journal::check(*session, journal, expectation, &mut calls, &mut report);
    }
    for record in &evidence.records {
        records::check(record, evidence, &mut report);
    }
    promises::check(evidence, &mut report);
    bill::check(evidence, &calls, &mut report);
    report
}

#[cfg(test)]
mod tests;
