//! Folding: how each fact changes the state. Reads no playbook, no clock and nothing but the fact.

use std::sync::Arc;

use greenroom_protocol::{
    CallPurpose, CallReserved, CallScope, CallSettled, DeltaChange, ErrorEvent, Event, Gate, MessageAdded,
    Millis, PlannerDelta, Role, RunId, RunStarted, Seq, SessionId, SlotSource, StageChanged, StageCompleted,
    StageStarted, Timestamp, TurnId, TurnOutcome, limits,
};

use crate::state::{
    ActiveCall, Attempt, Backoff, Conversation, INTERRUPTED_KEPT, MESSAGES_KEPT, Phase, PlanProgress,
    Planning, Remembered, Run, RunEntry, SOURCES_KEPT, StageProgress, State, Turn,
};
use crate::{Brief, Fact, Private, Slot};

/// Why a log cannot be folded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// The first fact of a session is not `session.started`.
    #[error("the log begins with {0}, not with session.started")]
    Beginning(String),
}

impl State {
    /// The state after the first fact.
    pub fn begin(id: SessionId, first: &Fact) -> Result<Self, FoldError> {
        let Event::SessionStarted(started) = &first.event else {
            return Err(FoldError::Beginning(first.event.event_type().into_owned()));
        };
        Ok(Self {
            id,
            user: first.private.user.clone(),
            mode: started.mode,
            locale: started.locale,
            playbook: started.playbook.clone(),
            created_at: first.at,
            updated_at: first.at,
            head: Seq::ZERO.next(),
            wire_state: started.state.clone(),
            brief: Brief::default(),
            gate: Gate::default(),
            conversation: Conversation::default(),
            turn: Turn::Idle,
            phase: Phase::Collecting,
            newest_run: None,
            runs: indexmap::IndexMap::new(),
            open_calls: std::collections::BTreeMap::new(),
            commands: indexmap::IndexMap::new(),
        })
    }

    /// Folds the next fact.
    pub fn evolve(&mut self, fact: &Fact) {
        self.head = self.head.next();
        self.remember(fact);
        let at = fact.at;
        match &fact.event {
            Event::TurnStarted(started) => self.turn_started(started.turn_id, started.turn, at),
            Event::MessageAdded(message) => self.message_added(message),
            Event::PlannerDelta(delta) => self.planner_delta(delta, at),
            Event::SlotUpdated(updated) => {
                let slot = Slot {
                    value: updated.value.clone(),
                    confidence: updated.confidence,
                    source: updated.source.clone(),
                };
                self.brief.set(updated.path.clone(), slot);
                self.conversation.asks.remove(&updated.path);
                if self.conversation.asked.as_ref() == Some(&updated.path) {
                    self.conversation.asked = None;
                }
                if let (SlotSource::Edit, Some(turn_id)) = (&updated.source, self.conversation.last_turn) {
                    self.conversation
                        .edited_after
                        .insert(updated.path.clone(), turn_id);
                }
            }
            Event::GateReady(judged) | Event::GateChanged(judged) => self.gate.clone_from(&judged.gate),
            Event::TurnCompleted(completed) => self.turn_completed(completed.turn_id, completed.outcome),
            Event::RunStarted(started) => self.run_started(started, at),
            Event::GateWaived(_) => {}
            Event::StageChanged(changed) => self.stage_changed(changed, at),
            Event::StageStarted(started) => self.stage_started(started, &fact.private, at),
            Event::StageCompleted(completed) => self.stage_completed(completed),
            Event::RunCancelled(_) => self.phase = Phase::Collecting,
            Event::RunCompleted(completed) => {
                self.phase = Phase::Done {
                    run_id: completed.run_id,
                }
            }
            Event::CallReserved(reserved) => self.call_reserved(reserved, &fact.private, at),
            Event::CallSettled(settled) => self.call_settled(settled, &fact.private),
            Event::Error(error) => self.attempt_failed(error, &fact.private, at),
            // These tell clients something and change nothing that is decided by.
            Event::SessionStarted(_)
            | Event::SessionRestarted(_)
            | Event::MessageHeard(_)
            | Event::StageDelta(_)
            | Event::AssetReady(_)
            | Event::JobUpdated(_)
            | Event::BudgetWarning(_) => {}
        }
        self.updated_at = at;
    }

    fn remember(&mut self, fact: &Fact) {
        let Some(command) = &fact.private.command else {
            return;
        };
        let (turn_id, run_id, starts_run) = subject(&fact.event);
        let remembered = Remembered {
            digest: command.digest.clone(),
            seq: self.head,
            turn_id,
            run_id,
            starts_run,
        };
        self.commands.insert(command.id.clone(), remembered);
        if self.commands.len() > limits::COMMANDS_REMEMBERED {
            let oldest = self
                .commands
                .iter()
                .position(|(_, remembered)| !remembered.starts_run);
            if let Some(index) = oldest {
                self.commands.shift_remove_index(index);
            }
        }
    }

    fn turn_started(&mut self, turn_id: TurnId, turn: u32, at: Timestamp) {
        self.conversation.turns = turn;
        self.conversation.last_turn = Some(turn_id);
        self.turn = Turn::Planning(Box::new(Planning {
            turn_id,
            words: String::new(),
            started_at: at,
            progress: PlanProgress::Begun,
            speaker: None,
            reply: String::new(),
            asks: None,
            first_words_at: None,
            first_sentence_at: None,
        }));
    }

    fn message_added(&mut self, message: &MessageAdded) {
        match message.role {
            Role::User => {
                if let Some(locale) = message.locale {
                    self.locale = locale;
                }
                if let Turn::Planning(planning) = &mut self.turn {
                    planning.words.clone_from(&message.text);
                }
            }
            // A reply that was cut off before it asked leaves the question before it open.
            Role::Assistant if message.truncated && message.asks.is_none() => {}
            Role::Assistant => {
                if let Some(path) = &message.asks {
                    *self.conversation.asks.entry(path.clone()).or_default() += 1;
                }
                self.conversation.asked.clone_from(&message.asks);
            }
        }
        if self.conversation.messages.len() == MESSAGES_KEPT {
            self.conversation.messages.pop_front();
        }
        self.conversation.messages.push_back(Arc::new(message.clone()));
    }

    fn planner_delta(&mut self, delta: &PlannerDelta, at: Timestamp) {
        let (Turn::Planning(planning), DeltaChange::Append(text)) = (&mut self.turn, &delta.delta.change)
        else {
            return;
        };
        planning.reply.push_str(text);
        if delta.asks.is_some() {
            planning.asks.clone_from(&delta.asks);
        }
        planning.first_words_at.get_or_insert(at);
        if planning.first_sentence_at.is_none() && text.contains(ends_sentence) {
            planning.first_sentence_at = Some(at);
        }
    }

    fn turn_completed(&mut self, turn_id: TurnId, outcome: TurnOutcome) {
        let ended = std::mem::replace(&mut self.turn, Turn::Idle);
        match (ended, outcome) {
            (Turn::Planning(planning), TurnOutcome::Interrupted) => {
                if self.conversation.interrupted.len() == INTERRUPTED_KEPT {
                    self.conversation.interrupted.pop_front();
                }
                self.conversation.interrupted.push_back((turn_id, planning.words));
            }
            (
                Turn::Idle | Turn::Planning(_),
                TurnOutcome::Ok | TurnOutcome::Failed | TurnOutcome::Abandoned | TurnOutcome::Interrupted,
            ) => self.conversation.interrupted.clear(),
        }
    }

    fn run_started(&mut self, started: &RunStarted, at: Timestamp) {
        let gaps = started.draft.then(|| {
            let mut gaps = self.gate.missing_required.clone();
            gaps.extend(self.gate.low_confidence.iter().cloned());
            gaps
        });
        self.newest_run = Some(started.run_id);
        self.runs.insert(
            started.run_id,
            RunEntry {
                job_id: started.job_id,
                started_seq: self.head,
            },
        );
        self.phase = Phase::Running(Box::new(Run {
            run_id: started.run_id,
            job_id: started.job_id,
            mode: started.mode,
            locale: started.locale,
            brief: Arc::new(started.brief.clone()),
            gaps,
            deadline: at.after(started.budget_ms),
            budget: started.budget_ms,
            stages: started
                .stages
                .iter()
                .map(|stage| (stage.clone(), StageProgress::Waiting))
                .collect(),
            sources: Vec::new(),
        }));
    }

    fn stage_changed(&mut self, changed: &StageChanged, at: Timestamp) {
        self.wire_state.clone_from(&changed.state);
        let phase = std::mem::replace(&mut self.phase, Phase::Collecting);
        self.phase = match phase {
            Phase::Running(run) if !changed.failures.is_empty() => Phase::Failed(run),
            Phase::Failed(mut run) if changed.run_id == Some(run.run_id) => {
                run.deadline = at.after(run.budget);
                Phase::Running(run)
            }
            Phase::Collecting | Phase::Ready if self.gate.ready => Phase::Ready,
            Phase::Collecting | Phase::Ready => Phase::Collecting,
            unchanged @ (Phase::Running(_) | Phase::Failed(_) | Phase::Done { .. }) => unchanged,
        };
    }

    fn stage_started(&mut self, started: &StageStarted, private: &Private, at: Timestamp) {
        let Some(run) = self.run_mut(started.run_id) else {
            return;
        };
        let Some(progress) = run.stages.get_mut(&started.stage) else {
            return;
        };
        let (retries, interruptions, run_left) = match progress {
            StageProgress::Running(interrupted) if private.resumed => (
                interrupted.retries,
                interrupted.interruptions + 1,
                interrupted.run_left,
            ),
            StageProgress::Backoff(backoff) => (backoff.retries, 0, backoff.run_left),
            StageProgress::Waiting
            | StageProgress::Running(_)
            | StageProgress::Completed { .. }
            | StageProgress::Failed { .. } => (0, 0, Millis(0)),
        };
        if private.resumed {
            // The time that the server was away is not the run's.
            run.deadline = run.deadline.max(at.after(run_left));
        }
        let run_left = run.deadline.since(at);
        *progress = StageProgress::Running(Box::new(Attempt {
            number: started.attempt,
            retries,
            interruptions,
            started_at: at,
            budget: private.budget.unwrap_or_default(),
            run_left,
            call: None,
            breach: None,
        }));
    }

    fn stage_completed(&mut self, completed: &StageCompleted) {
        let Some(run) = self.run_mut(completed.run_id) else {
            return;
        };
        let output = Arc::new(completed.output.clone());
        run.stages.insert(
            completed.stage.clone(),
            StageProgress::Completed {
                attempt: completed.attempt,
                output,
            },
        );
    }

    fn call_reserved(&mut self, reserved: &CallReserved, private: &Private, at: Timestamp) {
        self.open_calls
            .insert(reserved.call_id, (reserved.purpose, reserved.scope.clone()));
        let call = ActiveCall {
            call_id: reserved.call_id,
            purpose: reserved.purpose,
            reserved_seq: self.head,
            model: private.model.clone(),
        };
        match &reserved.scope {
            CallScope::Session {} => {}
            CallScope::Turn { turn_id, attempt } => match reserved.purpose {
                CallPurpose::Plan => self.plan_reserved(*turn_id, *attempt, call, private, at),
                // Made outside the session: nothing is due for them.
                CallPurpose::Transcribe | CallPurpose::Speak => {}
                CallPurpose::Moderate | CallPurpose::Stage | CallPurpose::Repair => {}
            },
            CallScope::Stage { run_id, stage, .. } => {
                let progress = self.run_mut(*run_id).and_then(|run| run.stages.get_mut(stage));
                if let Some(StageProgress::Running(attempt)) = progress {
                    attempt.call = Some(call);
                }
            }
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
        let Turn::Planning(planning) = &mut self.turn else {
            return;
        };
        if planning.turn_id != turn_id {
            return;
        }
        let (retries, interruptions) = match &planning.progress {
            PlanProgress::Calling(interrupted) if private.resumed => {
                (interrupted.retries, interrupted.interruptions + 1)
            }
            PlanProgress::Backoff(backoff) => (backoff.retries, 0),
            PlanProgress::Begun | PlanProgress::Calling(_) => (0, 0),
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

    fn call_settled(&mut self, settled: &CallSettled, private: &Private) {
        let Some((_, scope)) = self.open_calls.remove(&settled.call_id) else {
            return;
        };
        match scope {
            CallScope::Session {} => {}
            CallScope::Turn { .. } => {
                if let Turn::Planning(planning) = &mut self.turn
                    && let PlanProgress::Calling(attempt) = &mut planning.progress
                {
                    attempt.settle(settled, private);
                }
            }
            CallScope::Stage { run_id, stage, .. } => {
                let Some(run) = self.run_mut(run_id) else { return };
                for source in &private.sources {
                    if !run.sources.iter().any(|known| known.url == source.url) {
                        run.sources.push(source.clone());
                    }
                }
                let surplus = run.sources.len().saturating_sub(SOURCES_KEPT);
                run.sources.drain(..surplus);
                if let Some(StageProgress::Running(attempt)) = run.stages.get_mut(&stage) {
                    attempt.settle(settled, private);
                }
            }
        }
    }

    fn attempt_failed(&mut self, error: &ErrorEvent, private: &Private, at: Timestamp) {
        let failed_attempt = error.attempt.unwrap_or_default();
        if let (Some(run_id), Some(stage)) = (error.run_id, &error.stage) {
            let progress = self.run_mut(run_id).and_then(|run| run.stages.get_mut(stage));
            let Some(progress) = progress else { return };
            *progress = match (private.retry_at, &*progress) {
                (Some(retry_at), StageProgress::Running(attempt)) => {
                    StageProgress::Backoff(attempt.backoff(failed_attempt, retry_at, at))
                }
                (
                    Some(_) | None,
                    StageProgress::Waiting
                    | StageProgress::Running(_)
                    | StageProgress::Backoff(_)
                    | StageProgress::Completed { .. }
                    | StageProgress::Failed { .. },
                ) => StageProgress::Failed {
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

    fn run_mut(&mut self, run_id: RunId) -> Option<&mut Run> {
        match &mut self.phase {
            Phase::Running(run) | Phase::Failed(run) if run.run_id == run_id => Some(run),
            Phase::Running(_) | Phase::Failed(_) | Phase::Collecting | Phase::Ready | Phase::Done { .. } => {
                None
            }
        }
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

/// Whether a character ends a sentence.
pub(crate) fn ends_sentence(character: char) -> bool {
    matches!(character, '.' | '!' | '?' | '。' | '！' | '？' | '\n')
}

/// What a command's first fact is about.
fn subject(event: &Event) -> (Option<TurnId>, Option<RunId>, bool) {
    match event {
        Event::TurnStarted(started) => (Some(started.turn_id), None, false),
        Event::GateWaived(waived) => (None, Some(waived.run_id), true),
        Event::RunStarted(started) => (None, Some(started.run_id), true),
        Event::RunCancelled(cancelled) => (None, Some(cancelled.run_id), false),
        // Taking a failed run up again pays for it again, so its key is kept like that of a start.
        Event::StageChanged(changed) => (None, changed.run_id, true),
        Event::TurnCompleted(completed) => (Some(completed.turn_id), None, false),
        Event::SessionStarted(_)
        | Event::SessionRestarted(_)
        | Event::MessageAdded(_)
        | Event::MessageHeard(_)
        | Event::PlannerDelta(_)
        | Event::SlotUpdated(_)
        | Event::GateReady(_)
        | Event::GateChanged(_)
        | Event::StageStarted(_)
        | Event::StageDelta(_)
        | Event::StageCompleted(_)
        | Event::AssetReady(_)
        | Event::JobUpdated(_)
        | Event::RunCompleted(_)
        | Event::BudgetWarning(_)
        | Event::CallReserved(_)
        | Event::CallSettled(_)
        | Event::Error(_) => (None, None, false),
    }
}
