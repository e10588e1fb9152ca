//! What an operator asks of a session: to go on from a failure, to be built anew from its log, to stop.

use greenroom_protocol::{
    CallOutcome, ErrorBody, ErrorCode, Event, GateWaived, JobId, JobStatus, RunId, RunStarted,
    SessionRestarted, SessionStopped, StageChanged, StageCompleted, StageId, TurnOutcome,
};
use serde_json::json;

use super::Decider;
use super::run::failures;
use crate::Private;
use crate::command::{Answer, Receipt};
use crate::playbook::Playbook;
use crate::state::{Phase, Run, StageProgress};

impl Decider<'_, '_> {
    /// Restarts the session: a failed run goes on from the stage that is asked for, or from where it failed; a session
    /// that has not failed is to be built anew from its log, for which this is the sign.
    pub(super) fn restart(&mut self, from_stage: Option<StageId>, reason: String) -> Answer {
        let failed = match &self.state.phase {
            Phase::Failed(run) => run,
            Phase::Collecting | Phase::Ready | Phase::Running(_) | Phase::Done { .. } => {
                if from_stage.is_some() {
                    return Err(self.not_from_there("the session has not failed", None));
                }
                self.record_restart(None, None, reason);
                return Ok(Receipt::default());
            }
        };
        let begins_earlier = match &from_stage {
            None => None,
            Some(stage) => match failed.stages.get(stage) {
                None => {
                    return Err(self.not_from_there("the run has no such stage", Some(failed)));
                }
                Some(StageProgress::Completed { .. }) => Some(stage.clone()),
                Some(
                    StageProgress::Waiting
                    | StageProgress::Running(_)
                    | StageProgress::Checking(_)
                    | StageProgress::Backoff(_)
                    | StageProgress::Failed { .. },
                ) => None,
            },
        };
        if self.context.capabilities.llm.is_none() {
            return Err(self.rejection(ErrorCode::LlmNotConfigured));
        }
        let failed = failed.as_ref().clone();
        if let Some(stage) = begins_earlier {
            return Ok(self.run_again_from(&failed, stage, reason));
        }
        self.record_restart(from_stage, Some(failed.run_id), reason);
        Ok(self.take_run_up_again(failed.run_id))
    }

    fn not_from_there(&self, reason: &str, run: Option<&Run>) -> Box<ErrorBody> {
        let stages = run.map(|run| run.stages.keys().collect::<Vec<_>>());
        self.invalid(match stages {
            Some(stages) => json!({ "field": "from_stage", "reason": reason, "stages": stages }),
            None => json!({ "field": "from_stage", "reason": reason }),
        })
    }

    fn record_restart(&mut self, from_stage: Option<StageId>, run_id: Option<RunId>, reason: String) {
        let private = Private {
            reason: Some(reason),
            ..Private::none()
        };
        self.record_command_with(
            Event::SessionRestarted(SessionRestarted { from_stage, run_id }),
            private,
        );
    }

    /// A new run on the brief of one that failed, and with its waiver: it adopts every output but those of `from_stage`
    /// and of what rests on that. The failed run is over.
    fn run_again_from(&mut self, failed: &Run, from_stage: StageId, reason: String) -> Receipt {
        let run_id = RunId::new(self.context.ids.next_ulid());
        let job_id = failed.job_id.map(|_| JobId::new(self.context.ids.next_ulid()));
        let adopted = adopted(failed, self.context.playbook, &from_stage);
        self.record_restart(Some(from_stage.clone()), Some(run_id), reason);
        if let Some(gaps) = &failed.gaps {
            let (low_confidence, missing_required) = gaps
                .iter()
                .cloned()
                .partition(|gap| failed.brief.iter().any(|slot| slot.path == *gap));
            self.record(Event::GateWaived(GateWaived {
                run_id,
                missing_required,
                low_confidence,
            }));
        }
        self.record(Event::RunStarted(RunStarted {
            run_id,
            job_id,
            mode: failed.mode,
            locale: failed.locale,
            brief: failed.brief.to_vec(),
            draft: failed.gaps.is_some(),
            stages: failed.stages.keys().cloned().collect(),
            budget_ms: self.context.playbook.run_budget,
            from_run: Some(failed.run_id),
            from_stage: Some(from_stage),
        }));
        for completed in adopted {
            self.record(Event::StageCompleted(StageCompleted {
                run_id,
                attempt: 0,
                ..completed
            }));
        }
        self.update_job(JobStatus::Running, None);
        self.advance();
        Receipt {
            run_id: Some(run_id),
            job_id,
            ..Receipt::default()
        }
    }

    /// Ends what is under way, and nothing begins by itself afterwards. A failed run stays as it is.
    pub(super) fn stop(&mut self, reason: String) -> Receipt {
        self.end_turn(TurnOutcome::Interrupted, false);
        let run_id = self.state.active_run().map(|run| run.run_id);
        self.cancel_as_asked();
        let open: Vec<_> = self.state.open_calls.keys().copied().collect();
        for call_id in open {
            self.settle(call_id, CallOutcome::Unknown, Private::none());
        }
        let private = Private {
            reason: Some(reason),
            ..Private::none()
        };
        self.record_command_with(Event::SessionStopped(SessionStopped {}), private);
        Receipt {
            run_id,
            ..Receipt::default()
        }
    }

    /// Tells where the session stands after its supervisor had given it up, and told that it and its job had failed.
    pub(super) fn tell_where_it_stands(&mut self) {
        if !self.state.given_up {
            return;
        }
        let names = &self.context.playbook.states;
        let (state, run_id, failures) = match &self.state.phase {
            Phase::Collecting | Phase::Ready if self.state.gate.ready => {
                (names.ready.clone(), None, Vec::new())
            }
            Phase::Collecting | Phase::Ready => (names.collecting.clone(), None, Vec::new()),
            Phase::Running(run) => {
                let state = self.run_state().unwrap_or_else(|| names.done.clone());
                (state, Some(run.run_id), Vec::new())
            }
            Phase::Failed(run) => (names.failed.clone(), Some(run.run_id), failures(run)),
            Phase::Done { run_id } => (names.done.clone(), Some(*run_id), Vec::new()),
        };
        if self.state.active_run().is_some() {
            self.update_job(JobStatus::Running, None);
        }
        self.record(Event::StageChanged(StageChanged {
            state,
            run_id,
            failures,
        }));
    }
}

/// The outputs of a run that rest neither on a stage nor are its own.
fn adopted(run: &Run, playbook: &Playbook, from_stage: &StageId) -> Vec<StageCompleted> {
    let completed = run.stages.iter().filter_map(|(stage, progress)| match progress {
        StageProgress::Completed { completed } => Some((stage, completed)),
        StageProgress::Waiting
        | StageProgress::Running(_)
        | StageProgress::Checking(_)
        | StageProgress::Backoff(_)
        | StageProgress::Failed { .. } => None,
    });
    completed
        .filter(|(stage, _)| *stage != from_stage && !rests_on(stage, from_stage, playbook))
        .map(|(_, completed)| completed.as_ref().clone())
        .collect()
}

/// Whether a stage comes after another, directly or by way of others. A playbook's stages have no cycles.
fn rests_on(stage: &StageId, earlier: &StageId, playbook: &Playbook) -> bool {
    playbook.stage(stage).is_some_and(|spec| {
        spec.after
            .iter()
            .any(|needed| needed == earlier || rests_on(needed, earlier, playbook))
    })
}
