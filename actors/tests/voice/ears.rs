//! Recognisers that understand what a test scripted.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use greenroom_protocol::{CallId, ErrorCode};
use greenroom_session::CallCost;
use greenroom_session::ports::{
    CallFailure, CallReceipt, LiveAudio, LiveTranscriber, LiveTranscription, LiveTranscriptionEvent,
    LiveTranscriptionRequest, ModelIdentity, Transcriber, Transcription, TranscriptionRequest,
};
use tokio::sync::mpsc;

/// What a recogniser makes of an utterance.
#[derive(Debug, Clone, Copy)]
pub enum Answer {
    Words(&'static str),
    /// After so long.
    Late(Duration, &'static str),
    Fails(ErrorCode),
    Hangs,
    Panics,
}

/// Understands whole utterances.
#[derive(Default)]
pub struct ScriptedEars {
    answers: Mutex<VecDeque<Answer>>,
    requests: Mutex<Vec<TranscriptionRequest>>,
}

impl ScriptedEars {
    /// What it makes of the next utterance; of one that nobody scripted it understands nothing.
    pub fn next(&self, answer: Answer) {
        self.answers.lock().unwrap().push_back(answer);
    }

    pub fn requests(&self) -> Vec<TranscriptionRequest> {
        self.requests.lock().unwrap().clone()
    }
}

#[async_trait]
impl Transcriber for ScriptedEars {
    async fn transcribe(&self, request: TranscriptionRequest) -> Result<Transcription, CallFailure> {
        self.requests.lock().unwrap().push(request);
        let answer = self.answers.lock().unwrap().pop_front();
        match answer.unwrap_or(Answer::Words("")) {
            Answer::Words(words) => Ok(understood(words)),
            Answer::Late(by, words) => {
                tokio::time::sleep(by).await;
                Ok(understood(words))
            }
            Answer::Fails(code) => Err(failure(code)),
            Answer::Hangs => std::future::pending().await,
            Answer::Panics => panic!("as the test wants it"),
        }
    }

    fn identity(&self) -> Option<ModelIdentity> {
        Some(identity())
    }
}

/// What a stream was given.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    Begun(CallId),
    /// So many samples of the open utterance, in all.
    Heard(usize),
    Committed,
    Discarded,
}

/// Listens along. What it tells, the test says.
#[derive(Default)]
pub struct LiveEars {
    given: Arc<Mutex<Vec<Given>>>,
    teller: Mutex<Option<mpsc::UnboundedSender<LiveTranscriptionEvent>>>,
    pub opened: Mutex<usize>,
    pub refuses: Mutex<bool>,
}

struct GivenAudio(Arc<Mutex<Vec<Given>>>);

impl LiveEars {
    pub fn given(&self) -> Vec<Given> {
        self.given.lock().unwrap().clone()
    }

    /// The call that was begun last.
    pub fn call(&self) -> CallId {
        let given = self.given().into_iter().rev();
        let mut begun = given.filter_map(|given| match given {
            Given::Begun(call_id) => Some(call_id),
            _ => None,
        });
        begun.next().unwrap()
    }

    pub fn partial(&self, words: &str) {
        let (call_id, text) = (self.call(), words.to_owned());
        self.tell(LiveTranscriptionEvent::Partial { call_id, text });
    }

    pub fn complete(&self, call_id: CallId, words: &str) {
        let transcription = understood(words);
        self.tell(LiveTranscriptionEvent::Final {
            call_id,
            transcription,
        });
    }

    pub fn fail(&self, call_id: CallId) {
        let failure = failure(ErrorCode::SttFailed);
        self.tell(LiveTranscriptionEvent::Failed { call_id, failure });
    }

    /// The stream ends.
    pub fn hang_up(&self) {
        *self.teller.lock().unwrap() = None;
    }

    fn tell(&self, event: LiveTranscriptionEvent) {
        self.teller.lock().unwrap().as_ref().unwrap().send(event).unwrap();
    }
}

#[async_trait]
impl LiveTranscriber for LiveEars {
    async fn open(&self, _: LiveTranscriptionRequest) -> Result<LiveTranscription, CallFailure> {
        *self.opened.lock().unwrap() += 1;
        if *self.refuses.lock().unwrap() {
            return Err(failure(ErrorCode::SttFailed));
        }
        let (teller, told) = mpsc::unbounded_channel();
        *self.teller.lock().unwrap() = Some(teller);
        let events = stream::unfold(told, |mut told| async move {
            told.recv().await.map(|event| (event, told))
        });
        Ok(LiveTranscription {
            audio: Box::new(GivenAudio(self.given.clone())),
            events: events.boxed(),
        })
    }

    fn identity(&self) -> Option<ModelIdentity> {
        Some(identity())
    }
}

impl GivenAudio {
    fn note(&self, given: Given) {
        self.0.lock().unwrap().push(given);
    }
}

impl LiveAudio for GivenAudio {
    fn begin(&mut self, call_id: CallId) {
        self.note(Given::Begun(call_id));
    }

    fn append(&mut self, pcm: &[i16]) {
        let mut given = self.0.lock().unwrap();
        if let Some(Given::Heard(samples)) = given.last_mut() {
            *samples += pcm.len();
        } else {
            given.push(Given::Heard(pcm.len()));
        }
    }

    fn commit(&mut self) {
        self.note(Given::Committed);
    }

    fn discard(&mut self) {
        self.note(Given::Discarded);
    }
}

fn understood(text: &str) -> Transcription {
    Transcription {
        text: text.to_owned(),
        language: None,
        receipt: CallReceipt {
            provider: "scripted".to_owned(),
            model: "ears".to_owned(),
            simulated: true,
            response_id: None,
            request_id: None,
            usage: None,
            cost: CallCost::Known(7),
        },
    }
}

fn failure(code: ErrorCode) -> CallFailure {
    CallFailure {
        code,
        retryable: true,
        retry_after: None,
        reason: "as the test wants it".to_owned(),
        receipt: None,
    }
}

fn identity() -> ModelIdentity {
    ModelIdentity {
        provider: "scripted".to_owned(),
        model: "ears".to_owned(),
        simulated: true,
    }
}
