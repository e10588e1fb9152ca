//! Transcription: recordings that ship with the project become words, every other one silence.

mod form;
mod hearing;
mod subtitles;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::multipart::MultipartRejection;
use axum::extract::{Multipart, State};
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use greenroom_audio::{DecodeError, DecodeLimits, Upload, decode};
use serde_json::{Value, json};

use super::admission::{Admission, Admitted, Visitor};
use super::api::Api;
use super::author::Chance;
use super::bill::BilledUsage;
use super::error::ProviderError;
use super::generate::{EVENT_STREAM, play_frames, played};
use super::pace::{Pieces, tokens};
use super::play::{Frame, Wait};
use super::simulator::SharedSimulator;
use crate::voice::recognise::Recogniser;
use form::{TranscriptFormat, TranscriptionForm};
pub(super) use hearing::Hearing;

/// `POST /v1/audio/transcriptions`
pub(super) async fn create(
    State(simulator): State<SharedSimulator>,
    headers: HeaderMap,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Response, ProviderError> {
    let mut visitor = match Visitor::arrive(&simulator, Api::Transcriptions, &headers) {
        Ok(visitor) => visitor,
        Err(error) => {
            if let Ok(form) = form {
                form::drain(form).await;
            }
            return Err(error);
        }
    };
    let form = form::read(form).await.map_err(|error| visitor.refuse(error))?;
    visitor.name_model(&form.model)?;
    let admitted = match visitor.admit("transcription", None).await {
        Admission::Admitted(admitted) => *admitted,
        Admission::Answered(response) => return Ok(response),
    };
    let Admitted {
        mut call,
        pace,
        fault,
    } = admitted;
    let TranscriptionForm { upload, request, .. } = form;
    let hearing = match listen(&simulator, upload).await {
        Ok(hearing) => hearing.misheard(fault),
        Err(error) => {
            call.reject(error.status.as_u16());
            return Err(error);
        }
    };
    let usage = hearing.usage(request.is_billed_by_duration());
    call.uses(BilledUsage {
        output_tokens: 0,
        ..usage
    });
    let admitted = Admitted { call, pace, fault };
    let text = hearing.text();
    if request.is_streamed() {
        let chance = Chance::new(simulator.seed, &text);
        let frames = frames(&hearing, usage, chance);
        return Ok(played(EVENT_STREAM, play_frames(frames, admitted, usage)));
    }
    let (media_type, body) = request.render(&hearing, usage);
    let frame = Frame {
        text_chars: body.chars().count().max(1),
        bytes: Bytes::from(body),
        wait: Wait::Nothing,
        tokens: usage.output_tokens,
        completes: true,
    };
    tokio::time::sleep(pace.whole_reply(0, tokens(&text))).await;
    Ok(played(
        media_type,
        play_frames(std::iter::once(frame), admitted, usage),
    ))
}

/// Decodes and recognises a recording, and stops when nobody waits for it any more.
async fn listen(simulator: &SharedSimulator, upload: Upload) -> Result<Hearing, ProviderError> {
    let stop = StopWhenDropped(Arc::new(AtomicBool::new(false)));
    let is_stopped = Arc::clone(&stop.0);
    let listened = simulator.work(move || hear(upload, &is_stopped)).await?;
    listened.map_err(|error| match error {
        DecodeError::TooLong { .. } => ProviderError::invalid("file", "audio_too_long", error.to_string()),
        DecodeError::Empty => ProviderError::invalid(
            "file",
            "audio_too_short",
            "Audio file is too short. Minimum audio length is 0.1 seconds.",
        ),
        DecodeError::Unsupported { .. }
        | DecodeError::Damaged { .. }
        | DecodeError::RateOutOfRange { .. }
        | DecodeError::ChannelsOutOfRange { .. }
        | DecodeError::Stopped => ProviderError::undecodable(),
    })
}

struct StopWhenDropped(Arc<AtomicBool>);

impl Drop for StopWhenDropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn hear(upload: Upload, is_stopped: &AtomicBool) -> Result<Hearing, DecodeError> {
    let decoded = decode(upload, &DecodeLimits::default(), &|| {
        is_stopped.load(Ordering::Relaxed)
    })?;
    let transcript = Recogniser::of_shipped().recognise(&decoded.pcm);
    Ok(Hearing::new(transcript, decoded.duration()))
}

/// The events of a stream: what is heard piece by piece, then all of it.
fn frames(
    hearing: &Hearing,
    usage: BilledUsage,
    chance: Chance,
) -> impl Iterator<Item = Frame> + Send + use<> {
    let text: Arc<str> = Arc::from(hearing.text());
    let done = json!({
        "type": "transcript.text.done", "text": text.as_ref(), "usage": hearing.told_usage(usage, false),
    });
    let deltas = Pieces::new(text, chance).enumerate().map(|(index, piece)| Frame {
        wait: if index == 0 { Wait::Thought } else { Wait::Token },
        text_chars: piece.chars().count(),
        tokens: tokens(&piece),
        ..event(&json!({ "type": "transcript.text.delta", "delta": piece }))
    });
    deltas.chain(std::iter::once(Frame {
        completes: true,
        text_chars: 1,
        ..event(&done)
    }))
}

fn event(data: &Value) -> Frame {
    Frame {
        bytes: Bytes::from(format!("data: {data}\n\n")),
        wait: Wait::Nothing,
        text_chars: 0,
        tokens: 0,
        completes: false,
    }
}

impl form::TranscriptionRequest {
    /// The reply that is sent at once, with its media type.
    fn render(&self, hearing: &Hearing, usage: BilledUsage) -> (&'static str, String) {
        const TEXT: &str = "text/plain; charset=utf-8";
        match self.format {
            TranscriptFormat::Json => {
                let usage = hearing.told_usage(usage, self.is_billed_by_duration());
                let document = json!({ "text": hearing.text(), "usage": usage });
                ("application/json", document.to_string())
            }
            TranscriptFormat::VerboseJson => {
                let document = hearing.verbose(self.granularity);
                ("application/json", document.to_string())
            }
            TranscriptFormat::Text => (TEXT, hearing.text() + "\n"),
            TranscriptFormat::Srt => (TEXT, subtitles::srt(hearing.segments())),
            TranscriptFormat::Vtt => (TEXT, subtitles::vtt(hearing.segments())),
        }
    }
}
