//! Folding of calls: reserved, settled, failed; what waits for a check, and what a check lets pass.

use greenroom_protocol::{
    CallPurpose, CallReserved, CallScope, CallSettled, ErrorCode, ErrorEvent, Millis, RunId, StageDelta,
    StageId, SupportingSource, Timestamp, TurnId,
};

use crate::ports::SearchSource;
use crate::state::{
    ActiveCall, Attempt, Backoff, Check, CheckedReply, CheckedStage, LATE_CALLS_KEPT, LateCall, OpenCall,
    PlanProgress, Planning, Run, SOURCES_KEPT, StageProgress, State, Turn,
};
use crate::{Checked, Held, Private};

impl State {
    pub(super) fn call_reserved(&mut self, reserved: &CallReserved, private: &Private, at: Timestamp) {
        let open = OpenCall {
            purpose: reserved.purpose,
            scope: reserved.scope.clone(),
            reserved_at: at,
        };
        self.open_calls.insert(reserved.call_id, open);
        let call = ActiveCall {
            call_id: reserved.call_id,
            purpose: reserved.purpose,
            reserved_seq: self.head,
            model: private.model.clone(),
            response_id: None,
        };
        match (&reserved.scope, reserved.purpose) {
            (CallScope::Turn { turn_id, attempt }, CallPurpose::Plan) => {
                self.plan_reserved(*turn_id, *attempt, call, private, at);
            }
            (CallScope::Turn { turn_id, attempt }, CallPurpose::Moderate) => {
                self.turn_check_reserved(*turn_id, *attempt, call, private, at);
            }
            (CallScope::Stage { run_id, stage, .. }, CallPurpose::Stage | CallPurpose::Repair) => {
                let progress = self.run_mut(*run_id).and_then(|run| run.stages.get_mut(stage));
                if let Some(StageProgress::Running(attempt)) = progress {
                    attempt.call = Some(call);
                }
            }
            (CallScope::Stage { run_id, stage, .. }, CallPurpose::Moderate) => {
                self.stage_check_reserved(*run_id, stage, call, private, at);
            }
            // Made outside the session: nothing is due for them.
            (CallScope::Turn { .. }, CallPurpose::Transcribe | CallPurpose::Speak)
            | (CallScope::Session {}, _)
            // Nobody reserves these.
            | (CallScope::Turn { .. }, CallPurpose::Stage | CallPurpose::Repair)
            | (
                CallScope::Stage { .. },
                CallPurpose::Plan | CallPurpose::Transcribe | CallPurpose::Speak,
            ) => {}
        }
    }

    fn plan_reserved(
        &mut self,
        turn_id: TurnId,
        number: u32,
        call: ActiveCall,
        private: &Private,
        at: Timestamp,
    ) {
        // What is left unchecked by now is not to be checked any more.
        self.conversation.release_unchecked();
        let Some(planning) = self.planning_mut(turn_id) else {
            return;
        };
        let (retries, interruptions) = match &planning.progress {
            PlanProgress::Calling(interrupted) if private.resumed => {
                (interrupted.retries, interrupted.interruptions + 1)
            }
            PlanProgress::Backoff(backoff) => (backoff.retries, 0),
            PlanProgress::Begun
            | PlanProgress::Checking(_)
            | PlanProgress::Calling(_)
            | PlanProgress::Replied(_)
            | PlanProgress::Voicing { .. } => (0, 0),
        };
        planning.reply.clear();
        (planning.asks, planning.first_words_at, planning.first_sentence_at) = (None, None, None);
        planning.speaker = Some(call.clone());
        planning.progress = PlanProgress::Calling(Attempt {
            number,
            retries,
            interruptions,
            started_at: at,
            budget: private.budget.unwrap_or_default(),
            run_left: Millis(0),
            call: Some(call),
            breach: None,
        });
    }

    fn turn_check_reserved(
        &mut self,
        turn_id: TurnId,
        attempt: u32,
        call: ActiveCall,
        private: &Private,
        at: Timestamp,
    ) {
        let Some(planning) = self.planning_mut(turn_id) else {
            return;
        };
        let next = Check::begin(call, private, at);
        let progress = std::mem::replace(&mut planning.progress, PlanProgress::Begun);
        planning.progress = match (progress, &private.held) {
            (PlanProgress::Begun, None) => PlanProgress::Checking(next),
            (PlanProgress::Checking(check), None) => PlanProgress::Checking(check.followed_by(next, private)),
            (PlanProgress::Calling(_), Some(Held::Reply { reply, provenance })) => {
                PlanProgress::Replied(Box::new(CheckedReply {
                    attempt,
                    reply: reply.as_ref().clone(),
                    provenance: provenance.clone(),
                    check: next,
                }))
            }
            (PlanProgress::Replied(mut checked), None) => {
                checked.check = checked.check.followed_by(next, private);
                PlanProgress::Replied(checked)
            }
            (
                unchanged @ (PlanProgress::Begun
                | PlanProgress::Checking(_)
                | PlanProgress::Calling(_)
                | PlanProgress::Replied(_)
                | PlanProgress::Backoff(_)
                | PlanProgress::Voicing { .. }),
                Some(Held::Reply { .. } | Held::Output { .. }) | None,
            ) => unchanged,
        };
    }

    fn stage_check_reserved(
        &mut self,
        run_id: RunId,
        stage: &StageId,
        call: ActiveCall,
        private: &Private,
        at: Timestamp,
    ) {
        let Some(run) = self.run_mut(run_id) else { return };
        let Some(progress) = run.stages.get_mut(stage) else {
            return;
        };
        let next = Check::begin(call, private, at);
        let before = std::mem::replace(progress, StageProgress::Waiting);
        *progress = match (before, &private.held) {
            (StageProgress::Running(attempt), Some(Held::Output { completed })) => {
                StageProgress::Checking(Box::new(CheckedStage {
                    attempt: *attempt,
                    completed: completed.as_ref().clone(),
                    check: next,
                }))
            }
            (StageProgress::Checking(mut checked), None) => {
                if private.resumed {
                    // The time that the server was away is neither the attempt's nor the run's.
                    checked.attempt.started_at = at;
                    run.deadline = run.deadline.max(at.after(checked.attempt.run_left));
                }
                checked.check = checked.check.followed_by(next, private);
                StageProgress::Checking(checked)
            }
            (
                unchanged @ (StageProgress::Waiting
                | StageProgress::Running(_)
                | StageProgress::Checking(_)
                | StageProgress::Backoff(_)
                | StageProgress::Completed { .. }
                | StageProgress::Failed { .. }),
                Some(Held::Reply { .. } | Held::Output { .. }) | None,
            ) => unchanged,
        };
    }

    /// A stage's reply grows. By its first fact the response may become known that its call is.
    pub(super) fn stage_delta(&mut self, delta: &StageDelta, private: &Private) {
        let Some(response_id) = &private.response_id else {
            return;
        };
        let progress = self
            .run_mut(delta.run_id)
            .and_then(|run| run.stages.get_mut(&delta.stage));
        if let Some(StageProgress::Running(attempt)) = progress
            && let Some(call) = attempt.call.as_mut().filter(|_| attempt.number == delta.attempt)
        {
            call.response_id = Some(response_id.clone());
        }
    }

    pub(super) fn call_settled(&mut self, settled: &CallSettled, private: &Private) {
        let Some(open) = self.open_calls.remove(&settled.call_id) else {
            return;
        };
        if open.is_outside() {
            return self.outside_settled(settled, open.scope, private);
        }
        match open.scope {
            CallScope::Session {} => {}
            CallScope::Turn { turn_id, .. } => self.turn_settled(turn_id, settled, private),
            CallScope::Stage { run_id, stage, .. } => {
                let Some(run) = self.run_mut(run_id) else { return };
                run.remember_sources(&private.sources);
                match run.stages.get_mut(&stage) {
                    Some(StageProgress::Running(attempt)) => attempt.settle(settled, private),
                    Some(StageProgress::Checking(checked)) => checked.check.settle(settled),
                    Some(
                        StageProgress::Waiting
                        | StageProgress::Backoff(_)
                        | StageProgress::Completed { .. }
                        | StageProgress::Failed { .. },
                    )
                    | None => {}
                }
            }
        }
    }

    /// A call made outside that was given up may still have an end that is worth something. One of which its maker told,
    /// though not what it cost, has had its end.
    fn outside_settled(&mut self, settled: &CallSettled, scope: CallScope, private: &Private) {
        let was_told = private.call.is_some();
        if settled.outcome == greenroom_protocol::CallOutcome::Unknown && !was_told {
            if self.late_calls.len() == LATE_CALLS_KEPT {
                self.late_calls.pop_front();
            }
            let call_id = settled.call_id;
            self.late_calls.push_back(LateCall { call_id, scope });
        }
    }

    fn turn_settled(&mut self, turn_id: TurnId, settled: &CallSettled, private: &Private) {
        let Some(planning) = self.planning_mut(turn_id) else {
            return;
        };
        match &mut planning.progress {
            PlanProgress::Begun | PlanProgress::Backoff(_) | PlanProgress::Voicing { .. } => {}
            PlanProgress::Calling(attempt) => attempt.settle(settled, private),
            PlanProgress::Replied(checked) => checked.check.settle(settled),
            PlanProgress::Checking(check) => {
                check.settle(settled);
                if private.checked.as_ref().is_some_and(Checked::passes) {
                    planning.progress = PlanProgress::Begun;
                    self.conversation.release_unchecked();
                }
            }
        }
    }

    pub(super) fn attempt_failed(&mut self, error: &ErrorEvent, private: &Private, at: Timestamp) {
        if error.error.code == ErrorCode::SessionRestartLimit {
            self.given_up = true;
        }
        let failed_attempt = error.attempt.unwrap_or_default();
        if let (Some(run_id), Some(stage)) = (error.run_id, &error.stage) {
            let progress = self.run_mut(run_id).and_then(|run| run.stages.get_mut(stage));
            let Some(progress) = progress else { return };
            *progress = match (private.retry_at, progress.attempt()) {
                (Some(retry_at), Some(attempt)) => {
                    StageProgress::Backoff(attempt.backoff(failed_attempt, retry_at, at))
                }
                (Some(_) | None, Some(_) | None) => StageProgress::Failed {
                    attempt: failed_attempt,
                    error: Box::new(error.error.clone()),
                },
            };
        } else if let (Some(retry_at), Turn::Planning(planning)) = (private.retry_at, &mut self.turn)
            && let PlanProgress::Calling(attempt) = &planning.progress
        {
            planning.progress = PlanProgress::Backoff(attempt.backoff(failed_attempt, retry_at, at));
        }
    }

    fn planning_mut(&mut self, turn_id: TurnId) -> Option<&mut Planning> {
        match &mut self.turn {
            Turn::Planning(planning) if planning.turn_id == turn_id => Some(planning),
            Turn::Planning(_) | Turn::Idle => None,
        }
    }
}

impl Run {
    /// Remembers what the searches of another run returned, as far as its outputs rest on it.
    pub(super) fn adopt_sources(&mut self, adopted: &[SupportingSource]) {
        let sources: Vec<SearchSource> = adopted
            .iter()
            .map(|source| SearchSource {
                url: source.url.clone(),
                title: source.title.clone(),
                passage: source.passage.clone(),
            })
            .collect();
        self.remember_sources(&sources);
    }

    /// Remembers what a search returned; a second mention of a page adds what the first did not say.
    fn remember_sources(&mut self, found: &[SearchSource]) {
        for source in found {
            match self.sources.iter_mut().find(|known| known.url == source.url) {
                Some(known) => {
                    known.title = known.title.take().or_else(|| source.title.clone());
                    known.passage = known.passage.take().or_else(|| source.passage.clone());
                }
                None => self.sources.push(source.clone()),
            }
        }
        let surplus = self.sources.len().saturating_sub(SOURCES_KEPT);
        self.sources.drain(..surplus);
    }
}

impl Attempt {
    fn settle(&mut self, settled: &CallSettled, private: &Private) {
        if self
            .call
            .as_ref()
            .is_some_and(|call| call.call_id == settled.call_id)
        {
            self.call = None;
            self.breach.clone_from(&private.breach);
        }
    }

    fn backoff(&self, failed_attempt: u32, retry_at: Timestamp, at: Timestamp) -> Backoff {
        let spent = at.since(self.started_at).0 + retry_at.since(at).0;
        Backoff {
            failed_attempt,
            retries: self.retries + 1,
            retry_at,
            budget: Millis(self.budget.0.saturating_sub(spent)),
            run_left: self.run_left,
        }
    }
}

impl Check {
    fn begin(call: ActiveCall, private: &Private, at: Timestamp) -> Self {
        Self {
            call: Some(call),
            part: 0,
            interruptions: 0,
            started_at: at,
            budget: private.budget.unwrap_or_default(),
        }
    }

    /// The same part again if a crash interrupted it, else the next one.
    fn followed_by(&self, next: Self, private: &Private) -> Self {
        let (part, interruptions) = if private.resumed {
            (self.part, self.interruptions + 1)
        } else {
            (self.part + 1, 0)
        };
        Self {
            part,
            interruptions,
            ..next
        }
    }

    fn settle(&mut self, settled: &CallSettled) {
        self.call.take_if(|call| call.call_id == settled.call_id);
    }
}

impl LateCall {
    pub(super) fn is_of_turn(&self, turn: TurnId) -> bool {
        match &self.scope {
            CallScope::Turn { turn_id, .. } => *turn_id == turn,
            CallScope::Stage { .. } | CallScope::Session {} => false,
        }
    }
}
