//! Where time, ids and blobs come from in a simulated world.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use greenroom_protocol::Timestamp;
use greenroom_session::ports::{BlobError, BlobStream, Blobs, Clock, IdSource};
use tokio::time::Instant;
use ulid::Ulid;

use super::fate::{Fate, Fault};
use crate::world::MemoryBlobs;

const BEGINNING_MS: i64 = 1_771_513_200_000;

/// The time of a paused runtime, as a clock shows it that may be set.
pub struct WallClock {
    began: Instant,
    set_ms: AtomicI64,
}

impl WallClock {
    pub fn new() -> Self {
        Self {
            began: Instant::now(),
            set_ms: AtomicI64::new(0),
        }
    }

    /// Sets it forward, or back.
    pub fn set(&self, by_ms: i64) {
        self.set_ms.fetch_add(by_ms, Ordering::Relaxed);
    }
}

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        let passed_ms = i64::try_from(self.began.elapsed().as_millis()).unwrap();
        Timestamp::from_unix_ms(BEGINNING_MS + passed_ms + self.set_ms.load(Ordering::Relaxed))
    }
}

/// Ids as the server makes them: by the time, random within a millisecond, and rising within one source.
pub struct Ids {
    fate: Arc<Fate>,
    clock: Arc<WallClock>,
    last: Option<Ulid>,
    /// Whether who takes one may panic over it: sessions may, the directory does not decide.
    is_brittle: bool,
}

impl Ids {
    /// Makes sources for one server. The first is the directory's.
    pub fn factory(fate: Arc<Fate>, clock: Arc<WallClock>) -> impl Fn() -> Box<dyn IdSource> + Send + Sync {
        let is_brittle = AtomicBool::new(false);
        move || {
            Box::new(Self {
                fate: fate.clone(),
                clock: clock.clone(),
                last: None,
                is_brittle: is_brittle.swap(true, Ordering::Relaxed),
            })
        }
    }
}

impl IdSource for Ids {
    fn next_ulid(&mut self) -> Ulid {
        let panics = self.is_brittle && self.fate.strikes(Fault::SessionPanics);
        assert!(!panics, "a session was asked to panic");
        let at_ms = u64::try_from(self.clock.now().unix_ms()).unwrap();
        let random = (u128::from(self.fate.chance.draw()) << 15) | 1;
        let fresh = Ulid::from_parts(at_ms, random);
        let id = match self.last {
            Some(last) if fresh <= last => Ulid(last.0 + 1),
            Some(_) | None => fresh,
        };
        self.last = Some(id);
        id
    }

    fn jitter(&mut self) -> f64 {
        self.fate.chance.fraction()
    }
}

/// Blobs that cannot always be reached.
pub struct UnsteadyBlobs {
    pub blobs: MemoryBlobs,
    pub fate: Arc<Fate>,
}

impl UnsteadyBlobs {
    fn reach(&self) -> Result<&MemoryBlobs, BlobError> {
        if self.fate.strikes(Fault::BlobUnavailable) {
            return Err(BlobError::Unavailable("asked to be".to_owned()));
        }
        Ok(&self.blobs)
    }
}

#[async_trait]
impl Blobs for UnsteadyBlobs {
    async fn put(&self, name: &str, bytes: Bytes) -> Result<(), BlobError> {
        self.reach()?.put(name, bytes).await
    }

    async fn get(&self, name: &str) -> Result<Bytes, BlobError> {
        self.reach()?.get(name).await
    }

    async fn delete(&self, name: &str) -> Result<(), BlobError> {
        self.reach()?.delete(name).await
    }

    fn list(&self, folder: &str) -> BlobStream {
        self.blobs.list(folder)
    }
}
