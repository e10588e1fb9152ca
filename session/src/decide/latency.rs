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

#[cfg(test)]
mod tests {
    use greenroom_protocol::{Millis, TurnId};
    use proptest::prelude::*;

    use super::*;
    use crate::state::PlanProgress;

    fn at(unix_ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(unix_ms)
    }

    /// Any clock: mostly of one conversation, sometimes of another age.
    fn time() -> impl Strategy<Value = Timestamp> {
        prop_oneof![
            8 => 0_i64..20_000,
            1 => Just(i64::MIN),
            1 => Just(i64::MAX),
        ]
        .prop_map(at)
    }

    /// A turn by its times: when it started; end of speech, endpoint, first words, first sentence, complete text.
    fn planning(started_at: Timestamp, times: [Option<Timestamp>; 5]) -> Planning {
        let [
            speech_ended_at,
            endpoint_at,
            first_words_at,
            first_sentence_at,
            since,
        ] = times;
        Planning {
            turn_id: TurnId::new(ulid::Ulid::from(1_u128)),
            words: String::new(),
            speech_ended_at,
            endpoint_at,
            voiced: since.is_some(),
            started_at,
            progress: since.map_or(PlanProgress::Begun, |since| PlanProgress::Voicing { since }),
            speaker: None,
            reply: String::new(),
            asks: None,
            first_words_at,
            first_sentence_at,
        }
    }

    fn any_planning() -> impl Strategy<Value = Planning> {
        let times = [(); 5].map(|()| prop::option::of(time()));
        (time(), times).prop_map(|(started_at, times)| planning(started_at, times))
    }

    fn sound() -> impl Strategy<Value = Option<FirstSound>> {
        let sound = (time(), time()).prop_map(|(first_byte_at, first_sent_at)| FirstSound {
            first_byte_at,
            first_sent_at,
        });
        prop::option::of(sound)
    }

    proptest! {
        #[test]
        fn segments_sum_to_the_whole_by_any_clock(planning in any_planning(), now in time(), sound in sound()) {
            let latency = latency(&planning, now, sound);
            let sum: u64 = latency.segments.iter().map(|part| part.ms.0).sum();
            prop_assert_eq!(sum, latency.total_ms.0);

            let named: Vec<Segment> = latency.segments.iter().map(|part| part.segment).collect();
            let is_spoken = planning.speech_ended_at.is_some();
            let expected = [
                (Segment::Endpointing, is_spoken && planning.endpoint_at.is_some()),
                (Segment::Transcription, is_spoken),
                (Segment::PlannerFirstToken, true),
                (Segment::FirstSentence, true),
                (Segment::VoiceFirstByte, sound.is_some()),
                (Segment::Delivery, true),
            ];
            let expected = expected.into_iter().filter(|(_, is_named)| *is_named);
            prop_assert_eq!(named, expected.map(|(segment, _)| segment).collect::<Vec<_>>());
        }

        #[test]
        fn clocks_that_agree_are_told_as_they_are(
            lengths_ms in prop::array::uniform6(0_u64..5_000),
            // The text is complete before the first sound, or long after it.
            text_ms in 0_u64..40_000,
        ) {
            let mut times = vec![at(1_000_000)];
            for length_ms in lengths_ms {
                let before = times[times.len() - 1];
                times.push(before.after(Millis(length_ms)));
            }
            let [ended, endpoint, started, words, sentence, byte, sent] = times[..] else {
                unreachable!("seven times");
            };
            let since = sentence.after(Millis(text_ms));
            let times = [ended, endpoint, words, sentence, since].map(Some);
            let planning = planning(started, times);
            let sound = FirstSound { first_byte_at: byte, first_sent_at: sent };
            let latency = latency(&planning, since.after(Millis(9_999)), Some(sound));
            prop_assert_eq!(latency.total_ms, sent.since(ended));
            let told: Vec<u64> = latency.segments.iter().map(|part| part.ms.0).collect();
            prop_assert_eq!(told, lengths_ms);
        }
    }
}
