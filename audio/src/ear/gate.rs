//! A cheap gate before the detector: what is no louder than the room is not looked at.

use super::WINDOW_SAMPLES;
use crate::pcm::sample_to_f32;

/// What no window is below, in decibels of full scale: digital silence has no logarithm.
const LEVEL_DB_MIN: f32 = -96.0;
/// Quieter than this is never speech that a recogniser understands: the hiss of a microphone.
const AUDIBLE_DB: f32 = -65.0;
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

/// Follows how loud the room is, and opens at what is louder.
pub(super) struct EnergyGate {
    /// How far above the room a window opens the gate, in decibels.
    margin_db: f32,
    /// How long it stays open after the last loud window.
    hold_windows: u32,
    hold_left: u32,
    /// `None` before the first window.
    smoothed_db: Option<f32>,
    /// The room is no louder than this: what is assumed of it until a stretch was heard.
    ceiling_db: f32,
    /// The quietest smoothed level of each of the last stretches; the one at `stretch` is being made.
    quietest_db: [f32; STRETCHES],
    stretch: usize,
    windows_in_stretch: u32,
}

impl EnergyGate {
    pub(super) fn new(margin_db: f32, hold_windows: u32) -> Self {
        Self {
            margin_db,
            hold_windows,
            hold_left: 0,
            smoothed_db: None,
            quietest_db: [f32::INFINITY; STRETCHES],
            ceiling_db: ROOM_DB_AT_FIRST,
            stretch: 0,
            windows_in_stretch: 0,
        }
    }

    /// Whether the gate is open for this window.
    pub(super) fn hear(&mut self, window: &[i16; WINDOW_SAMPLES]) -> bool {
        let level_db = level_db(window);
        let loud = level_db > AUDIBLE_DB && level_db > self.room_db() + self.margin_db;
        self.follow_room(level_db);
        if loud {
            self.hold_left = self.hold_windows;
            return true;
        }
        let held = self.hold_left > 0;
        self.hold_left = self.hold_left.saturating_sub(1);
        held
    }

    fn room_db(&self) -> f32 {
        self.quietest_db.iter().copied().fold(self.ceiling_db, f32::min)
    }

    fn follow_room(&mut self, level_db: f32) {
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

    /// Noise of one loudness, the same at every run.
    fn noise(amplitude: i16, windows: usize) -> Vec<[i16; WINDOW_SAMPLES]> {
        let mut seed = 1_u32;
        let mut sample = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let [_, _, low, high] = seed.to_le_bytes();
            i16::from_le_bytes([low, high])
        };
        (0..windows)
            .map(|_| std::array::from_fn(|_| sample() / (i16::MAX / amplitude)))
            .collect()
    }

    fn open_windows(gate: &mut EnergyGate, windows: &[[i16; WINDOW_SAMPLES]]) -> usize {
        windows.iter().filter(|window| gate.hear(window)).count()
    }

    #[test]
    fn a_steady_noise_becomes_the_room_within_three_seconds_and_what_is_louder_opens() {
        for amplitude in [40, 400, 4_000] {
            let mut gate = EnergyGate::new(6.0, 0);
            open_windows(&mut gate, &noise(amplitude, 200));
            assert_eq!(open_windows(&mut gate, &noise(amplitude, 200)), 0, "{amplitude}");
            assert_eq!(
                open_windows(&mut gate, &noise(amplitude * 3, 10)),
                10,
                "{amplitude}"
            );
        }
    }

    #[test]
    fn it_opens_at_the_first_sample_and_stays_open_for_a_while() {
        let mut gate = EnergyGate::new(6.0, 5);
        assert_eq!(open_windows(&mut gate, &noise(3_000, 3)), 3);
        assert_eq!(open_windows(&mut gate, &[[0; WINDOW_SAMPLES]; 20]), 5);
    }

    #[test]
    fn silence_and_an_offset_are_no_sound() {
        for offset in [0, 100, i16::MIN, i16::MAX] {
            assert!(level_db(&[offset; WINDOW_SAMPLES]) < AUDIBLE_DB, "{offset}");
        }
        assert!(level_db(&[]) <= LEVEL_DB_MIN);
    }
}
