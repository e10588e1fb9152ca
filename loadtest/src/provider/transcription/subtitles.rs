//! When something was said: segments, words, and subtitles.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::provider::pace;

/// One utterance, and when it was said.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Segment {
    pub(super) text: String,
    pub(super) from: Duration,
    pub(super) until: Duration,
}

impl Segment {
    /// The segment as `verbose_json` has it.
    pub(super) fn verbose(&self, id: usize) -> Value {
        let tokens: Vec<u64> = (0..pace::tokens(&self.text)).collect();
        json!({
            "id": id, "seek": 0, "start": seconds(self.from), "end": seconds(self.until), "text": self.text,
            "tokens": tokens, "temperature": 0.0, "avg_logprob": -0.1, "compression_ratio": 1.0,
            "no_speech_prob": 0.0,
        })
    }
}

/// The words of a segment, spread over its time by their length.
pub(super) fn words(segment: &Segment) -> Vec<Value> {
    let words: Vec<&str> = segment.text.split_whitespace().collect();
    let length = |word: &str| u32::try_from(word.chars().count()).unwrap_or(u32::MAX);
    let total: u32 = words.iter().map(|word| length(word)).sum();
    let span = segment.until.saturating_sub(segment.from);
    let mut passed = 0;
    words
        .into_iter()
        .map(|word| {
            let at = |chars: u32| seconds(segment.from + span * chars / total.max(1));
            let start = at(passed);
            passed += length(word);
            json!({ "word": word, "start": start, "end": at(passed) })
        })
        .collect()
}

/// The segments as `SubRip`.
pub(super) fn srt(segments: &[Segment]) -> String {
    let mut text = String::new();
    for (index, segment) in segments.iter().enumerate() {
        let (from, until) = (clock(segment.from, ','), clock(segment.until, ','));
        // Writing to a text cannot fail.
        let _ = write!(text, "{}\n{from} --> {until}\n{}\n\n", index + 1, segment.text);
    }
    text
}

/// The segments as `WebVTT`.
pub(super) fn vtt(segments: &[Segment]) -> String {
    let mut text = "WEBVTT\n\n".to_owned();
    for segment in segments {
        let (from, until) = (clock(segment.from, '.'), clock(segment.until, '.'));
        // Writing to a text cannot fail.
        let _ = write!(text, "{from} --> {until}\n{}\n\n", segment.text);
    }
    text
}

fn clock(at: Duration, separator: char) -> String {
    let (s, ms) = (at.as_secs(), at.subsec_millis());
    format!(
        "{:02}:{:02}:{:02}{separator}{ms:03}",
        s / 3_600,
        s / 60 % 60,
        s % 60
    )
}

/// Seconds with two decimals.
fn seconds(at: Duration) -> f64 {
    (at.as_secs_f64() * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment() -> Segment {
        Segment {
            text: "one three".to_owned(),
            from: Duration::from_secs(1),
            until: Duration::from_secs(3_661),
        }
    }

    #[test]
    fn subtitles_have_their_clock() {
        assert_eq!(
            srt(&[segment()]),
            "1\n00:00:01,000 --> 01:01:01,000\none three\n\n"
        );
        assert_eq!(
            vtt(&[segment()]),
            "WEBVTT\n\n00:00:01.000 --> 01:01:01.000\none three\n\n"
        );
        assert_eq!((srt(&[]), vtt(&[])), (String::new(), "WEBVTT\n\n".to_owned()));
    }

    #[test]
    fn words_fill_their_segment_by_length() {
        let segment = Segment {
            until: Duration::from_secs(9),
            ..segment()
        };
        assert_eq!(
            words(&segment),
            [
                json!({ "word": "one", "start": 1.0, "end": 4.0 }),
                json!({ "word": "three", "start": 4.0, "end": 9.0 })
            ]
        );
    }
}
