//! Room for what was decoded and waits to be heard.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use greenroom_protocol::ErrorCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http::Failure;

/// In what room is counted.
const UNIT_BYTES: usize = 1024;

/// Memory for decoded recordings. Recognition may take minutes, in which the places of those that come in are taken again
/// and again.
pub(super) struct Room {
    units: Places,
}

/// A number of places that can be changed. Who has one then keeps it and is not counted any more: for as long as those
/// take that are under way, there may be as many again.
pub(super) struct Places {
    current: Mutex<Count>,
}

struct Count {
    places: usize,
    semaphore: Arc<Semaphore>,
}

impl Places {
    pub(super) fn new(places: usize) -> Self {
        Self {
            current: Mutex::new(Count::new(places)),
        }
    }

    /// As many as this from now on.
    pub(super) fn resize(&self, places: usize) {
        let mut current = self.current();
        if current.places != places {
            *current = Count::new(places);
        }
    }

    pub(super) fn semaphore(&self) -> Arc<Semaphore> {
        Arc::clone(&self.current().semaphore)
    }

    fn current(&self) -> MutexGuard<'_, Count> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Count {
    fn new(places: usize) -> Self {
        Self {
            places,
            semaphore: Arc::new(Semaphore::new(places)),
        }
    }
}

impl Room {
    pub(super) fn of_bytes(bytes_max: usize) -> Self {
        Self {
            units: Places::new(bytes_max / UNIT_BYTES),
        }
    }

    /// So much room from now on.
    pub(super) fn resize(&self, bytes_max: usize) {
        self.units.resize(bytes_max / UNIT_BYTES);
    }

    /// Room for so many bytes, in exchange for the place that they came in by. Until there is some the place is kept, so
    /// that no more come in than can be heard.
    pub(super) async fn exchange(
        &self,
        bytes: usize,
        place: OwnedSemaphorePermit,
    ) -> Result<OwnedSemaphorePermit, Failure> {
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX);
        let room = self.units.semaphore().acquire_many_owned(units).await;
        drop(place);
        room.map_err(|_| Failure::new(ErrorCode::SysDraining))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn places_can_be_changed_while_some_are_taken() {
        let places = Places::new(1);
        let take = || places.semaphore().try_acquire_owned();
        let first = take().unwrap();
        places.resize(1);
        assert!(take().is_err(), "as many as before are the same places");
        places.resize(2);
        let taken = [take().unwrap(), take().unwrap()];
        assert!(take().is_err());
        drop(first);
        assert!(take().is_err(), "who was there before gives nothing back");
        drop(taken);
        assert!(take().is_ok());
    }

    #[test]
    fn whoever_finds_no_room_keeps_its_place_until_there_is_some() {
        let room = Room::of_bytes(10 * UNIT_BYTES);
        let places = Arc::new(Semaphore::new(2));
        let exchange = |units: usize| {
            let place = Arc::clone(&places).try_acquire_owned().unwrap();
            room.exchange(units * UNIT_BYTES, place)
        };
        let first = exchange(8).now_or_never().expect("there is room").unwrap();
        assert_eq!(places.available_permits(), 2);
        let mut second = Box::pin(exchange(8));
        assert!((&mut second).now_or_never().is_none());
        assert_eq!(places.available_permits(), 1, "it keeps its place");
        drop(first);
        assert!(second.now_or_never().expect("there is room").is_ok());
        assert_eq!(places.available_permits(), 2);
    }
}
