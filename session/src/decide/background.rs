//! Replies that a provider goes on with while nobody waits for them: noted as they begin, taken up after a crash, and
//! called for anew when they are lost.

use greenroom_protocol::{
    CallId, CallOutcome, CallPurpose, CallScope, Delta, DeltaChange, ErrorCode, Event, Millis, RunId,
    StageDelta, StageId, StageStarted,
};
use serde_json::Value;

use super::Decider;
use super::agents::Failure;
use crate::Private;
use crate::agent::Stamp;
use crate::playbook::StageSpec;
use crate::state::{ActiveCall, Attempt, StageProgress};

impl Decider<'_, '_> {
    /// A response has its id: noted at once, as a delta that shows nothing yet, so that a crash can happen any time after.
    /// One that was taken up tells its id again.
    pub(super) fn response_begun(
        &mut self,
        run_id: RunId,
        stage: &StageId,
        attempt: u32,
        response_id: String,
    ) {
        let call = self.active_stage_call(stage);
        if call.is_some_and(|call| call.response_id.is_none()) {
            self.show_nothing(run_id, stage, attempt, Some(response_id));
        }
    }

    /// The response of an interrupted attempt that its provider still has, for all that is known here.
    pub(super) fn response_to_take_up(&self, attempt: &Attempt) -> Option<String> {
        let call = attempt
            .call
            .as_ref()
            .filter(|_| self.context.capabilities.take_up)?;
        self.response_of(call)
    }

    /// The next attempt goes on with the call of the one that was interrupted: nothing is asked for anew. It shows the
    /// response from its beginning, for what the attempt before it showed is void.
    pub(super) fn take_response_up(
        &mut self,
        run_id: RunId,
        spec: &StageSpec,
        interrupted: &Attempt,
        response_id: String,
    ) {
        let started = StageStarted {
            run_id,
            stage: spec.id.clone(),
            attempt: interrupted.number + 1,
        };
        let private = Private {
            budget: Some(interrupted.budget),
            resumed: true,
            response_id: Some(response_id),
            ..Private::none()
        };
        self.record_with(Event::StageStarted(started), private);
    }

    /// The response that was to be taken up will not come: the same attempt calls for another, which is no retry, for
    /// nothing that it did has failed.
    pub(super) fn response_lost(
        &mut self,
        run_id: RunId,
        spec: &StageSpec,
        attempt: u32,
        stamp: &Stamp,
        reason: String,
    ) {
        if !self.was_taken_up(stamp.call_id, attempt) {
            let failure = self.settle_crashed(stamp.call_id, reason);
            return self.stage_failed(run_id, spec, &failure);
        }
        let private = Private {
            reason: Some(reason),
            ..Private::none()
        };
        self.settle(stamp.call_id, CallOutcome::Unknown, private);
        let now = self.context.now;
        let under_way = self.state.active_run().and_then(|run| run.attempt(&spec.id));
        if under_way.is_some_and(|attempt| attempt.time_left(now) > Millis(0)) {
            self.show_nothing(run_id, &spec.id, attempt, None);
            self.reserve_stage(CallPurpose::Stage, run_id, spec, attempt);
        } else {
            self.stage_failed(run_id, spec, &self.too_late());
        }
    }

    /// The response of a call under way, which its provider goes on with while nobody waits.
    pub(super) fn response_under_way(&self, call_id: CallId) -> Option<String> {
        let stages = self.state.active_run()?.stages.values();
        let mut calls = stages.filter_map(StageProgress::call);
        self.response_of(calls.find(|call| call.call_id == call_id)?)
    }

    /// The response that a call is. An id means nothing to another provider than the one that gave it.
    fn response_of(&self, call: &ActiveCall) -> Option<String> {
        let provider = &self.context.capabilities.llm.as_ref()?.provider;
        let is_theirs = call
            .model
            .as_ref()
            .is_some_and(|model| model.provider == *provider);
        call.response_id.clone().filter(|_| is_theirs)
    }

    fn active_stage_call(&self, stage: &StageId) -> Option<&ActiveCall> {
        self.state.active_run()?.stages.get(stage)?.call()
    }

    /// Whether a call was reserved for an attempt before this one.
    fn was_taken_up(&self, call_id: CallId, attempt: u32) -> bool {
        match self.state.open_calls.get(&call_id).map(|open| &open.scope) {
            Some(CallScope::Stage { attempt: first, .. }) => *first != attempt,
            Some(CallScope::Turn { .. } | CallScope::Session {}) | None => false,
        }
    }

    /// Voids what the attempt has shown so far.
    fn show_nothing(&mut self, run_id: RunId, stage: &StageId, attempt: u32, response_id: Option<String>) {
        let delta = StageDelta {
            run_id,
            stage: stage.clone(),
            attempt,
            delta: Delta {
                path: String::new(),
                change: DeltaChange::Value(Value::Null),
            },
        };
        let private = Private {
            response_id,
            ..Private::none()
        };
        self.record_with(Event::StageDelta(delta), private);
    }

    fn too_late(&self) -> Failure {
        Failure {
            error: self.error_body(ErrorCode::LlmTimeout),
            retryable: false,
            retry_after: None,
            reason: "no time was left to call for another response".to_owned(),
        }
    }
}
