//! What live voice is counted by.

use std::time::Duration;

use greenroom_audio::ear::EndReason;
use greenroom_protocol::SpeechDiscardReason;
use greenroom_session::ports::{CallFailure, Transcription};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use super::hearing::Outcome;
use super::mouth;

/// Says what each of them counts.
pub fn describe() {
    mouth::describe();
    describe_gauge!(
        "greenroom_voice_lines",
        "Connections with a voice line, those included whose socket went and that finish."
    );
    describe_counter!("greenroom_voice_frames_total", "Audio frames that were heard.");
    describe_counter!(
        "greenroom_voice_frames_lost_total",
        "Audio frames that found no room: the server was too slow."
    );
    describe_counter!(
        "greenroom_voice_frames_refused_total",
        "Audio frames that could not be heard."
    );
    describe_counter!(
        "greenroom_voice_endpoints_total",
        "Utterances that ended, by reason: silence, committed, too_long."
    );
    describe_counter!(
        "greenroom_voice_utterances_total",
        "What became of what was heard: turn, or why it made none."
    );
    describe_counter!("greenroom_voice_ear_panics_total", "Ears that were made anew.");
    describe_histogram!(
        "greenroom_voice_endpoint_delay_seconds",
        "From the real end of speech until it was noticed."
    );
    describe_histogram!(
        "greenroom_voice_onset_to_pause_seconds",
        "From the arrival of the frame that made speech certain until the output was silenced."
    );
    describe_histogram!(
        "greenroom_voice_transcription_seconds",
        "Time to the words of an utterance from its end, by port and outcome."
    );
}

/// So many lines are there.
pub(super) fn lines(count: usize) {
    #[expect(clippy::cast_precision_loss, reason = "nobody holds 2^52 sockets")]
    gauge!("greenroom_voice_lines").set(count as f64);
}

/// So many frames came at once.
pub(super) fn frames(heard: u64, lost: u64, refused: u64) {
    counter!("greenroom_voice_frames_total").increment(heard);
    if lost > 0 {
        counter!("greenroom_voice_frames_lost_total").increment(lost);
    }
    if refused > 0 {
        counter!("greenroom_voice_frames_refused_total").increment(refused);
    }
}

/// An utterance ended.
pub(super) fn endpoint(reason: EndReason, delay: Duration) {
    let label = match reason {
        EndReason::Silence => "silence",
        EndReason::Committed => "committed",
        EndReason::TooLong => "too_long",
    };
    counter!("greenroom_voice_endpoints_total", "reason" => label).increment(1);
    if reason == EndReason::Silence {
        histogram!("greenroom_voice_endpoint_delay_seconds").record(delay);
    }
}

/// What became of an utterance.
pub(super) fn utterance(outcome: Outcome) {
    let outcome = match outcome {
        Outcome::Turn => "turn",
        Outcome::Discarded(SpeechDiscardReason::Noise) => "noise",
        Outcome::Discarded(SpeechDiscardReason::NothingUnderstood) => "nothing_understood",
        Outcome::Discarded(SpeechDiscardReason::Backchannel) => "backchannel",
        Outcome::Discarded(SpeechDiscardReason::Failed) => "failed",
        Outcome::Discarded(SpeechDiscardReason::Cancelled) => "cancelled",
    };
    counter!("greenroom_voice_utterances_total", "outcome" => outcome).increment(1);
}

/// An ear panicked.
pub(super) fn ear_panicked() {
    counter!("greenroom_voice_ear_panics_total").increment(1);
}

/// Speech was certain, and now the output is silent.
pub(super) fn onset_to_pause(took: Duration) {
    histogram!("greenroom_voice_onset_to_pause_seconds").record(took);
}

/// The words of an utterance are known, or will not be.
pub(super) fn transcribed(port: &'static str, took: Duration, result: &Result<Transcription, CallFailure>) {
    let outcome = match result {
        Ok(transcription) if transcription.text.trim().is_empty() => "nothing",
        Ok(_) => "ok",
        Err(failure) => failure.code.as_str(),
    };
    histogram!("greenroom_voice_transcription_seconds", "port" => port, "outcome" => outcome).record(took);
}
