//! The recordings that ship with the project, and what they say.

use std::sync::LazyLock;

use bytes::Bytes;
use greenroom_audio::{DecodeLimits, UPLOAD_BYTES_MAX, Upload, decode};
use greenroom_protocol::Locale;
use include_dir::{Dir, include_dir};
use serde::Deserialize;

static FOLDER: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/utterances");

/// What an utterance is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsedBy {
    /// The launch brief of the demo, in the order of the list.
    Brief,
    /// Conversations in real time: backchannels, questions, interruptions, pauses, length.
    Realtime,
}

/// One recording.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Utterance {
    /// What it is called.
    pub id: String,
    /// Its file in `loadtest/utterances/`.
    pub file: String,
    /// What it says, written the way a recogniser writes it: `It costs $25.`
    pub text: String,
    /// What is said, where that differs from the text, part by part.
    #[serde(default)]
    spoken: Vec<String>,
    /// The silence between the parts.
    #[serde(default)]
    pub pause_ms: u32,
    /// The voice of flite that says it.
    pub voice: String,
    /// The language.
    pub locale: Locale,
    /// What it is meant for.
    pub used_by: UsedBy,
}

#[derive(Deserialize)]
struct Index {
    utterances: Vec<Utterance>,
}

/// All recordings, those of the brief first and in the order in which they are said.
pub fn shipped() -> &'static [Utterance] {
    static SHIPPED: LazyLock<Vec<Utterance>> = LazyLock::new(|| {
        let index = FOLDER
            .get_file("utterances.toml")
            .and_then(|file| file.contents_utf8())
            .expect("the index is built in; a test reads it");
        let index: Index = toml::from_str(index).expect("the index is well-formed; a test reads it");
        index.utterances
    });
    &SHIPPED
}

impl Utterance {
    /// The words as they are said: `It costs twenty five dollars.`
    pub fn spoken(&self) -> String {
        if self.spoken.is_empty() {
            self.text.clone()
        } else {
            self.spoken.join(" ")
        }
    }

    /// The recording as a FLAC file, 16 kHz mono.
    pub fn flac(&self) -> &'static [u8] {
        FOLDER
            .get_file(&self.file)
            .expect("every file of the index is built in; a test reads them all")
            .contents()
    }

    /// The recording as samples, 16 kHz mono.
    pub fn pcm(&self) -> Vec<i16> {
        let mut upload = Upload::new(UPLOAD_BYTES_MAX);
        upload
            .push(Bytes::from_static(self.flac()))
            .expect("a recording is smaller than an upload may be");
        decode(upload, &DecodeLimits::default(), &|| false)
            .expect("every recording can be decoded; a test decodes them all")
            .pcm
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What the recordings may add to a clone of the project.
    const BYTES_MAX: usize = 1_500_000;

    #[test]
    fn every_recording_is_listed_once_and_lasts_as_long_as_speech() {
        let listed: BTreeSet<&str> = shipped()
            .iter()
            .map(|utterance| utterance.file.as_str())
            .collect();
        let there: BTreeSet<&str> = FOLDER
            .files()
            .filter(|file| {
                file.path()
                    .extension()
                    .is_some_and(|extension| extension == "flac")
            })
            .filter_map(|file| file.path().to_str())
            .collect();
        assert_eq!(listed, there);
        let ids: BTreeSet<&str> = shipped().iter().map(|utterance| utterance.id.as_str()).collect();
        assert_eq!(ids.len(), shipped().len());
        let bytes: usize = shipped().iter().map(|utterance| utterance.flac().len()).sum();
        assert!(bytes < BYTES_MAX, "{bytes} bytes");

        for utterance in shipped() {
            let seconds = utterance.pcm().len() as f64 / 16_000.0;
            let chars_per_second = utterance.spoken().chars().count() as f64 / seconds;
            assert!(
                (4.0..20.0).contains(&chars_per_second),
                "{}: {chars_per_second:.1} characters a second",
                utterance.id
            );
        }
    }

    #[test]
    fn the_brief_comes_first_and_ends_with_the_order_to_begin() {
        let is_brief = |utterance: &&Utterance| utterance.used_by == UsedBy::Brief;
        let brief: Vec<_> = shipped().iter().take_while(is_brief).collect();
        assert_eq!(brief.len(), shipped().iter().filter(is_brief).count());
        assert_eq!(
            brief.last().map(|last| last.text.as_str()),
            Some("That is everything. Please start now.")
        );
    }
}
