//! What `audio.start` asks for, and whether it can be had.

use greenroom_audio::ear::{self, EarSettings, FormatError, FrameFormat, SettingsError};
use greenroom_audio::mouth::{OutputCodec, OutputFormat};
use greenroom_protocol::{AudioCodec, AudioOutput, Endpointing, ErrorBody, ErrorCode, Locale, TurnDetection};
use greenroom_session::playbook::{Playbook, VoicePreset};
use serde_json::json;

/// What `audio.start` asks for, as on the wire.
#[derive(Debug, Clone, PartialEq)]
pub struct AudioStart {
    /// Encoding of the frames to come.
    pub codec: AudioCodec,
    /// Samples a second.
    pub sample_rate: u32,
    /// 1 or 2.
    pub channels: u8,
    /// Who decides that an utterance is over.
    pub turn_detection: TurnDetection,
    /// How the beginning and the end of an utterance are found, where it differs from the server's settings.
    pub endpointing: Option<Endpointing>,
    /// Whether steady noise is taken out first.
    pub noise_suppression: bool,
    /// The audio that the client wants to hear; none means text alone.
    pub output: Option<AudioOutput>,
    /// Whether both sides are recorded.
    pub record: bool,
}

/// The same, checked.
#[derive(Debug, Clone)]
pub(super) struct Listening {
    pub(super) format: FrameFormat,
    pub(super) settings: EarSettings,
    pub(super) output: Option<OutputOrder>,
    pub(super) record: bool,
}

/// How replies are to sound.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct OutputOrder {
    pub(super) format: OutputFormat,
    pub(super) preset: VoicePreset,
}

impl AudioStart {
    /// Says which field asks for what cannot be had. `usual` is what holds where nothing is asked.
    pub(super) fn check(
        &self,
        usual: ear::Endpointing,
        playbook: &Playbook,
        locale: Locale,
    ) -> Result<Listening, Box<ErrorBody>> {
        let refuse = |field: &str, reason: String| {
            let details = json!({ "field": field, "reason": reason });
            Box::new(ErrorBody::new(ErrorCode::InputInvalid, locale).with_details(details))
        };
        let channels = u32::from(self.channels);
        let format = match self.codec {
            AudioCodec::PcmS16le => FrameFormat::pcm_s16le(self.sample_rate, channels),
            AudioCodec::Opus => FrameFormat::opus(self.sample_rate, channels),
        };
        let format = format.map_err(|error| {
            let field = match error {
                FormatError::Rate { .. } => "sample_rate",
                FormatError::Channels { .. } => "channels",
            };
            refuse(field, error.to_string())
        })?;
        let endpointing = merged(usual, self.endpointing.unwrap_or_default());
        endpointing.check().map_err(|error| {
            let SettingsError::OutOfRange { setting, .. } = &error;
            refuse(&format!("endpointing.{setting}"), error.to_string())
        })?;
        let output = self
            .output
            .as_ref()
            .map(|output| order(output, playbook, &refuse))
            .transpose()?;
        Ok(Listening {
            format,
            settings: EarSettings {
                turn_detection: match self.turn_detection {
                    TurnDetection::ServerVad => ear::TurnDetection::ServerVad,
                    TurnDetection::Manual => ear::TurnDetection::Manual,
                },
                endpointing,
                noise_suppression: self.noise_suppression,
                ..EarSettings::default()
            },
            output,
            record: self.record,
        })
    }
}

/// Where a client sets one bound of the delay only, the others give way to it.
fn merged(usual: ear::Endpointing, asked: Endpointing) -> ear::Endpointing {
    let floor_ms = asked.delay_floor_ms.unwrap_or(usual.delay_floor_ms);
    let ceiling_ms = asked.delay_ceiling_ms.unwrap_or(usual.delay_ceiling_ms);
    let delay_floor_ms = match asked.delay_floor_ms {
        Some(floor_ms) => floor_ms,
        None => floor_ms.min(ceiling_ms),
    };
    let delay_ceiling_ms = match asked.delay_ceiling_ms {
        Some(ceiling_ms) => ceiling_ms,
        None => ceiling_ms.max(floor_ms),
    };
    let initial_ms = usual.delay_initial_ms.max(delay_floor_ms).min(delay_ceiling_ms);
    ear::Endpointing {
        delay_floor_ms,
        delay_initial_ms: asked.delay_initial_ms.unwrap_or(initial_ms),
        delay_ceiling_ms,
        min_speech_ms: asked.min_speech_ms.unwrap_or(usual.min_speech_ms),
        max_utterance_ms: asked.max_utterance_ms.unwrap_or(usual.max_utterance_ms),
        pre_roll_ms: asked.pre_roll_ms.unwrap_or(usual.pre_roll_ms),
    }
}

fn order(
    output: &AudioOutput,
    playbook: &Playbook,
    refuse: &impl Fn(&str, String) -> Box<ErrorBody>,
) -> Result<OutputOrder, Box<ErrorBody>> {
    let codec = match output.codec {
        AudioCodec::PcmS16le => OutputCodec::PcmS16le,
        AudioCodec::Opus => OutputCodec::Opus,
    };
    let format = OutputFormat::new(codec, output.sample_rate)
        .map_err(|error| refuse("output.sample_rate", error.to_string()))?;
    let preset = match &output.voice_preset {
        Some(name) => playbook.voices.iter().find(|voice| voice.preset == *name),
        None => playbook.voices.first(),
    };
    let preset = preset.ok_or_else(|| {
        let presets: Vec<&str> = playbook
            .voices
            .iter()
            .map(|voice| voice.preset.as_str())
            .collect();
        let reason = format!("the playbook has no such voice; it has: {}", presets.join(", "));
        refuse("output.voice_preset", reason)
    })?;
    Ok(OutputOrder {
        format,
        preset: preset.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(floor: Option<u32>, initial: Option<u32>, ceiling: Option<u32>) -> [u32; 3] {
        let endpointing = merged(
            ear::Endpointing::default(),
            Endpointing {
                delay_floor_ms: floor,
                delay_initial_ms: initial,
                delay_ceiling_ms: ceiling,
                ..Endpointing::default()
            },
        );
        [
            endpointing.delay_floor_ms,
            endpointing.delay_initial_ms,
            endpointing.delay_ceiling_ms,
        ]
    }

    #[test]
    fn bounds_that_were_not_asked_for_give_way_to_those_that_were() {
        assert_eq!(asked(None, None, None), [400, 700, 1_600]);
        assert_eq!(asked(Some(900), None, None), [900, 900, 1_600]);
        assert_eq!(asked(Some(2_000), None, None), [2_000, 2_000, 2_000]);
        assert_eq!(asked(None, None, Some(300)), [300, 300, 300]);
        assert_eq!(asked(None, Some(500), None), [400, 500, 1_600]);
        // What contradicts itself is refused by the check of all settings.
        assert_eq!(asked(Some(900), Some(100), Some(800)), [900, 100, 800]);
    }
}
