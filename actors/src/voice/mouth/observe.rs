//! What a mouth tells operators.

use std::time::Duration;

use metrics::{counter, describe_counter, describe_histogram, histogram};

/// Says what each of them counts.
pub(in crate::voice) fn describe() {
    describe_counter!(
        "greenroom_voice_sentences_total",
        "Sentences that were given to a voice, by outcome: ok, cancelled, refused, or the code of the failure."
    );
    describe_histogram!(
        "greenroom_voice_first_byte_seconds",
        "From when a sentence was ready for the voice until its first sound, booking included."
    );
    describe_counter!(
        "greenroom_voice_phrases_total",
        "Sentences of the playbook, by where their sound came from: memory, blob, made."
    );
    describe_counter!(
        "greenroom_voice_underruns_total",
        "How often a client had nothing left to play amid a reply."
    );
    describe_counter!(
        "greenroom_voice_replies_total",
        "Replies whose sound ended: played, cancelled, voided, failed, stalled."
    );
    describe_counter!(
        "greenroom_voice_signals_dropped_total",
        "Signals that found no room, because their socket takes nothing."
    );
}

/// A sentence was spoken, or not: `ok`, `cancelled`, `refused`, or the code of its failure.
pub(super) fn sentence(outcome: &'static str) {
    counter!("greenroom_voice_sentences_total", "outcome" => outcome).increment(1);
}

/// The voice began to sound so long after a sentence was ready for it, the reservation of its call included.
pub(super) fn first_byte(took: Duration) {
    histogram!("greenroom_voice_first_byte_seconds").record(took);
}

/// The sound of a phrase was found in `memory` or in its `blob`, or had to be `made`.
pub(super) fn phrase(source: &'static str) {
    counter!("greenroom_voice_phrases_total", "source" => source).increment(1);
}

/// A client had nothing left to play amid a reply.
pub(super) fn underrun() {
    counter!("greenroom_voice_underruns_total").increment(1);
}

/// A reply's sound ended: `played`, `cancelled`, `voided`, `failed` or `stalled`.
pub(super) fn reply(outcome: &'static str) {
    counter!("greenroom_voice_replies_total", "outcome" => outcome).increment(1);
}
