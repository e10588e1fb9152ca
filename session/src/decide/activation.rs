//! Coming back to life: what a crash left under way is settled, and taken up again.

use greenroom_protocol::{
    CallId, CallOutcome, CallPurpose, CallScope, ErrorCode, Millis, RunId, TurnOutcome,
};

use super::Decider;
use super::agents::Failure;
use super::jobs::Stuck;
use crate::Private;
use crate::agent::Stamp;
use crate::playbook::StageSpec;
use crate::state::{Attempt, Check, CheckedStage, PlanProgress, Planning, StageProgress};

/// Interruptions directly after one another that an attempt survives; what crashes the server each time must end.
const INTERRUPTIONS_MAX: u32 = 3;
/// A turn as old as this is not answered any more: nobody is waiting for it.
const TURN_AGE_MAX: Millis = Millis(5 * 60 * 1_000);

impl Decider<'_, '_> {
    pub(super) fn activated(&mut self) {
        self.tell_where_it_stands();
        let stages = self.interrupted_stages();
        if let Some(planning) = self.state.planning().cloned() {
            self.take_turn_up_again(&planning);
        }
        let stuck = self.judge_job();
        for (run_id, stage, progress) in stages {
            // What became of the turn may have been to cancel the run.
            let is_active = self.state.active_run().is_some_and(|run| run.run_id == run_id);
            let playbook = self.context.playbook;
            if let Some(spec) = playbook.stage(&stage).filter(|_| is_active) {
                match stuck {
                    Some(Stuck::UsedUp) => self.fail_stuck_stage(run_id, spec, &progress),
                    Some(Stuck::BegunAgain) | None => self.take_stage_up_again(run_id, spec, progress),
                }
            }
        }
        self.settle_orphans();
        self.tick(true);
    }

    fn take_turn_up_again(&mut self, planning: &Planning) {
        let turn_id = planning.turn_id;
        let is_old = self.context.now.since(planning.started_at) >= TURN_AGE_MAX;
        let has_model = self.context.capabilities.llm.is_some();
        match &planning.progress {
            // What waits for a check needs no model to go on.
            PlanProgress::Checking(check) if !is_old => {
                let stamp = again(check, CallScope::Turn { turn_id, attempt: 1 });
                if let Some(stamp) = stamp {
                    self.check_again(&stamp);
                } else {
                    self.settle_orphan(check.call.as_ref().map(|call| call.call_id));
                    let failure = self.check_given_up(interrupted_too_often());
                    self.refuse_words(turn_id, &failure);
                }
            }
            PlanProgress::Replied(reply) if !is_old => {
                let attempt = reply.attempt;
                let stamp = again(&reply.check, CallScope::Turn { turn_id, attempt });
                match stamp {
                    Some(stamp) => self.check_again(&stamp),
                    None => self.end_interrupted_turn(reply.check.call.as_ref().map(|call| call.call_id)),
                }
            }
            PlanProgress::Calling(attempt) if !is_old && has_model => {
                let call_id = attempt.call.as_ref().map(|call| call.call_id);
                if attempt.interruptions < INTERRUPTIONS_MAX {
                    self.settle_orphan(call_id);
                    let private = Private {
                        budget: Some(attempt.budget),
                        resumed: true,
                        ..Private::none()
                    };
                    self.reserve_plan(turn_id, attempt.number + 1, private);
                } else {
                    self.end_interrupted_turn(call_id);
                }
            }
            PlanProgress::Begun | PlanProgress::Backoff(_) if !is_old && has_model => {}
            // Whoever was to speak the reply has gone; its text stands.
            PlanProgress::Voicing { .. } => self.complete_turn(TurnOutcome::Ok),
            PlanProgress::Begun
            | PlanProgress::Checking(_)
            | PlanProgress::Calling(_)
            | PlanProgress::Replied(_)
            | PlanProgress::Backoff(_) => self.end_turn(TurnOutcome::Abandoned, false),
        }
    }

    fn end_interrupted_turn(&mut self, call_id: Option<CallId>) {
        self.settle_orphan(call_id);
        self.reply_from_playbook();
        self.complete_turn(TurnOutcome::Failed);
    }

    fn take_stage_up_again(&mut self, run_id: RunId, spec: &StageSpec, progress: StageProgress) {
        match progress {
            StageProgress::Running(attempt) => self.take_attempt_up_again(run_id, spec, &attempt),
            StageProgress::Checking(checked) => self.take_check_up_again(run_id, spec, &checked),
            StageProgress::Waiting
            | StageProgress::Backoff(_)
            | StageProgress::Completed { .. }
            | StageProgress::Failed { .. } => {}
        }
    }

    fn take_attempt_up_again(&mut self, run_id: RunId, spec: &StageSpec, attempt: &Attempt) {
        let response_id = self.response_to_take_up(attempt);
        if let Some(response_id) = response_id.filter(|_| attempt.interruptions < INTERRUPTIONS_MAX) {
            return self.take_response_up(run_id, spec, attempt, response_id);
        }
        self.settle_orphan(attempt.call.as_ref().map(|call| call.call_id));
        if attempt.interruptions < INTERRUPTIONS_MAX {
            self.begin_attempt(run_id, spec, attempt.number + 1, attempt.budget, true);
        } else {
            let failure = Failure {
                error: self.error_body(ErrorCode::SysInternal),
                retryable: false,
                retry_after: None,
                reason: interrupted_too_often(),
            };
            self.stage_failed(run_id, spec, &failure);
        }
    }

    /// An output that waits for its check is in the log; only the check is made again.
    pub(super) fn take_check_up_again(&mut self, run_id: RunId, spec: &StageSpec, checked: &CheckedStage) {
        let scope = CallScope::Stage {
            run_id,
            stage: spec.id.clone(),
            attempt: checked.attempt.number,
        };
        let stamp = again(&checked.check, scope);
        if let Some(stamp) = stamp {
            self.check_again(&stamp);
        } else {
            self.settle_orphan(checked.check.call.as_ref().map(|call| call.call_id));
            let failure = self.check_given_up(interrupted_too_often());
            self.stage_failed(run_id, spec, &failure);
        }
    }

    pub(super) fn settle_orphan(&mut self, call_id: Option<CallId>) {
        if let Some(call_id) = call_id {
            self.settle(call_id, CallOutcome::Unknown, Private::none());
        }
    }

    /// Settles calls that nothing under way names any more.
    fn settle_orphans(&mut self) {
        let due: Vec<_> = crate::agent::due(self.state)
            .calls
            .iter()
            .map(|call| call.stamp.call_id)
            .collect();
        let orphans: Vec<_> = self
            .state
            .open_calls
            .keys()
            .filter(|call_id| !due.contains(call_id))
            .copied()
            .collect();
        for call_id in orphans {
            self.settle(call_id, CallOutcome::Unknown, Private::none());
        }
    }
}

/// The stamp of a check that is worth making again.
fn again(check: &Check, scope: CallScope) -> Option<Stamp> {
    let call = check
        .call
        .as_ref()
        .filter(|_| check.interruptions < INTERRUPTIONS_MAX)?;
    Some(Stamp {
        call_id: call.call_id,
        purpose: CallPurpose::Moderate,
        scope,
    })
}

fn interrupted_too_often() -> String {
    format!("interrupted {INTERRUPTIONS_MAX} times in a row")
}
