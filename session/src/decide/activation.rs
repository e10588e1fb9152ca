//! Coming back to life: what a crash left under way is settled, and taken up again.

use greenroom_protocol::{CallOutcome, ErrorCode, Millis, TurnOutcome};

use super::Decider;
use super::agents::Failure;
use crate::Private;
use crate::state::PlanProgress;

/// Interruptions directly after one another that an attempt survives; what crashes the server each time must end.
const INTERRUPTIONS_MAX: u32 = 3;
/// A turn older than this is not answered any more: nobody is waiting for it.
const TURN_AGE_MAX: Millis = Millis(5 * 60 * 1_000);

impl Decider<'_, '_> {
    pub(super) fn activated(&mut self) {
        let stages = self.interrupted_stages();
        let turn = self.state.planning().map(|planning| {
            let attempt = match &planning.progress {
                PlanProgress::Calling(attempt) => Some(attempt.clone()),
                PlanProgress::Begun | PlanProgress::Backoff(_) => None,
            };
            (planning.turn_id, planning.started_at, attempt)
        });
        if let Some((turn_id, started_at, attempt)) = turn {
            if self.context.now.since(started_at) > TURN_AGE_MAX || self.context.capabilities.llm.is_none() {
                self.end_turn(TurnOutcome::Abandoned, false);
            } else if let Some(attempt) = attempt {
                self.settle_orphan(attempt.call.as_ref().map(|call| call.call_id));
                if attempt.interruptions < INTERRUPTIONS_MAX {
                    let private = Private {
                        budget: Some(attempt.budget),
                        resumed: true,
                        ..Private::none()
                    };
                    self.reserve_plan(turn_id, attempt.number + 1, private);
                } else {
                    self.reply_from_playbook();
                    self.complete_turn(TurnOutcome::Failed);
                }
            }
        }
        for (run_id, stage, attempt) in stages {
            self.settle_orphan(attempt.call.as_ref().map(|call| call.call_id));
            let playbook = self.context.playbook;
            let Some(spec) = playbook.stage(&stage) else {
                continue;
            };
            if attempt.interruptions < INTERRUPTIONS_MAX {
                self.begin_attempt(run_id, spec, attempt.number + 1, attempt.budget, true);
            } else {
                let failure = Failure {
                    error: self.error_body(ErrorCode::SysInternal),
                    retryable: false,
                    retry_after: None,
                    reason: format!("interrupted {INTERRUPTIONS_MAX} times in a row"),
                };
                self.stage_failed(run_id, spec, &failure);
            }
        }
        self.settle_orphans();
        self.tick(true);
    }

    fn settle_orphan(&mut self, call_id: Option<greenroom_protocol::CallId>) {
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
