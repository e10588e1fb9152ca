//! The clock and the ids of the real world.

use greenroom_protocol::Timestamp;
use greenroom_session::ports::{Clock, IdSource};
use rand::RngExt as _;
use ulid::Ulid;

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_1970 = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_unix_ms(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Ids from the clock and a cryptographic random generator.
#[derive(Debug, Default)]
pub struct RandomIds {
    previous: u128,
}

impl IdSource for RandomIds {
    /// Rising, and not to be guessed from an earlier one: who knows the id of a session without an owner may use it.
    fn next_ulid(&mut self) -> Ulid {
        const RANDOM_BITS: u32 = 80;
        let mut random = rand::rng();
        let unix_ms = u128::from(SystemClock.now().unix_ms().unsigned_abs());
        let fresh = (unix_ms << RANDOM_BITS) | (random.random::<u128>() >> (u128::BITS - RANDOM_BITS));
        // Within one millisecond, or after the clock was set back, a random step upwards keeps the order.
        let step = u128::from(random.random::<u64>()) + 1;
        self.previous = fresh.max(self.previous.saturating_add(step));
        Ulid(self.previous)
    }

    fn jitter(&mut self) -> f64 {
        rand::rng().random()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_and_carry_the_time() {
        let mut ids = RandomIds::default();
        let before = SystemClock.now().unix_ms();
        let made: Vec<Ulid> = (0..1_000).map(|_| ids.next_ulid()).collect();
        assert!(made.is_sorted() && made.windows(2).all(|pair| pair[0] != pair[1]));
        let first_ms = i64::try_from(made[0].timestamp_ms()).unwrap();
        assert!((before..=before + 1_000).contains(&first_ms));
    }

    #[test]
    fn jitter_lies_between_zero_and_one() {
        let mut ids = RandomIds::default();
        assert!((0..1_000).all(|_| (0.0..1.0).contains(&ids.jitter())));
    }
}
