//! What was heard in a recording, and what hearing it used.

use std::time::Duration;

use serde_json::{Value, json};

use super::form::Granularity;
use super::subtitles::{Segment, words};
use crate::provider::bill::BilledUsage;
use crate::provider::fault::Fault;
use crate::provider::pace::tokens;
use crate::voice::recognise::Transcript;

/// What models that bill by tokens charge for a second of speech.
const TOKENS_PER_SECOND: u64 = 10;
/// What a misheard recording is taken for.
const MISHEARD: &str = "これは誰も言っていない言葉です。";

/// What was heard in a recording.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Hearing {
    segments: Vec<Segment>,
    duration: Duration,
}

impl Hearing {
    pub(crate) fn new(transcript: Transcript, duration: Duration) -> Self {
        let segments = transcript.heard.into_iter().map(|heard| Segment {
            text: heard.text,
            from: heard.from,
            until: heard.until,
        });
        Self {
            segments: segments.collect(),
            duration,
        }
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// What a fault has been heard instead.
    pub(crate) fn misheard(self, fault: Option<Fault>) -> Self {
        if fault != Some(Fault::Mishear) {
            return self;
        }
        Self {
            segments: vec![Segment {
                text: MISHEARD.to_owned(),
                from: Duration::ZERO,
                until: self.duration,
            }],
            ..self
        }
    }

    /// All that was said.
    pub(crate) fn text(&self) -> String {
        let texts: Vec<&str> = self
            .segments
            .iter()
            .map(|segment| segment.text.as_str())
            .collect();
        texts.join(" ")
    }

    /// The language by its English name.
    fn language(&self) -> &'static str {
        let has = |script: fn(char) -> bool| self.text().chars().any(script);
        if has(|letter| ('가'..='힣').contains(&letter)) {
            "korean"
        } else if has(|letter| ('ぁ'..='ヿ').contains(&letter)) {
            "japanese"
        } else {
            "english"
        }
    }

    /// Whole seconds, as they are billed.
    fn seconds(&self) -> u64 {
        self.duration
            .as_millis()
            .div_ceil(1_000)
            .try_into()
            .unwrap_or(u64::MAX)
    }

    /// What the recognition uses; it writes nothing where seconds are billed.
    pub(crate) fn usage(&self, is_billed_by_duration: bool) -> BilledUsage {
        let heard_ms = u64::try_from(self.duration.as_millis()).unwrap_or(u64::MAX);
        let (input_tokens, output_tokens) = if is_billed_by_duration {
            (0, 0)
        } else {
            (self.seconds() * TOKENS_PER_SECOND, tokens(&self.text()))
        };
        BilledUsage {
            input_tokens,
            output_tokens,
            heard_ms,
            ..BilledUsage::default()
        }
    }

    /// The usage as a reply says it.
    pub(crate) fn told_usage(&self, usage: BilledUsage, is_billed_by_duration: bool) -> Value {
        if is_billed_by_duration {
            return json!({ "type": "duration", "seconds": self.seconds() });
        }
        json!({
            "type": "tokens", "input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens,
            "total_tokens": usage.input_tokens + usage.output_tokens,
            "input_token_details": { "text_tokens": 0, "audio_tokens": usage.input_tokens },
        })
    }

    /// The transcript as `verbose_json` has it.
    pub(super) fn verbose(&self, granularity: Granularity) -> Value {
        let mut document = json!({
            "task": "transcribe", "language": self.language(), "duration": self.duration.as_secs_f64(),
            "text": self.text(), "usage": self.told_usage(BilledUsage::default(), true),
        });
        if granularity.segments {
            let segments = self.segments.iter().enumerate();
            document["segments"] = segments.map(|(id, segment)| segment.verbose(id)).collect();
        }
        if granularity.words {
            document["words"] = self.segments.iter().flat_map(words).collect();
        }
        document
    }
}
