//! A cheap gate before the detector: what is no louder than the room is not looked at.

use super::room::Loudness;

/// Quieter than this is never speech that a recogniser understands: the hiss of a microphone.
const AUDIBLE_DB: f32 = -65.0;

/// Opens at what is louder than the room.
pub(super) struct EnergyGate {
    /// How far above the room a window opens the gate, in decibels.
    margin_db: f32,
    /// How long it stays open after the last loud window.
    hold_windows: u32,
    hold_left: u32,
}

impl EnergyGate {
    pub(super) fn new(margin_db: f32, hold_windows: u32) -> Self {
        Self {
            margin_db,
            hold_windows,
            hold_left: 0,
        }
    }

    /// Whether the gate is open for a window as loud as this.
    pub(super) fn hear(&mut self, loudness: Loudness) -> bool {
        let Loudness { level_db, room_db } = loudness;
        if level_db > AUDIBLE_DB && level_db > room_db + self.margin_db {
            self.hold_left = self.hold_windows;
            return true;
        }
        let held = self.hold_left > 0;
        self.hold_left = self.hold_left.saturating_sub(1);
        held
    }
}

#[cfg(test)]
mod tests {
    use super::super::WINDOW_SAMPLES;
    use super::super::room::Room;
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

    fn open_windows(room: &mut Room, gate: &mut EnergyGate, windows: &[[i16; WINDOW_SAMPLES]]) -> usize {
        let is_open = |window: &&[i16; WINDOW_SAMPLES]| gate.hear(room.hear(window));
        windows.iter().filter(is_open).count()
    }

    #[test]
    fn a_steady_noise_becomes_the_room_within_three_seconds_and_what_is_louder_opens() {
        for amplitude in [40, 400, 4_000] {
            let (mut room, mut gate) = (Room::new(), EnergyGate::new(6.0, 0));
            open_windows(&mut room, &mut gate, &noise(amplitude, 200));
            assert_eq!(
                open_windows(&mut room, &mut gate, &noise(amplitude, 200)),
                0,
                "{amplitude}"
            );
            assert_eq!(
                open_windows(&mut room, &mut gate, &noise(amplitude * 3, 10)),
                10,
                "{amplitude}"
            );
        }
    }

    #[test]
    fn it_opens_at_the_first_sample_and_stays_open_for_a_while() {
        let (mut room, mut gate) = (Room::new(), EnergyGate::new(6.0, 5));
        assert_eq!(open_windows(&mut room, &mut gate, &noise(3_000, 3)), 3);
        assert_eq!(open_windows(&mut room, &mut gate, &[[0; WINDOW_SAMPLES]; 20]), 5);
    }
}
