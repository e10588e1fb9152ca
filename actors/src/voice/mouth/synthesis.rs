//! One sentence becomes sound: its call is booked, made, and settled, whoever still listens.
//!
//! Each sentence is a task of the server's. Who asked for it holds a [`Sound`]; dropping that cancels the call upstream at
//! once, and the task still settles what was booked. A phrase of the playbook is made whole, for everybody.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use greenroom_audio::mouth::VOICE_RATE_HZ;
use greenroom_protocol::{CallId, CallOutcome, ErrorBody, ErrorCode, Millis, SessionId, TurnId};
use greenroom_session::playbook::{Playbook, VoicePreset};
use greenroom_session::ports::{CallFailure, CallReceipt, Speaker, SpeechEvent, SpeechFormat, SpeechRequest};
use greenroom_session::{Caller, Command, CommandKind, OutsideCall, Receipt, Settlement};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use super::observe;
use super::phrases::{PhraseKey, PhraseSound, PhraseSounds};
use super::script::Words;
use crate::outside::{made, send, settled, unsettled};
use crate::{Directory, Refused};

/// A call may take this long. It is read no faster than it is played, and the user may interrupt it in between.
const SPEECH_TIMEOUT: Millis = Millis(120_000);
/// How long a voice may be silent before it sounds, and amid a sentence. Nobody waits longer for an answer.
const SPEECH_STALL: Millis = Millis(10_000);
/// How long the journal may take to book a call.
const RESERVATION_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of sound in a second.
const BYTES_PER_SECOND: usize = 2 * VOICE_RATE_HZ as usize;
/// The longest sound of one sentence: two minutes. The longest sentence takes half of one.
const SOUND_BYTES_MAX: usize = 120 * BYTES_PER_SECOND;
/// Sound is handed on in pieces of at most 200 ms, so that little of it is in hand that is not asked for.
const PIECE_BYTES_MAX: usize = BYTES_PER_SECOND / 5;
/// Pieces that wait for who asked.
const PIECES_WAITING_MAX: usize = 1;

/// Makes the sound of one session's replies.
pub(super) struct Synthesis {
    pub(super) directory: Directory,
    pub(super) session: SessionId,
    pub(super) caller: Caller,
    pub(super) playbook: Arc<Playbook>,
    pub(super) preset: VoicePreset,
    pub(super) speaker: Arc<dyn Speaker>,
    pub(super) phrases: Arc<PhraseSounds>,
    pub(super) tasks: TaskTracker,
}

/// A sentence that is being spoken. Dropping it cancels the call.
#[derive(Debug)]
pub(super) struct Sound {
    pieces: mpsc::Receiver<SoundPiece>,
}

/// What comes of a sentence.
#[derive(Debug, PartialEq)]
pub(super) enum SoundPiece {
    /// More of its samples, 24 kHz, signed 16-bit little-endian; one may be cut in two.
    Samples(Bytes),
    /// It is complete.
    Whole,
    /// It broke off, or never began. The session has told of it, unless it could not even book the call: then it says why.
    Broken {
        /// Why the call was not booked.
        refused: Option<Box<ErrorBody>>,
    },
}

/// A sentence that is to be spoken.
#[derive(Debug, Clone)]
struct Utterance {
    turn_id: Option<TurnId>,
    text: String,
    voice: String,
    /// Whether everybody is told the same.
    is_phrase: bool,
}

/// Why there is no whole sound.
enum Unspoken {
    /// The call was not booked.
    Refused(Option<Box<ErrorBody>>),
    /// The call failed.
    Failed(Box<CallFailure>),
    /// Nobody wants to hear it any more.
    Unwanted { left: bool },
}

/// Where the sound of a call goes.
enum Sink<'a> {
    /// To who asked, as fast as they take it.
    Listener(&'a mpsc::Sender<SoundPiece>),
    /// To be kept.
    Whole(&'a mut BytesMut),
}

impl Sound {
    /// What comes next. Cancel safe. After [`SoundPiece::Whole`] or [`SoundPiece::Broken`] nothing does.
    pub(super) async fn next(&mut self) -> SoundPiece {
        let piece = self.pieces.recv().await;
        // Its task panicked, or the server stops.
        piece.unwrap_or(SoundPiece::Broken { refused: None })
    }
}

impl Synthesis {
    /// Begins to speak.
    pub(super) fn speak(self: &Arc<Self>, words: &Words) -> Sound {
        let text = words.sentence.speakable.clone();
        let utterance = Utterance {
            turn_id: words.turn_id,
            is_phrase: words.is_phrase || self.is_phrase(&text),
            text,
            voice: self.preset.voice(words.locale).to_owned(),
        };
        let (sender, pieces) = mpsc::channel(PIECES_WAITING_MAX);
        let synthesis = Arc::clone(self);
        let span = tracing::info_span!("speech", session_id = %self.session);
        self.tasks
            .spawn(async move { synthesis.run(utterance, sender).await }.instrument(span));
        Sound { pieces }
    }

    async fn run(self: Arc<Self>, utterance: Utterance, listener: mpsc::Sender<SoundPiece>) {
        if let Some(key) = self.phrase_key(&utterance) {
            let maker = Arc::clone(&self);
            let phrase = utterance.clone();
            let sound = self.phrases.sound(key, move || maker.speak_whole(phrase));
            let sound = tokio::select! {
                sound = sound => sound,
                () = listener.closed() => return,
            };
            match sound {
                PhraseSound::Here(samples) => {
                    let whole = Sink::Listener(&listener).take(samples).await.is_ok();
                    if whole {
                        tell(&listener, SoundPiece::Whole).await;
                    }
                    return;
                }
                PhraseSound::Failed => return tell(&listener, SoundPiece::Broken { refused: None }).await,
                // What failed in another session may do well in this one, and else is told in it.
                PhraseSound::FailedElsewhere => {}
            }
        }
        let mut sink = Sink::Listener(&listener);
        let (booked, spoken) = self.call(&utterance, &mut sink).await;
        let last = match &spoken {
            Ok(_) => Some(SoundPiece::Whole),
            Err(Unspoken::Refused(error)) => Some(SoundPiece::Broken {
                refused: error.clone(),
            }),
            Err(Unspoken::Failed(_)) => Some(SoundPiece::Broken { refused: None }),
            Err(Unspoken::Unwanted { .. }) => None,
        };
        // Settled beside, so that the next sentence need not wait for the journal.
        let telling = async {
            if let Some(last) = last {
                tell(&listener, last).await;
            }
            drop(listener);
        };
        tokio::join!(telling, self.settle(booked, spoken));
    }

    fn phrase_key(&self, utterance: &Utterance) -> Option<PhraseKey> {
        let identity = self.speaker.identity().filter(|_| utterance.is_phrase)?;
        let Utterance { voice, text, .. } = utterance;
        let style = self.preset.style.as_deref();
        Some(PhraseKey::new(&identity, voice, style, text))
    }

    /// Whether the playbook says just this, in any language.
    fn is_phrase(&self, text: &str) -> bool {
        let mut phrases = self.playbook.phrases.values();
        phrases.any(|phrase| phrase.ko == text || phrase.en == text)
    }

    /// Makes a sound that everybody shares; nobody cancels it.
    async fn speak_whole(self: Arc<Self>, utterance: Utterance) -> Option<Bytes> {
        let mut samples = BytesMut::new();
        let (booked, spoken) = self.call(&utterance, &mut Sink::Whole(&mut samples)).await;
        let is_whole = spoken.is_ok();
        self.settle(booked, spoken).await;
        samples.truncate(samples.len() / 2 * 2);
        is_whole.then(|| samples.freeze())
    }

    /// Books a call and makes it.
    async fn call(
        &self,
        utterance: &Utterance,
        sink: &mut Sink<'_>,
    ) -> (Option<CallId>, Result<CallReceipt, Unspoken>) {
        let began = Instant::now();
        let call_id = match self.reserve(utterance.turn_id).await {
            Ok(call_id) => call_id,
            Err(error) => return (None, Err(Unspoken::Refused(error))),
        };
        if sink.is_unwanted() {
            return (Some(call_id), Err(Unspoken::Unwanted { left: false }));
        }
        // Inside, an unwanted call is an answer like any other: only the provider's client is watched for panics.
        let spoken = made(async { Ok(self.make(utterance, call_id, sink, began).await) }).await;
        let spoken = spoken.map_err(Unspoken::failed).and_then(|spoken| spoken);
        (Some(call_id), spoken)
    }

    async fn reserve(&self, turn_id: Option<TurnId>) -> Result<CallId, Option<Box<ErrorBody>>> {
        let kind = CommandKind::ReserveCall {
            call: OutsideCall::Speak { turn_id },
        };
        // Not given up when nobody wants it any more: what was booked must be settled.
        let receipt = timeout(RESERVATION_TIMEOUT, self.send(kind)).await;
        match receipt {
            Ok(Ok(Receipt {
                call_id: Some(call_id),
                ..
            })) => Ok(call_id),
            Ok(Ok(_)) => {
                tracing::error!("speech was reserved without a call");
                Err(None)
            }
            Ok(Err(Refused::Rejected(error))) => Err(Some(error)),
            Ok(Err(Refused::Lost)) | Err(_) => {
                tracing::warn!("a call for speech was not booked in time");
                Err(None)
            }
        }
    }

    /// Makes the call, until it is whole or nobody wants it.
    async fn make(
        &self,
        utterance: &Utterance,
        call_id: CallId,
        sink: &mut Sink<'_>,
        began: Instant,
    ) -> Result<CallReceipt, Unspoken> {
        let request = SpeechRequest {
            call_id,
            text: utterance.text.clone(),
            voice: utterance.voice.clone(),
            style: self.preset.style.clone(),
            format: SpeechFormat::Pcm,
            timeout: SPEECH_TIMEOUT,
            stall_timeout: SPEECH_STALL,
        };
        let mut stream = sink.unless_unwanted(in_time(self.speaker.speak(request))).await?;
        let mut bytes = 0;
        loop {
            let next = in_time(async {
                match stream.next().await {
                    Some(event) => event,
                    None => Err(failure("the speech broke off")),
                }
            });
            let samples = match sink.unless_unwanted(next).await? {
                SpeechEvent::Audio(samples) => samples,
                SpeechEvent::Completed(receipt) => return Ok(receipt),
            };
            if bytes == 0 {
                observe::first_byte(began.elapsed());
            }
            bytes += samples.len();
            if bytes > SOUND_BYTES_MAX {
                return Err(Unspoken::failed(failure("the speech does not end")));
            }
            sink.take(samples).await?;
        }
    }

    async fn settle(&self, booked: Option<CallId>, spoken: Result<CallReceipt, Unspoken>) {
        let (outcome, settlement) = match spoken {
            Ok(receipt) => ("ok", settled(receipt, None)),
            Err(Unspoken::Refused(error)) => {
                let code = error.map_or("lost", |error| error.code.as_str());
                tracing::warn!(code, "a reply is not spoken");
                return observe::sentence("refused");
            }
            Err(Unspoken::Failed(failure)) => {
                let code = failure.code;
                tracing::warn!(
                    code = code.as_str(),
                    reason = failure.reason,
                    "a sentence was not spoken"
                );
                (code.as_str(), unsettled(*failure, Some(code)))
            }
            Err(Unspoken::Unwanted { left }) => ("cancelled", cancelled(left)),
        };
        observe::sentence(outcome);
        let Some(call_id) = booked else { return };
        let settlement = Box::new(settlement);
        let told = self.send(CommandKind::SettleCall { call_id, settlement }).await;
        if let Err(error) = told {
            tracing::warn!(%call_id, %error, "a call could not be settled");
        }
    }

    async fn send(&self, kind: CommandKind) -> Result<Receipt, Refused> {
        let command = Command {
            id: None,
            caller: self.caller.clone(),
            kind,
        };
        send(&self.directory, self.session, command).await
    }
}

impl Unspoken {
    fn failed(failure: CallFailure) -> Self {
        Self::Failed(Box::new(failure))
    }
}

impl Sink<'_> {
    fn is_unwanted(&self) -> bool {
        match self {
            Self::Listener(listener) => listener.is_closed(),
            Self::Whole(_) => false,
        }
    }

    /// Gives a step of the call up once nobody wants it.
    async fn unless_unwanted<T>(
        &self,
        step: impl Future<Output = Result<T, CallFailure>>,
    ) -> Result<T, Unspoken> {
        let unwanted = async {
            match self {
                Self::Listener(listener) => listener.closed().await,
                Self::Whole(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = unwanted => Err(Unspoken::Unwanted { left: true }),
            step = step => step.map_err(Unspoken::failed),
        }
    }

    /// Hands samples on; waits while who asked has enough.
    async fn take(&mut self, mut samples: Bytes) -> Result<(), Unspoken> {
        match self {
            Self::Whole(whole) => whole.extend_from_slice(&samples),
            Self::Listener(listener) => {
                while !samples.is_empty() {
                    let piece = samples.split_to(samples.len().min(PIECE_BYTES_MAX));
                    let taken = listener.send(SoundPiece::Samples(piece)).await;
                    taken.map_err(|_| Unspoken::Unwanted { left: true })?;
                }
            }
        }
        Ok(())
    }
}

/// Tells who asked, unless they are gone.
async fn tell(listener: &mpsc::Sender<SoundPiece>, piece: SoundPiece) {
    let _gone = listener.send(piece).await;
}

/// The provider's client keeps this time itself; this holds where it does not.
async fn in_time<T>(step: impl Future<Output = Result<T, CallFailure>>) -> Result<T, CallFailure> {
    let stalled = CallFailure {
        code: ErrorCode::TtsTimeout,
        ..failure("the voice is silent")
    };
    timeout(SPEECH_STALL.into(), step).await.unwrap_or(Err(stalled))
}

fn failure(reason: &str) -> CallFailure {
    CallFailure {
        code: ErrorCode::TtsFailed,
        retryable: true,
        retry_after: None,
        reason: reason.to_owned(),
        receipt: None,
    }
}

/// How a call is settled that nobody wanted any more: once it had left, nobody knows what it cost.
fn cancelled(left: bool) -> Settlement {
    let (outcome, reason) = if left {
        (CallOutcome::Unknown, "cancelled: nobody wanted to hear the rest")
    } else {
        (CallOutcome::Failed, "cancelled before it left")
    };
    Settlement {
        outcome,
        record: None,
        error: None,
        reason: Some(reason.to_owned()),
        asset: None,
    }
}
