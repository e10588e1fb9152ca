//! What becomes of what was heard: utterances on their way to their turns, in the order of speech.
//!
//! Pure: it is told what the ear noticed, what the session answered and what the recogniser understood, and says what is to
//! be done about it. Everything is stamped, with the number of an utterance or the id of a call; what comes too late is
//! dropped, but the call that it cost is always settled.
//!
//! The life of an utterance: somebody speaks → a call is reserved (at the onset if a recogniser listens along, at the
//! endpoint else) → it is transcribed → once all before it are decided it becomes a turn, or is discarded and the reply
//! that it interrupted goes on. A stream that fails is made good by the other port, under a call of its own.

mod action;
mod input;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use greenroom_audio::pcm;
use greenroom_protocol::{CallId, ErrorBody, ErrorCode, Locale, Millis, Signal, SpeechDiscardReason, limits};
use greenroom_session::CallRecord;
use greenroom_session::ports::{CallFailure, SpeechAudio, Transcription};
use greenroom_session::speaking::{is_backchannel, is_surely_a_turn};

use crate::outside::{dropped, settled, unsettled};

pub(super) use self::action::{Action, Outcome, Words};
use self::action::{discard, never_made, notice, paid_for, settle};
pub(super) use self::input::{EndedUtterance, Input, Port, Reserved, UtteranceId};

/// How long a recogniser that listened along may take for its last words. It has heard all but the last of them.
const STREAM_PATIENCE: Duration = Duration::from_secs(8);

/// All utterances of a line that are not decided, the oldest first.
#[derive(Debug)]
pub(super) struct Hearing {
    locale: Locale,
    numbered: u64,
    /// Somebody may still be speaking the last one; all others have ended.
    utterances: VecDeque<Utterance>,
    /// Calls of utterances that nobody wants any more, and that were not told of yet.
    late: Vec<LateCall>,
    /// Utterances that nobody wants any more and whose call is being reserved.
    forgotten: Vec<UtteranceId>,
    hushed: bool,
}

/// A call of an utterance that nobody wants any more.
#[derive(Debug)]
struct LateCall {
    call_id: CallId,
    /// Whether the utterance was dropped before the recogniser had all of it: nothing will have come of the call.
    was_dropped: bool,
}

#[derive(Debug)]
struct Utterance {
    id: UtteranceId,
    stage: Stage,
    /// `None` while somebody speaks.
    ended: Option<EndedUtterance>,
    /// Whether it has ended the reply that it interrupted.
    has_cut_off: bool,
}

#[derive(Debug)]
enum Stage {
    /// It has no call, and needs none before it has ended.
    Listening,
    /// The session was asked for a call.
    Reserving(Port),
    /// A recogniser hears it, or has heard it.
    Transcribing(Port, Reserved),
    /// Its words are known.
    Transcribed(Reserved, Transcription),
    /// It cannot be understood; the client is told why once its turn has come.
    Failed(Box<ErrorBody>),
    /// The session is being told its words; what they cost, should it refuse them.
    Saying(CallId, CallRecord),
}

impl Hearing {
    /// Nothing was heard yet.
    pub(super) fn new(locale: Locale) -> Self {
        Self {
            locale,
            numbered: 0,
            utterances: VecDeque::new(),
            late: Vec::new(),
            forgotten: Vec::new(),
            hushed: false,
        }
    }

    /// Whether nothing is under way that has to be waited for.
    pub(super) fn is_quiet(&self) -> bool {
        self.utterances.is_empty() && self.late.is_empty() && self.forgotten.is_empty()
    }

    /// Whether replies are to be silent.
    pub(super) fn is_hushed(&self) -> bool {
        self.hushed
    }

    /// Takes what happened and appends what is to be done. `mid_reply` says whether a reply is under way whose question was
    /// not heard yet: only then somebody may just be listening.
    pub(super) fn handle(&mut self, input: Input, mid_reply: bool, actions: &mut Vec<Action>) {
        match input {
            Input::Started { streams, refusal } => self.start(streams, refusal, actions),
            Input::Ended(ended) => self.end(ended, actions),
            Input::Dropped(reason) => self.drop_last(reason, actions),
            Input::Reserved { utterance, answer } => self.reserved(utterance, answer, actions),
            Input::Partial { call_id, text } => self.partial(call_id, text, actions),
            Input::Transcribed { call_id, result } => self.transcribed(call_id, result, actions),
            Input::Overdue { call_id } => self.transcribed(call_id, Err(overdue()), actions),
            Input::Said { utterance, answer } => self.said(utterance, answer, actions),
            Input::Forgotten => self.forget(actions),
        }
        self.decide(mid_reply, actions);
        self.hush(actions);
    }

    fn start(&mut self, streams: bool, refusal: Option<Box<ErrorBody>>, actions: &mut Vec<Action>) {
        let id = UtteranceId(self.numbered);
        self.numbered += 1;
        // One that will find no place among those that wait is not paid for.
        let is_booked = streams && refusal.is_none() && self.utterances.len() < limits::TURNS_WAITING_MAX;
        let stage = match refusal {
            Some(error) => Stage::Failed(error),
            None if is_booked => Stage::Reserving(Port::Stream),
            None => Stage::Listening,
        };
        self.utterances.push_back(Utterance {
            id,
            stage,
            ended: None,
            has_cut_off: false,
        });
        // Before anything is told or asked: the sound stops first.
        self.hush(actions);
        actions.push(Action::Tell(Box::new(Signal::SpeechStarted {})));
        if is_booked {
            actions.push(Action::Reserve { utterance: id });
        }
    }

    fn end(&mut self, ended: EndedUtterance, actions: &mut Vec<Action>) {
        if !self.is_somebody_speaking() {
            // Only a commit ends what did not seem to begin.
            self.start(false, None, actions);
        }
        actions.push(Action::Tell(Box::new(Signal::SpeechStopped {})));
        if self.utterances.len() > limits::TURNS_WAITING_MAX {
            let error = ErrorBody::new(ErrorCode::SysOverloaded, self.locale).with_retry_after(1);
            notice(error, actions);
            self.take_last(SpeechDiscardReason::Failed, actions);
            return;
        }
        let Some(utterance) = self.utterances.back_mut() else {
            return;
        };
        let ended = utterance.ended.insert(ended);
        match &utterance.stage {
            Stage::Listening => {
                utterance.stage = Stage::Reserving(Port::Batch);
                actions.push(Action::Reserve {
                    utterance: utterance.id,
                });
            }
            Stage::Transcribing(Port::Stream, reserved) => actions.push(Action::CommitStream {
                call_id: reserved.call_id,
                pcm: ended.pcm.clone(),
                patience: STREAM_PATIENCE,
            }),
            Stage::Reserving(_)
            | Stage::Transcribing(Port::Batch, _)
            | Stage::Transcribed(..)
            | Stage::Failed(_)
            | Stage::Saying(..) => {}
        }
    }

    fn drop_last(&mut self, reason: SpeechDiscardReason, actions: &mut Vec<Action>) {
        if self.is_somebody_speaking() {
            actions.push(Action::Tell(Box::new(Signal::SpeechStopped {})));
            self.take_last(reason, actions);
        } else {
            discard(reason, actions);
        }
    }

    fn take_last(&mut self, reason: SpeechDiscardReason, actions: &mut Vec<Action>) {
        if let Some(utterance) = self.utterances.pop_back() {
            self.let_go(utterance, actions);
            discard(reason, actions);
        }
    }

    fn forget(&mut self, actions: &mut Vec<Action>) {
        let all = std::mem::take(&mut self.utterances);
        for utterance in all {
            if matches!(utterance.stage, Stage::Saying(..)) {
                self.utterances.push_back(utterance);
                continue;
            }
            if utterance.ended.is_none() {
                actions.push(Action::Tell(Box::new(Signal::SpeechStopped {})));
            }
            self.let_go(utterance, actions);
            discard(SpeechDiscardReason::Cancelled, actions);
        }
    }

    /// Sees to the call of an utterance that nobody wants any more.
    fn let_go(&mut self, utterance: Utterance, actions: &mut Vec<Action>) {
        match utterance.stage {
            Stage::Listening | Stage::Failed(_) | Stage::Saying(..) => {}
            Stage::Reserving(_) => self.forgotten.push(utterance.id),
            Stage::Transcribing(Port::Stream, reserved) => {
                let was_dropped = utterance.ended.is_none();
                self.late.push(LateCall {
                    call_id: reserved.call_id,
                    was_dropped,
                });
                if was_dropped {
                    actions.push(Action::DiscardStream {
                        call_id: reserved.call_id,
                        patience: STREAM_PATIENCE,
                    });
                }
            }
            Stage::Transcribing(Port::Batch, reserved) => self.late.push(LateCall {
                call_id: reserved.call_id,
                was_dropped: false,
            }),
            Stage::Transcribed(reserved, transcription) => {
                settle(reserved.call_id, settled(transcription.receipt, None), actions);
            }
        }
    }

    fn reserved(
        &mut self,
        id: UtteranceId,
        answer: Result<Reserved, Box<ErrorBody>>,
        actions: &mut Vec<Action>,
    ) {
        if let Some(index) = self.forgotten.iter().position(|forgotten| *forgotten == id) {
            self.forgotten.swap_remove(index);
            if let Ok(reserved) = answer {
                settle(reserved.call_id, never_made(), actions);
            }
            return;
        }
        let Some(utterance) = self.utterances.iter_mut().find(|utterance| utterance.id == id) else {
            return;
        };
        let Stage::Reserving(port) = utterance.stage else {
            return;
        };
        let reserved = match answer {
            Ok(reserved) => reserved,
            Err(error) => {
                utterance.stage = Stage::Failed(error);
                return;
            }
        };
        let call_id = reserved.call_id;
        utterance.stage = Stage::Transcribing(port, reserved);
        match (port, &utterance.ended) {
            (Port::Stream, None) => actions.push(Action::BeginStream { call_id }),
            (Port::Stream, Some(ended)) => {
                actions.push(Action::BeginStream { call_id });
                actions.push(Action::CommitStream {
                    call_id,
                    pcm: ended.pcm.clone(),
                    patience: STREAM_PATIENCE,
                });
            }
            (Port::Batch, Some(ended)) => actions.push(Action::Transcribe {
                call_id,
                audio: SpeechAudio {
                    pcm: pcm::to_le_bytes(&ended.pcm).into(),
                },
            }),
            (Port::Batch, None) => {}
        }
    }

    fn partial(&mut self, call_id: CallId, text: String, actions: &mut Vec<Action>) {
        let Some(utterance) = self.of_call(call_id) else {
            return;
        };
        if !utterance.has_cut_off && is_surely_a_turn(&text) {
            utterance.has_cut_off = true;
            actions.push(Action::CutOff);
        }
        if !text.trim().is_empty() {
            actions.push(Action::Tell(Box::new(Signal::TranscriptPartial { text })));
        }
    }

    fn transcribed(
        &mut self,
        call_id: CallId,
        result: Result<Transcription, CallFailure>,
        actions: &mut Vec<Action>,
    ) {
        if let Some(index) = self.late.iter().position(|late| late.call_id == call_id) {
            let late = self.late.swap_remove(index);
            let settlement = match result {
                Ok(transcription) if late.was_dropped => dropped(transcription.receipt),
                Ok(transcription) => settled(transcription.receipt, None),
                Err(failure) => unsettled(failure, None),
            };
            return settle(call_id, settlement, actions);
        }
        let locale = self.locale;
        let Some(utterance) = self.of_call(call_id) else {
            return;
        };
        match (&utterance.stage, result) {
            (Stage::Transcribing(_, reserved), Ok(transcription)) => {
                utterance.stage = Stage::Transcribed(reserved.clone(), transcription);
            }
            (Stage::Transcribing(Port::Stream, _), Err(failure)) => {
                settle(call_id, unsettled(failure, None), actions);
                utterance.stage = Stage::Listening;
                if utterance.ended.is_some() {
                    utterance.stage = Stage::Reserving(Port::Batch);
                    let utterance = utterance.id;
                    actions.push(Action::Reserve { utterance });
                }
            }
            (Stage::Transcribing(Port::Batch, _), Err(failure)) => {
                let code = failure.code;
                let told = ErrorBody {
                    retry_after: failure.retry_after.map(whole_seconds),
                    ..ErrorBody::new(code, locale)
                };
                settle(call_id, unsettled(failure, Some(code)), actions);
                utterance.stage = Stage::Failed(Box::new(told));
            }
            // It has its words, or needs none: whoever tells it again is not heard.
            (
                Stage::Listening
                | Stage::Reserving(_)
                | Stage::Transcribed(..)
                | Stage::Failed(_)
                | Stage::Saying(..),
                Ok(_) | Err(_),
            ) => {}
        }
    }

    fn said(&mut self, id: UtteranceId, answer: Result<(), Box<ErrorBody>>, actions: &mut Vec<Action>) {
        let Some(index) = self.utterances.iter().position(|utterance| utterance.id == id) else {
            return;
        };
        let Some(Utterance {
            stage: Stage::Saying(call_id, record),
            ..
        }) = self.utterances.remove(index)
        else {
            return;
        };
        let error = match answer {
            Ok(()) => return actions.push(Action::Count(Outcome::Turn)),
            Err(error) => error,
        };
        // Refused words settle nothing.
        settle(call_id, paid_for(record), actions);
        if error.code == ErrorCode::InputBlank {
            // Signs that nobody can see: the recogniser heard no words.
            discard(SpeechDiscardReason::NothingUnderstood, actions);
        } else {
            notice(*error, actions);
            discard(SpeechDiscardReason::Failed, actions);
        }
    }

    /// Decides about all utterances, in the order of speech, up to the first of which too little is known.
    fn decide(&mut self, mid_reply: bool, actions: &mut Vec<Action>) {
        let mut mid_reply = mid_reply;
        let mut index = 0;
        while let Some(utterance) = self.utterances.get_mut(index) {
            if utterance.ended.is_none() {
                return;
            }
            match &utterance.stage {
                Stage::Saying(..) => index += 1,
                Stage::Failed(error) => {
                    notice(error.as_ref().clone(), actions);
                    discard(SpeechDiscardReason::Failed, actions);
                    self.utterances.remove(index);
                }
                Stage::Transcribed(reserved, transcription) => {
                    let listens = mid_reply && !utterance.has_cut_off;
                    if let Some(reason) = makes_no_turn(&transcription.text, listens) {
                        settle(
                            reserved.call_id,
                            settled(transcription.receipt.clone(), None),
                            actions,
                        );
                        discard(reason, actions);
                        self.utterances.remove(index);
                        continue;
                    }
                    utterance.say(actions);
                    // The reply that it might have been a sign of listening to is over.
                    mid_reply = false;
                    index += 1;
                }
                Stage::Listening | Stage::Reserving(_) | Stage::Transcribing(..) => return,
            }
        }
    }

    /// Keeps replies silent as long as something is said or undecided.
    fn hush(&mut self, actions: &mut Vec<Action>) {
        let undecided = |utterance: &Utterance| !matches!(utterance.stage, Stage::Saying(..));
        let hushed = self.utterances.iter().any(undecided);
        if hushed != self.hushed {
            self.hushed = hushed;
            actions.push(if hushed { Action::Hush } else { Action::Unhush });
        }
    }

    /// Whether an utterance is under way.
    pub(super) fn is_somebody_speaking(&self) -> bool {
        self.utterances
            .back()
            .is_some_and(|utterance| utterance.ended.is_none())
    }

    fn of_call(&mut self, call_id: CallId) -> Option<&mut Utterance> {
        let is_its = |utterance: &&mut Utterance| match &utterance.stage {
            Stage::Transcribing(_, reserved) => reserved.call_id == call_id,
            Stage::Listening
            | Stage::Reserving(_)
            | Stage::Transcribed(..)
            | Stage::Failed(_)
            | Stage::Saying(..) => false,
        };
        self.utterances.iter_mut().find(is_its)
    }
}

impl Utterance {
    /// Has its words said to the session, after the reply that it interrupted was ended.
    fn say(&mut self, actions: &mut Vec<Action>) {
        let (Stage::Transcribed(reserved, transcription), Some(ended)) = (&self.stage, &self.ended) else {
            return;
        };
        if !self.has_cut_off {
            self.has_cut_off = true;
            actions.push(Action::CutOff);
        }
        let (call_id, record) = (reserved.call_id, CallRecord::from(transcription.receipt.clone()));
        actions.push(Action::Say {
            utterance: self.id,
            words: Box::new(Words {
                text: transcription.text.clone(),
                turn_id: reserved.turn_id,
                call_id,
                record: record.clone(),
                ended_at: ended.ended_at,
                endpoint_at: ended.endpoint_at,
            }),
        });
        self.stage = Stage::Saying(call_id, record);
        // Nobody needs the sound any more.
        if let Some(ended) = &mut self.ended {
            ended.pcm = Vec::new();
        }
    }
}

/// Why words begin no turn, if they do not.
fn makes_no_turn(text: &str, may_only_listen: bool) -> Option<SpeechDiscardReason> {
    if text.trim().is_empty() {
        Some(SpeechDiscardReason::NothingUnderstood)
    } else if may_only_listen && is_backchannel(text) {
        Some(SpeechDiscardReason::Backchannel)
    } else {
        None
    }
}

fn overdue() -> CallFailure {
    CallFailure {
        code: ErrorCode::SttTimeout,
        retryable: true,
        retry_after: None,
        reason: "the recogniser has not said anything for as long as it may take".to_owned(),
        receipt: None,
    }
}

fn whole_seconds(wait: Millis) -> u32 {
    u32::try_from(wait.0.div_ceil(1_000)).unwrap_or(u32::MAX)
}
