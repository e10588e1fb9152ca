//! The utterances of one stream, each with its call: which item of the provider's is which, and what becomes of them.
//!
//! The provider works off what it is sent in its order, so a commit is acknowledged in the order of commits, and an item
//! that nobody has heard of belongs to the first utterance that has none. From the acknowledgement on, it is the item's
//! id that says whose words they are, whatever has been said since.

use std::collections::VecDeque;
use std::sync::Arc;

use greenroom_protocol::{CallId, Millis};
use greenroom_session::ports::{CallFailure, LiveTranscriptionEvent, Transcription};
use tokio::time::Instant;

use super::wire::{Completed, Error, ServerEvent, WIRE_RATE_HZ};
use crate::call::{Call, Deadline, Told};
use crate::endpoint::Endpoint;
use crate::failure::Fault;
use crate::transcription::usage;

/// How long the provider may take for all words of an utterance.
const ANSWER_TIMEOUT: Millis = Millis(60_000);
/// How long it may be silent meanwhile.
const STALL_TIMEOUT: Millis = Millis(15_000);
/// Bytes of the words of an utterance; five minutes of speech have some ten thousand.
const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Items of the past that are remembered, so that what comes late of them is not taken for somebody else's.
const ITEMS_REMEMBERED_MAX: usize = 32;
/// Utterances that have ended here and that the provider has said nothing of since. More than this, and it never will.
const OWED_MAX: usize = 32;

/// All utterances that are under way, or that the provider still owes an acknowledgement of.
pub(super) struct Utterances {
    endpoint: Arc<Endpoint>,
    /// That of the connection.
    request_id: Option<String>,
    under_way: VecDeque<Utterance>,
    past_items: VecDeque<String>,
}

struct Utterance {
    id: CallId,
    /// The provider's, once it is known.
    item: Option<String>,
    /// What was sent of it, in samples at [`WIRE_RATE_HZ`].
    samples: u64,
    /// All its words so far.
    heard: String,
    state: State,
}

enum State {
    /// It is being spoken.
    Open { call: Call },
    /// It is complete; its words are waited for.
    Committed {
        call: Call,
        silent_since: Instant,
        acknowledged: bool,
    },
    /// It has ended, and its commit is not acknowledged yet.
    CommitOwed,
    /// It has ended, and it is not acknowledged yet that what was sent of it is forgotten.
    ClearOwed,
}

type Events = Vec<LiveTranscriptionEvent>;

impl Utterances {
    pub(super) fn new(endpoint: Arc<Endpoint>, request_id: Option<String>) -> Self {
        Self {
            endpoint,
            request_id,
            under_way: VecDeque::new(),
            past_items: VecDeque::new(),
        }
    }

    /// One begins, unless the circuit is open.
    pub(super) fn begin(&mut self, id: CallId, events: &mut Events) {
        while self.under_way.len() >= OWED_MAX && !self.under_way[0].is_waited_for() {
            self.forget(0);
        }
        let deadline = Deadline::new(ANSWER_TIMEOUT, STALL_TIMEOUT);
        let mut call = Call::new(&self.endpoint, id, &self.endpoint.model, deadline);
        call.over(self.request_id.clone());
        match call.admit() {
            Ok(()) => self.under_way.push_back(Utterance {
                id,
                item: None,
                samples: 0,
                heard: String::new(),
                state: State::Open { call },
            }),
            Err(fault) => events.push(failed(id, call.fail(fault, &Told::default()))),
        }
    }

    /// Whether one is being spoken, and has not failed.
    pub(super) fn is_open(&mut self) -> bool {
        self.open().is_some()
    }

    /// These samples of it are about to be sent.
    pub(super) fn spoke(&mut self, samples: usize) {
        if let Some(utterance) = self.open() {
            utterance.samples += samples as u64;
        }
    }

    /// It is complete. Answers the call whose words the provider is to be asked for; none if it was sent nothing.
    pub(super) fn commit(&mut self, events: &mut Events) -> Option<CallId> {
        let mut utterance = self.take_open()?;
        let id = utterance.id;
        let State::Open { mut call } = utterance.state else {
            unreachable!("it was found open");
        };
        if utterance.samples == 0 {
            events.push(understood_nothing(id, &mut call));
            return None;
        }
        call.sent(Deadline::new(ANSWER_TIMEOUT, STALL_TIMEOUT));
        utterance.state = State::Committed {
            call,
            silent_since: Instant::now(),
            acknowledged: false,
        };
        self.under_way.push_back(utterance);
        Some(id)
    }

    /// It was none. Answers whether the provider is to forget something.
    pub(super) fn discard(&mut self, events: &mut Events) -> bool {
        self.give_up(events, understood_nothing)
    }

    /// It has failed here. Answers whether the provider is to forget something.
    pub(super) fn fail_open(&mut self, fault: Fault, events: &mut Events) -> bool {
        self.give_up(events, |id, call| failed(id, call.fail(fault, &Told::default())))
    }

    /// What the provider says. A fault is the end of the stream.
    pub(super) fn hear(&mut self, event: ServerEvent, events: &mut Events) -> Result<(), Fault> {
        match event {
            ServerEvent::Committed { item } => self.acknowledge_commit(item),
            ServerEvent::Cleared => {
                self.acknowledge_clear();
                Ok(())
            }
            ServerEvent::Words { item, delta } => self.add_words(&item, &delta, events),
            ServerEvent::Completed(completed) => {
                self.complete(completed, events);
                Ok(())
            }
            ServerEvent::Failed { item, said } => match self.place_of(&item) {
                Some(place) => self.fail_at(place, Fault::reported(&said), events),
                None => Ok(()),
            },
            ServerEvent::Error(error) => self.hear_error(&error, events),
            ServerEvent::Configured | ServerEvent::Other => Ok(()),
        }
    }

    /// When the first of them has been waited for long enough.
    pub(super) fn due(&self) -> Option<Instant> {
        self.under_way.iter().filter_map(Utterance::due).min()
    }

    /// Fails those that have been waited for long enough. Where not even a commit was acknowledged, it is the stream that
    /// stands still.
    pub(super) fn expire(&mut self, now: Instant, events: &mut Events) -> Result<(), Fault> {
        let is_due = |utterance: &Utterance| utterance.due().is_some_and(|due| due <= now);
        while let Some(place) = self.under_way.iter().position(is_due) {
            let State::Committed {
                call,
                silent_since,
                acknowledged,
            } = &self.under_way[place].state
            else {
                unreachable!("only what is committed is waited for");
            };
            let (fault, acknowledged) = (call.overdue(*silent_since), *acknowledged);
            if !acknowledged {
                return Err(fault);
            }
            self.fail_at(place, fault, events)?;
        }
        Ok(())
    }

    /// The stream has ended by this, and all utterances with it.
    pub(super) fn fail_all(&mut self, fault: &Fault, events: &mut Events) {
        for utterance in self.under_way.drain(..) {
            let (State::Open { mut call } | State::Committed { mut call, .. }) = utterance.state else {
                continue;
            };
            events.push(failed(utterance.id, call.fail(fault.clone(), &Told::default())));
        }
    }

    fn open(&mut self) -> Option<&mut Utterance> {
        let last = self.under_way.back_mut()?;
        matches!(last.state, State::Open { .. }).then_some(last)
    }

    fn take_open(&mut self) -> Option<Utterance> {
        self.open()?;
        self.under_way.pop_back()
    }

    /// Ends the open utterance before its words are known.
    fn give_up(
        &mut self,
        events: &mut Events,
        end: impl FnOnce(CallId, &mut Call) -> LiveTranscriptionEvent,
    ) -> bool {
        let Some(mut utterance) = self.take_open() else {
            return false;
        };
        let State::Open { call } = &mut utterance.state else {
            unreachable!("it was found open");
        };
        events.push(end(utterance.id, call));
        let is_known = utterance.samples > 0;
        if is_known {
            utterance.state = State::ClearOwed;
            utterance.heard = String::new();
            self.under_way.push_back(utterance);
        }
        is_known
    }

    /// The first commit that is not acknowledged yet is this item. What was to be forgotten before it is forgotten.
    fn acknowledge_commit(&mut self, item: String) -> Result<(), Fault> {
        let place = self.under_way.iter().position(|utterance| {
            matches!(
                utterance.state,
                State::CommitOwed
                    | State::Committed {
                        acknowledged: false,
                        ..
                    }
            )
        });
        let Some(place) = place else {
            // An acknowledgement that comes after the words.
            if self.past_items.contains(&item) {
                return Ok(());
            }
            let reason = "the provider ends utterances by itself, though it was asked not to";
            return Err(Fault::upstream(false, reason));
        };
        self.past_items.retain(|past| *past != item);
        for other in &mut self.under_way {
            other.item.take_if(|other| *other == item);
        }
        let utterance = &mut self.under_way[place];
        if let State::Committed { acknowledged, .. } = &mut utterance.state {
            *acknowledged = true;
            utterance.item = Some(item);
        } else {
            utterance.item = Some(item);
            self.forget(place);
        }
        let mut earlier = place;
        while earlier > 0 {
            earlier -= 1;
            if matches!(self.under_way[earlier].state, State::ClearOwed) {
                self.forget(earlier);
            }
        }
        Ok(())
    }

    fn acknowledge_clear(&mut self) {
        let place = self
            .under_way
            .iter()
            .position(|utterance| matches!(utterance.state, State::ClearOwed));
        if let Some(place) = place {
            self.forget(place);
        }
    }

    fn add_words(&mut self, item: &str, delta: &str, events: &mut Events) -> Result<(), Fault> {
        let Some(place) = self.place_of(item) else {
            return Ok(());
        };
        let utterance = &mut self.under_way[place];
        let call = match &mut utterance.state {
            State::Open { call } => call,
            State::Committed {
                call, silent_since, ..
            } => {
                *silent_since = Instant::now();
                call
            }
            State::CommitOwed | State::ClearOwed => return Ok(()),
        };
        if utterance.heard.len() + delta.len() > TEXT_BYTES_MAX {
            let reason = format!("the words have more than {TEXT_BYTES_MAX} bytes");
            return self.fail_at(place, Fault::upstream(false, reason), events);
        }
        utterance.heard.push_str(delta);
        let text = utterance.heard.trim();
        if !text.is_empty() {
            call.output_began();
            events.push(LiveTranscriptionEvent::Partial {
                call_id: utterance.id,
                text: text.to_owned(),
            });
        }
        Ok(())
    }

    fn complete(&mut self, completed: Completed, events: &mut Events) {
        let Some(place) = self.place_of(&completed.item) else {
            return;
        };
        let utterance = &mut self.under_way[place];
        let recorded = utterance.recorded();
        let State::Committed { call, .. } = &mut utterance.state else {
            return;
        };
        let told = Told {
            response_id: Some(completed.item),
            usage: Some(usage(completed.usage.as_ref(), None, recorded)),
            ..Told::default()
        };
        events.push(LiveTranscriptionEvent::Final {
            call_id: utterance.id,
            transcription: Transcription {
                text: completed.transcript.trim().to_owned(),
                language: completed.language,
                receipt: call.complete(&told),
            },
        });
        self.settle(place);
    }

    /// That nothing was committed is said of one utterance. After any other error it is not known what the provider has
    /// of what it was sent.
    fn hear_error(&mut self, error: &Error, events: &mut Events) -> Result<(), Fault> {
        if error.is_expiry() {
            let reason = "the stream has lasted for as long as the provider lets one";
            return Err(Fault::upstream(true, reason).blameless());
        }
        let named = error.event_id.as_deref().filter(|_| error.is_nothing_committed());
        let place = named.and_then(|event_id| {
            let mut utterances = self.under_way.iter();
            utterances.position(|utterance| utterance.is_commit_of(event_id))
        });
        let Some(place) = place else {
            return Err(Fault::reported(&error.said));
        };
        let utterance = &mut self.under_way[place];
        if let State::Committed { call, .. } = &mut utterance.state {
            events.push(understood_nothing(utterance.id, call));
        }
        self.forget(place);
        Ok(())
    }

    /// A committed utterance has failed. Of one that is still open the provider would have to forget what it was sent: the
    /// stream is not worth that.
    fn fail_at(&mut self, place: usize, fault: Fault, events: &mut Events) -> Result<(), Fault> {
        let utterance = &mut self.under_way[place];
        match &mut utterance.state {
            State::Open { .. } => return Err(fault),
            State::Committed { call, .. } => {
                events.push(failed(utterance.id, call.fail(fault, &Told::default())));
                self.settle(place);
            }
            State::CommitOwed | State::ClearOwed => {}
        }
        Ok(())
    }

    /// A committed utterance has ended here. It stays until its commit is acknowledged, so that this is not taken for
    /// another's.
    fn settle(&mut self, place: usize) {
        let utterance = &mut self.under_way[place];
        if let State::Committed {
            acknowledged: false, ..
        } = utterance.state
        {
            utterance.state = State::CommitOwed;
            utterance.heard = String::new();
        } else {
            self.forget(place);
        }
    }

    /// Where the utterance is whose item this is. One that was never heard of is that of the first one without.
    fn place_of(&mut self, item: &str) -> Option<usize> {
        let known = self
            .under_way
            .iter()
            .position(|utterance| utterance.item.as_deref() == Some(item));
        if known.is_some() || self.past_items.iter().any(|past| past == item) {
            return known;
        }
        let place = self
            .under_way
            .iter()
            .position(|utterance| utterance.item.is_none() && utterance.samples > 0)?;
        self.under_way[place].item = Some(item.to_owned());
        Some(place)
    }

    fn forget(&mut self, place: usize) {
        let item = self.under_way.remove(place).and_then(|utterance| utterance.item);
        if let Some(item) = item {
            if self.past_items.len() == ITEMS_REMEMBERED_MAX {
                self.past_items.pop_front();
            }
            self.past_items.push_back(item);
        }
    }
}

impl Utterance {
    fn due(&self) -> Option<Instant> {
        match &self.state {
            State::Committed {
                call, silent_since, ..
            } => Some(call.due(*silent_since)),
            State::Open { .. } | State::CommitOwed | State::ClearOwed => None,
        }
    }

    fn is_waited_for(&self) -> bool {
        matches!(self.state, State::Open { .. } | State::Committed { .. })
    }

    /// Whether this event was its commit. Of one that was not committed a provider may name the call as well, and means
    /// nothing by it.
    fn is_commit_of(&self, event_id: &str) -> bool {
        let is_committed = matches!(self.state, State::Committed { .. } | State::CommitOwed);
        is_committed && self.id.to_string() == event_id
    }

    /// How long what was sent of it lasts.
    fn recorded(&self) -> Millis {
        Millis(self.samples * 1_000 / u64::from(WIRE_RATE_HZ))
    }
}

/// The end of an utterance that nobody wants the words of, or that has none. OpenAI tells what a call used along with its
/// words; what a model has heard of speech that was never committed is told to nobody.
fn understood_nothing(call_id: CallId, call: &mut Call) -> LiveTranscriptionEvent {
    LiveTranscriptionEvent::Final {
        call_id,
        transcription: Transcription {
            text: String::new(),
            language: None,
            receipt: call.discard(),
        },
    }
}

fn failed(call_id: CallId, failure: CallFailure) -> LiveTranscriptionEvent {
    LiveTranscriptionEvent::Failed { call_id, failure }
}
