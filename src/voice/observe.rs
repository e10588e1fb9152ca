//! What speech is counted by.

use std::time::Duration;

use greenroom_audio::DecodeError;
use greenroom_protocol::ErrorCode;
use metrics::{counter, describe_counter, describe_histogram, histogram};

/// Says what each of them counts.
pub fn describe() {
    describe_counter!(
        "greenroom_uploads_total",
        "Recordings that came in, by outcome: ok, or the code of the refusal."
    );
    describe_counter!(
        "greenroom_upload_bytes_total",
        "Bytes of the recordings that came in whole."
    );
    describe_counter!("greenroom_decodes_total", "Recordings decoded, by outcome.");
    describe_histogram!("greenroom_decode_seconds", "Time to decode a recording.");
    describe_counter!(
        "greenroom_decoded_audio_milliseconds_total",
        "How long the recordings play that were decoded."
    );
    describe_histogram!(
        "greenroom_transcription_seconds",
        "Time to the words of a recording, by outcome: ok, nothing, or the code of the failure."
    );
    describe_histogram!(
        "greenroom_speech_seconds",
        "Time to the whole speech of a text, by outcome: ok, or the code of the failure."
    );
    describe_counter!(
        "greenroom_speech_cache_total",
        "Texts to be spoken, by whether they had been before: hit or miss."
    );
}

/// A recording came in whole, or was refused on its way.
pub fn upload(outcome: Result<usize, ErrorCode>) {
    match outcome {
        Ok(bytes) => {
            counter!("greenroom_uploads_total", "outcome" => "ok").increment(1);
            counter!("greenroom_upload_bytes_total").increment(bytes as u64);
        }
        Err(code) => counter!("greenroom_uploads_total", "outcome" => code.as_str()).increment(1),
    }
}

/// A recording was decoded, or could not be.
pub(super) fn decoded(took: Duration, audio: Result<Duration, &DecodeError>) {
    let outcome = match audio {
        Ok(_) => "ok",
        Err(DecodeError::Unsupported { .. }) => "unsupported",
        Err(DecodeError::Damaged { .. }) => "damaged",
        Err(DecodeError::TooLong { .. }) => "too_long",
        Err(DecodeError::RateOutOfRange { .. }) => "rate",
        Err(DecodeError::ChannelsOutOfRange { .. }) => "channels",
        Err(DecodeError::Empty) => "empty",
        Err(DecodeError::Stopped) => "stopped",
    };
    counter!("greenroom_decodes_total", "outcome" => outcome).increment(1);
    histogram!("greenroom_decode_seconds").record(took);
    if let Ok(audio) = audio {
        counter!("greenroom_decoded_audio_milliseconds_total")
            .increment(u64::try_from(audio.as_millis()).unwrap_or(u64::MAX));
    }
}

/// How a recording was understood.
pub(super) fn transcribed(took: Duration, outcome: &'static str) {
    histogram!("greenroom_transcription_seconds", "outcome" => outcome).record(took);
}

/// How a text was spoken.
pub(super) fn spoken(took: Duration, outcome: &'static str) {
    histogram!("greenroom_speech_seconds", "outcome" => outcome).record(took);
}

/// Whether speech was there already.
pub(super) fn speech_cache(result: &'static str) {
    counter!("greenroom_speech_cache_total", "result" => result).increment(1);
}
