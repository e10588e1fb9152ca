//! Stages: attempts at them, what becomes of a reply, and what of a failure.

use greenroom_protocol::{
    CallOutcome, CallPurpose, CallScope, ErrorCode, ErrorEvent, Event, JobStatus, Millis, RunId,
    StageCompleted, StageDelta, StageId, StageStarted,
};

use super::Decider;
use super::agents::{Failure, NOT_A_REPLY, bounded, provenance};
use crate::agent::{AgentOutput, AgentReport, AgentStep, Stamp};
use crate::playbook::StageSpec;
use crate::ports::SearchSource;
use crate::state::StageProgress;
use crate::{Breach, Private};

impl Decider<'_, '_> {
    /// Begins every stage whose inputs are there.
    pub(super) fn begin_ready_stages(&mut self) {
        let Some(run) = self.state.active_run() else {
            return;
        };
        let left = run.deadline.since(self.context.now);
        let is_ready = |spec: &&StageSpec| {
            matches!(run.stages.get(&spec.id), Some(StageProgress::Waiting))
                // A stage that the mode skips is waited for by nobody.
                && spec.after.iter().all(|needed| !run.stages.contains_key(needed) || run.output(needed).is_some())
        };
        let ready: Vec<_> = self.context.playbook.stages.iter().filter(is_ready).collect();
        let run_id = run.run_id;
        for spec in ready {
            // The run may have failed at the stage before this one, for want of time.
            if self.state.active_run().is_some() {
                self.begin_attempt(run_id, spec, 1, spec.agent.budget.min(left), false);
            }
        }
    }

    /// Begins the stages that failed anew, each with its whole budget.
    pub(super) fn restart_failed_stages(&mut self) {
        let Some(run) = self.state.active_run() else {
            return;
        };
        let (run_id, left) = (run.run_id, run.deadline.since(self.context.now));
        let failed: Vec<(StageId, u32)> = run
            .stages
            .iter()
            .filter_map(|(stage, progress)| match progress {
                StageProgress::Failed { attempt, .. } => Some((stage.clone(), *attempt)),
                StageProgress::Waiting
                | StageProgress::Running(_)
                | StageProgress::Checking(_)
                | StageProgress::Backoff(_)
                | StageProgress::Completed { .. } => None,
            })
            .collect();
        for (stage, attempt) in failed {
            if let Some(spec) = self.context.playbook.stage(&stage) {
                self.begin_attempt(run_id, spec, attempt + 1, spec.agent.budget.min(left), false);
            }
        }
    }

    /// Begins an attempt with the time that it has, and reserves its call. One that has no time left has failed.
    pub(super) fn begin_attempt(
        &mut self,
        run_id: RunId,
        spec: &StageSpec,
        attempt: u32,
        budget: Millis,
        resumed: bool,
    ) {
        let started = StageStarted {
            run_id,
            stage: spec.id.clone(),
            attempt,
        };
        let private = Private {
            budget: Some(budget),
            resumed,
            ..Private::none()
        };
        self.record_with(Event::StageStarted(started), private);
        if budget > Millis(0) {
            self.reserve_stage(CallPurpose::Stage, run_id, spec, attempt);
        } else {
            self.stage_timed_out(run_id, spec, "the run had no time left for this stage");
        }
    }

    fn stage_timed_out(&mut self, run_id: RunId, spec: &StageSpec, reason: &str) {
        let failure = Failure {
            error: self.error_body(ErrorCode::LlmTimeout),
            retryable: false,
            retry_after: None,
            reason: reason.to_owned(),
        };
        self.stage_failed(run_id, spec, &failure);
    }

    pub(super) fn reserve_stage(
        &mut self,
        purpose: CallPurpose,
        run_id: RunId,
        spec: &StageSpec,
        attempt: u32,
    ) {
        let scope = CallScope::Stage {
            run_id,
            stage: spec.id.clone(),
            attempt,
        };
        let mode = self.state.active_run().map_or(self.state.mode, |run| run.mode);
        self.reserve(purpose, scope, spec.agent.model_size(mode), Private::none());
    }

    pub(super) fn stage_agent(
        &mut self,
        run_id: RunId,
        stage: &StageId,
        attempt: u32,
        stamp: &Stamp,
        report: AgentReport,
    ) {
        let playbook = self.context.playbook;
        let Some(spec) = playbook.stage(stage) else { return };
        match report {
            AgentReport::Steps(steps) => {
                for step in steps {
                    if let AgentStep::Delta(delta) = step {
                        let stage = stage.clone();
                        self.record(Event::StageDelta(StageDelta {
                            run_id,
                            stage,
                            attempt,
                            delta,
                        }));
                    }
                }
            }
            AgentReport::Begun { response_id } => self.response_begun(run_id, stage, attempt, response_id),
            AgentReport::Lost { reason } => self.response_lost(run_id, spec, attempt, stamp, reason),
            AgentReport::Finished(output) => self.stage_finished(run_id, spec, attempt, stamp, output),
            AgentReport::Failed {
                failure,
                partial,
                sources,
            } => {
                let failure = self.settle_failed(stamp.call_id, failure, partial, sources);
                self.stage_failed(run_id, spec, &failure);
            }
            AgentReport::Crashed { reason } => {
                let failure = self.settle_crashed(stamp.call_id, reason);
                self.stage_failed(run_id, spec, &failure);
            }
            AgentReport::Checked(_) => {
                let failure = self.settle_crashed(stamp.call_id, NOT_A_REPLY.to_owned());
                self.stage_failed(run_id, spec, &failure);
            }
        }
    }

    fn stage_finished(
        &mut self,
        run_id: RunId,
        spec: &StageSpec,
        attempt: u32,
        stamp: &Stamp,
        output: AgentOutput,
    ) {
        let Some(run) = self.state.active_run() else {
            return;
        };
        let mut sources: Vec<SearchSource> = run.sources.clone();
        sources.extend(output.sources.iter().cloned());
        let checked = crate::stage::check(&output.reply, spec, self.context.playbook, &sources, run.locale);
        let provenance = provenance(stamp.call_id, &output.receipt);
        let private = Private {
            call: Some(output.receipt.into()),
            sources: output.sources,
            ..Private::none()
        };
        match checked {
            Ok(checked) => {
                self.settle(stamp.call_id, CallOutcome::Ok, private);
                self.check_output(StageCompleted {
                    run_id,
                    stage: spec.id.clone(),
                    attempt,
                    output: checked.output,
                    provenance,
                    dropped: checked.dropped,
                    sources: checked.sources,
                    notes: checked.notes,
                });
            }
            Err(violations) => {
                let breach = Breach {
                    reply: bounded(output.reply),
                    violations,
                };
                self.stage_breached(run_id, spec, attempt, stamp, breach, private);
            }
        }
    }

    /// An output is good: it is told, and the run moves on.
    pub(super) fn complete_stage(&mut self, completed: StageCompleted) {
        self.record(Event::StageCompleted(completed));
        let all_done = self
            .state
            .active_run()
            .is_some_and(|run| run.completed() == run.stages.len());
        if !all_done {
            self.update_job(JobStatus::Running, None);
        }
        self.advance();
    }

    /// A reply that breaks its contract is repaired once, if there is time; a second breach is a failed attempt.
    fn stage_breached(
        &mut self,
        run_id: RunId,
        spec: &StageSpec,
        attempt: u32,
        stamp: &Stamp,
        breach: Breach,
        private: Private,
    ) {
        let reason = format!(
            "the reply broke its contract in {} places",
            breach.violations.len()
        );
        let now = self.context.now;
        let attempt_under_way = self.state.active_run().and_then(|run| run.attempt(&spec.id));
        let has_time = attempt_under_way.is_some_and(|attempt| attempt.time_left(now) > Millis(0));
        match stamp.purpose {
            CallPurpose::Stage if has_time => {
                self.settle(
                    stamp.call_id,
                    CallOutcome::Ok,
                    Private {
                        breach: Some(breach),
                        ..private
                    },
                );
                self.reserve_stage(CallPurpose::Repair, run_id, spec, attempt);
            }
            CallPurpose::Stage
            | CallPurpose::Repair
            | CallPurpose::Plan
            | CallPurpose::Moderate
            | CallPurpose::Transcribe
            | CallPurpose::Speak => {
                let partial = Some(breach.reply);
                self.settle(stamp.call_id, CallOutcome::Ok, Private { partial, ..private });
                let error = self.error_body(ErrorCode::LlmJsonInvalid);
                let failure = Failure {
                    error,
                    retryable: true,
                    retry_after: None,
                    reason,
                };
                self.stage_failed(run_id, spec, &failure);
            }
        }
    }

    /// An attempt failed: another one if retries and time are left, else the stage has failed.
    pub(super) fn stage_failed(&mut self, run_id: RunId, spec: &StageSpec, failure: &Failure) {
        let Some(attempt) = self
            .state
            .active_run()
            .and_then(|run| run.attempt(&spec.id))
            .cloned()
        else {
            return;
        };
        let retry_at = self.retry_at(&attempt, &spec.agent, failure);
        let error = ErrorEvent {
            turn_id: None,
            run_id: Some(run_id),
            stage: Some(spec.id.clone()),
            attempt: Some(attempt.number),
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
        if retry_at.is_none() {
            self.advance();
        }
    }

    /// Begins the attempts at stages whose wait is over; `resumed` when the server was away meanwhile.
    pub(super) fn tick_stages(&mut self, resumed: bool) {
        let Some(run) = self.state.active_run() else {
            return;
        };
        let now = self.context.now;
        let run_id = run.run_id;
        let over: Vec<(StageId, u32, Millis)> = run
            .stages
            .iter()
            .filter_map(|(stage, progress)| match progress {
                StageProgress::Backoff(backoff) if backoff.retry_at <= now => {
                    Some((stage.clone(), backoff.failed_attempt + 1, backoff.budget))
                }
                StageProgress::Waiting
                | StageProgress::Running(_)
                | StageProgress::Checking(_)
                | StageProgress::Backoff(_)
                | StageProgress::Completed { .. }
                | StageProgress::Failed { .. } => None,
            })
            .collect();
        for (stage, attempt, budget) in over {
            if let Some(spec) = self.context.playbook.stage(&stage) {
                self.begin_attempt(run_id, spec, attempt, budget, resumed);
            }
        }
    }

    /// Stages whose attempt a crash of the server interrupted, with where it stood.
    pub(super) fn interrupted_stages(&self) -> Vec<(RunId, StageId, StageProgress)> {
        let Some(run) = self.state.active_run() else {
            return Vec::new();
        };
        let under_way = run
            .stages
            .iter()
            .filter(|(_, progress)| progress.attempt().is_some());
        under_way
            .map(|(stage, progress)| (run.run_id, stage.clone(), progress.clone()))
            .collect()
    }
}
