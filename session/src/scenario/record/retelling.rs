//! What happened to a session, step by step, told from its events.

use std::collections::VecDeque;

use greenroom_protocol::{
    CallOutcome, CallPurpose, CallScope, CallSettled, DeltaChange, ErrorCode, ErrorEvent, Event, Modality,
    Role, SlotPath, SlotSource, SlotUpdated, Timestamp, TurnOutcome,
};
use serde_json::Value;

use super::Happened;
use crate::planner::Intent;
use crate::scenario::document::Button;

/// What stands for a stage's reply that broke its contract, for the log does not keep it.
const BROKEN_OUTPUT: &str = "{}";

/// The steps of a session.
pub(super) struct Retelling {
    pub steps: Vec<Told>,
}

/// One step, as it is told.
pub(super) struct Told {
    pub happening: ToldHappening,
    pub replies: Vec<ToldReply>,
    pub unanswered: bool,
    /// The first event that belongs to it.
    pub from: usize,
}

/// What happened.
pub(super) enum ToldHappening {
    Says {
        words: String,
        voice: bool,
    },
    Edits(Vec<(SlotPath, Value)>),
    Presses(Button),
    Output {
        stage: String,
        text: String,
        sources: Vec<String>,
    },
    StageFails {
        stage: String,
        code: ErrorCode,
        retryable: bool,
        after_ms: u64,
    },
    Restarts,
    OperatorRestarts {
        from_stage: Option<String>,
    },
    OperatorStops,
    GoesOn,
}

/// A reply of the planner, as far as the log tells it.
#[derive(Default)]
pub(super) struct ToldReply {
    pub answer: String,
    pub slots: Vec<SlotUpdated>,
    pub ask: Option<SlotPath>,
    pub question: String,
    pub intent: Option<Intent>,
    pub end: ToldEnd,
}

/// How it ended.
#[derive(Default, PartialEq)]
pub(super) enum ToldEnd {
    #[default]
    Complete,
    /// It was no document.
    Malformed,
    Unfinished,
    Failed {
        code: ErrorCode,
        retryable: bool,
        after_ms: u64,
    },
}

impl ToldReply {
    fn says_nothing(&self) -> bool {
        self.answer.is_empty() && self.slots.is_empty() && self.question.is_empty()
    }
}

/// A reply that is under way, and the step in which its call was made.
struct Growing {
    reply: ToldReply,
    step: usize,
    reserved_at: Timestamp,
}

struct Teller<'e> {
    events: &'e [Happened],
    steps: Vec<Told>,
    growing: Option<Growing>,
    /// Events that a step which has begun already explains.
    explained: VecDeque<usize>,
    has_failed: bool,
}

impl Retelling {
    pub(super) fn of(events: &[Happened]) -> Self {
        let mut teller = Teller {
            events,
            steps: Vec::new(),
            growing: None,
            explained: VecDeque::new(),
            has_failed: false,
        };
        for at in 1..events.len() {
            if teller.explained.front() == Some(&at) {
                teller.explained.pop_front();
            } else if let Some(happening) = teller.begins(at) {
                teller.begin(happening, at);
            }
            teller.follow(at);
        }
        teller.leave_open();
        Self { steps: teller.steps }
    }
}

impl<'e> Teller<'e> {
    fn event(&self, at: usize) -> Option<&'e Event> {
        self.events.get(at).map(|happened| &happened.event)
    }

    fn begin(&mut self, happening: ToldHappening, from: usize) {
        self.steps.push(Told {
            happening,
            replies: Vec::new(),
            unanswered: false,
            from,
        });
    }

    /// What happened to the session, if this event is the first that follows from it.
    fn begins(&mut self, at: usize) -> Option<ToldHappening> {
        if let Some(stopped) = self.stop_that_begins(at) {
            self.leave_open();
            self.explained.extend(at + 1..=stopped);
            return Some(ToldHappening::OperatorStops);
        }
        match self.event(at)? {
            Event::SessionRestarted(restarted) => {
                // What follows from it when it is about a run was decided with it.
                if restarted.run_id.is_some() {
                    self.explain_same_decision(at);
                }
                Some(ToldHappening::OperatorRestarts {
                    from_stage: restarted.from_stage.as_ref().map(ToString::to_string),
                })
            }
            Event::TurnStarted(_) => self.says(at),
            Event::SlotUpdated(updated) if updated.source == SlotSource::Edit => Some(self.edits(at)),
            Event::GateWaived(_) => {
                self.explained.push_back(at + 1);
                self.unless_wished(at, Intent::Draft, Button::Draft)
            }
            Event::RunStarted(_) => self.unless_wished(at, Intent::Generate, Button::Generate),
            Event::RunCancelled(_) => self.unless_wished(at, Intent::CancelRun, Button::CancelRun),
            Event::StageChanged(changed)
                if self.has_failed && changed.run_id.is_some() && changed.failures.is_empty() =>
            {
                Some(ToldHappening::Presses(Button::RetryRun))
            }
            Event::CallSettled(settled) => self.call_ends(at, settled),
            Event::MessageAdded(message) if message.role == Role::Assistant && message.truncated => {
                self.turn_is_cut(at)
            }
            Event::TurnCompleted(completed) if completed.outcome == TurnOutcome::Interrupted => {
                self.turn_is_cut(at)
            }
            _ => None,
        }
    }

    fn says(&self, at: usize) -> Option<ToldHappening> {
        match self.event(at + 1)? {
            Event::MessageAdded(message) => Some(ToldHappening::Says {
                words: message.text.clone(),
                voice: message.modality == Modality::Voice,
            }),
            _ => None,
        }
    }

    /// All edits of one command: they stand together and were decided at once.
    fn edits(&mut self, at: usize) -> ToldHappening {
        let together = self.events[at..]
            .iter()
            .take_while(|next| next.at == self.events[at].at)
            .map_while(|next| match &next.event {
                Event::SlotUpdated(updated) if updated.source == SlotSource::Edit => {
                    Some((updated.path.clone(), updated.value.clone()))
                }
                _ => None,
            });
        let edits: Vec<_> = together.collect();
        self.explained.extend(at + 1..at + edits.len());
        ToldHappening::Edits(edits)
    }

    /// A wish in a turn takes effect right after it, in the same decision; else a button was pressed.
    fn unless_wished(&mut self, at: usize, intent: Intent, button: Button) -> Option<ToldHappening> {
        let follows_turn = matches!(
            self.event(at - 1),
            Some(Event::TurnCompleted(completed)) if completed.outcome == TurnOutcome::Ok
        );
        if follows_turn && self.events[at - 1].at == self.events[at].at {
            let replies = self.steps.last_mut().map(|step| &mut step.replies);
            if let Some(reply) = replies.and_then(|replies| replies.last_mut()) {
                reply.intent = Some(intent);
                return None;
            }
        }
        Some(ToldHappening::Presses(button))
    }

    fn call_ends(&mut self, at: usize, settled: &CallSettled) -> Option<ToldHappening> {
        match settled.purpose {
            CallPurpose::Plan => {
                let fails =
                    matches!(self.event(at + 1), Some(Event::Error(error)) if error.turn_id.is_some());
                if settled.outcome == CallOutcome::Unknown && !fails {
                    return self.turn_is_cut(at);
                }
                let is_of_this_step = self
                    .growing
                    .as_ref()
                    .is_none_or(|growing| growing.step + 1 == self.steps.len());
                (!is_of_this_step).then_some(ToldHappening::GoesOn)
            }
            CallPurpose::Stage | CallPurpose::Repair => self.stage_ends(at, settled),
            CallPurpose::Moderate | CallPurpose::Transcribe | CallPurpose::Speak => None,
        }
    }

    fn stage_ends(&mut self, at: usize, settled: &CallSettled) -> Option<ToldHappening> {
        let CallScope::Stage { stage, .. } = &settled.scope else {
            return None;
        };
        let decided_at = self.events[at].at;
        let same = self.events[at + 1..]
            .iter()
            .enumerate()
            .take_while(|(_, next)| next.at == decided_at);
        for (offset, next) in same {
            match &next.event {
                Event::StageCompleted(completed) if completed.stage == *stage => {
                    return Some(ToldHappening::Output {
                        stage: stage.to_string(),
                        text: completed.output.to_string(),
                        sources: https_in(&completed.output),
                    });
                }
                Event::CallReserved(reserved) if reserved.purpose == CallPurpose::Repair => {
                    return Some(broken(stage.as_str()));
                }
                Event::Error(_) if settled.outcome == CallOutcome::Ok => return Some(broken(stage.as_str())),
                Event::Error(error) => {
                    return Some(ToldHappening::StageFails {
                        stage: stage.to_string(),
                        code: error.error.code,
                        retryable: error.error.retryable,
                        after_ms: self.taken_ms(settled, at),
                    });
                }
                Event::RunCancelled(_) => {
                    let cancelled_at = at + 1 + offset;
                    self.explained.extend(at + 1..=cancelled_at);
                    return self.unless_wished(at, Intent::CancelRun, Button::CancelRun);
                }
                Event::CallSettled(_) | Event::JobUpdated(_) => {}
                _ => break,
            }
        }
        Some(self.restarts_from(at))
    }

    /// Where an operator's stop is told that begins here: everything that it ends is told before it, at once.
    fn stop_that_begins(&self, at: usize) -> Option<usize> {
        let ended = self.events[at..].iter().take_while(|next| {
            next.at == self.events[at].at
                && match &next.event {
                    Event::CallSettled(settled) => settled.outcome == CallOutcome::Unknown,
                    Event::MessageAdded(message) => message.truncated,
                    Event::TurnCompleted(_) | Event::JobUpdated(_) | Event::RunCancelled(_) => true,
                    Event::StageChanged(changed) => changed.failures.is_empty(),
                    _ => false,
                }
        });
        let stopped = at + ended.count();
        matches!(self.event(stopped), Some(Event::SessionStopped(_))).then_some(stopped)
    }

    /// Everything up to the call that is made anew follows from the restart.
    fn restarts_from(&mut self, at: usize) -> ToldHappening {
        self.explain_same_decision(at);
        ToldHappening::Restarts
    }

    fn explain_same_decision(&mut self, at: usize) {
        let rest = self.events[at + 1..]
            .iter()
            .take_while(|next| next.at == self.events[at].at);
        self.explained.extend((at + 1..).take(rest.count()));
    }

    /// The turn under way ends before its reply is complete: by a new one, by the user, or because the server died.
    fn turn_is_cut(&mut self, at: usize) -> Option<ToldHappening> {
        let is_end = |event: &Event| match event {
            Event::CallSettled(settled) => {
                matches!(settled.purpose, CallPurpose::Plan | CallPurpose::Transcribe)
            }
            Event::MessageAdded(message) => message.truncated,
            Event::TurnCompleted(completed) => completed.outcome == TurnOutcome::Interrupted,
            _ => false,
        };
        let ends = self.events[at..]
            .iter()
            .take_while(|next| is_end(&next.event))
            .count();
        let next = at + ends;
        let completes = self.events[at..next]
            .iter()
            .any(|ended| matches!(ended.event, Event::TurnCompleted(_)));
        self.leave_open();
        if let Some(Event::TurnStarted(_)) = self.event(next) {
            self.explained.extend(at + 1..=next);
            return self.says(next);
        }
        if completes {
            self.explained.extend(at + 1..next);
            return Some(ToldHappening::Presses(Button::CancelResponse));
        }
        Some(self.restarts_from(at))
    }

    /// How long a call took.
    fn taken_ms(&self, settled: &CallSettled, at: usize) -> u64 {
        let reserved = self.events[..at].iter().rev().find(|earlier| {
            matches!(&earlier.event, Event::CallReserved(reserved) if reserved.call_id == settled.call_id)
        });
        reserved.map_or(0, |reserved| self.events[at].at.since(reserved.at).0)
    }

    /// Follows the planner's reply.
    fn follow(&mut self, at: usize) {
        match &self.events[at].event {
            Event::CallReserved(reserved) if reserved.purpose == CallPurpose::Plan => {
                self.leave_open();
                self.growing = Some(Growing {
                    reply: ToldReply::default(),
                    step: self.steps.len().saturating_sub(1),
                    reserved_at: self.events[at].at,
                });
            }
            Event::PlannerDelta(delta) => {
                if let (Some(growing), DeltaChange::Append(text)) = (&mut self.growing, &delta.delta.change) {
                    growing.reply.ask = growing.reply.ask.take().or_else(|| delta.asks.clone());
                    if delta.asks.is_some() {
                        growing.reply.question.push_str(text);
                    } else {
                        growing.reply.answer.push_str(text);
                    }
                }
            }
            Event::SlotUpdated(updated) if updated.turn_id.is_some() => {
                if let Some(growing) = &mut self.growing {
                    growing.reply.slots.push(updated.clone());
                }
            }
            Event::MessageAdded(message) if message.role == Role::Assistant && !message.truncated => {
                if let Some(growing) = &mut self.growing {
                    growing.reply.ask = growing.reply.ask.take().or_else(|| message.asks.clone());
                }
            }
            Event::StageChanged(changed) => self.has_failed = !changed.failures.is_empty(),
            Event::Error(error) if error.turn_id.is_some() => self.fail(error, self.events[at].at),
            Event::TurnCompleted(_) => self.close(ToldEnd::Complete),
            _ => {}
        }
    }

    fn fail(&mut self, error: &ErrorEvent, at: Timestamp) {
        let Some(growing) = &self.growing else { return };
        let end = if error.error.code == ErrorCode::LlmJsonInvalid {
            ToldEnd::Malformed
        } else {
            ToldEnd::Failed {
                code: error.error.code,
                retryable: error.error.retryable,
                after_ms: at.since(growing.reserved_at).0,
            }
        };
        self.close(end);
    }

    /// Gives the reply to the step under way; those from its call up to here wait for it.
    fn close(&mut self, end: ToldEnd) {
        let Some(mut growing) = self.growing.take() else {
            return;
        };
        growing.reply.end = end;
        let now = self.steps.len().saturating_sub(1);
        for step in &mut self.steps[growing.step..now] {
            step.unanswered = true;
        }
        if let Some(step) = self.steps.last_mut() {
            step.replies.push(growing.reply);
        }
    }

    /// The reply that is under way never ends.
    fn leave_open(&mut self) {
        let Some(mut growing) = self.growing.take() else {
            return;
        };
        growing.reply.end = ToldEnd::Unfinished;
        for step in &mut self.steps[growing.step..] {
            step.unanswered = true;
        }
        if let Some(step) = self.steps.get_mut(growing.step)
            && !growing.reply.says_nothing()
        {
            step.replies.push(growing.reply);
        }
    }
}

fn broken(stage: &str) -> ToldHappening {
    ToldHappening::Output {
        stage: stage.to_owned(),
        text: BROKEN_OUTPUT.to_owned(),
        sources: Vec::new(),
    }
}

/// The addresses that an output names: its searches returned them, for no others were kept.
fn https_in(output: &Value) -> Vec<String> {
    let mut found = Vec::new();
    match output {
        Value::String(text) if text.starts_with("https://") => found.push(text.clone()),
        Value::Array(items) => found.extend(items.iter().flat_map(https_in)),
        Value::Object(fields) => found.extend(fields.values().flat_map(https_in)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    found
}
