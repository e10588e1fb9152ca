//! Transcription: recordings that ship with the project become words, every other one silence.

mod form;
mod subtitles;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

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
use super::fault::Fault;
use super::generate::{EVENT_STREAM, play_frames, played};
use super::pace::{Pieces, tokens};
use super::play::{Frame, Wait};
use super::simulator::SharedSimulator;
use crate::voice::recognise::Recogniser;
use form::{Granularity, TranscriptFormat, TranscriptionForm};
use subtitles::{Segment, words};

/// What models that bill by tokens charge for a second of speech.
const TOKENS_PER_SECOND: u64 = 10;
/// What a misheard recording is taken for.
const MISHEARD: &str = "これは誰も言っていない言葉です。";

/// What was heard in a recording.
#[derive(Debug, Clone, PartialEq)]
struct Hearing {
    segments: Vec<Segment>,
    duration: Duration,
}

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
    let segments = transcript.heard.into_iter().map(|heard| Segment {
        text: heard.text,
        from: heard.from,
        until: heard.until,
    });
    Ok(Hearing {
        segments: segments.collect(),
        duration: decoded.duration(),
    })
}

impl Hearing {
    /// What a fault has been heard instead.
    fn misheard(self, fault: Option<Fault>) -> Self {
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

    fn text(&self) -> String {
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

    fn usage(&self, is_billed_by_duration: bool) -> BilledUsage {
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
    fn told_usage(&self, usage: BilledUsage, is_billed_by_duration: bool) -> Value {
        if is_billed_by_duration {
            return json!({ "type": "duration", "seconds": self.seconds() });
        }
        json!({
            "type": "tokens", "input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens,
            "total_tokens": usage.input_tokens + usage.output_tokens,
            "input_token_details": { "text_tokens": 0, "audio_tokens": usage.input_tokens },
        })
    }

    fn verbose(&self, granularity: Granularity) -> Value {
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
            TranscriptFormat::Srt => (TEXT, subtitles::srt(&hearing.segments)),
            TranscriptFormat::Vtt => (TEXT, subtitles::vtt(&hearing.segments)),
        }
    }
}
