//! A recogniser that listens along: its stream, whether there is one, and which of its calls are under way.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _};
use greenroom_protocol::CallId;
use greenroom_session::ports::{
    CallFailure, LiveTranscriber, LiveTranscription, LiveTranscriptionEvent, LiveTranscriptionRequest,
};
use tokio::time::Instant;

use crate::outside::made;

/// How long after a stream could not be opened or broke the next one is tried: as long as most outages last at least.
/// Meanwhile utterances are transcribed when they are complete.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

/// The stream of one line. It is opened when the line begins to listen, and again at an onset if it broke.
pub(super) struct Recogniser {
    port: Option<Arc<dyn LiveTranscriber>>,
    state: State,
    not_before: Option<Instant>,
}

enum State {
    Closed,
    Opening(BoxFuture<'static, Result<LiveTranscription, CallFailure>>),
    Open(Stream),
}

struct Stream {
    halves: LiveTranscription,
    /// The utterance that is being heard, and how many of its samples were.
    hearing: Option<(CallId, usize)>,
    /// Calls that were begun and of whose end nothing was told.
    calls: Vec<CallId>,
}

/// What a recogniser has to tell.
#[derive(Debug, PartialEq)]
pub(super) enum News {
    /// A stream is there, or could not be opened.
    Opened(Result<(), CallFailure>),
    /// Something about an utterance.
    Event(LiveTranscriptionEvent),
    /// The stream is gone, and with it these calls.
    Lost(Vec<CallId>),
}

impl Recogniser {
    /// No stream yet; never one without a port that has a provider.
    pub(super) fn new(port: Option<Arc<dyn LiveTranscriber>>) -> Self {
        Self {
            port: port.filter(|port| port.identity().is_some()),
            state: State::Closed,
            not_before: None,
        }
    }

    /// Opens a stream if there is none, and it is not too soon.
    pub(super) fn open(&mut self, request: impl FnOnce() -> LiveTranscriptionRequest) {
        let is_too_soon = self.not_before.is_some_and(|at| Instant::now() < at);
        if let (Some(port), State::Closed, false) = (&self.port, &self.state, is_too_soon) {
            let (port, request) = (Arc::clone(port), request());
            self.state = State::Opening(async move { made(port.open(request)).await }.boxed());
        }
    }

    /// Closes the stream. What was under way on it must have been settled.
    pub(super) fn close(&mut self) {
        self.state = State::Closed;
    }

    /// Whether it can hear an utterance now.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Begins an utterance. Whether that could be done.
    pub(super) fn begin(&mut self, call_id: CallId) -> bool {
        self.with_stream(|stream| {
            stream.calls.push(call_id);
            stream.halves.audio.begin(call_id);
            stream.hearing = Some((call_id, 0));
        })
    }

    /// Hears what is new of the utterance under way, of which these are all samples so far.
    pub(super) fn hear(&mut self, speech_so_far: &[i16]) {
        self.with_stream(|stream| stream.hear(speech_so_far));
    }

    /// Whether an utterance is open.
    pub(super) fn is_hearing(&self) -> bool {
        matches!(&self.state, State::Open(stream) if stream.hearing.is_some())
    }

    /// Hears the rest of an utterance, if it is the one that is open; its words are wanted.
    pub(super) fn commit(&mut self, call_id: CallId, pcm: &[i16]) {
        self.with_stream(|stream| {
            if stream.is_hearing(call_id) {
                stream.hear(pcm);
                stream.hearing = None;
                stream.halves.audio.commit();
            }
        });
    }

    /// Ends an utterance, if it is the one that is open; nothing is wanted of it.
    pub(super) fn discard(&mut self, call_id: CallId) {
        self.with_stream(|stream| {
            if stream.is_hearing(call_id) {
                stream.hearing = None;
                stream.halves.audio.discard();
            }
        });
    }

    /// What there is to be told next. Cancel safe.
    pub(super) async fn next(&mut self) -> News {
        match &mut self.state {
            State::Closed => std::future::pending().await,
            State::Opening(opening) => {
                let opened = opening.await;
                self.opened(opened)
            }
            State::Open(stream) => {
                let event = AssertUnwindSafe(stream.halves.events.next()).catch_unwind();
                match event.await {
                    Ok(Some(event)) => {
                        stream.note(&event);
                        News::Event(event)
                    }
                    // Where it panicked is in the server's log.
                    Ok(None) | Err(_) => self.lose(),
                }
            }
        }
    }

    fn opened(&mut self, opened: Result<LiveTranscription, CallFailure>) -> News {
        let (state, news) = match opened {
            Ok(halves) => {
                let (hearing, calls) = (None, Vec::new());
                let stream = Stream {
                    halves,
                    hearing,
                    calls,
                };
                (State::Open(stream), Ok(()))
            }
            Err(failure) => {
                self.not_before = Some(Instant::now() + RETRY_PAUSE);
                (State::Closed, Err(failure))
            }
        };
        self.state = state;
        News::Opened(news)
    }

    fn lose(&mut self) -> News {
        self.not_before = Some(Instant::now() + RETRY_PAUSE);
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Open(stream) => News::Lost(stream.calls),
            State::Closed | State::Opening(_) => News::Lost(Vec::new()),
        }
    }

    /// Does something with the stream, if there is one. A panic in it costs the stream, whose end the next look finds.
    fn with_stream(&mut self, act: impl FnOnce(&mut Stream)) -> bool {
        let State::Open(stream) = &mut self.state else {
            return false;
        };
        let acted = catch_unwind(AssertUnwindSafe(|| act(stream)));
        if acted.is_err() {
            stream.hearing = None;
            stream.halves.events = futures_util::stream::empty().boxed();
        }
        true
    }
}

impl Stream {
    fn is_hearing(&self, call_id: CallId) -> bool {
        self.hearing.is_some_and(|(heard, _)| heard == call_id)
    }

    fn hear(&mut self, speech_so_far: &[i16]) {
        if let Some((_, heard)) = &mut self.hearing
            && let Some(new) = speech_so_far.get(*heard..)
            && !new.is_empty()
        {
            *heard += new.len();
            self.halves.audio.append(new);
        }
    }

    fn note(&mut self, event: &LiveTranscriptionEvent) {
        match event {
            LiveTranscriptionEvent::Partial { .. } => {}
            LiveTranscriptionEvent::Final { call_id, .. }
            | LiveTranscriptionEvent::Failed { call_id, .. } => {
                self.calls.retain(|open| open != call_id);
                if self.is_hearing(*call_id) {
                    self.hearing = None;
                }
            }
        }
    }
}
