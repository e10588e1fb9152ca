//! Work that several may wait for and nobody cancels by going away: one task for each thing to be done.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

/// Tasks under way by what they do. They end with their work, or when this is dropped.
pub(super) struct Flights<K, T> {
    under_way: Arc<Table<K, T>>,
}

type Table<K, T> = Mutex<HashMap<K, Flight<T>>>;

struct Flight<T> {
    progress: watch::Receiver<T>,
    /// Which of the flights under this key it is; a later one may have taken its place.
    number: u64,
    _task: AbortOnDropHandle<()>,
}

impl<K, T> Flights<K, T>
where
    K: Clone + Eq + Hash + Send + 'static,
    T: Default + Send + Sync + 'static,
{
    pub(super) fn new() -> Self {
        Self {
            under_way: Arc::new(Mutex::default()),
        }
    }

    /// Watches the work under this key, which begins if it is not under way. The sender is gone when it has ended, in
    /// whatever way.
    pub(super) fn join<F>(&self, key: K, work: impl FnOnce(watch::Sender<T>) -> F) -> watch::Receiver<T>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut under_way = lock(&self.under_way);
        if let Some(flight) = under_way.get(&key)
            // One whose sender is gone has ended, and is about to leave the table.
            && flight.progress.has_changed().is_ok()
        {
            return flight.progress.clone();
        }
        let number = under_way.get(&key).map_or(0, |ended| ended.number + 1);
        let (sender, progress) = watch::channel(T::default());
        let landing = Landing {
            under_way: Arc::downgrade(&self.under_way),
            key: key.clone(),
            number,
        };
        let work = work(sender);
        let task = tokio::spawn(
            async move {
                let _landing = landing;
                work.await;
            }
            .in_current_span(),
        );
        let flight = Flight {
            progress: progress.clone(),
            number,
            _task: AbortOnDropHandle::new(task),
        };
        under_way.insert(key, flight);
        progress
    }
}

/// Takes a flight off the table when it ends, by a panic too.
struct Landing<K: Eq + Hash, T> {
    under_way: Weak<Table<K, T>>,
    key: K,
    number: u64,
}

impl<K: Eq + Hash, T> Drop for Landing<K, T> {
    fn drop(&mut self) {
        // Without a table its owner is gone, and every flight with it.
        let Some(table) = self.under_way.upgrade() else {
            return;
        };
        let mut under_way = lock(&table);
        let landed = under_way
            .get(&self.key)
            .is_some_and(|flight| flight.number == self.number);
        let flight = landed.then(|| under_way.remove(&self.key));
        // Not under the lock: dropping it may drop what the task held.
        drop(under_way);
        drop(flight);
    }
}

fn lock<K, T>(table: &Table<K, T>) -> MutexGuard<'_, HashMap<K, Flight<T>>> {
    // Nothing panics while the table is locked.
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Notify;

    use super::*;

    async fn outcome(mut progress: watch::Receiver<Option<u32>>) -> Option<u32> {
        progress
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|outcome| *outcome)
    }

    #[tokio::test]
    async fn whoever_comes_while_it_is_under_way_shares_it_and_whoever_comes_later_does_not() {
        let flights: Flights<&str, Option<u32>> = Flights::new();
        let begun = Arc::new(AtomicU32::new(0));
        let go = Arc::new(Notify::new());
        let join = || {
            let (begun, go) = (Arc::clone(&begun), Arc::clone(&go));
            flights.join("key", |sender| async move {
                let number = begun.fetch_add(1, Ordering::Relaxed);
                go.notified().await;
                sender.send_replace(Some(number));
            })
        };
        let (first, second) = (join(), join());
        go.notify_one();
        assert_eq!((outcome(first).await, outcome(second).await), (Some(0), Some(0)));
        let third = join();
        go.notify_one();
        assert_eq!(outcome(third).await, Some(1));
    }

    #[tokio::test]
    async fn nobody_who_leaves_cancels_it_and_a_panic_leaves_nothing_behind() {
        let flights: Flights<&str, Option<u32>> = Flights::new();
        let (done, mut is_done) = watch::channel(false);
        drop(flights.join("key", |_sender| async move {
            tokio::task::yield_now().await;
            done.send_replace(true);
        }));
        is_done.wait_for(|done| *done).await.unwrap();

        let panicked = flights.join("other", |sender| async move {
            assert!(sender.borrow().is_some(), "as the test wants it");
        });
        assert_eq!(outcome(panicked).await, None);
        let after = flights.join("other", |sender| async move {
            sender.send_replace(Some(7));
        });
        assert_eq!(outcome(after).await, Some(7));
    }

    #[tokio::test]
    async fn the_end_of_the_owner_ends_it() {
        let flights: Flights<&str, Option<u32>> = Flights::new();
        let progress = flights.join("key", |_sender| std::future::pending());
        drop(flights);
        assert_eq!(outcome(progress).await, None);
    }
}
