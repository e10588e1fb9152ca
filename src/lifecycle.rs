//! Whether the server serves, lets live turns finish, or closes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use greenroom_protocol::Millis;
use rand::RngExt as _;
use tokio::sync::{Notify, watch};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Nobody comes back sooner: the server that takes this one's place is not there at once.
const RECONNECT_AFTER_MIN: Duration = Duration::from_millis(500);
/// Over how long a few clients are spread that come back.
const RECONNECT_WINDOW_MIN: Duration = Duration::from_secs(1);
/// Over how long any number of them is.
const RECONNECT_WINDOW_MAX: Duration = Duration::from_secs(30);
/// So many may come back in a second: each folds its session anew, and reads what it missed.
const RECONNECTS_PER_SECOND: f64 = 200.0;

/// How far the server is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It takes new work.
    Serving,
    /// It takes no new work; turns under way may finish.
    Draining,
    /// Every connection ends now.
    Closing,
}

/// The way out of the server, and everything that it waits for.
#[derive(Debug)]
pub struct Lifecycle {
    progress: watch::Sender<Progress>,
    is_stop_asked: AtomicBool,
    stop_asked: Notify,
    connections: TaskTracker,
    answers: TaskTracker,
}

/// How far the server is, and what follows from it for its clients.
#[derive(Debug, Clone, Copy)]
struct Progress {
    phase: Phase,
    /// Over how long those are spread who come back.
    reconnect_window: Duration,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self {
            progress: watch::Sender::new(Progress {
                phase: Phase::Serving,
                reconnect_window: RECONNECT_WINDOW_MIN,
            }),
            is_stop_asked: AtomicBool::new(false),
            stop_asked: Notify::new(),
            connections: TaskTracker::new(),
            answers: TaskTracker::new(),
        }
    }
}

impl Lifecycle {
    /// How far the server is.
    pub fn phase(&self) -> Phase {
        self.progress.borrow().phase
    }

    /// Goes one way only: an earlier phase than the present one is ignored.
    pub fn advance(&self, to: Phase) {
        self.progress.send_if_modified(|progress| {
            let later = to > progress.phase;
            if progress.phase == Phase::Serving && later {
                // Those who are there now are those who will come back.
                progress.reconnect_window = reconnect_window(self.connections());
            }
            progress.phase = to.max(progress.phase);
            later
        });
    }

    /// Asks for the server to be stopped, as SIGTERM does. Says whether nobody had asked before.
    pub fn ask_to_stop(&self) -> bool {
        let is_first = !self.is_stop_asked.swap(true, Ordering::Relaxed) && self.phase() == Phase::Serving;
        self.stop_asked.notify_one();
        is_first
    }

    /// Waits until somebody has asked for it.
    pub async fn stop_asked(&self) {
        self.stop_asked.notified().await;
    }

    /// A view of the phase that can be waited on.
    pub fn watch(&self) -> PhaseWatch {
        PhaseWatch(self.progress.subscribe())
    }

    /// Counts a connection until the token is dropped.
    pub fn connection(&self) -> TaskTrackerToken {
        self.connections.token()
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Counts a request that waits for work under way and is yet to be answered, until the token is dropped.
    pub fn answer(&self) -> TaskTrackerToken {
        self.answers.token()
    }

    /// Waits until those who waited for work have their answers, but not for long.
    pub async fn answers_given(&self, within: Duration) -> bool {
        self.answers.close();
        tokio::time::timeout(within, self.answers.wait()).await.is_ok()
    }

    /// Waits until every connection has ended, but not for long. Says whether all have.
    pub async fn connections_ended(&self, within: Duration) -> bool {
        self.connections.close();
        tokio::time::timeout(within, self.connections.wait())
            .await
            .is_ok()
    }
}

/// Sees the phase change.
#[derive(Debug, Clone)]
pub struct PhaseWatch(watch::Receiver<Progress>);

impl PhaseWatch {
    /// Waits until the server has come this far; at once if it has already.
    pub async fn reached(&mut self, phase: Phase) {
        // The sender is gone only when the server is, which is as far as it can come.
        self.0.wait_for(|present| present.phase >= phase).await.ok();
    }

    /// How far the server is.
    pub fn phase(&self) -> Phase {
        self.0.borrow().phase
    }

    /// When one client is to come back after it was let go: another time for each, so that not all come at once.
    pub fn reconnect_after(&self) -> Millis {
        let window = self.0.borrow().reconnect_window;
        let after = RECONNECT_AFTER_MIN + window.mul_f64(rand::rng().random());
        Millis(u64::try_from(after.as_millis()).unwrap_or(u64::MAX))
    }

    /// The same in whole seconds, for whoever was refused because the server drains.
    pub fn retry_after_s(&self) -> u32 {
        let Millis(after_ms) = self.reconnect_after();
        u32::try_from(after_ms.div_ceil(1_000)).unwrap_or(u32::MAX)
    }

    /// Waits for something, but only until the server has come this far: then there is nothing.
    pub async fn unless_reached<T>(mut self, phase: Phase, awaited: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            // What is there already is not thrown away.
            biased;
            there = awaited => Some(there),
            () = self.reached(phase) => None,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "nobody has 2^52 connections")]
fn reconnect_window(connections: usize) -> Duration {
    let needed = Duration::from_secs_f64(connections as f64 / RECONNECTS_PER_SECOND);
    needed.clamp(RECONNECT_WINDOW_MIN, RECONNECT_WINDOW_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_there_are_the_longer_they_are_spread_within_reason() {
        let check = |connections, seconds| {
            assert_eq!(
                reconnect_window(connections),
                Duration::from_secs(seconds),
                "{connections}"
            );
        };
        check(0, 1);
        check(200, 1);
        check(1_000, 5);
        check(6_000, 30);
        check(usize::MAX, 30);
    }

    #[test]
    fn clients_come_back_one_after_the_other() {
        let lifecycle = Lifecycle::default();
        let connections: Vec<_> = (0..2_000).map(|_| lifecycle.connection()).collect();
        lifecycle.advance(Phase::Draining);
        drop(connections);
        let watch = lifecycle.watch();
        let times: Vec<u64> = (0..2_000).map(|_| watch.reconnect_after().0).collect();
        assert!(times.iter().all(|ms| (500..=10_500).contains(ms)));
        // Of 2,000 within ten seconds 200 are expected in each, and fewer than 100 in none but by a miracle.
        for second in 0..10 {
            let from = 500 + second * 1_000;
            let coming = times
                .iter()
                .filter(|ms| (from..from + 1_000).contains(*ms))
                .count();
            assert!(coming > 100, "{coming} come in second {second}");
        }
    }

    #[test]
    fn it_goes_one_way_only() {
        let lifecycle = Lifecycle::default();
        lifecycle.advance(Phase::Closing);
        lifecycle.advance(Phase::Draining);
        assert_eq!(lifecycle.phase(), Phase::Closing);
    }
}
