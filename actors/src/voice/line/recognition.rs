//! What a line does with the recogniser that listens along.

use greenroom_protocol::{CallId, ErrorCode};
use greenroom_session::ports::{CallFailure, LiveTranscriptionEvent, Transcription};
use tokio::time::Instant;

use super::Line;
use crate::voice::hearing::Input;
use crate::voice::microphone::Microphone;
use crate::voice::observe;
use crate::voice::recogniser::News;

impl Line {
    pub(super) fn open_recogniser(&mut self) {
        let (desk, vocabulary) = (&self.desk, &self.vocabulary);
        self.recogniser.open(|| desk.stream_request(vocabulary.clone()));
    }

    /// Lets the recogniser hear what is new of the utterance under way.
    pub(super) fn feed_recogniser(&mut self) {
        if self.recogniser.is_hearing()
            && let Some(speech) = self.microphone.as_ref().and_then(Microphone::speech_so_far)
        {
            self.recogniser.hear(speech);
        }
        if self.microphone.is_none() && self.hearing.is_quiet() {
            self.recogniser.close();
        }
    }

    pub(super) fn recognised(&mut self, news: News) {
        match news {
            News::Opened(Ok(())) => {}
            News::Opened(Err(failure)) => {
                let (session_id, code) = (self.desk.session(), failure.code.as_str());
                tracing::warn!(%session_id, code, reason = failure.reason, "a recogniser could not be opened");
            }
            News::Event(LiveTranscriptionEvent::Partial { call_id, text }) => {
                self.hear(Input::Partial { call_id, text });
            }
            News::Event(LiveTranscriptionEvent::Final {
                call_id,
                transcription,
            }) => self.transcribed_along(call_id, Ok(transcription)),
            News::Event(LiveTranscriptionEvent::Failed { call_id, failure }) => {
                self.transcribed_along(call_id, Err(failure));
            }
            News::Lost(calls) => {
                for call_id in calls {
                    self.transcribed_along(call_id, Err(stream_lost()));
                }
            }
        }
    }

    fn transcribed_along(&mut self, call_id: CallId, result: Result<Transcription, CallFailure>) {
        if let Some(committed_at) = self.forget_commit(call_id) {
            observe::transcribed("stream", committed_at.elapsed(), &result);
        }
        self.hear(Input::Transcribed { call_id, result });
        self.feed_recogniser();
    }

    pub(super) fn forget_commit(&mut self, call_id: CallId) -> Option<Instant> {
        let index = self.committed.iter().position(|(call, _)| *call == call_id)?;
        Some(self.committed.swap_remove(index).1)
    }
}

/// How an utterance fails whose recogniser went away.
pub(super) fn stream_lost() -> CallFailure {
    CallFailure {
        code: ErrorCode::SttFailed,
        retryable: true,
        retry_after: None,
        reason: "the stream to the recogniser is gone".to_owned(),
        receipt: None,
    }
}
