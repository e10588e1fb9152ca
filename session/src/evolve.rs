//! Folding: how each fact changes the state. Reads no playbook, no clock and nothing but the fact.

mod calls;
mod conversation;
mod jobs;
mod operator;

use std::sync::Arc;

use greenroom_protocol::{
    AssetReady, DeltaChange, Event, Gate, MessageAdded, Millis, PlannerDelta, Provenance, Role, RunId,
    RunStarted, Seq, SessionId, SlotSource, SlotUpdated, StageChanged, StageCompleted, StageStarted,
    Timestamp, TurnId, TurnOutcome, TurnStarted, limits,
};

use crate::state::{
    ActiveCall, Attempt, Conversation, JobProgress, Phase, PlanProgress, Planning, Remembered, Run, RunEntry,
    StageProgress, State, Turn,
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
            late_calls: std::collections::VecDeque::new(),
            commands: indexmap::IndexMap::new(),
            given_up: false,
        })
    }

    /// Folds the next fact.
    pub fn evolve(&mut self, fact: &Fact) {
        self.head = self.head.next();
        self.remember(fact);
        let at = fact.at;
        match &fact.event {
            Event::TurnStarted(started) => self.turn_started(started, &fact.private, at),
            Event::MessageAdded(message) => self.message_added(message, at),
            Event::MessageHeard(heard) => self.conversation.message_heard(heard),
            Event::PlannerDelta(delta) => self.planner_delta(delta, at),
            Event::SlotUpdated(updated) => self.slot_updated(updated),
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
            Event::AssetReady(asset) => self.asset_ready(asset),
            Event::StageDelta(delta) => self.stage_delta(delta, &fact.private),
            Event::JobUpdated(updated) => self.job_updated(updated, &fact.private, at),
            Event::SessionRestarted(_) => self.forgive_interruptions(),
            // These tell clients something and change nothing that is decided by.
            Event::SessionStarted(_) | Event::SessionStopped(_) | Event::BudgetWarning(_) => {}
        }
        self.run_progressed(&fact.event, at);
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

    fn turn_started(&mut self, started: &TurnStarted, private: &Private, at: Timestamp) {
        let turn_id = started.turn_id;
        self.conversation.turns = started.turn;
        self.conversation.last_turn = Some(turn_id);
        // What came of the call that was given up is here now.
        self.late_calls.retain(|late| !late.is_of_turn(turn_id));
        self.turn = Turn::Planning(Box::new(Planning {
            turn_id,
            words: String::new(),
            speech_ended_at: private.speech_ended_at,
            endpoint_at: private.endpoint_at,
            voiced: private.voiced,
            started_at: at,
            progress: PlanProgress::Begun,
            speaker: None,
            reply: String::new(),
            asks: None,
            first_words_at: None,
            first_sentence_at: None,
        }));
    }

    fn slot_updated(&mut self, updated: &SlotUpdated) {
        let slot = Slot {
            value: updated.value.clone(),
            confidence: updated.confidence,
            source: updated.source.clone(),
        };
        self.brief.set(updated.path.clone(), slot);
        let conversation = &mut self.conversation;
        conversation.answered(&updated.path);
        // A spoken turn may begin after one that was typed while its words were made out.
        let newest_turn = conversation
            .messages
            .iter()
            .filter_map(|message| message.turn_id)
            .max();
        if let (SlotSource::Edit, Some(turn_id)) = (&updated.source, newest_turn.max(conversation.last_turn))
        {
            conversation.edited_after.insert(updated.path.clone(), turn_id);
        }
    }

    fn message_added(&mut self, message: &MessageAdded, at: Timestamp) {
        match message.role {
            Role::User => {
                if let Some(locale) = message.locale {
                    self.locale = locale;
                }
                if let Turn::Planning(planning) = &mut self.turn {
                    planning.words.clone_from(&message.text);
                }
            }
            Role::Assistant => {
                if let Turn::Planning(planning) = &mut self.turn {
                    planning.replied(message, at);
                }
                self.conversation.asked_by(message);
            }
        }
        self.conversation.keep(message);
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
        let conversation = &mut self.conversation;
        match (ended, outcome) {
            (Turn::Planning(planning), TurnOutcome::Interrupted) => match planning.progress {
                PlanProgress::Checking(_) => conversation.leave_unchecked(turn_id, planning.words),
                PlanProgress::Begun
                | PlanProgress::Calling(_)
                | PlanProgress::Replied(_)
                | PlanProgress::Backoff(_)
                | PlanProgress::Voicing { .. } => conversation.interrupt([(turn_id, planning.words)]),
            },
            (Turn::Planning(planning), TurnOutcome::Ok | TurnOutcome::Failed | TurnOutcome::Abandoned)
                if matches!(planning.progress, PlanProgress::Checking(_)) =>
            {
                conversation.withhold(turn_id);
            }
            (
                Turn::Idle | Turn::Planning(_),
                TurnOutcome::Ok | TurnOutcome::Failed | TurnOutcome::Abandoned | TurnOutcome::Interrupted,
            ) => conversation.interrupted.clear(),
        }
    }

    fn asset_ready(&mut self, asset: &AssetReady) {
        if let Provenance::Model { call_id, .. } = &asset.provenance {
            self.late_calls.retain(|late| late.call_id != *call_id);
        }
    }

    fn run_started(&mut self, started: &RunStarted, at: Timestamp) {
        let gaps = match &self.phase {
            // The gate may have changed since the waiver that it takes over.
            Phase::Failed(failed) if started.from_run == Some(failed.run_id) => failed.gaps.clone(),
            Phase::Collecting | Phase::Ready | Phase::Running(_) | Phase::Failed(_) | Phase::Done { .. } => {
                started.draft.then(|| {
                    let mut gaps = self.gate.missing_required.clone();
                    gaps.extend(self.gate.low_confidence.iter().cloned());
                    gaps
                })
            }
        };
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
            progressed_at: at,
            job: JobProgress::default(),
        }));
    }

    fn stage_changed(&mut self, changed: &StageChanged, at: Timestamp) {
        self.wire_state.clone_from(&changed.state);
        self.given_up = false;
        let phase = std::mem::replace(&mut self.phase, Phase::Collecting);
        self.phase = match phase {
            Phase::Running(run) if !changed.failures.is_empty() => Phase::Failed(run),
            Phase::Failed(mut run) if changed.run_id == Some(run.run_id) && changed.failures.is_empty() => {
                run.deadline = at.after(run.budget);
                // Whoever takes it up again grants it all its tries.
                run.job = JobProgress::default();
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
            | StageProgress::Checking(_)
            | StageProgress::Completed { .. }
            | StageProgress::Failed { .. } => (0, 0, Millis(0)),
        };
        let call = taken_up(progress, private);
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
            call,
            breach: None,
        }));
    }

    fn stage_completed(&mut self, completed: &StageCompleted) {
        let Some(run) = self.run_mut(completed.run_id) else {
            return;
        };
        if completed.attempt == 0 {
            // What an adopted output rests on was found by the run that it is taken from.
            run.adopt_sources(&completed.sources);
        }
        let progress = StageProgress::Completed {
            completed: Arc::new(completed.clone()),
        };
        run.stages.insert(completed.stage.clone(), progress);
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

impl Planning {
    /// A text of the reply stands. Where a voice is to follow, the turn waits for it from the first of them on.
    fn replied(&mut self, message: &MessageAdded, at: Timestamp) {
        let is_own = message.turn_id == Some(self.turn_id);
        // What was cut off ends with its turn.
        if self.voiced && is_own && !message.truncated && self.progress.voicing_since().is_none() {
            self.progress = PlanProgress::Voicing { since: at };
        }
    }
}

/// The call of an interrupted attempt that the one which takes its place goes on with.
fn taken_up(interrupted: &StageProgress, private: &Private) -> Option<ActiveCall> {
    let response_id = private.response_id.as_ref()?;
    match interrupted {
        StageProgress::Running(attempt) => attempt
            .call
            .as_ref()
            .filter(|call| call.response_id.as_ref() == Some(response_id))
            .cloned(),
        StageProgress::Waiting
        | StageProgress::Checking(_)
        | StageProgress::Backoff(_)
        | StageProgress::Completed { .. }
        | StageProgress::Failed { .. } => None,
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
        Event::SessionRestarted(restarted) => (None, restarted.run_id, true),
        Event::TurnCompleted(completed) => (Some(completed.turn_id), None, false),
        Event::MessageHeard(heard) => (Some(heard.turn_id), None, false),
        Event::SessionStarted(_)
        | Event::SessionStopped(_)
        | Event::MessageAdded(_)
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
