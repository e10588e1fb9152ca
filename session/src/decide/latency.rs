//! Where the time of a turn went: contiguous parts that sum to the whole.

use greenroom_protocol::{Segment, SegmentLatency, Timestamp, TurnLatency};

use crate::state::Planning;

/// The first sound of a reply.
#[derive(Debug, Clone, Copy)]
pub(super) struct FirstSound {
    /// When the first of its speech was there.
    pub first_byte_at: Timestamp,
    /// When it was on its way to the user.
    pub first_sent_at: Timestamp,
}

/// The latency of a turn that ends now. A spoken turn's time begins when the user had finished speaking; the check of
/// what was said is part of the wait for the first words. It lasts until the reply was complete, or until its first
/// sound if it was spoken: that may be earlier, because a reply is spoken while it is written.
///
/// Times come from several clocks and are told by others: each is brought between the one before it and the end.
pub(super) fn latency(planning: &Planning, now: Timestamp, sound: Option<FirstSound>) -> TurnLatency {
    let text_at = planning.progress.voicing_since().unwrap_or(now);
    let heard = planning.speech_ended_at;
    let began_at = heard.unwrap_or(planning.started_at).min(planning.started_at);
    let ended_at = sound
        .map_or(text_at, |sound| sound.first_sent_at)
        .max(planning.started_at);
    let bounds = [
        (Segment::Endpointing, heard.and(planning.endpoint_at)),
        (Segment::Transcription, heard.map(|_| planning.started_at)),
        (
            Segment::PlannerFirstToken,
            Some(planning.first_words_at.unwrap_or(text_at)),
        ),
        (
            Segment::FirstSentence,
            Some(planning.first_sentence_at.unwrap_or(text_at)),
        ),
        (Segment::VoiceFirstByte, sound.map(|sound| sound.first_byte_at)),
        (Segment::Delivery, Some(ended_at)),
    ];
    let mut from = began_at;
    let reached = bounds
        .into_iter()
        .filter_map(|(segment, until)| Some((segment, until?)));
    let segments = reached.map(|(segment, until)| {
        let until = until.clamp(from, ended_at);
        let ms = until.since(from);
        from = until;
        SegmentLatency { segment, ms }
    });
    TurnLatency {
        segments: segments.collect(),
        total_ms: ended_at.since(began_at),
    }
}
