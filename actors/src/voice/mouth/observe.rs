//! What a mouth tells operators.

use std::time::Duration;

use metrics::{counter, histogram};

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
