//! What a line waits for beside its socket: answers of the session and of the recogniser. It never waits for one of them
//! alone.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesOrdered, FuturesUnordered};
use futures_util::{FutureExt as _, StreamExt as _};
use greenroom_protocol::CallId;
use greenroom_session::Settlement;
use greenroom_session::ports::SpeechAudio;
use tokio::time::{Instant, sleep};

use super::desk::{Desk, HeardTold};
use super::hearing::{Input, UtteranceId, Words};
use super::observe;

/// What came of an errand.
#[derive(Debug)]
pub(super) enum Done {
    /// Something that the hearing waits for.
    Heard(Box<Input>),
    /// A hint for the recogniser that listens along.
    Vocabulary(Vec<String>),
    /// Something was told that has no answer.
    Told,
}

/// All errands of a line that are under way.
pub(super) struct Errands {
    desk: Arc<Desk>,
    /// Answered in the order in which they were asked for.
    reservations: FuturesOrdered<BoxFuture<'static, Done>>,
    /// One after the other: what the session must be told in this order.
    sayings: VecDeque<BoxFuture<'static, Done>>,
    others: FuturesUnordered<BoxFuture<'static, Done>>,
    /// Timers keep nobody from going home.
    timers: FuturesUnordered<BoxFuture<'static, Done>>,
}

impl Done {
    fn heard(input: Input) -> Self {
        Self::Heard(Box::new(input))
    }
}

impl Errands {
    /// None yet.
    pub(super) fn new(desk: Arc<Desk>) -> Self {
        Self {
            desk,
            reservations: FuturesOrdered::new(),
            sayings: VecDeque::new(),
            others: FuturesUnordered::new(),
            timers: FuturesUnordered::new(),
        }
    }

    /// Whether nothing is under way whose end matters.
    pub(super) fn is_empty(&self) -> bool {
        self.reservations.is_empty() && self.sayings.is_empty() && self.others.is_empty()
    }

    /// Reserves a call.
    pub(super) fn reserve(&mut self, utterance: UtteranceId) {
        let desk = Arc::clone(&self.desk);
        let errand = async move {
            let answer = desk.reserve().await;
            Done::heard(Input::Reserved { utterance, answer })
        };
        self.reservations.push_back(errand.boxed());
    }

    /// Has an utterance transcribed.
    pub(super) fn transcribe(&mut self, call_id: CallId, audio: SpeechAudio) {
        let desk = Arc::clone(&self.desk);
        self.others.push(
            async move {
                let began = Instant::now();
                let result = desk.transcribe(call_id, audio).await;
                observe::transcribed("batch", began.elapsed(), &result);
                Done::heard(Input::Transcribed { call_id, result })
            }
            .boxed(),
        );
    }

    /// Asks for the words that may be said.
    pub(super) fn vocabulary(&mut self) {
        let desk = Arc::clone(&self.desk);
        let errand = async move { Done::Vocabulary(desk.vocabulary().await) };
        self.others.push(errand.boxed());
    }

    /// Says the words of an utterance, after all that was to be said before.
    pub(super) fn say(&mut self, utterance: UtteranceId, words: Words, voiced: bool) {
        let desk = Arc::clone(&self.desk);
        let errand = async move {
            let answer = desk.say(words, voiced).await;
            Done::heard(Input::Said { utterance, answer })
        };
        self.sayings.push_back(errand.boxed());
    }

    /// Tells what was heard of a reply, after all that was to be said before.
    pub(super) fn tell_heard(&mut self, told: HeardTold) {
        let desk = Arc::clone(&self.desk);
        let errand = async move {
            desk.tell_heard(told).await;
            Done::Told
        };
        self.sayings.push_back(errand.boxed());
    }

    /// Settles a call.
    pub(super) fn settle(&mut self, call_id: CallId, settlement: Box<Settlement>) {
        let desk = Arc::clone(&self.desk);
        let errand = async move {
            desk.settle(call_id, settlement).await;
            Done::Told
        };
        self.others.push(errand.boxed());
    }

    /// Anything else that has no answer, after all that was to be said before.
    pub(super) fn lastly(&mut self, errand: impl Future<Output = ()> + Send + 'static) {
        self.sayings.push_back(errand.map(|()| Done::Told).boxed());
    }

    /// Reminds of a call after some time.
    pub(super) fn remind(&mut self, call_id: CallId, after: Duration) {
        let errand = async move {
            sleep(after).await;
            Done::heard(Input::Overdue { call_id })
        };
        self.timers.push(errand.boxed());
    }

    /// What comes of the next errand; waits for ever while there is none. Cancel safe.
    pub(super) async fn next(&mut self) -> Done {
        let Self {
            reservations,
            sayings,
            others,
            timers,
            ..
        } = self;
        tokio::select! {
            Some(done) = reservations.next(), if !reservations.is_empty() => done,
            done = next_in_turn(sayings) => done,
            Some(done) = others.next(), if !others.is_empty() => done,
            Some(done) = timers.next(), if !timers.is_empty() => done,
        }
    }
}

async fn next_in_turn(errands: &mut VecDeque<BoxFuture<'static, Done>>) -> Done {
    let done = poll_fn(|context| match errands.front_mut() {
        Some(errand) => errand.as_mut().poll(context),
        None => Poll::Pending,
    })
    .await;
    errands.pop_front();
    done
}
