//! Runs: how one is asked for, cancelled, taken up again, and how it ends.

use greenroom_protocol::{
    CallOutcome, ErrorBody, ErrorCode, Event, GateWaived, JobId, JobStatus, JobType, JobUpdated, Mode,
    RunCancelled, RunCompleted, RunId, RunStarted, StageChanged, StageFailure, StageId,
};
use serde_json::json;

use super::Decider;
use crate::Private;
use crate::command::{Answer, Receipt};
use crate::state::{JobProgress, Phase, Run, StageProgress};

impl Decider<'_, '_> {
    /// Starts a run, if the gate is open or waived.
    pub(super) fn generate(&mut self, draft: bool, background: bool) -> Answer {
        self.may_start(draft)?;
        Ok(self.start_run(draft, background))
    }

    /// Starts a run because the user said so in a turn; what stands in the way, the reply says.
    pub(super) fn run_as_asked(&mut self, draft: bool) {
        if self.may_start(draft).is_ok() {
            self.start_run(draft, false);
        }
    }

    pub(super) fn may_start(&self, draft: bool) -> Result<(), Box<ErrorBody>> {
        if !draft && !self.state.gate.ready {
            let details = json!({
                "missing_required": self.state.gate.missing_required,
                "low_confidence": self.state.gate.low_confidence,
            });
            return Err(Box::new(
                self.error_body(ErrorCode::GateNotReady).with_details(details),
            ));
        }
        if self.state.active_run().is_some() {
            return Err(self.rejection(ErrorCode::RunActive));
        }
        if self.context.capabilities.llm.is_none() {
            return Err(self.rejection(ErrorCode::LlmNotConfigured));
        }
        Ok(())
    }

    fn start_run(&mut self, draft: bool, background: bool) -> Receipt {
        let run_id = RunId::new(self.context.ids.next_ulid());
        let job_id = background.then(|| JobId::new(self.context.ids.next_ulid()));
        // A draft of a brief that has no gap is a run like any other.
        let draft = draft && !self.state.gate.ready;
        if draft {
            self.record_command(Event::GateWaived(GateWaived {
                run_id,
                missing_required: self.state.gate.missing_required.clone(),
                low_confidence: self.state.gate.low_confidence.clone(),
            }));
        }
        let mode = self.state.mode;
        let stages = self.context.playbook.stages.iter();
        let stages = stages
            .filter(|stage| mode == Mode::Standard || !stage.optional)
            .map(|stage| stage.id.clone());
        self.record_command(Event::RunStarted(RunStarted {
            run_id,
            job_id,
            mode,
            locale: self.state.locale,
            brief: self.state.brief.freeze(),
            draft,
            stages: stages.collect(),
            budget_ms: self.context.playbook.run_budget,
            from_run: None,
            from_stage: None,
        }));
        self.update_job(JobStatus::Running, None);
        self.advance();
        Receipt {
            run_id: Some(run_id),
            job_id,
            ..Receipt::default()
        }
    }

    /// Cancels the run that is under way. One that has ended already is left as it is.
    pub(super) fn cancel_run(&mut self, run_id: Option<RunId>) -> Answer {
        let active = self.state.active_run().map(|run| run.run_id);
        match (run_id, active) {
            (None, Some(active)) => Ok(self.cancel(active)),
            (Some(asked), Some(active)) if asked == active => Ok(self.cancel(active)),
            (Some(asked), _) if self.state.runs.contains_key(&asked) => Ok(Receipt {
                run_id: Some(asked),
                ..Receipt::default()
            }),
            (Some(_) | None, Some(_) | None) => Err(self.rejection(ErrorCode::RunNotFound)),
        }
    }

    /// Cancels because the user said so in a turn.
    pub(super) fn cancel_as_asked(&mut self) {
        if let Some(active) = self.state.active_run().map(|run| run.run_id) {
            self.cancel(active);
        }
    }

    fn cancel(&mut self, run_id: RunId) -> Receipt {
        self.abandon_stage_calls();
        self.update_job(JobStatus::Failed, None);
        self.record_command(Event::RunCancelled(RunCancelled { run_id }));
        self.rest(Some(run_id));
        Receipt {
            run_id: Some(run_id),
            ..Receipt::default()
        }
    }

    /// Settles the calls of all stages under way as unknown.
    fn abandon_stage_calls(&mut self) {
        let Some(run) = self.state.active_run() else {
            return;
        };
        let calls: Vec<_> = run
            .stages
            .values()
            .filter_map(StageProgress::call)
            .map(|call| call.call_id)
            .collect();
        for call_id in calls {
            self.settle(call_id, CallOutcome::Unknown, Private::none());
        }
    }

    /// Takes the failed run up again: whatever lacks its output runs, with the frozen brief and its waiver.
    pub(super) fn retry_run(&mut self, run_id: Option<RunId>) -> Answer {
        let failed = match &self.state.phase {
            Phase::Failed(run) => run.run_id,
            Phase::Running(_) => return Err(self.rejection(ErrorCode::RunActive)),
            Phase::Collecting | Phase::Ready | Phase::Done { .. } => return self.nothing_to_retry(run_id),
        };
        if run_id.is_some_and(|asked| asked != failed) {
            return self.nothing_to_retry(run_id);
        }
        if self.context.capabilities.llm.is_none() {
            return Err(self.rejection(ErrorCode::LlmNotConfigured));
        }
        Ok(self.take_run_up_again(failed))
    }

    /// Begins anew what the failed run lacks.
    pub(super) fn take_run_up_again(&mut self, failed: RunId) -> Receipt {
        if let Some(state) = self.run_state() {
            self.record_command(Event::StageChanged(StageChanged {
                state,
                run_id: Some(failed),
                failures: Vec::new(),
            }));
        }
        self.update_job(JobStatus::Running, None);
        self.restart_failed_stages();
        self.advance();
        Receipt {
            run_id: Some(failed),
            job_id: self.job_of(failed),
            ..Receipt::default()
        }
    }

    /// A run that is complete needs no retry; one that was cancelled, or after which another began, can have none.
    fn nothing_to_retry(&self, run_id: Option<RunId>) -> Answer {
        match (run_id, &self.state.phase) {
            (Some(asked), Phase::Done { run_id: done }) if asked == *done => Ok(Receipt {
                run_id,
                job_id: self.job_of(asked),
                ..Receipt::default()
            }),
            (
                Some(_) | None,
                Phase::Collecting | Phase::Ready | Phase::Running(_) | Phase::Failed(_) | Phase::Done { .. },
            ) => Err(self.rejection(ErrorCode::RunNotFound)),
        }
    }

    fn job_of(&self, run_id: RunId) -> Option<JobId> {
        self.state.runs.get(&run_id).and_then(|run| run.job_id)
    }

    fn run(&self) -> Option<&Run> {
        match &self.state.phase {
            Phase::Running(run) | Phase::Failed(run) => Some(run),
            Phase::Collecting | Phase::Ready | Phase::Done { .. } => None,
        }
    }

    /// The state on the wire that the run's stages call for: that of the first which is not complete.
    pub(super) fn run_state(&self) -> Option<String> {
        let unfinished = self.run()?.stages.iter().find(|(_, progress)| match progress {
            StageProgress::Completed { .. } => false,
            StageProgress::Waiting
            | StageProgress::Running(_)
            | StageProgress::Checking(_)
            | StageProgress::Backoff(_)
            | StageProgress::Failed { .. } => true,
        });
        let (stage, _) = unfinished?;
        self.context.playbook.stage(stage).map(|spec| spec.state.clone())
    }

    /// Moves the run on: to its next stages, or to its end.
    pub(super) fn advance(&mut self) {
        let Some(run) = self.state.active_run() else {
            return;
        };
        let run_id = run.run_id;
        if run.completed() == run.stages.len() {
            let draft = run.gaps.is_some();
            self.update_job(JobStatus::Completed, None);
            self.record(Event::RunCompleted(RunCompleted { run_id, draft }));
            let state = self.context.playbook.states.done.clone();
            self.record(Event::StageChanged(StageChanged {
                state,
                run_id: Some(run_id),
                failures: Vec::new(),
            }));
            return;
        }
        let failures = failures(run);
        if failures.is_empty() {
            if let Some(state) = self.run_state().filter(|state| *state != self.state.wire_state) {
                self.record(Event::StageChanged(StageChanged {
                    state,
                    run_id: Some(run_id),
                    failures: Vec::new(),
                }));
            }
            self.begin_ready_stages();
        } else if !run.is_busy() {
            let error = failures.first().map(|failure| failure.error.clone());
            self.update_job(JobStatus::Failed, error);
            let state = self.context.playbook.states.failed.clone();
            self.record(Event::StageChanged(StageChanged {
                state,
                run_id: Some(run_id),
                failures,
            }));
        }
    }

    /// Tells how the job stands that the run was started as, if it was.
    pub(super) fn update_job(&mut self, status: JobStatus, error: Option<ErrorBody>) {
        if let Some(job) = self.run().map(|run| run.job) {
            self.tell_job(status, job, error);
        }
    }

    /// The same, with how it goes on from now.
    pub(super) fn tell_job(&mut self, status: JobStatus, job: JobProgress, error: Option<ErrorBody>) {
        let Some(run) = self.run() else { return };
        let Some(job_id) = run.job_id else { return };
        let updated = JobUpdated {
            job_id,
            job_type: JobType::Run,
            status,
            progress: progress(run, status),
            run_id: run.run_id,
            retry_count: job.retry_count,
            last_retry_at: job.last_retry_at,
            error,
        };
        let patience = self.context.jobs.patience(status);
        let private = Private {
            stuck_at: patience.map(|patience| self.context.now.after(patience)),
            ..Private::none()
        };
        self.record_with(Event::JobUpdated(updated), private);
    }
}

fn progress(run: &Run, status: JobStatus) -> u8 {
    match status {
        JobStatus::Completed => 100,
        JobStatus::Queued | JobStatus::Running | JobStatus::Failed => {
            let percent = run.completed() * 100 / run.stages.len().max(1);
            u8::try_from(percent).unwrap_or(100)
        }
    }
}

pub(super) fn failures(run: &Run) -> Vec<StageFailure> {
    let failed = |(stage, progress): (&StageId, &StageProgress)| match progress {
        StageProgress::Failed { attempt, error } => Some(StageFailure {
            stage: stage.clone(),
            attempt: *attempt,
            error: error.as_ref().clone(),
        }),
        StageProgress::Waiting
        | StageProgress::Running(_)
        | StageProgress::Checking(_)
        | StageProgress::Backoff(_)
        | StageProgress::Completed { .. } => None,
    };
    run.stages.iter().filter_map(failed).collect()
}
