//! What agents report. A report whose stamp is not that of a call under way is late, and dropped.

use greenroom_protocol::{
    CallId, CallOutcome, CallPurpose, CallScope, ErrorBody, ErrorCode, ErrorEvent, Event, Millis,
    PlannerDelta, Provenance, Role, Timestamp, TurnId,
};

use super::{Decider, backoff};
use crate::agent::{AgentOutput, AgentReport, AgentStep, Stamp, due};
use crate::planner::{Intent, PlannerOutput, is_question_mark, may_ask};
use crate::playbook::AgentSpec;
use crate::ports::{CallFailure, CallReceipt};
use crate::state::{Attempt, PlanProgress};
use crate::support::wishes;
use crate::{CallRecord, Private};

/// Bytes of a failed reply that are kept for inspection.
const PARTIAL_BYTES_KEPT: usize = 64 * 1024;
/// Why an agent's report is taken for a crash when it tells of a check and was to make a reply.
pub(super) const NOT_A_REPLY: &str = "the agent checked texts instead of making a reply";

/// Why an attempt failed.
pub(super) struct Failure {
    pub(super) error: ErrorBody,
    pub(super) retryable: bool,
    pub(super) retry_after: Option<Millis>,
    pub(super) reason: String,
}

impl Decider<'_, '_> {
    pub(super) fn agent(&mut self, stamp: &Stamp, report: AgentReport) {
        if !due(self.state).calls.iter().any(|call| call.stamp == *stamp) {
            return;
        }
        if stamp.purpose == CallPurpose::Moderate {
            return self.check_ended(stamp, report);
        }
        match &stamp.scope {
            CallScope::Session {} => {}
            CallScope::Turn { turn_id, attempt } => self.planner(*turn_id, *attempt, stamp.call_id, report),
            CallScope::Stage {
                run_id,
                stage,
                attempt,
            } => {
                self.stage_agent(*run_id, stage, *attempt, stamp, report);
            }
        }
    }

    fn planner(&mut self, turn_id: TurnId, attempt: u32, call_id: CallId, report: AgentReport) {
        match report {
            AgentReport::Steps(steps) => {
                for step in steps {
                    self.planner_step(turn_id, attempt, step);
                }
                self.announce_gate(Some(turn_id));
            }
            AgentReport::Finished(output) => self.planner_finished(turn_id, call_id, output),
            AgentReport::Failed { failure, partial, .. } => {
                let failure = self.settle_failed(call_id, failure, partial, Vec::new());
                self.planner_failed(turn_id, &failure);
            }
            AgentReport::Crashed { reason } => {
                let failure = self.settle_crashed(call_id, reason);
                self.planner_failed(turn_id, &failure);
            }
            AgentReport::Checked(_) => {
                let failure = self.settle_crashed(call_id, NOT_A_REPLY.to_owned());
                self.planner_failed(turn_id, &failure);
            }
            // Somebody waits for it: it is never begun in the background, so that there is nothing to take up.
            AgentReport::Begun { .. } => {}
            AgentReport::Lost { reason } => {
                let failure = self.settle_crashed(call_id, reason);
                self.planner_failed(turn_id, &failure);
            }
        }
    }

    fn planner_step(&mut self, turn_id: TurnId, attempt: u32, step: AgentStep) {
        let (text, asks) = match step {
            AgentStep::Answer(text) => (text, None),
            AgentStep::Question { ask, text } => {
                if !may_ask(self.state, self.context.playbook, ask.as_ref()) {
                    return;
                }
                (text, ask)
            }
            AgentStep::Slot(proposal) => {
                if self.state.active_run().is_none() {
                    self.propose(turn_id, &proposal);
                    self.announce_gate(Some(turn_id));
                }
                return;
            }
            AgentStep::Delta(_) => return,
        };
        let delta = greenroom_protocol::Delta {
            path: "/reply".to_owned(),
            change: greenroom_protocol::DeltaChange::Append(text),
        };
        self.record(Event::PlannerDelta(PlannerDelta {
            turn_id,
            attempt,
            asks,
            delta,
        }));
    }

    fn planner_finished(&mut self, turn_id: TurnId, call_id: CallId, output: AgentOutput) {
        let parsed = crate::stage::read(&output.reply).and_then(|reply| {
            serde_json::from_value::<PlannerOutput>(reply).map_err(|error| error.to_string())
        });
        let provenance = provenance(call_id, &output.receipt);
        let call = Some(output.receipt.into());
        match parsed {
            Err(reason) => {
                let partial = Some(bounded(output.reply));
                self.settle(
                    call_id,
                    CallOutcome::Ok,
                    Private {
                        call,
                        partial,
                        ..Private::none()
                    },
                );
                let error = self.error_body(ErrorCode::LlmJsonInvalid);
                self.planner_failed(
                    turn_id,
                    &Failure {
                        error,
                        retryable: true,
                        retry_after: None,
                        reason,
                    },
                );
            }
            Ok(reply) => {
                self.settle(
                    call_id,
                    CallOutcome::Ok,
                    Private {
                        call,
                        ..Private::none()
                    },
                );
                if !self.check_reply(turn_id, &reply, &provenance) {
                    self.planner_replied(turn_id, &reply, provenance);
                }
            }
        }
    }

    pub(super) fn planner_replied(&mut self, turn_id: TurnId, reply: &PlannerOutput, provenance: Provenance) {
        let (shown, asks) = match self.state.planning() {
            Some(planning) => (planning.reply.trim().to_owned(), planning.asks.clone()),
            None => (String::new(), None),
        };
        // A question that a model wrote into its answer is the turn's one question, and asks for what `ask` says.
        let asks_in_answer = asks.is_none() && shown.ends_with(is_question_mark);
        let in_answer = reply
            .ask
            .clone()
            .filter(|path| asks_in_answer && may_ask(self.state, self.context.playbook, Some(path)));
        // What counts as asked is what was shown, and is still wanted.
        let asks = asks.or(in_answer).filter(|path| self.is_wanted(path));
        let asked = asks.is_some() || shown.contains(is_question_mark);
        let intent = self.wished(reply.intent);
        let said_something = !shown.is_empty();
        if said_something {
            self.say(Some(turn_id), shown, provenance, false, asks);
        }
        let acts = match intent {
            Intent::None => false,
            Intent::Generate => self.may_start(false).is_ok(),
            Intent::Draft => self.may_start(true).is_ok(),
            Intent::CancelRun => self.state.active_run().is_some(),
        };
        let wants_question = self.state.active_run().is_none() && !self.state.gate.ready;
        if !said_something || (!acts && wants_question && !asked) {
            self.reply_from_playbook();
        }
        self.reply_complete();
        match intent {
            Intent::None => {}
            Intent::Generate => self.run_as_asked(false),
            Intent::Draft => self.run_as_asked(true),
            Intent::CancelRun => self.cancel_as_asked(),
        }
    }

    /// What the user asks for, if it is the user who does.
    fn wished(&self, intent: Intent) -> Intent {
        let Some(planning) = self.state.planning() else {
            return Intent::None;
        };
        let conversation = &self.state.conversation;
        let interrupted = conversation.interrupted.iter().map(|(_, words)| words.as_str());
        let words: Vec<&str> = std::iter::once(planning.words.as_str())
            .chain(interrupted)
            .collect();
        // Of what was spoken, the user knows what was heard.
        let mut replies = conversation
            .messages
            .iter()
            .rev()
            .filter(|message| message.role == Role::Assistant && message.turn_id != Some(planning.turn_id))
            .map(|message| conversation.known_text(message));
        let offer = replies.find(|text| !text.is_empty());
        if wishes(intent, &words, offer) {
            intent
        } else {
            Intent::None
        }
    }

    fn planner_failed(&mut self, turn_id: TurnId, failure: &Failure) {
        let Some(PlanProgress::Calling(attempt)) =
            self.state.planning().map(|planning| planning.progress.clone())
        else {
            return;
        };
        let spec = self.context.playbook.conversation.planner.clone();
        match self.retry_at(&attempt, &spec, failure) {
            Some(retry_at) => self.tell_reply_failed(turn_id, attempt.number, failure, Some(retry_at)),
            None => self.reply_given_up(turn_id, attempt.number, failure),
        }
    }

    /// There will be no reply of the planner's in this turn: the playbook's own question takes its place.
    pub(super) fn reply_given_up(&mut self, turn_id: TurnId, attempt: u32, failure: &Failure) {
        self.tell_reply_failed(turn_id, attempt, failure, None);
        self.reply_from_playbook();
        self.reply_complete();
    }

    fn tell_reply_failed(
        &mut self,
        turn_id: TurnId,
        attempt: u32,
        failure: &Failure,
        retry_at: Option<Timestamp>,
    ) {
        let error = ErrorEvent {
            turn_id: Some(turn_id),
            run_id: None,
            stage: None,
            attempt: Some(attempt),
            will_retry: retry_at.is_some(),
            error: failure.error.clone(),
        };
        let reason = Some(failure.reason.clone());
        self.record_with(
            Event::Error(error),
            Private {
                retry_at,
                reason,
                ..Private::none()
            },
        );
    }

    /// When the next attempt begins, if another is worth it: retries left, and time left after the wait.
    pub(super) fn retry_at(
        &mut self,
        attempt: &Attempt,
        spec: &AgentSpec,
        failure: &Failure,
    ) -> Option<Timestamp> {
        if !failure.retryable || attempt.retries >= spec.retries {
            return None;
        }
        let wait = backoff(attempt.retries, self.context.ids.jitter(), failure.retry_after);
        let spent_ms = self.context.now.since(attempt.started_at).0 + wait.0;
        (spent_ms < attempt.budget.0).then(|| self.context.now.after(wait))
    }

    /// Settles a call of the language model that failed.
    pub(super) fn settle_failed(
        &mut self,
        call_id: CallId,
        failure: CallFailure,
        partial: String,
        sources: Vec<crate::ports::SearchSource>,
    ) -> Failure {
        let outcome = failure.outcome();
        let mut error = self.error_body(failure.code);
        // A refused key does not get better by waiting, whatever the code says in general.
        error.retryable = failure.retryable;
        if let Some(retry_after) = failure.retry_after {
            error = error.with_retry_after(u32::try_from(retry_after.0.div_ceil(1_000)).unwrap_or(u32::MAX));
        }
        let private = Private {
            call: failure.receipt.map(CallRecord::from),
            partial: (!partial.is_empty()).then(|| bounded(partial)),
            sources,
            reason: Some(failure.reason.clone()),
            ..Private::none()
        };
        self.settle(call_id, outcome, private);
        Failure {
            error,
            retryable: failure.retryable,
            retry_after: failure.retry_after,
            reason: failure.reason,
        }
    }

    /// Settles the call of an agent that crashed: a panic costs one attempt.
    pub(super) fn settle_crashed(&mut self, call_id: CallId, reason: String) -> Failure {
        let private = Private {
            reason: Some(reason.clone()),
            ..Private::none()
        };
        self.settle(call_id, CallOutcome::Unknown, private);
        Failure {
            error: self.error_body(ErrorCode::SysInternal),
            retryable: true,
            retry_after: None,
            reason,
        }
    }

    /// Begins the attempts whose wait is over; `resumed` when the server was away meanwhile.
    pub(super) fn tick(&mut self, resumed: bool) {
        if let Some(planning) = self.state.planning()
            && let PlanProgress::Backoff(backoff) = &planning.progress
            && backoff.retry_at <= self.context.now
        {
            let (turn_id, attempt, budget) = (planning.turn_id, backoff.failed_attempt + 1, backoff.budget);
            self.reserve_plan(
                turn_id,
                attempt,
                Private {
                    budget: Some(budget),
                    ..Private::none()
                },
            );
        }
        self.give_up_abandoned_calls();
        self.tick_voice();
        self.tick_job();
        self.tick_stages(resumed);
    }
}

pub(super) fn provenance(call_id: CallId, receipt: &CallReceipt) -> Provenance {
    Provenance::Model {
        provider: receipt.provider.clone(),
        model: receipt.model.clone(),
        call_id,
        simulated: receipt.simulated,
    }
}

/// Cuts a text to what is kept for inspection.
pub(super) fn bounded(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(PARTIAL_BYTES_KEPT));
    text
}
