//! What waits between a socket and its line: frames and wishes in the order in which they came, bounded.
//!
//! # What happens when it is full
//!
//! The line takes everything that waits at once, so something waits only while the line does not run. Audio may wait for
//! [`QUEUED_DURATION_MAX`] or with [`QUEUED_BYTES_MAX`], whichever is reached first. What comes on top is lost: the *newest*
//! frames are counted in place of being kept, in their place, and the ear hears as much silence (or the codec's own
//! concealment), so that time stays true and what was said before it is whole. Wishes always find room in their place
//! among the frames, up to [`WISHES_WAITING_MAX`]; reports of playback replace one another.
//!
//! Audio that comes faster than it can have been spoken is a fault of the client: after a stall everything may come at
//! once, but no more than [`AHEAD_MAX`] ahead of the time that has passed.

use std::time::Duration;

use greenroom_protocol::Millis;
use tokio::time::Instant;

/// How much sound may wait: more than a socket stalls for on a bad mobile network, most of the time.
pub(super) const QUEUED_DURATION_MAX: Duration = Duration::from_secs(4);
/// How many bytes of it may wait, whatever they sound like.
pub(super) const QUEUED_BYTES_MAX: usize = 512 * 1024;
/// Wishes that may wait. A socket may send 200 frames a second, so this is a line that has not run for a second.
pub(super) const WISHES_WAITING_MAX: usize = 256;
/// How far audio may be ahead of the time that has passed.
pub(super) const AHEAD_MAX: Duration = Duration::from_secs(10);
/// What is kept of the memory of a batch once it was taken: a tenth of a second of the largest frames. A burst gives the
/// rest back.
const KEPT_BYTES: usize = 16 * 1024;
/// Items that are kept room for.
const KEPT_ITEMS: usize = 16;

/// One thing that a socket handed over.
#[derive(Debug, PartialEq)]
pub(super) enum Item<W> {
    /// Audio; its bytes are the next ones of the batch.
    Frame {
        /// How many bytes it has.
        bytes: usize,
        /// How long it lasts.
        duration: Duration,
        /// When it came.
        arrived_at: Instant,
    },
    /// Audio that found no room.
    Lost {
        /// How many frames.
        frames: u32,
    },
    /// Anything else.
    Wish(W),
    /// How much of a reply was played.
    Played {
        /// The reply.
        reply_id: String,
        /// How much of it.
        played: Millis,
    },
}

/// What came since the last look, in order. Two of them take turns, so that a frame costs its copy and no allocation.
#[derive(Debug)]
pub(super) struct Batch<W> {
    pub(super) items: Vec<Item<W>>,
    /// The bytes of all frames, one after the other.
    pub(super) bytes: Vec<u8>,
}

/// Why something was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotTaken {
    /// It comes faster than anybody speaks.
    TooFast,
    /// Too much waits already.
    TooMuch,
    /// The line has ended, which it does by itself only if it has a defect.
    Nobody,
}

/// The queue itself.
#[derive(Debug)]
pub(super) struct Intake<W> {
    batch: Batch<W>,
    queued: Duration,
    wishes: usize,
    meter: RealTimeMeter,
}

/// How far the audio of a stream is ahead of the time that has passed.
#[derive(Debug, Default)]
struct RealTimeMeter {
    ahead: Duration,
    metered_at: Option<Instant>,
}

impl<W> Default for Batch<W> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            bytes: Vec::new(),
        }
    }
}

impl<W> Default for Intake<W> {
    fn default() -> Self {
        Self {
            batch: Batch::default(),
            queued: Duration::ZERO,
            wishes: 0,
            meter: RealTimeMeter::default(),
        }
    }
}

impl<W> Intake<W> {
    /// Takes a frame, or counts it as lost. Refused is only what comes too fast.
    pub(super) fn frame(&mut self, frame: &[u8], duration: Duration, now: Instant) -> Result<(), NotTaken> {
        self.meter.pass(duration, now)?;
        let fits = self.queued + duration <= QUEUED_DURATION_MAX
            && self.batch.bytes.len() + frame.len() <= QUEUED_BYTES_MAX;
        if !fits {
            self.lose();
            return Ok(());
        }
        self.queued += duration;
        self.batch.bytes.extend_from_slice(frame);
        self.batch.items.push(Item::Frame {
            bytes: frame.len(),
            duration,
            arrived_at: now,
        });
        Ok(())
    }

    /// Takes a wish, in its place among the frames.
    pub(super) fn wish(&mut self, wish: W) -> Result<(), NotTaken> {
        if self.wishes >= WISHES_WAITING_MAX {
            return Err(NotTaken::TooMuch);
        }
        self.push_wish(wish);
        Ok(())
    }

    /// Takes the last wish of all, for which there is always room.
    pub(super) fn last_wish(&mut self, wish: W) {
        self.push_wish(wish);
    }

    /// Takes a report of playback. Of several about the same reply in a row the last one counts.
    pub(super) fn played(&mut self, reply_id: &str, played: Millis) {
        if let Some(Item::Played {
            reply_id: same,
            played: before,
        }) = self.batch.items.last_mut()
            && same.as_str() == reply_id
        {
            *before = played;
        } else if self.wishes < WISHES_WAITING_MAX {
            self.wishes += 1;
            let reply_id = reply_id.to_owned();
            self.batch.items.push(Item::Played { reply_id, played });
        }
    }

    /// Hands over what waits, and goes on with the memory of `taken`, which is emptied.
    pub(super) fn take(&mut self, taken: &mut Batch<W>) {
        taken.clear();
        std::mem::swap(&mut self.batch, taken);
        self.queued = Duration::ZERO;
        self.wishes = 0;
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.batch.items.is_empty()
    }

    fn push_wish(&mut self, wish: W) {
        self.wishes += 1;
        self.batch.items.push(Item::Wish(wish));
    }

    fn lose(&mut self) {
        if let Some(Item::Lost { frames }) = self.batch.items.last_mut() {
            *frames = frames.saturating_add(1);
        } else {
            self.batch.items.push(Item::Lost { frames: 1 });
        }
    }
}

impl<W> Batch<W> {
    /// Forgets what is in it, and gives back the memory of a burst.
    fn clear(&mut self) {
        self.items.clear();
        self.bytes.clear();
        self.items.shrink_to(KEPT_ITEMS);
        self.bytes.shrink_to(KEPT_BYTES);
    }
}

impl RealTimeMeter {
    fn pass(&mut self, duration: Duration, now: Instant) -> Result<(), NotTaken> {
        let passed = self
            .metered_at
            .map_or(Duration::ZERO, |before| now.saturating_duration_since(before));
        self.metered_at = Some(now);
        self.ahead = self.ahead.saturating_sub(passed);
        if self.ahead + duration > AHEAD_MAX {
            return Err(NotTaken::TooFast);
        }
        self.ahead += duration;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(20);

    fn taken(intake: &mut Intake<char>) -> Vec<String> {
        let mut batch = Batch::default();
        intake.take(&mut batch);
        let mut bytes = batch.bytes.as_slice();
        let mut words = Vec::new();
        for item in &batch.items {
            words.push(match item {
                Item::Frame { bytes: size, .. } => {
                    let (frame, rest) = bytes.split_at(*size);
                    bytes = rest;
                    format!("{frame:?}")
                }
                Item::Lost { frames } => format!("lost {frames}"),
                Item::Wish(wish) => wish.to_string(),
                Item::Played { reply_id, played } => format!("{reply_id} {}", played.0),
            });
        }
        assert!(bytes.is_empty());
        words
    }

    #[test]
    fn everything_is_taken_at_once_and_in_order() {
        let (mut intake, now) = (Intake::default(), Instant::now());
        intake.wish('s').unwrap();
        intake.frame(&[1, 2], FRAME, now).unwrap();
        intake.played("a", Millis(1));
        intake.played("a", Millis(2));
        intake.played("b", Millis(1));
        intake.frame(&[3], FRAME, now).unwrap();
        intake.wish('c').unwrap();
        assert_eq!(taken(&mut intake), ["s", "[1, 2]", "a 2", "b 1", "[3]", "c"]);
        assert!(intake.is_empty());
        assert_eq!(taken(&mut intake), [""; 0]);
    }

    #[test]
    fn the_newest_frames_are_lost_in_their_place_and_wishes_never_are() {
        for (frame, duration, kept) in [
            (vec![0; 320], FRAME, 200),
            // Fewer of the largest ones that there are.
            (vec![0; 16 * 1024], FRAME, 32),
            (vec![0; 320], 3 * FRAME, 66),
        ] {
            let (mut intake, now) = (Intake::default(), Instant::now());
            for _ in 0..kept {
                intake.frame(&frame, duration, now).unwrap();
            }
            intake.frame(&frame, duration, now).unwrap();
            intake.frame(&frame, duration, now).unwrap();
            intake.wish('c').unwrap();
            intake.frame(&frame, duration, now).unwrap();
            let words = taken(&mut intake);
            assert_eq!(words[kept..], ["lost 2", "c", "lost 1"]);
            intake.frame(&frame, duration, now).unwrap();
            assert_eq!(taken(&mut intake).len(), 1, "once taken there is room again");
        }
    }

    #[test]
    fn a_stall_is_caught_up_with_and_a_file_is_not_poured_in() {
        let (mut intake, start) = (Intake::<char>::default(), Instant::now());
        let frames = |seconds: u32| seconds * 50;
        let pour = |intake: &mut Intake<char>, frames: u32, now| {
            let mut refused = 0;
            for _ in 0..frames {
                refused += usize::from(intake.frame(&[0; 4], FRAME, now) == Err(NotTaken::TooFast));
            }
            refused
        };
        assert_eq!(pour(&mut intake, frames(10), start), 0);
        assert_eq!(pour(&mut intake, 3, start), 3);
        // Three seconds without a frame, then all of them.
        let later = start + Duration::from_secs(3);
        assert_eq!(pour(&mut intake, frames(3), later), 0);
        assert_eq!(pour(&mut intake, 1, later), 1);
        // A long silence earns no more than that.
        let much_later = later + Duration::from_secs(100);
        assert_eq!(pour(&mut intake, frames(11), much_later), 50);
    }

    #[test]
    fn wishes_and_reports_are_bounded_and_the_last_one_is_not() {
        let mut intake = Intake::default();
        for _ in 0..WISHES_WAITING_MAX {
            intake.wish('c').unwrap();
        }
        assert_eq!(intake.wish('c'), Err(NotTaken::TooMuch));
        intake.played("a", Millis(1));
        intake.last_wish('h');
        let words = taken(&mut intake);
        assert_eq!(
            (words.len(), words.last().unwrap().as_str()),
            (WISHES_WAITING_MAX + 1, "h")
        );
    }

    #[test]
    fn the_memory_of_a_burst_is_given_back() {
        let (mut intake, now) = (Intake::<char>::default(), Instant::now());
        let mut batch = Batch::default();
        for _ in 0..100 {
            intake.frame(&[0; 4_000], FRAME, now).unwrap();
        }
        intake.take(&mut batch);
        intake.take(&mut batch);
        assert!(batch.bytes.capacity() + intake.batch.bytes.capacity() <= 2 * KEPT_BYTES);
    }
}
