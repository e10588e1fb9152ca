//! How loud a window is, and how loud the room that it was heard in.

use super::WINDOW_SAMPLES;
use crate::pcm::sample_to_f32;

/// What no window is below, in decibels of full scale: digital silence has no logarithm.
const LEVEL_DB_MIN: f32 = -96.0;
/// What the room is taken for in the first half second, at most: a quiet office. Somebody may speak from the first sample
/// on.
const ROOM_DB_AT_FIRST: f32 = -60.0;
/// The quietest level of this many stretches is that of the room: nobody speaks for three seconds without a gap.
const STRETCHES: usize = 6;
/// How many windows a stretch has: half a second.
const STRETCH_WINDOWS: u32 = 31;
/// How much of the level before is in a smoothed one: two windows are averaged, so that the quietest of a steady
/// noise is not far below its mean.
const SMOOTHING: f32 = 0.7;

/// How loud a window is, beside its room, both in decibels of full scale.
#[derive(Clone, Copy)]
pub(super) struct Loudness {
    pub(super) level_db: f32,
    /// What was known of the room before this window.
    pub(super) room_db: f32,
}

/// Follows how loud the room is.
pub(super) struct Room {
    /// `None` before the first window.
    smoothed_db: Option<f32>,
    /// The room is no louder than this: what is assumed of it until a stretch was heard.
    ceiling_db: f32,
    /// The quietest smoothed level of each of the last stretches; the one at `stretch` is being made.
    quietest_db: [f32; STRETCHES],
    stretch: usize,
    windows_in_stretch: u32,
}

impl Room {
    pub(super) fn new() -> Self {
        Self {
            smoothed_db: None,
            ceiling_db: ROOM_DB_AT_FIRST,
            quietest_db: [f32::INFINITY; STRETCHES],
            stretch: 0,
            windows_in_stretch: 0,
        }
    }

    /// Hears the next window.
    pub(super) fn hear(&mut self, window: &[i16; WINDOW_SAMPLES]) -> Loudness {
        let loudness = Loudness {
            level_db: level_db(window),
            room_db: self.quietest_db.iter().copied().fold(self.ceiling_db, f32::min),
        };
        self.follow(loudness.level_db);
        loudness
    }

    fn follow(&mut self, level_db: f32) {
        let smoothed_db = match self.smoothed_db {
            Some(before_db) => SMOOTHING * before_db + (1.0 - SMOOTHING) * level_db,
            None => level_db,
        };
        self.smoothed_db = Some(smoothed_db);
        let quietest_db = &mut self.quietest_db[self.stretch];
        *quietest_db = quietest_db.min(smoothed_db);
        self.windows_in_stretch += 1;
        if self.windows_in_stretch == STRETCH_WINDOWS {
            self.windows_in_stretch = 0;
            self.ceiling_db = f32::INFINITY;
            self.stretch = (self.stretch + 1) % STRETCHES;
            self.quietest_db[self.stretch] = smoothed_db;
        }
    }
}

/// How loud a window is, in decibels of full scale, without the offset that some sound cards add.
pub(super) fn level_db(window: &[i16]) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "a window has 256 samples")]
    let share = 1.0 / window.len().max(1) as f32;
    let (sum, squares) = window.iter().fold((0.0, 0.0), |(sum, squares), sample| {
        let sample = sample_to_f32(*sample);
        (sum + sample, squares + sample * sample)
    });
    let mean = sum * share;
    let variance = squares * share - mean * mean;
    if variance > 0.0 {
        (10.0 * variance.log10()).max(LEVEL_DB_MIN)
    } else {
        LEVEL_DB_MIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_and_an_offset_are_no_sound() {
        for offset in [0, 100, i16::MIN, i16::MAX] {
            assert!(level_db(&[offset; WINDOW_SAMPLES]) <= LEVEL_DB_MIN, "{offset}");
        }
        assert!(level_db(&[]) <= LEVEL_DB_MIN);
    }
}
