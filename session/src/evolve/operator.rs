//! Folding of what an operator did.

use crate::state::{Check, Phase, PlanProgress, StageProgress, State, Turn};

impl State {
    /// Whoever restarts a session has a reason to expect better: what was interrupted again and again may go on.
    pub(super) fn forgive_interruptions(&mut self) {
        if let Turn::Planning(planning) = &mut self.turn {
            match &mut planning.progress {
                PlanProgress::Checking(check) => check.forgive_interruptions(),
                PlanProgress::Calling(attempt) => attempt.interruptions = 0,
                PlanProgress::Replied(reply) => reply.check.forgive_interruptions(),
                PlanProgress::Begun | PlanProgress::Backoff(_) | PlanProgress::Voicing { .. } => {}
            }
        }
        let Phase::Running(run) = &mut self.phase else {
            return;
        };
        for progress in run.stages.values_mut() {
            match progress {
                StageProgress::Running(attempt) => attempt.interruptions = 0,
                StageProgress::Checking(checked) => checked.check.forgive_interruptions(),
                StageProgress::Waiting
                | StageProgress::Backoff(_)
                | StageProgress::Completed { .. }
                | StageProgress::Failed { .. } => {}
            }
        }
    }
}

impl Check {
    fn forgive_interruptions(&mut self) {
        self.interruptions = 0;
    }
}
