//! Speech to words, and words to speech.

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use greenroom_protocol::{CallId, Locale, Millis};
use serde::{Deserialize, Serialize};

use super::{CallFailure, CallReceipt, ModelIdentity};

/// Recorded speech: 16 kHz, one channel, signed 16-bit little-endian samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpeechAudio {
    /// The samples, two bytes each.
    pub pcm: Bytes,
}

impl SpeechAudio {
    /// Samples per second.
    pub const SAMPLE_RATE_HZ: u32 = 16_000;

    /// How long it plays.
    pub fn duration(&self) -> Millis {
        let samples = self.pcm.len() as u64 / 2;
        let ms = samples * 1_000 / u64::from(Self::SAMPLE_RATE_HZ);
        Millis(ms)
    }
}

/// Speech to be turned into words. One request is one HTTP request and one call.
#[derive(Debug, Clone, PartialEq)]
pub struct TranscriptionRequest {
    /// The call that was reserved for it.
    pub call_id: CallId,
    /// What was said.
    pub audio: SpeechAudio,
    /// The language that it is probably in; a hint only.
    pub language: Option<Locale>,
    /// Words that may occur, such as the product's name; a hint only.
    pub vocabulary: Vec<String>,
    /// How long the whole call may take.
    pub timeout: Millis,
}

/// What was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Transcription {
    /// The words, trimmed; empty when nothing was understood.
    pub text: String,
    /// The language that the provider heard, as it names it.
    pub language: Option<String>,
    /// What the provider says of the call.
    pub receipt: CallReceipt,
}

/// Turns speech into words.
#[async_trait]
pub trait Transcriber: Send + Sync + 'static {
    /// Sends the request; dropping the future cancels it. Fails with `STT_FAILED`, `STT_TIMEOUT` or
    /// `STT_NOT_CONFIGURED`.
    async fn transcribe(&self, request: TranscriptionRequest) -> Result<Transcription, CallFailure>;

    /// Which provider it is; none if none is configured.
    fn identity(&self) -> Option<ModelIdentity>;
}

/// A stream to a recogniser that listens while somebody speaks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveTranscriptionRequest {
    /// The language that is probably spoken; a hint only.
    pub language: Option<Locale>,
    /// Words that may occur; a hint only.
    pub vocabulary: Vec<String>,
}

/// What such a stream tells. Of each utterance that was begun: any number of partials, then exactly one
/// [`Self::Final`] or [`Self::Failed`], also after it was discarded.
#[derive(Debug, Clone, PartialEq)]
pub enum LiveTranscriptionEvent {
    /// All words of the utterance so far.
    Partial {
        /// The call of the utterance.
        call_id: CallId,
        /// The words.
        text: String,
    },
    /// The words are known. A discarded utterance has none, and its receipt says what it cost.
    Final {
        /// The call of the utterance.
        call_id: CallId,
        /// What was understood.
        transcription: Transcription,
    },
    /// The utterance was not understood. The stream may go on.
    Failed {
        /// The call of the utterance.
        call_id: CallId,
        /// Why.
        failure: CallFailure,
    },
}

/// A recogniser's stream: what it is given, and what it tells. The events end when the stream can take no more
/// utterances; the ones under way have failed by then. Dropping either half ends it.
pub struct LiveTranscription {
    /// Takes speech.
    pub audio: Box<dyn LiveAudio>,
    /// Tells words.
    pub events: BoxStream<'static, LiveTranscriptionEvent>,
}

/// The half of a recogniser's stream that takes speech. Nothing here waits: what is sent faster than the provider takes
/// it is queued up to a limit, beyond which the utterance fails.
pub trait LiveAudio: Send {
    /// An utterance begins, under the call that was reserved for it. At most one is open at a time.
    fn begin(&mut self, call_id: CallId);

    /// More of it: 16 kHz, one channel.
    fn append(&mut self, pcm: &[i16]);

    /// It is complete: its words are wanted.
    fn commit(&mut self);

    /// It was none: nothing more is wanted of it.
    fn discard(&mut self);
}

/// Turns speech into words while it is spoken.
#[async_trait]
pub trait LiveTranscriber: Send + Sync + 'static {
    /// Opens a stream for one speaker. Fails with `STT_FAILED`, `STT_TIMEOUT` or `STT_NOT_CONFIGURED`.
    async fn open(&self, request: LiveTranscriptionRequest) -> Result<LiveTranscription, CallFailure>;

    /// Which provider it is; none if none is configured that can.
    fn identity(&self) -> Option<ModelIdentity>;
}

/// How speech is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpeechFormat {
    /// MPEG layer 3.
    Mp3,
    /// RIFF with 16-bit samples.
    Wav,
    /// 24 kHz, one channel, signed 16-bit little-endian samples, no header.
    Pcm,
}

/// A text to be spoken. One request is one HTTP request and one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpeechRequest {
    /// The call that was reserved for it.
    pub call_id: CallId,
    /// What to say.
    pub text: String,
    /// The provider's name of the voice.
    pub voice: String,
    /// How to say it, for providers that take a direction.
    pub style: Option<String>,
    /// How to encode it.
    pub format: SpeechFormat,
    /// How long the whole call may take.
    pub timeout: Millis,
    /// How long the stream may be silent.
    pub stall_timeout: Millis,
}

/// One step of speech.
#[derive(Debug, Clone, PartialEq)]
pub enum SpeechEvent {
    /// The speech grows by these bytes of its format.
    Audio(Bytes),
    /// The speech is complete; the stream ends.
    Completed(CallReceipt),
}

/// Speech as it comes. An `Err` is the last item.
pub type SpeechStream = BoxStream<'static, Result<SpeechEvent, CallFailure>>;

/// Turns words into speech.
#[async_trait]
pub trait Speaker: Send + Sync + 'static {
    /// Sends the request; dropping the stream cancels it. Fails with `TTS_FAILED`, `TTS_TIMEOUT` or
    /// `TTS_NOT_CONFIGURED`.
    async fn speak(&self, request: SpeechRequest) -> Result<SpeechStream, CallFailure>;

    /// Which provider it is; none if none is configured.
    fn identity(&self) -> Option<ModelIdentity>;
}
