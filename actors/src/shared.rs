//! What all actors of one server share.

use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use greenroom_session::ports::TenantId;
use tokio::sync::watch;

use crate::registry::Registry;
use crate::{ActorsConfig, Ports};

/// Configuration, ports, and where the sessions are.
pub(crate) struct Shared {
    pub(crate) config: ActorsConfig,
    pub(crate) ports: Ports,
    pub(crate) tenant: TenantId,
    pub(crate) registry: Registry,
    /// Session actors alive.
    pub(crate) live: AtomicUsize,
    /// Session actors at once.
    pub(crate) live_max: AtomicUsize,
    /// Whether new commands are refused, because the server is about to stop.
    pub(crate) draining: AtomicBool,
    busy: Arc<watch::Sender<usize>>,
}

impl Shared {
    pub(crate) fn new(config: ActorsConfig, ports: Ports) -> Self {
        let registry = Registry::new(&config);
        Self {
            live_max: AtomicUsize::new(config.sessions_live_max),
            config,
            ports,
            tenant: TenantId::default(),
            registry,
            live: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
            busy: Arc::new(watch::Sender::new(0)),
        }
    }

    /// Counts a session as one that has something under way, until the mark is dropped.
    pub(crate) fn mark_busy(&self) -> BusyMark {
        self.busy.send_modify(|count| *count += 1);
        BusyMark {
            busy: self.busy.clone(),
        }
    }

    /// Returns once no session has anything under way.
    pub(crate) async fn quiet(&self) {
        let mut busy = self.busy.subscribe();
        // The sender lives in `self`, so waiting can only end with the condition.
        let _still_open = busy.wait_for(|count| *count == 0).await;
    }
}

/// A session that has something under way. The count is undone even when its actor is killed.
pub(crate) struct BusyMark {
    busy: Arc<watch::Sender<usize>>,
}

impl Drop for BusyMark {
    fn drop(&mut self) {
        self.busy.send_modify(|count| *count -= 1);
    }
}

/// Locks what no code can leave half done: nothing in this crate panics while it holds such a lock, and a panic
/// elsewhere must not take every other session with it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
