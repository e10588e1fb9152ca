//! Checks: of what users say, before anything reads it; of what models write, before it stands.

use greenroom_protocol::{
    CallId, CallOutcome, CallPurpose, CallScope, ErrorCode, ErrorEvent, Event, Millis, Provenance, RunId,
    StageCompleted, StageId, TurnId, TurnOutcome,
};

use super::Decider;
use super::agents::Failure;
use crate::agent::{AgentReport, Stamp};
use crate::moderation;
use crate::planner::PlannerOutput;
use crate::ports::{CallReceipt, ModerationPolicy, Verdict};
use crate::state::{CheckedReply, CheckedStage, PlanProgress, StageProgress};
use crate::{CallRecord, Checked, Held, Private};

/// Names of what a provider found that are kept.
const CATEGORIES_KEPT: usize = 16;
/// Characters of such a name.
const CATEGORY_CHARS_MAX: usize = 64;

/// Which way the texts go: what is done about a check that cannot be made, and what a finding is called.
#[derive(Clone, Copy)]
struct Direction {
    policy: ModerationPolicy,
    flagged: ErrorCode,
}

impl Decider<'_, '_> {
    /// Has what the user said checked, with what was said in the turns before that were interrupted unchecked.
    pub(super) fn check_words(&mut self, turn_id: TurnId, resumed: bool) {
        // What was said belongs to the first attempt at an answer, however often it is checked.
        let scope = CallScope::Turn { turn_id, attempt: 1 };
        self.reserve_check(scope, self.context.playbook.check_budget, None, resumed);
    }

    /// Has a reply checked, if replies are; answers whether it waits for that now.
    pub(super) fn check_reply(
        &mut self,
        turn_id: TurnId,
        reply: &PlannerOutput,
        provenance: &Provenance,
    ) -> bool {
        let Some(planning) = self.state.planning() else {
            return false;
        };
        let PlanProgress::Calling(attempt) = &planning.progress else {
            return false;
        };
        let says_something = !planning.reply.trim().is_empty();
        if !says_something || self.output().policy == ModerationPolicy::Off {
            return false;
        }
        let scope = CallScope::Turn {
            turn_id,
            attempt: attempt.number,
        };
        let held = Held::Reply {
            reply: Box::new(reply.clone()),
            provenance: provenance.clone(),
        };
        self.reserve_check(scope, self.context.playbook.check_budget, Some(held), false);
        true
    }

    /// Has a stage's output checked, if outputs are, and completes the stage with it if not.
    pub(super) fn check_output(&mut self, completed: StageCompleted) {
        let says_something = !moderation::requests(moderation::texts_of(&completed.output)).is_empty();
        if !says_something || self.output().policy == ModerationPolicy::Off {
            return self.complete_stage(completed);
        }
        let Some(run) = self.state.active_run() else {
            return;
        };
        // A check has a budget of its own, so that a whole output is not lost to the time that its making took.
        let left = run.deadline.since(self.context.now);
        let scope = CallScope::Stage {
            run_id: completed.run_id,
            stage: completed.stage.clone(),
            attempt: completed.attempt,
        };
        let completed = Box::new(completed);
        self.reserve_check(
            scope,
            self.context.playbook.check_budget.min(left),
            Some(Held::Output { completed }),
            false,
        );
    }

    /// A check that is under way has an end.
    pub(super) fn check_ended(&mut self, stamp: &Stamp, report: AgentReport) {
        match &stamp.scope {
            CallScope::Session {} => {}
            CallScope::Turn { turn_id, .. } => {
                let progress = self.state.planning().map(|planning| planning.progress.clone());
                match progress {
                    Some(PlanProgress::Checking(_)) => self.words_checked(*turn_id, stamp.call_id, report),
                    Some(PlanProgress::Replied(checked)) => {
                        self.reply_checked(*turn_id, &checked, stamp.call_id, report);
                    }
                    Some(
                        PlanProgress::Begun
                        | PlanProgress::Calling(_)
                        | PlanProgress::Backoff(_)
                        | PlanProgress::Voicing { .. },
                    )
                    | None => {}
                }
            }
            CallScope::Stage { run_id, stage, .. } => {
                self.output_checked(*run_id, stage, stamp.call_id, report);
            }
        }
    }

    /// Makes a check again that a crash of the server interrupted. Where nothing is checked any more, it passes.
    pub(super) fn check_again(&mut self, stamp: &Stamp) {
        let is_of_words = self
            .state
            .planning()
            .is_some_and(|planning| matches!(planning.progress, PlanProgress::Checking(_)))
            && matches!(stamp.scope, CallScope::Turn { .. });
        let direction = if is_of_words { self.input() } else { self.output() };
        match direction.policy {
            ModerationPolicy::Off => {
                let reason = "the server went away, and is not to check any more".to_owned();
                self.check_ended(stamp, AgentReport::Crashed { reason });
            }
            ModerationPolicy::Required | ModerationPolicy::BestEffort => {
                self.settle(stamp.call_id, CallOutcome::Unknown, Private::none());
                let budget = self
                    .attempt_budget(&stamp.scope)
                    .min(self.context.playbook.check_budget);
                self.reserve_check(stamp.scope.clone(), budget, None, true);
            }
        }
    }

    /// Ends a turn whose words cannot be answered to.
    pub(super) fn refuse_words(&mut self, turn_id: TurnId, failure: &Failure) {
        self.record_with(
            Event::Error(ErrorEvent {
                turn_id: Some(turn_id),
                run_id: None,
                stage: None,
                attempt: None,
                will_retry: false,
                error: failure.error.clone(),
            }),
            Private {
                reason: Some(failure.reason.clone()),
                ..Private::none()
            },
        );
        self.complete_turn(TurnOutcome::Failed);
    }

    /// A check that was interrupted too often to be made again.
    pub(super) fn check_given_up(&self, reason: String) -> Failure {
        Failure {
            error: self.error_body(ErrorCode::SafetyUnavailable),
            retryable: false,
            retry_after: None,
            reason,
        }
    }

    fn words_checked(&mut self, turn_id: TurnId, call_id: CallId, report: AgentReport) {
        let earlier: Vec<_> = self.state.conversation.unchecked.iter().cloned().collect();
        match self.settle_check(call_id, report, self.input()) {
            Ok(()) => self.take_words(turn_id, &earlier),
            Err(failure) => self.refuse_words(turn_id, &failure),
        }
    }

    fn reply_checked(
        &mut self,
        turn_id: TurnId,
        checked: &CheckedReply,
        call_id: CallId,
        report: AgentReport,
    ) {
        let shown = self.state.planning().map(|planning| planning.reply.clone());
        let parts = moderation::requests([shown.unwrap_or_default().as_str()]).len();
        match self.settle_check(call_id, report, self.output()) {
            Ok(()) if checked.check.part + 1 < parts => {
                let scope = CallScope::Turn {
                    turn_id,
                    attempt: checked.attempt,
                };
                // The parts of one text share the time of its check.
                self.reserve_check(scope, checked.check.time_left(self.context.now), None, false);
            }
            Ok(()) => self.planner_replied(turn_id, &checked.reply, checked.provenance.clone()),
            Err(failure) => self.reply_given_up(turn_id, checked.attempt, &failure),
        }
    }

    fn output_checked(&mut self, run_id: RunId, stage: &StageId, call_id: CallId, report: AgentReport) {
        let playbook = self.context.playbook;
        let Some(spec) = playbook.stage(stage) else { return };
        let progress = self.state.active_run().and_then(|run| run.stages.get(stage));
        let Some(StageProgress::Checking(checked)) = progress.cloned() else {
            return;
        };
        let CheckedStage { completed, check, .. } = *checked;
        let parts = moderation::requests(moderation::texts_of(&completed.output)).len();
        match self.settle_check(call_id, report, self.output()) {
            Ok(()) if check.part + 1 < parts => {
                let scope = CallScope::Stage {
                    run_id,
                    stage: stage.clone(),
                    attempt: completed.attempt,
                };
                self.reserve_check(scope, check.time_left(self.context.now), None, false);
            }
            Ok(()) => self.complete_stage(completed),
            Err(failure) => self.stage_failed(run_id, spec, &failure),
        }
    }

    /// Settles a check. The failure is why what was checked must not be used.
    fn settle_check(
        &mut self,
        call_id: CallId,
        report: AgentReport,
        direction: Direction,
    ) -> Result<(), Box<Failure>> {
        let (outcome, receipt, retryable, retry_after, reason) = match report {
            AgentReport::Checked(verdict) => {
                return self.settle_verdict(call_id, verdict, direction.flagged);
            }
            AgentReport::Failed { failure, .. } => (
                failure.outcome(),
                failure.receipt,
                failure.retryable,
                failure.retry_after,
                failure.reason,
            ),
            AgentReport::Crashed { reason } => (CallOutcome::Unknown, None, true, None, reason),
            AgentReport::Begun { .. }
            | AgentReport::Steps(_)
            | AgentReport::Finished(_)
            | AgentReport::Lost { .. } => {
                let reason = "a check does not report like this".to_owned();
                (CallOutcome::Unknown, None, true, None, reason)
            }
        };
        let unavailable = Failure {
            error: self.error_body(ErrorCode::SafetyUnavailable),
            retryable,
            retry_after,
            reason,
        };
        self.settle_unavailable(call_id, (outcome, receipt), unavailable, direction.policy)
    }

    fn settle_verdict(
        &mut self,
        call_id: CallId,
        verdict: Verdict,
        flagged: ErrorCode,
    ) -> Result<(), Box<Failure>> {
        let call = Some(verdict.receipt.into());
        let (checked, result) = match verdict.flagged {
            None => (Checked::Passed, Ok(())),
            Some(categories) => {
                let categories: Vec<String> = categories
                    .into_iter()
                    .take(CATEGORIES_KEPT)
                    .map(|name| clipped(&name))
                    .collect();
                let failure = Failure {
                    error: self.error_body(flagged),
                    // Another attempt writes something else.
                    retryable: true,
                    retry_after: None,
                    reason: format!("flagged: {}", categories.join(", ")),
                };
                (Checked::Flagged { categories }, Err(Box::new(failure)))
            }
        };
        let private = Private {
            call,
            checked: Some(checked),
            ..Private::none()
        };
        self.settle(call_id, CallOutcome::Ok, private);
        result
    }

    fn settle_unavailable(
        &mut self,
        call_id: CallId,
        (outcome, receipt): (CallOutcome, Option<CallReceipt>),
        failure: Failure,
        policy: ModerationPolicy,
    ) -> Result<(), Box<Failure>> {
        let passes = match policy {
            ModerationPolicy::Required => false,
            ModerationPolicy::BestEffort | ModerationPolicy::Off => true,
        };
        let reason = if passes {
            format!("passed unchecked: {}", failure.reason)
        } else {
            failure.reason.clone()
        };
        let private = Private {
            call: receipt.map(CallRecord::from),
            checked: passes.then_some(Checked::Unchecked),
            reason: Some(reason),
            ..Private::none()
        };
        self.settle(call_id, outcome, private);
        if passes { Ok(()) } else { Err(Box::new(failure)) }
    }

    fn reserve_check(&mut self, scope: CallScope, budget: Millis, held: Option<Held>, resumed: bool) {
        let moderator = self.context.capabilities.moderation.clone();
        let private = Private {
            budget: Some(budget),
            held,
            resumed,
            ..Private::none()
        };
        self.reserve_call(CallPurpose::Moderate, scope, moderator, private);
    }

    /// The time that an attempt began with, for a check that takes the place of an interrupted one.
    fn attempt_budget(&self, scope: &CallScope) -> Millis {
        let attempt = match scope {
            CallScope::Stage { stage, .. } => self.state.active_run().and_then(|run| run.attempt(stage)),
            CallScope::Turn { .. } | CallScope::Session {} => None,
        };
        attempt.map_or(self.context.playbook.check_budget, |attempt| attempt.budget)
    }

    fn input(&self) -> Direction {
        Direction {
            policy: self.context.capabilities.moderate_input,
            flagged: ErrorCode::SafetyInput,
        }
    }

    fn output(&self) -> Direction {
        Direction {
            policy: self.context.capabilities.moderate_output,
            flagged: ErrorCode::SafetyOutput,
        }
    }
}

fn clipped(name: &str) -> String {
    name.chars().take(CATEGORY_CHARS_MAX).collect()
}
