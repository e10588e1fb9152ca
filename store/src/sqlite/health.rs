//! What the writer tells the outside of itself: whether it can write, and its metrics.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use greenroom_session::ports::AppendOutcome;
use metrics::{Counter, Gauge, Histogram, Unit};

/// Kept up to date by the writer, read by everybody. The metrics go to the recorder that is installed when the
/// store is opened.
pub struct Health {
    writable: AtomicBool,
    writable_gauge: Gauge,
    batch_appends: Histogram,
    batch_events: Histogram,
    append_seconds: Histogram,
    queue_depth: Gauge,
    fenced: Counter,
    failed: Counter,
    unknown: Counter,
    held: Counter,
    panicked: Counter,
}

impl Health {
    /// Healthy, and nothing counted yet.
    pub fn new() -> Self {
        metrics::describe_gauge!(
            "greenroom_journal_writable",
            "1 while appends are being committed, else 0"
        );
        metrics::describe_histogram!(
            "greenroom_journal_batch_appends",
            "Appends and opens in one transaction"
        );
        metrics::describe_histogram!("greenroom_journal_batch_events", "Events in one transaction");
        metrics::describe_histogram!(
            "greenroom_journal_append_seconds",
            Unit::Seconds,
            "From the call of an append to its commit"
        );
        metrics::describe_gauge!(
            "greenroom_journal_queue_depth",
            "Requests that wait for the writer"
        );
        metrics::describe_counter!(
            "greenroom_journal_failures_total",
            "Appends that were not committed, transactions that were held, and panics of the writer, by kind"
        );
        let failures =
            |kind: &'static str| metrics::counter!("greenroom_journal_failures_total", "kind" => kind);
        let health = Self {
            writable: AtomicBool::new(true),
            writable_gauge: metrics::gauge!("greenroom_journal_writable"),
            batch_appends: metrics::histogram!("greenroom_journal_batch_appends"),
            batch_events: metrics::histogram!("greenroom_journal_batch_events"),
            append_seconds: metrics::histogram!("greenroom_journal_append_seconds"),
            queue_depth: metrics::gauge!("greenroom_journal_queue_depth"),
            fenced: failures("fenced"),
            failed: failures("failed"),
            unknown: failures("unknown"),
            held: failures("held"),
            panicked: failures("panicked"),
        };
        health.writable_gauge.set(1.0);
        health
    }

    /// Whether appends are being committed now.
    pub fn is_writable(&self) -> bool {
        self.writable.load(Ordering::Acquire)
    }

    /// The journal can be written, again or still.
    pub fn found_writable(&self) {
        if !self.writable.swap(true, Ordering::AcqRel) {
            tracing::info!("the journal can be written again");
            self.writable_gauge.set(1.0);
        }
    }

    /// The journal cannot be written.
    pub fn found_unwritable(&self, reason: &str) {
        self.held.increment(1);
        if self.writable.swap(false, Ordering::AcqRel) {
            tracing::error!(reason, "the journal cannot be written");
            self.writable_gauge.set(0.0);
        }
    }

    /// The writer panicked and begins anew.
    pub fn panicked(&self) {
        self.panicked.increment(1);
    }

    /// A transaction was tried with so many asks and events, while so many asks wait.
    #[expect(clippy::cast_precision_loss, reason = "both are far below 2^52")]
    pub fn tried(&self, asks: usize, events: usize, waiting: usize) {
        self.batch_appends.record(asks as f64);
        self.batch_events.record(events as f64);
        self.queue_depth.set(waiting as f64);
    }

    /// An append was answered.
    pub fn answered(&self, outcome: &AppendOutcome, took: Duration) {
        match outcome {
            AppendOutcome::Committed { .. } => self.append_seconds.record(took),
            AppendOutcome::Fenced => self.fenced.increment(1),
            AppendOutcome::Failed(_) => self.failed.increment(1),
            AppendOutcome::Unknown => self.unknown.increment(1),
        }
    }
}
