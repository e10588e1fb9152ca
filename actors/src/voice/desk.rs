//! What a line asks of its session and of the recogniser, on behalf of whom it works for. Each takes as long as it takes:
//! the line has it done by an errand and goes on meanwhile.

use std::sync::Arc;
use std::time::Duration;

use greenroom_protocol::{CallId, ErrorBody, ErrorCode, Locale, Millis, SessionId, Timestamp, TurnId};
use greenroom_session::ports::{
    CallFailure, LiveTranscriptionRequest, SpeechAudio, Transcription, TranscriptionRequest,
};
use greenroom_session::{Caller, Command, CommandKind, HeardPart, OutsideCall, Receipt, Settlement, Spoken};
use tokio::time::{Instant, timeout};

use super::hearing::{Reserved, Words};
use super::{LineOwner, VoicePorts, VoiceSettings};
use crate::outside::{made, send};
use crate::{Directory, Refused};

/// What recognition may take beside the length of the utterance: a person who waits longer speaks again.
const TRANSCRIPTION_BASE: Millis = Millis(20_000);
/// How much longer than it was told a provider's client may take before it counts as hung.
const GRACE: Duration = Duration::from_secs(1);

/// Who a line works for, and by which ways.
pub(super) struct Desk {
    pub(super) directory: Directory,
    pub(super) ports: Arc<VoicePorts>,
    pub(super) settings: VoiceSettings,
    pub(super) owner: LineOwner,
}

/// What is to be told of a reply that was heard in part.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct HeardTold {
    /// Whose reply.
    pub(super) turn_id: TurnId,
    /// How much of its messages.
    pub(super) parts: Vec<HeardPart>,
    /// Whether it ends.
    pub(super) cancels: bool,
}

impl Desk {
    pub(super) fn session(&self) -> SessionId {
        self.owner.session
    }

    pub(super) fn locale(&self) -> Locale {
        self.owner.locale
    }

    /// The time of day at a moment of the past.
    pub(super) fn time_of(&self, moment: Instant) -> Timestamp {
        let ago_ms = i64::try_from(moment.elapsed().as_millis()).unwrap_or(i64::MAX);
        let now = self.directory.shared().ports.clock.now();
        Timestamp::from_unix_ms(now.unix_ms().saturating_sub(ago_ms))
    }

    /// Books a transcription, if another turn may begin now.
    pub(super) async fn reserve(&self) -> Result<Reserved, Box<ErrorBody>> {
        (self.owner.admit)().map_err(|retry_after_s| {
            let error = ErrorBody::new(ErrorCode::SysRateLimit, self.locale());
            Box::new(error.with_retry_after(retry_after_s))
        })?;
        let call = OutsideCall::Transcribe { audio_digest: None };
        let receipt = self.send(None, CommandKind::ReserveCall { call }).await?;
        if let (Some(call_id), Some(turn_id)) = (receipt.call_id, receipt.turn_id) {
            return Ok(Reserved { call_id, turn_id });
        }
        tracing::error!("a transcription was reserved without a call or a turn");
        Err(Box::new(ErrorBody::new(ErrorCode::SysInternal, self.locale())))
    }

    /// Words that may be said, as the brief has them now; none if the session cannot be asked.
    pub(super) async fn vocabulary(&self) -> Vec<String> {
        let view = self.directory.view(self.session(), &self.owner.caller).await;
        view.map(|view| view.vocabulary()).unwrap_or_default()
    }

    /// What a recogniser that listens along is told at its beginning.
    pub(super) fn stream_request(&self, vocabulary: Vec<String>) -> LiveTranscriptionRequest {
        LiveTranscriptionRequest {
            language: Some(self.locale()),
            vocabulary,
        }
    }

    /// Has an utterance transcribed.
    pub(super) async fn transcribe(
        &self,
        call_id: CallId,
        audio: SpeechAudio,
    ) -> Result<Transcription, CallFailure> {
        let vocabulary = self.vocabulary().await;
        let patience = Millis(TRANSCRIPTION_BASE.0 + audio.duration().0);
        let request = TranscriptionRequest {
            call_id,
            audio,
            language: Some(self.locale()),
            vocabulary,
            timeout: patience,
        };
        let call = made(self.ports.transcriber.transcribe(request));
        match timeout(Duration::from(patience) + GRACE, call).await {
            Ok(answer) => answer,
            Err(_) => Err(hung()),
        }
    }

    /// Says the words of an utterance; the session settles its transcription with them. If the answer is lost they are not
    /// said twice.
    pub(super) async fn say(&self, words: Words, voiced: bool) -> Result<(), Box<ErrorBody>> {
        let id = words.call_id.to_string().parse().ok();
        let kind = CommandKind::UserMessage {
            text: words.text,
            spoken: Some(Box::new(Spoken {
                turn_id: words.turn_id,
                call_id: words.call_id,
                record: words.record,
                audio_digest: None,
                ended_at: words.ended_at,
                endpoint_at: Some(words.endpoint_at),
                voiced,
            })),
        };
        self.send(id, kind).await.map(|_| ())
    }

    /// Settles a call. If the session was lost meanwhile it booked the call as unknown itself.
    pub(super) async fn settle(&self, call_id: CallId, settlement: Box<Settlement>) {
        let settled = self
            .send(None, CommandKind::SettleCall { call_id, settlement })
            .await;
        if let Err(error) = settled {
            let (session_id, code) = (self.session(), error.code.as_str());
            tracing::warn!(%session_id, %call_id, code, "a transcription could not be settled");
        }
    }

    /// Tells what was heard of a reply.
    pub(super) async fn tell_heard(&self, told: HeardTold) {
        let HeardTold {
            turn_id,
            parts,
            cancels,
        } = told;
        let kind = CommandKind::ReplyHeard {
            turn_id,
            parts,
            cancels,
        };
        if let Err(error) = self.send(None, kind).await {
            let (session_id, code) = (self.session(), error.code.as_str());
            tracing::warn!(%session_id, %turn_id, code, "what was heard of a reply could not be told");
        }
    }

    /// Sends a command in the name of whom the line works for.
    pub(super) async fn send(
        &self,
        id: Option<greenroom_protocol::CommandId>,
        kind: CommandKind,
    ) -> Result<Receipt, Box<ErrorBody>> {
        let caller: Caller = self.owner.caller.clone();
        let command = Command { id, caller, kind };
        let sent = send(&self.directory, self.session(), command).await;
        sent.map_err(|refused| match refused {
            Refused::Rejected(error) => error,
            // Nobody knows whether it was done, so it must not be said that it was not.
            Refused::Lost => Box::new(
                ErrorBody::new(ErrorCode::SysInternal, self.locale()).with_details("the outcome is unknown"),
            ),
        })
    }
}

fn hung() -> CallFailure {
    CallFailure {
        code: ErrorCode::SttTimeout,
        retryable: true,
        retry_after: None,
        reason: "the recogniser's client did not keep to its time".to_owned(),
        receipt: None,
    }
}
