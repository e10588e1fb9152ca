//! How an ear listens: what `audio.start` may set, and within which bounds.

use std::ops::RangeInclusive;

use thiserror::Error;

use super::DetectorKind;

/// Below this an end would be found within words; above it nobody waits for an answer.
pub const DELAY_MS: RangeInclusive<u32> = 200..=5_000;
/// Longer than the longest "yes" would lose it.
pub const MIN_SPEECH_MS: RangeInclusive<u32> = 0..=500;
/// A sentence fits in 5 s; two minutes are what recognisers take, and 3.8 MB.
pub const MAX_UTTERANCE_MS: RangeInclusive<u32> = 5_000..=120_000;
/// A second before the first sound is more than any recogniser needs.
pub const PRE_ROLL_MS: RangeInclusive<u32> = 0..=1_000;

/// Who says when an utterance ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TurnDetection {
    /// The ear, by the speaker's silence; a commit ends it sooner.
    #[default]
    ServerVad,
    /// The client, by a commit. The ear still tells when it hears speech begin, pause and go on.
    Manual,
}

/// How the beginning and the end of an utterance are found. All times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpointing {
    /// A silence shorter than this never ends an utterance.
    pub delay_floor_ms: u32,
    /// The silence that ends an utterance while nothing is known of the speaker's pauses.
    pub delay_initial_ms: u32,
    /// A silence as long as this always ends an utterance. Equal to the floor, the delay is fixed.
    pub delay_ceiling_ms: u32,
    /// With less speech than this in it, a sound is no utterance.
    pub min_speech_ms: u32,
    /// An utterance is cut here, at its quietest place within the last second, and goes on as another one.
    pub max_utterance_ms: u32,
    /// How much is kept from before the first sound that the detector took for speech: soft consonants.
    pub pre_roll_ms: u32,
}

/// How an ear listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EarSettings {
    /// Who says when an utterance ends.
    pub turn_detection: TurnDetection,
    /// How its beginning and end are found.
    pub endpointing: Endpointing,
    /// What decides which sounds are speech.
    pub detector: DetectorKind,
    /// Whether steady noise is taken out first. It costs more than all the rest, and some delay.
    pub noise_suppression: bool,
}

/// Why an ear does not listen like that.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SettingsError {
    /// A value is too small or too large.
    #[error("{setting} is within {} to {} ms, not {value_ms} ms", range_ms.start(), range_ms.end())]
    OutOfRange {
        /// Which one.
        setting: &'static str,
        /// What was asked for.
        value_ms: u32,
        /// What is allowed.
        range_ms: RangeInclusive<u32>,
    },
}

impl Default for Endpointing {
    /// For a conversation: most pauses for thought are shorter than 0.7 s, and after 1.6 s people ask whether you are there.
    fn default() -> Self {
        Self {
            delay_floor_ms: 400,
            delay_initial_ms: 700,
            delay_ceiling_ms: 1_600,
            min_speech_ms: 100,
            max_utterance_ms: 60_000,
            pre_roll_ms: 300,
        }
    }
}

impl Endpointing {
    /// Says which setting is out of its range.
    pub fn check(&self) -> Result<(), SettingsError> {
        let initial_ms = self.delay_floor_ms..=self.delay_ceiling_ms;
        for (setting, value_ms, range_ms) in [
            ("delay_floor_ms", self.delay_floor_ms, DELAY_MS),
            ("delay_ceiling_ms", self.delay_ceiling_ms, DELAY_MS),
            ("delay_initial_ms", self.delay_initial_ms, initial_ms),
            ("min_speech_ms", self.min_speech_ms, MIN_SPEECH_MS),
            ("max_utterance_ms", self.max_utterance_ms, MAX_UTTERANCE_MS),
            ("pre_roll_ms", self.pre_roll_ms, PRE_ROLL_MS),
        ] {
            if !range_ms.contains(&value_ms) {
                return Err(SettingsError::OutOfRange {
                    setting,
                    value_ms,
                    range_ms,
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_has_its_range() {
        let usual = Endpointing::default();
        assert_eq!(usual.check(), Ok(()));
        for (wrong, setting) in [
            (
                Endpointing {
                    delay_floor_ms: 199,
                    ..usual
                },
                "delay_floor_ms",
            ),
            (
                Endpointing {
                    delay_ceiling_ms: 5_001,
                    ..usual
                },
                "delay_ceiling_ms",
            ),
            (
                Endpointing {
                    delay_initial_ms: 399,
                    ..usual
                },
                "delay_initial_ms",
            ),
            (
                Endpointing {
                    delay_initial_ms: 1_601,
                    ..usual
                },
                "delay_initial_ms",
            ),
            (
                Endpointing {
                    delay_floor_ms: 900,
                    delay_ceiling_ms: 800,
                    ..usual
                },
                "delay_initial_ms",
            ),
            (
                Endpointing {
                    min_speech_ms: 501,
                    ..usual
                },
                "min_speech_ms",
            ),
            (
                Endpointing {
                    max_utterance_ms: 4_999,
                    ..usual
                },
                "max_utterance_ms",
            ),
            (
                Endpointing {
                    pre_roll_ms: u32::MAX,
                    ..usual
                },
                "pre_roll_ms",
            ),
        ] {
            let Err(SettingsError::OutOfRange { setting: found, .. }) = wrong.check() else {
                panic!("{wrong:?} is taken");
            };
            assert_eq!(found, setting);
        }
    }
}
