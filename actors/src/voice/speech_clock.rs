//! When something was said: places in a stream of samples to points in time, by when their frames came.
//!
//! Sound cannot come before it was made, and it takes as long to be made as it lasts. So a place was spoken no later than
//! its frame came, and no later than any *later* frame came, less what lies between the two: the time of a place is the
//! minimum, over its own frame and all that came since, of (arrival − place of the frame's end) + place. Jitter is undone
//! by the quickest of the frames since, and a stall by the burst that follows it, since what came last in the burst was
//! spoken just then. Frames *before* the place say nothing: a microphone that was muted meanwhile, or a client whose
//! samples come slower than our clock runs, would otherwise seem to have spoken in the past.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Frames that are remembered at most. They are remembered only while each next one comes with more delay than the one
/// before, so this is reached only by a client that slows down without end.
const REMEMBERED_MAX: usize = 256;

/// Knows when each place of one stream was spoken.
#[derive(Debug)]
pub(super) struct SpeechClock {
    began_at: Instant,
    /// How much of the stream has come.
    heard: Duration,
    /// Frames that came with less delay than all before them and more than none after: places and delays both rise.
    frames: VecDeque<Arrival>,
}

/// That everything before a place had come.
#[derive(Debug, Clone, Copy)]
struct Arrival {
    /// The place after the frame.
    place: Duration,
    /// How long after the stream began the place would have begun, had it not come later.
    delay: Delay,
}

/// Arrival less place, in nanoseconds, since the stream began; below zero where sound came in advance.
type Delay = i128;

impl SpeechClock {
    /// A stream that begins now.
    pub(super) fn new(began_at: Instant) -> Self {
        Self {
            began_at,
            heard: Duration::ZERO,
            frames: VecDeque::new(),
        }
    }

    /// The next frame of the stream came.
    pub(super) fn came(&mut self, duration: Duration, arrived_at: Instant) {
        self.heard += duration;
        let arrived = arrived_at.saturating_duration_since(self.began_at);
        let delay = nanos(arrived) - nanos(self.heard);
        while self.frames.back().is_some_and(|before| before.delay >= delay) {
            self.frames.pop_back();
        }
        if self.frames.len() == REMEMBERED_MAX {
            self.frames.pop_front();
        }
        self.frames.push_back(Arrival {
            place: self.heard,
            delay,
        });
    }

    /// The next of the stream did not come, and something as long stands in for it.
    pub(super) fn lost(&mut self, duration: Duration) {
        self.heard += duration;
    }

    /// How much of the stream there is.
    pub(super) fn heard(&self) -> Duration {
        self.heard
    }

    /// When a place was spoken; the last frame's arrival, for one that did not come yet.
    pub(super) fn spoken_at(&self, place: Duration) -> Instant {
        let since = self.frames.iter().find(|frame| frame.place >= place);
        let spoken = match (since, self.frames.back()) {
            (Some(frame), _) => frame.delay + nanos(place),
            (None, Some(last)) => last.delay + nanos(last.place),
            (None, None) => 0,
        };
        let spoken = u64::try_from(spoken.max(0)).unwrap_or(u64::MAX);
        self.began_at + Duration::from_nanos(spoken)
    }
}

fn nanos(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(20);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// A stream whose frames of 20 ms came so many milliseconds after it began.
    fn clock(arrivals_ms: impl IntoIterator<Item = u64>) -> (SpeechClock, Instant) {
        let start = Instant::now();
        let mut clock = SpeechClock::new(start);
        for arrived_ms in arrivals_ms {
            clock.came(FRAME, start + ms(arrived_ms));
        }
        (clock, start)
    }

    fn spoken_ms(clock: &SpeechClock, start: Instant, place_ms: u64) -> u128 {
        (clock.spoken_at(ms(place_ms)) - start).as_millis()
    }

    #[test]
    fn a_place_was_spoken_when_its_frame_came_less_the_rest_of_the_frame() {
        let (clock, start) = clock((1..=50).map(|frame| 30 + frame * 20));
        for place in [0, 7, 20, 500, 1_000] {
            assert_eq!(spoken_ms(&clock, start, place), u128::from(30 + place));
        }
        assert_eq!(spoken_ms(&clock, start, 5_000), 1_030, "what did not come yet");
    }

    #[test]
    fn jitter_is_undone_by_the_quickest_frame_since() {
        let jitter = [19, 3, 40, 0, 25, 8, 31, 0];
        let jittered = (1..).zip(jitter.into_iter().cycle()).take(40);
        let (clock, start) = clock(jittered.map(|(frame, late)| frame * 20 + late));
        for place in [20, 40, 100, 600, 720] {
            assert_eq!(spoken_ms(&clock, start, place), u128::from(place));
        }
    }

    #[test]
    fn a_stall_is_undone_by_the_burst_that_follows_it() {
        // Half a second, then nothing for three, then all of it at once, and on.
        let (stalled, start) = clock((1..=200).map(|frame| match frame {
            0..=25 => frame * 20,
            26..=175 => 3_500,
            _ => frame * 20,
        }));
        for place in [100, 500, 520, 2_000, 3_500, 4_000] {
            assert_eq!(spoken_ms(&stalled, start, place), u128::from(place));
        }
        // Before the burst nobody can know.
        let (cut_short, start) = clock((1..=25).map(|frame| frame * 20).chain([3_500]));
        assert_eq!(spoken_ms(&cut_short, start, 520), 3_500);
    }

    #[test]
    fn a_muted_microphone_and_a_slow_one_do_not_speak_in_the_past() {
        // A second, nothing for thirty, then on from there: nobody spoke meanwhile.
        let muted = (1..=100).map(|frame| frame * 20 + if frame > 50 { 30_000 } else { 0 });
        let (clock_of_muted, start) = clock(muted);
        assert_eq!(spoken_ms(&clock_of_muted, start, 900), 900);
        assert_eq!(spoken_ms(&clock_of_muted, start, 1_500), 31_500);
        // Each frame of 20 ms takes 21: after 20 s of sound 21 s have passed.
        let (slow, start) = clock((1..=1_000).map(|frame| frame * 21));
        assert_eq!(spoken_ms(&slow, start, 19_600), 19_600 + 980);
        assert!(slow.frames.len() <= REMEMBERED_MAX);
    }

    #[test]
    fn what_was_lost_takes_its_time() {
        let start = Instant::now();
        let mut clock = SpeechClock::new(start);
        clock.came(FRAME, start + ms(20));
        clock.lost(ms(100));
        clock.came(FRAME, start + ms(140));
        assert_eq!(spoken_ms(&clock, start, 130), 130);
    }
}
