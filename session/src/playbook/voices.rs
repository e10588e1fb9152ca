//! The voices that a playbook's texts are spoken in.

use greenroom_protocol::Locale;

use super::document::Section;

/// A voice by the name that clients ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoicePreset {
    /// What clients call it (`voice_preset`).
    pub preset: String,
    /// The provider's voice for Korean.
    pub ko: String,
    /// The provider's voice for English.
    pub en: String,
    /// How it speaks, for providers that take a direction.
    pub style: Option<String>,
}

impl VoicePreset {
    /// The provider's voice for a language.
    pub fn voice(&self, locale: Locale) -> &str {
        match locale {
            Locale::Ko => &self.ko,
            Locale::En => &self.en,
        }
    }
}

/// Reads `[[voices]]`; a playbook without any is not spoken.
pub(super) fn read(root: &Section<'_>) -> Vec<VoicePreset> {
    let mut voices: Vec<VoicePreset> = Vec::new();
    for section in root.sections("voices") {
        let preset = section.text("preset");
        let (ko, en) = (section.text("ko"), section.text("en"));
        let style = section.optional_text("style");
        section.close();
        let (Some(preset), Some(ko), Some(en)) = (preset, ko, en) else {
            continue;
        };
        if voices.iter().any(|voice| voice.preset == preset.value) {
            let message = (
                format!("there is a voice `{}` already", preset.value),
                "give this one another name",
            );
            root.fault(Some(preset.at), message);
            continue;
        }
        voices.push(VoicePreset {
            preset: preset.value,
            ko: ko.value,
            en: en.value,
            style: style.map(|style| style.value),
        });
    }
    voices
}
