//! What the simulator's routes share: its pace, its bill, its faults and the responses that it keeps.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::ensure;
use axum::http::{HeaderMap, header};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::ProviderConfig;
use super::author::Chance;
use super::bill::Bill;
use super::error::ProviderError;
use super::fault::Faults;
use super::pace::Pace;
use super::responses::Archive;

/// Requests under way at once.
pub(crate) const REQUESTS_MAX: usize = 4_096;
/// WebSockets open at once.
const SOCKETS_MAX: usize = 4_096;
/// Recordings decoded, texts spoken and pictures drawn at once; each needs a processor.
const HEAVY_WORK_MAX: usize = 2;

/// The simulator as its routes share it.
pub(crate) type SharedSimulator = Arc<Simulator>;

/// What the routes share.
#[derive(Debug)]
pub(crate) struct Simulator {
    pub(crate) pace: Pace,
    pub(crate) seed: u64,
    pub(crate) bill: Arc<Bill>,
    pub(crate) faults: Faults,
    pub(crate) archive: Archive,
    require_key: Option<String>,
    permits: Arc<Semaphore>,
    heavy_work: Arc<Semaphore>,
    requests: AtomicU64,
    sockets: TaskTracker,
    stopping: CancellationToken,
}

impl Simulator {
    pub(crate) fn new(config: &ProviderConfig) -> anyhow::Result<SharedSimulator> {
        let is_positive = |number: f64| number.is_finite() && number > 0.0;
        ensure!(is_positive(config.speed), "the speed must be a positive number");
        ensure!(
            is_positive(config.tokens_per_second),
            "the tokens per second must be a positive number"
        );
        let per_token = Duration::try_from_secs_f64(1.0 / (config.tokens_per_second * config.speed))?;
        let faults = Faults::default();
        faults.set(config.faults.clone());
        Ok(Arc::new(Self {
            pace: Pace {
                first_token: config.first_token.div_f64(config.speed),
                per_token,
            },
            seed: config.seed,
            bill: Bill::open(config.bill.as_deref())?,
            faults,
            archive: Archive::default(),
            require_key: config.require_key.clone(),
            permits: Arc::new(Semaphore::new(REQUESTS_MAX)),
            heavy_work: Arc::new(Semaphore::new(HEAVY_WORK_MAX)),
            requests: AtomicU64::new(0),
            sockets: TaskTracker::new(),
            stopping: CancellationToken::new(),
        }))
    }

    /// Calls that end from now on are ended by the simulator, not by their clients.
    pub(crate) fn stop(&self) {
        self.bill.close();
        self.archive.clear();
        self.sockets.close();
        self.stopping.cancel();
    }

    /// Ready once the simulator stops.
    pub(crate) async fn stopped(&self) {
        self.stopping.cancelled().await;
    }

    /// Ready once the simulator has stopped and the last WebSocket has ended.
    pub(crate) async fn sockets_ended(&self) {
        self.sockets.wait().await;
    }

    /// Leave to be one of the open WebSockets, for as long as the token is kept.
    pub(crate) fn socket(&self) -> Result<TaskTrackerToken, ProviderError> {
        if self.sockets.len() < SOCKETS_MAX {
            Ok(self.sockets.token())
        } else {
            Err(ProviderError::overloaded())
        }
    }

    pub(crate) fn authorize(&self, headers: &HeaderMap) -> Result<(), ProviderError> {
        let authorization = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        self.authorize_key(authorization.and_then(|value| value.strip_prefix("Bearer ")))
    }

    pub(crate) fn authorize_key(&self, given: Option<&str>) -> Result<(), ProviderError> {
        match &self.require_key {
            Some(required) if given != Some(required.as_str()) => Err(ProviderError::unauthorized(given)),
            Some(_) | None => Ok(()),
        }
    }

    /// Leave to be one of the requests under way.
    pub(crate) fn permit(&self) -> Result<OwnedSemaphorePermit, ProviderError> {
        let permits = Arc::clone(&self.permits);
        permits
            .try_acquire_owned()
            .map_err(|_| ProviderError::overloaded())
    }

    /// Requests that could still be taken in.
    pub(crate) fn permits_left(&self) -> usize {
        self.permits.available_permits()
    }

    /// The number of a request, from 0.
    pub(crate) fn next_request(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }

    /// Ids for what a call makes.
    pub(crate) fn serial(&self, call: u64) -> Chance {
        Chance::new(self.seed, "call").at(&call.to_string())
    }

    /// The turn to keep a processor busy.
    async fn heavy_turn(&self) -> Result<OwnedSemaphorePermit, ProviderError> {
        let turns = Arc::clone(&self.heavy_work);
        let turn = turns.acquire_owned().await;
        turn.map_err(|_| ProviderError::overloaded())
    }

    /// Does work that keeps a processor busy, apart from what waits for the network.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ProviderError> {
        let turn = self.heavy_turn().await?;
        let work = move || {
            let _turn = turn;
            work()
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| ProviderError::internal())
    }
}
