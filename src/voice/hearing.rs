//! The ears: a recording is decoded, transcribed and said to its session.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use greenroom_actors::Cursor;
use greenroom_actors::outside::{made, settled, unsettled};
use greenroom_audio::{DecodeError, DecodeLimits, Decoded, UPLOAD_BYTES_MAX, Upload, decode, pcm};
use greenroom_protocol::{CallId, CommandId, ErrorCode, Locale, Millis, Seq, SessionId, Timestamp, TurnId};
use greenroom_session::playbook::{Playbook, VoicePreset};
use greenroom_session::ports::{SpeechAudio, SpeechFormat, Transcription, TranscriptionRequest};
use greenroom_session::{Caller, CommandKind, OutsideCall, Receipt, Spoken};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::call::Asking;
use super::flights::Flights;
use super::room::{Places, Room};
use super::speech::{Mouth, Speech, SpokenText};
use super::{Recording, VoicePorts, observe};
use crate::http::{Failure, TurnEvents, gather_within};
use crate::lifecycle::{Phase, PhaseWatch};

/// What recognition may take beside the length of the recording: slow servers transcribe about as fast as one speaks,
/// and load their model first.
const TRANSCRIPTION_BASE: Millis = Millis(30_000);
/// When a client that found all places taken may come again: most recordings are in and decoded by then.
const PLACE_RETRY_S: u32 = 5;
/// What an answer about an unsupported recording names.
const FORMATS: [&str; 8] = [
    "WAV",
    "WebM/Opus",
    "Ogg/Opus",
    "Ogg/Vorbis",
    "MP4/AAC",
    "MP4/Opus",
    "MP3",
    "FLAC",
];
/// The phrase of every playbook that asks for text.
const NOT_UNDERSTOOD: &str = "voice.not_understood";

/// A recording that is to become an utterance of a session.
pub struct Utterance {
    /// Which session.
    pub session: SessionId,
    /// Who speaks.
    pub caller: Caller,
    /// The language of the session.
    pub locale: Locale,
    /// The playbook of the session.
    pub playbook: Arc<Playbook>,
    /// The client's idempotency key.
    pub key: Option<CommandId>,
    /// What was said.
    pub recording: Recording,
    /// The language that it is probably in.
    pub language: Locale,
    /// Words that may occur in it.
    pub vocabulary: Vec<String>,
    /// When the user had certainly finished speaking: when the recording began to arrive.
    pub ended_at: Timestamp,
    /// The voice to answer in.
    pub preset: Option<VoicePreset>,
    /// Keeps the session in memory: one that is folded anew takes calls under way for lost.
    pub presence: Cursor,
    /// The recording's place in memory.
    pub place: OwnedSemaphorePermit,
}

/// What became of a recording.
#[derive(Debug, Clone)]
pub enum Heard {
    /// A turn began, now or when the same recording came before.
    Turn {
        /// Which.
        turn_id: TurnId,
        /// The event before its first.
        before: Seq,
    },
    /// Nothing was understood; no turn begins.
    Nothing {
        /// What is said instead: a phrase of the playbook.
        text: String,
    },
}

/// The server's ears.
pub struct Ears {
    shared: Arc<Shared>,
    places: Places,
    keyless: AtomicU64,
    flights: Flights<FlightKey, Progress>,
}

/// What every hearing needs.
struct Shared {
    ports: Arc<VoicePorts>,
    decoders: Arc<Semaphore>,
    /// As much for what was decoded as for what comes in.
    room: Room,
    mouth: Arc<Mouth>,
}

/// The same recording under the same key is heard once; without a key every recording is its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct FlightKey {
    session: SessionId,
    key: Result<CommandId, u64>,
    digest: String,
    preset: Option<String>,
}

#[derive(Default)]
struct Progress {
    heard: Option<Result<Heard, Failure>>,
    spoken: Option<Result<SpokenText, Failure>>,
}

/// A recording under way. Letting go of it cancels nothing.
pub struct VoiceTurn {
    progress: watch::Receiver<Progress>,
    phase: PhaseWatch,
}

impl Ears {
    pub(super) fn new(
        ports: Arc<VoicePorts>,
        decoders: Arc<Semaphore>,
        mouth: Arc<Mouth>,
        uploads_max: usize,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                ports,
                decoders,
                room: Room::of_bytes(uploads_max * UPLOAD_BYTES_MAX),
                mouth,
            }),
            places: Places::new(uploads_max),
            keyless: AtomicU64::new(0),
            flights: Flights::new(),
        }
    }

    /// Whether anybody turns speech into words here.
    pub fn can_hear(&self) -> bool {
        self.shared.ports.providers.transcriber.identity().is_some()
    }

    /// Changes how many recordings may be in memory at once.
    pub fn set_uploads_max(&self, uploads_max: usize) {
        self.places.resize(uploads_max);
        self.shared.room.resize(uploads_max * UPLOAD_BYTES_MAX);
    }

    /// A place in memory for one recording, if there is one.
    pub fn place(&self) -> Result<OwnedSemaphorePermit, Failure> {
        let place = self.places.semaphore().try_acquire_owned();
        place.map_err(|_| Failure::overloaded(PLACE_RETRY_S))
    }

    /// Hears a recording in a task of its own, whether or not anybody waits for what becomes of it.
    pub fn hear(&self, utterance: Utterance) -> VoiceTurn {
        let shared = Arc::clone(&self.shared);
        let unique = || self.keyless.fetch_add(1, Ordering::Relaxed);
        let key = FlightKey {
            session: utterance.session,
            key: utterance.key.clone().ok_or_else(unique),
            digest: utterance.recording.digest.clone(),
            preset: utterance.preset.as_ref().map(|voice| voice.preset.clone()),
        };
        VoiceTurn {
            progress: self
                .flights
                .join(key, |progress| shared.hear_and_answer(utterance, progress)),
            phase: self.shared.ports.phase.clone(),
        }
    }
}

impl VoiceTurn {
    /// What became of the recording.
    pub async fn heard(&mut self) -> Result<Heard, Failure> {
        let progress = self.progress.wait_for(|progress| progress.heard.is_some()).await;
        let heard = progress.ok().and_then(|progress| progress.heard.clone());
        heard.unwrap_or_else(|| Err(lost(&self.phase)))
    }

    /// The answer, spoken, once it is complete; only if a voice was named.
    pub async fn spoken(&mut self) -> Result<SpokenText, Failure> {
        let progress = self.progress.wait_for(|progress| progress.spoken.is_some()).await;
        let spoken = progress.ok().and_then(|progress| progress.spoken.clone());
        spoken.unwrap_or_else(|| Err(lost(&self.phase)))
    }
}

/// Why work ended without a word: the server stops, or it has a defect.
pub(super) fn lost(phase: &PhaseWatch) -> Failure {
    if phase.phase() >= Phase::Draining {
        Failure::new(ErrorCode::SysDraining)
    } else {
        Failure::new(ErrorCode::SysInternal)
    }
}

impl Shared {
    async fn hear_and_answer(self: Arc<Self>, utterance: Utterance, progress: watch::Sender<Progress>) {
        let asking = Asking {
            session: utterance.session,
            caller: utterance.caller.clone(),
            locale: utterance.locale,
        };
        let preset = utterance.preset.clone();
        let playbook = Arc::clone(&utterance.playbook);
        let hearing = self.hear(&asking, utterance);
        let heard = self
            .ports
            .phase
            .clone()
            .unless_reached(Phase::Closing, hearing)
            .await;
        let (heard, presence) = match heard {
            Some((heard, presence)) => (heard, Some(presence)),
            // What was reserved is booked as unknown at the next start.
            None => (Err(Failure::new(ErrorCode::SysDraining)), None),
        };
        progress.send_modify(|progress| progress.heard = Some(heard.clone()));
        if let (Ok(heard), Some(preset)) = (heard, preset) {
            let phase = self.ports.phase.clone();
            let answering = self.answer(&asking, heard, playbook, preset);
            let spoken = phase.unless_reached(Phase::Closing, answering).await;
            let spoken = spoken.unwrap_or_else(|| Err(Failure::new(ErrorCode::SysDraining)));
            progress.send_modify(|progress| progress.spoken = Some(spoken));
        }
        drop(presence);
    }

    async fn hear(&self, asking: &Asking, utterance: Utterance) -> (Result<Heard, Failure>, Cursor) {
        let Utterance {
            playbook,
            key,
            recording,
            language,
            vocabulary,
            ended_at,
            presence,
            place,
            ..
        } = utterance;
        let heard = async {
            let (audio, place) = self.decode(recording.upload, place).await?;
            let _room = self.room.exchange(audio.pcm.len(), place).await?;
            let listening = Listening {
                asking,
                ports: &self.ports,
                playbook: &playbook,
                key,
                digest: recording.digest,
                ended_at,
            };
            listening.transcribe(audio, language, vocabulary).await
        };
        (heard.await, presence)
    }

    /// Decodes on a thread of its own. The recording leaves memory before the place is given back.
    async fn decode(
        &self,
        upload: Upload,
        place: OwnedSemaphorePermit,
    ) -> Result<(SpeechAudio, OwnedSemaphorePermit), Failure> {
        let core = Arc::clone(&self.decoders).acquire_owned().await;
        let core = core.map_err(|_| Failure::new(ErrorCode::SysDraining))?;
        let phase = self.ports.phase.clone();
        let decoding = spawn_blocking(move || {
            let _core = core;
            let started = Instant::now();
            let should_stop = || phase.phase() >= Phase::Draining;
            let decoded = decode(upload, &DecodeLimits::default(), &should_stop);
            observe::decoded(started.elapsed(), decoded.as_ref().map(Decoded::duration));
            decoded.map(|decoded| (pcm::to_le_bytes(&decoded.pcm), place))
        });
        let decoded = decoding.await.map_err(|_| Failure::new(ErrorCode::SysInternal))?;
        match decoded {
            Ok((pcm, place)) => Ok((SpeechAudio { pcm: pcm.into() }, place)),
            Err(error) => Err(undecodable(&error)),
        }
    }

    /// Speaks the answer once it is complete. The text stands, whatever becomes of its voice.
    async fn answer(
        &self,
        asking: &Asking,
        heard: Heard,
        playbook: Arc<Playbook>,
        preset: VoicePreset,
    ) -> Result<SpokenText, Failure> {
        let (text, turn_id) = match heard {
            Heard::Nothing { text } => (text, None),
            Heard::Turn { turn_id, before } => {
                let directory = &self.ports.directory;
                let (cursor, _) = directory
                    .cursor(asking.session, &asking.caller, Some(before))
                    .await?;
                let (summary, _) = gather_within(TurnEvents::new(cursor, turn_id), &playbook).await?;
                (summary.assistant_message(), Some(turn_id))
            }
        };
        let speech = Speech {
            session: asking.session,
            caller: asking.caller.clone(),
            locale: asking.locale,
            playbook,
            text,
            preset,
            format: SpeechFormat::Mp3,
            turn_id,
            checked: true,
        };
        self.mouth.say(speech).await
    }
}

/// One recording on its way into its session.
struct Listening<'a> {
    asking: &'a Asking,
    ports: &'a VoicePorts,
    playbook: &'a Playbook,
    key: Option<CommandId>,
    digest: String,
    ended_at: Timestamp,
}

impl Listening<'_> {
    async fn transcribe(
        self,
        audio: SpeechAudio,
        language: Locale,
        vocabulary: Vec<String>,
    ) -> Result<Heard, Failure> {
        let Self { asking, ports, .. } = self;
        let call = OutsideCall::Transcribe {
            audio_digest: Some(self.digest.clone()),
        };
        let receipt = asking.reserve(&ports.directory, self.key.clone(), call).await?;
        if receipt.duplicate {
            return turn_of(receipt);
        }
        let (Some(call_id), Some(turn_id)) = (receipt.call_id, receipt.turn_id) else {
            tracing::error!("a transcription was reserved without a call or a turn");
            return Err(Failure::new(ErrorCode::SysInternal));
        };
        let request = TranscriptionRequest {
            call_id,
            timeout: Millis(TRANSCRIPTION_BASE.0 + audio.duration().0),
            audio,
            language: Some(language),
            vocabulary,
        };
        let started = Instant::now();
        match made(ports.providers.transcriber.transcribe(request)).await {
            Ok(transcription) => {
                let nothing = transcription.text.trim().is_empty();
                observe::transcribed(started.elapsed(), if nothing { "nothing" } else { "ok" });
                self.say(call_id, turn_id, transcription).await
            }
            Err(failure) => {
                observe::transcribed(started.elapsed(), failure.code.as_str());
                let told = asking.failure(&failure);
                let code = failure.code;
                let settlement = unsettled(failure, Some(code));
                // That it could not be settled is in the log; the client is told why it was not heard.
                asking.settle(&ports.directory, call_id, settlement).await.ok();
                Err(told)
            }
        }
    }

    /// Says the words. The session settles the transcription with them, unless there is nothing to be said.
    async fn say(
        self,
        call_id: CallId,
        turn_id: TurnId,
        transcription: Transcription,
    ) -> Result<Heard, Failure> {
        let Self { asking, ports, .. } = self;
        let Transcription { text, receipt, .. } = transcription;
        let settle = async || {
            let settlement = settled(receipt.clone(), None);
            asking.settle(&ports.directory, call_id, settlement).await
        };
        if text.trim().is_empty() {
            settle().await?;
            return self.nothing();
        }
        let spoken = Spoken {
            turn_id,
            call_id,
            record: receipt.clone().into(),
            audio_digest: Some(self.digest.clone()),
            ended_at: self.ended_at,
            endpoint_at: None,
            voiced: false,
        };
        let kind = CommandKind::UserMessage {
            text,
            spoken: Some(Box::new(spoken)),
        };
        // Without a key of the client's, the call is one: if the answer is lost, the words are not said twice.
        let id = self.key.clone().or_else(|| call_id.to_string().parse().ok());
        match asking.send(&ports.directory, id, kind).await {
            Ok(receipt) => {
                if receipt.duplicate {
                    // The words that count were those of another transcription. If they were ours, it is settled.
                    settle().await.ok();
                }
                turn_of(receipt)
            }
            Err(failure) => {
                settle().await.ok();
                match failure.code() {
                    // Signs that nobody can see: the recogniser heard no words.
                    ErrorCode::InputBlank => self.nothing(),
                    _ => Err(failure),
                }
            }
        }
    }

    fn nothing(&self) -> Result<Heard, Failure> {
        let phrase = self.playbook.phrases.get(NOT_UNDERSTOOD);
        let phrase = phrase.ok_or(Failure::new(ErrorCode::SysInternal))?;
        let text = phrase.text(self.asking.locale).to_owned();
        Ok(Heard::Nothing { text })
    }
}

fn turn_of(receipt: Receipt) -> Result<Heard, Failure> {
    let turn_id = receipt.turn_id.ok_or_else(|| {
        tracing::error!("an utterance was taken without a turn");
        Failure::new(ErrorCode::SysInternal)
    })?;
    Ok(Heard::Turn {
        turn_id,
        before: Seq(receipt.seq.0.saturating_sub(1)),
    })
}

/// Why a recording cannot be heard, for the developer of the client.
fn undecodable(error: &DecodeError) -> Failure {
    let reason = error.to_string();
    let (code, details) = match error {
        DecodeError::Unsupported { .. } => {
            let details = json!({ "field": "audio", "reason": reason, "formats": FORMATS });
            (ErrorCode::InputUnsupportedMedia, details)
        }
        DecodeError::TooLong { duration_max } => {
            let seconds_max = Duration::as_secs(duration_max);
            let details = json!({ "field": "audio", "reason": reason, "seconds_max": seconds_max });
            (ErrorCode::InputTooLarge, details)
        }
        DecodeError::Damaged { .. }
        | DecodeError::RateOutOfRange { .. }
        | DecodeError::ChannelsOutOfRange { .. }
        | DecodeError::Empty => {
            let details = json!({ "field": "audio", "reason": reason });
            (ErrorCode::InputInvalid, details)
        }
        DecodeError::Stopped => return Failure::new(ErrorCode::SysDraining),
    };
    Failure::with_details(code, details)
}
