//! The samples that may still be told, with their places in the stream.

/// How much more than wanted is held before the oldest is dropped, in samples: copying happens twenty times a second.
const SLACK_SAMPLES: u64 = 800;
/// Room is made for this part of what is held, not for as much again: most of the time nobody speaks, and what is held
/// does not grow.
const GROWTH_PART: usize = 8;

/// The end of a stream, contiguous, from some place on.
#[derive(Default)]
pub(super) struct History {
    samples: Vec<i16>,
    from: u64,
}

impl History {
    /// The place of the first sample that is held.
    pub(super) fn from(&self) -> u64 {
        self.from
    }

    /// The place after the last sample.
    pub(super) fn end(&self) -> u64 {
        self.from + self.samples.len() as u64
    }

    pub(super) fn push(&mut self, samples: &[i16]) {
        if self.samples.capacity() - self.samples.len() < samples.len() {
            let growth = samples.len().max(self.samples.len() / GROWTH_PART);
            self.samples.reserve_exact(growth);
        }
        self.samples.extend_from_slice(samples);
    }

    /// Drops the oldest of what is more than `wanted` samples, now and then, and gives back the room of a long utterance.
    pub(super) fn keep_last(&mut self, wanted: u64) {
        if self.end() - self.from > wanted + SLACK_SAMPLES {
            self.drop_before(self.end() - wanted);
            let room = usize::try_from(wanted + SLACK_SAMPLES).unwrap_or(usize::MAX);
            if self.samples.capacity() / 2 > room {
                self.samples.shrink_to(room);
            }
        }
    }

    /// Drops everything before a place.
    pub(super) fn drop_before(&mut self, place: u64) {
        let dropped = self.index(place);
        self.samples.drain(..dropped);
        self.from += dropped as u64;
    }

    /// What is held from a place on.
    pub(super) fn since(&self, place: u64) -> &[i16] {
        &self.samples[self.index(place)..]
    }

    /// Takes out what lies between two places, and drops what is before; what comes after stays.
    pub(super) fn take(&mut self, from: u64, to: u64) -> Vec<i16> {
        self.drop_before(from);
        let taken = self.index(to);
        let rest = self.samples.split_off(taken);
        self.from += taken as u64;
        std::mem::replace(&mut self.samples, rest)
    }

    /// The nearest index to a place.
    fn index(&self, place: u64) -> usize {
        let offset = usize::try_from(place.saturating_sub(self.from)).unwrap_or(usize::MAX);
        offset.min(self.samples.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_what_lies_there_and_the_rest_stays() {
        let mut history = History::default();
        history.push(&[0, 1, 2, 3, 4]);
        history.push(&[5, 6, 7, 8, 9]);
        assert_eq!(history.since(8), [8, 9]);
        assert_eq!(history.take(2, 6), [2, 3, 4, 5]);
        assert_eq!((history.from(), history.end()), (6, 10));
        assert_eq!(history.since(0), [6, 7, 8, 9]);
        assert_eq!(history.take(3, 99), [6, 7, 8, 9]);
        assert_eq!((history.from(), history.end()), (10, 10));
    }

    #[test]
    fn it_holds_little_more_than_is_wanted() {
        let mut history = History::default();
        for round in 1..200 {
            history.push(&[7; 100]);
            history.keep_last(500);
            let held = history.since(0).len() as u64;
            assert!(
                held <= 500 + SLACK_SAMPLES && held >= 500.min(round * 100),
                "{held}"
            );
            assert_eq!(history.end(), round * 100);
        }
        assert!(
            history.samples.capacity() <= 1_500,
            "{}",
            history.samples.capacity()
        );
    }

    #[test]
    fn the_room_of_a_long_utterance_is_given_back() {
        let mut history = History::default();
        for _ in 0..1_000 {
            history.push(&[7; 256]);
        }
        assert!(history.samples.capacity() < 256_000 * 9 / 8 + 256);
        history.keep_last(5_000);
        assert_eq!(history.since(0).len(), 5_000);
        assert!(
            history.samples.capacity() < 6_000,
            "{}",
            history.samples.capacity()
        );
    }
}
