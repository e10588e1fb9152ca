//! What the log of a session may say, checked as it grows, and what the session's actor may show of itself.

use std::collections::{BTreeMap, BTreeSet};

use greenroom_actors::ActorSnapshot;
use greenroom_protocol::{
    CallId, CallScope, ErrorCode, Event, MessageId, Provenance, Role, RunId, Seq, SessionId, StageId, TurnId,
};
use greenroom_session::ports::{Snapshot, StoredFact};
use greenroom_session::state::Turn;
use greenroom_session::{Due, SessionView, State, due};

use super::fate::Fate;
use super::playbooks;

/// One session's log as it was checked so far, folded on the way.
pub struct Ledger {
    session: SessionId,
    state: Option<State>,
    checked: usize,
    calls: Calls,
    turns: Turns,
    /// Stages that are complete. None of them is called again.
    completed: BTreeSet<(RunId, StageId)>,
    said: BTreeMap<MessageId, String>,
    /// The first fact of each command that had an id.
    commands: BTreeMap<String, Seq>,
}

#[derive(Default)]
struct Calls {
    reserved: BTreeSet<CallId>,
    settled: BTreeSet<CallId>,
}

#[derive(Default)]
struct Turns {
    begun: BTreeSet<TurnId>,
    ended: BTreeSet<TurnId>,
}

impl Ledger {
    pub fn new(session: SessionId) -> Self {
        Self {
            session,
            state: None,
            checked: 0,
            calls: Calls::default(),
            turns: Turns::default(),
            completed: BTreeSet::new(),
            said: BTreeMap::new(),
            commands: BTreeMap::new(),
        }
    }

    /// Checks what is new in a log.
    pub fn read(&mut self, rows: &[StoredFact], fate: &Fate) -> Result<(), String> {
        if rows.len() == self.checked {
            return Ok(());
        }
        for row in &rows[self.checked..] {
            self.row(row, fate).map_err(|broken| {
                format!(
                    "event {} ({}) of {}: {broken}",
                    row.frame.seq,
                    row.frame.event_type(),
                    self.session
                )
            })?;
        }
        self.checked = rows.len();
        self.check_standing()
    }

    /// The state that a part of the log folds to.
    pub fn state_at(&self, rows: &[StoredFact], seq: Seq) -> State {
        match &self.state {
            Some(state) if state.head == seq => state.clone(),
            Some(_) | None => fold(self.session, &rows[..usize::try_from(seq.0).unwrap()]),
        }
    }

    pub fn state(&self) -> &State {
        self.state.as_ref().expect("a session that is listed has begun")
    }

    /// The first fact of a command.
    pub fn command(&self, id: &str) -> Option<Seq> {
        self.commands.get(id).copied()
    }

    /// Whether the last thing that its log says is that it crashed too often.
    pub fn is_given_up(rows: &[StoredFact]) -> bool {
        rows.last().is_some_and(|row| {
            matches!(&row.fact.event, Event::Error(error) if error.error.code == ErrorCode::SessionRestartLimit)
        })
    }

    fn row(&mut self, row: &StoredFact, fate: &Fate) -> Result<(), String> {
        let expected = self.state.as_ref().map_or(Seq::ZERO, |state| state.head).next();
        ensure(row.frame.seq == expected, || {
            format!("event {expected} is missing")
        })?;
        let envelope = row.frame.envelope().map_err(|error| error.to_string())?;
        let event = envelope.event().map_err(|error| error.to_string())?;
        ensure(event == row.fact.event, || {
            "clients read something else than was decided".to_owned()
        })?;
        if let Some(command) = &row.fact.private.command {
            let before = self.commands.insert(command.id.to_string(), row.frame.seq);
            ensure(before.is_none(), || {
                format!("command {} was carried out twice", command.id)
            })?;
        }
        self.event(&row.fact.event)?;
        count(&row.fact.event, fate);
        match &mut self.state {
            Some(state) => state.evolve(&row.fact),
            None => {
                self.state = Some(State::begin(self.session, &row.fact).map_err(|error| error.to_string())?);
            }
        }
        Ok(())
    }

    fn event(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::CallReserved(call) => {
                ensure(self.calls.reserved.insert(call.call_id), || {
                    "it is reserved twice".to_owned()
                })?;
                if let CallScope::Stage { run_id, stage, .. } = &call.scope {
                    let is_over = self.completed.contains(&(*run_id, stage.clone()));
                    ensure(!is_over, || format!("{stage} is complete, and is paid for again"))?;
                }
            }
            Event::CallSettled(call) => {
                ensure(self.calls.reserved.contains(&call.call_id), || {
                    "it was never reserved".to_owned()
                })?;
                ensure(self.calls.settled.insert(call.call_id), || {
                    "it is settled twice".to_owned()
                })?;
            }
            Event::StageCompleted(stage) => {
                let is_new = self.completed.insert((stage.run_id, stage.stage.clone()));
                ensure(is_new, || format!("{} is completed twice", stage.stage))?;
                self.written_by_a_call(&stage.provenance)?;
            }
            Event::TurnStarted(turn) => {
                ensure(self.turns.begun == self.turns.ended, || {
                    "another turn is under way".to_owned()
                })?;
                ensure(self.turns.begun.insert(turn.turn_id), || {
                    "it begins twice".to_owned()
                })?;
            }
            Event::TurnCompleted(turn) => {
                ensure(self.turns.begun.contains(&turn.turn_id), || {
                    "it never began".to_owned()
                })?;
                ensure(self.turns.ended.insert(turn.turn_id), || {
                    "it ends twice".to_owned()
                })?;
                let parts: u64 = turn.latency.segments.iter().map(|part| part.ms.0).sum();
                ensure(parts == turn.latency.total_ms.0, || {
                    "its time is not told in full".to_owned()
                })?;
            }
            Event::MessageAdded(message) if message.role == Role::Assistant => {
                if matches!(message.provenance, Provenance::Model { .. }) {
                    self.written_by_a_call(&message.provenance)?;
                }
                let before = self.said.insert(message.message_id, message.text.clone());
                ensure(before.is_none(), || "it is said twice".to_owned())?;
            }
            Event::MessageHeard(heard) => {
                let said = self.said.remove(&heard.message_id);
                let is_of_it = said.is_some_and(|said| said.starts_with(&heard.text));
                ensure(is_of_it, || {
                    "heard of what was never said, or told twice".to_owned()
                })?;
            }
            _ => {}
        }
        Ok(())
    }

    fn written_by_a_call(&self, provenance: &Provenance) -> Result<(), String> {
        let is_paid_for =
            matches!(provenance, Provenance::Model { call_id, .. } if self.calls.settled.contains(call_id));
        ensure(is_paid_for, || {
            format!("no settled call wrote it: {provenance:?}")
        })
    }

    /// What holds whenever everything decided is committed.
    fn check_standing(&self) -> Result<(), String> {
        let state = self.state();
        let due = due(state);
        let is_due = |call_id| due.calls.iter().any(|call| call.stamp.call_id == call_id);
        for (call_id, call) in &state.open_calls {
            ensure(call.is_outside() || is_due(*call_id), || {
                format!("nobody makes {call_id} of {}", self.session)
            })?;
        }
        for call in &due.calls {
            let is_reserved = state.open_calls.contains_key(&call.stamp.call_id);
            ensure(is_reserved, || {
                format!("{:?} of {} is due and not reserved", call.stamp, self.session)
            })?;
        }
        let has_call = |of_turn: bool| {
            let mut calls = due.calls.iter();
            calls.any(|call| matches!(call.stamp.scope, CallScope::Turn { .. }) == of_turn)
        };
        let turn_moves = state.turn == Turn::Idle || has_call(true) || due.wake_at.is_some();
        ensure(turn_moves, || {
            format!("the turn of {} waits for nothing", self.session)
        })?;
        let run_moves = state.active_run().is_none() || has_call(false) || due.wake_at.is_some();
        ensure(run_moves, || {
            format!("the run of {} waits for nothing", self.session)
        })
    }

    /// A session that was left alone for long enough: nothing is under way, and nothing ever will be.
    pub fn check_rest(&self) -> Result<(), String> {
        let state = self.state();
        let session = self.session;
        ensure(state.turn == Turn::Idle, || {
            format!("a turn of {session} never ended")
        })?;
        ensure(state.active_run().is_none(), || {
            format!("a run of {session} never ended")
        })?;
        ensure(due(state) == Due::default(), || {
            format!("{session} never comes to rest")
        })?;
        ensure(self.turns.begun == self.turns.ended, || {
            format!("a turn of {session} has no end")
        })?;
        let open: BTreeSet<CallId> = state.open_calls.keys().copied().collect();
        let unsettled: BTreeSet<CallId> = self
            .calls
            .reserved
            .difference(&self.calls.settled)
            .copied()
            .collect();
        ensure(open == unsettled, || {
            format!("calls of {session} have no end: {unsettled:?}")
        })
    }

    /// The same after it was activated once more, which books what nobody told of.
    pub fn check_bill(&self) -> Result<(), String> {
        ensure(self.calls.reserved == self.calls.settled, || {
            format!("not every call of {} is booked", self.session)
        })
    }

    /// What a view tells is the fold of the log, and nothing but.
    pub fn check_view(&self, rows: &[StoredFact], view: &SessionView) -> Result<(), String> {
        let session = self.session;
        let is_committed = view.as_of_seq.0 <= rows.len() as u64;
        ensure(is_committed, || {
            format!("{session} shows event {}, which is not committed", view.as_of_seq)
        })?;
        let state = self.state_at(rows, view.as_of_seq);
        let expected = SessionView::of(&state, &playbooks::of(&state.playbook.hash));
        ensure(expected == *view, || {
            format!("{session} shows another state than its log: {view:?}, not {expected:?}")
        })
    }

    /// What a session keeps of itself is the fold of what is committed.
    pub fn check_snapshot(&self, rows: &[StoredFact], kept: &Snapshot) -> Result<(), String> {
        let session = self.session;
        let restored = kept
            .restore(session, Seq(rows.len() as u64))
            .map_err(|error| error.to_string())?;
        ensure(restored == self.state_at(rows, kept.head), || {
            format!("{session} keeps another state than its log")
        })
    }

    /// What an actor shows of itself agrees with its log, and what runs is what is due.
    pub fn check_actor(&self, rows: &[StoredFact], actor: &ActorSnapshot) -> Result<(), String> {
        let session = self.session;
        let committed = rows.len() as u64;
        ensure(actor.committed.0 <= committed, || {
            format!(
                "{session} takes event {} for committed, of {committed}",
                actor.committed
            )
        })?;
        for child in &actor.children {
            ensure(self.calls.reserved.contains(&child.call_id), || {
                format!(
                    "an agent of {session} makes {}, which is not reserved",
                    child.call_id
                )
            })?;
        }
        if actor.head != actor.committed {
            return Ok(());
        }
        let state = self.state_at(rows, actor.head);
        let due = due(&state);
        let running: BTreeSet<CallId> = actor.children.iter().map(|child| child.call_id).collect();
        let wanted: BTreeSet<CallId> = due.calls.iter().map(|call| call.stamp.call_id).collect();
        ensure(running == wanted, || {
            format!("{session} has agents for {running:?}, and {wanted:?} are due")
        })?;
        let is_alike = actor.state == state.wire_state
            && actor.turn_id == state.planning().map(|planning| planning.turn_id)
            && actor.run_id == state.newest_run
            && actor.wake_at == due.wake_at;
        ensure(is_alike, || {
            format!("{session} is in another state than its log: {actor:?}")
        })
    }
}

pub fn ensure(holds: bool, broken: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(broken()) }
}

fn fold(session: SessionId, rows: &[StoredFact]) -> State {
    let (first, rest) = rows.split_first().expect("a session that is listed has begun");
    let mut state = State::begin(session, &first.fact).unwrap();
    for row in rest {
        state.evolve(&row.fact);
    }
    state
}

/// Remembers what became of turns, runs and calls, so that a report can say what was met at all.
fn count(event: &Event, fate: &Fate) {
    match event {
        Event::TurnCompleted(turn) => fate.count(format!("turn {:?}", turn.outcome)),
        Event::RunCompleted(_) => fate.count("run completed"),
        Event::RunCancelled(_) => fate.count("run cancelled"),
        Event::RunStarted(_) => fate.count("run started"),
        Event::StageChanged(changed) if !changed.failures.is_empty() => fate.count("run failed"),
        Event::StageCompleted(_) => fate.count("stage completed"),
        Event::CallSettled(call) => fate.count(format!("call {:?}", call.outcome)),
        Event::MessageHeard(_) => fate.count("message heard"),
        Event::SessionRestarted(restarted) if restarted.from_stage.is_some() => {
            fate.count("session restarted from a stage");
        }
        Event::SessionRestarted(_) => fate.count("session restarted"),
        Event::JobUpdated(job) if job.retry_count > 0 => fate.count("job tried again"),
        Event::SessionStopped(_) => fate.count("session stopped"),
        _ => {}
    }
}
