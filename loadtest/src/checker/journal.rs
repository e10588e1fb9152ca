//! A journal against itself: numbers, provenance, and how stages, runs, turns and calls begin and end.

use std::collections::BTreeMap;

use greenroom_protocol::{
    CallId, CallPurpose, CallReserved, CallScope, CallSettled, ErrorCode, Event, MessageAdded, Provenance,
    Role, RunId, RunStarted, Seq, SessionId, StageChanged, StageCompleted, StageId, TurnCompleted, TurnId,
    TurnOutcome,
};

use super::bill::Calls;
use super::{Expectation, Report, Subject, Violation};
use crate::client::SeenEvent;

/// The state of a session that failed. A playbook may name it otherwise; then only its failures tell.
const FAILED: &str = "FAILED";

/// Checks one journal, and notes its calls.
pub(super) fn check(
    session: SessionId,
    journal: &[SeenEvent],
    expectation: Expectation,
    calls: &mut Calls,
    report: &mut Report,
) {
    let mut fold = Fold {
        session,
        calls,
        report,
        turns: BTreeMap::new(),
        runs: BTreeMap::new(),
        checks: BTreeMap::new(),
        was_given_up: false,
    };
    let mut expected = Seq::ZERO.next();
    for held in journal {
        fold.report.counts.events += 1;
        if held.seq != expected {
            let subject = Subject::Journal;
            fold.found(Violation::SeqBroken {
                subject,
                session,
                expected,
                found: held.seq,
            });
        }
        expected = held.seq.next();
        match held.event() {
            Ok(event) => fold.event(held.seq, event),
            Err(error) => fold.found(Violation::EventUnreadable {
                session,
                seq: held.seq,
                reason: error.to_string(),
            }),
        }
    }
    fold.end(expectation);
}

/// What is known of a session after some of its events.
struct Fold<'a> {
    session: SessionId,
    calls: &'a mut Calls,
    report: &'a mut Report,
    /// How often each turn ended.
    turns: BTreeMap<TurnId, u32>,
    runs: BTreeMap<RunId, Run>,
    /// Checks that are open, with what they check.
    checks: BTreeMap<CallId, CallScope>,
    /// The supervisor gave the session up: what was under way stays as it is until an operator restarts it.
    was_given_up: bool,
}

#[derive(Debug)]
struct Run {
    stages: Vec<StageId>,
    /// The stages that are complete, each with who wrote its output.
    completed: BTreeMap<StageId, Provenance>,
    /// The failed run whose outputs it may adopt.
    takes_over: Option<RunId>,
    end: RunEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RunEnd {
    Open,
    /// Completed; the session's state does not say so yet.
    Completed,
    Done,
    Failed,
    Cancelled,
}

impl Fold<'_> {
    fn found(&mut self, violation: Violation) {
        self.report.violations.push(violation);
    }

    fn event(&mut self, seq: Seq, event: Event) {
        match event {
            Event::TurnStarted(started) => {
                self.report.counts.turns += 1;
                self.turns.entry(started.turn_id).or_default();
            }
            Event::TurnCompleted(completed) => self.turn_completed(&completed),
            Event::MessageAdded(added) => self.message(seq, &added),
            Event::RunStarted(started) => self.run_started(started),
            Event::StageStarted(started) => self.stage_taken_up(seq, started.run_id, started.stage),
            Event::StageCompleted(completed) => self.stage_completed(seq, &completed),
            Event::StageChanged(changed) => self.stage_changed(&changed),
            Event::RunCompleted(completed) => self.run_completed(completed.run_id),
            Event::RunCancelled(cancelled) => self.run_cancelled(cancelled.run_id),
            Event::CallReserved(reserved) => self.call_reserved(seq, reserved),
            Event::CallSettled(settled) => self.call_settled(&settled),
            Event::AssetReady(ready) => self.provenance(seq, &ready.provenance),
            Event::Error(error) if error.error.code == ErrorCode::SessionRestartLimit => {
                self.was_given_up = true;
            }
            Event::SessionRestarted(_) => self.was_given_up = false,
            // A delta of a stage that has ended would overwrite what is authoritative.
            Event::StageDelta(delta) => self.stage_taken_up(seq, delta.run_id, delta.stage),
            Event::SessionStopped(_) => self.session_stopped(),
            Event::SessionStarted(_)
            | Event::MessageHeard(_)
            | Event::PlannerDelta(_)
            | Event::SlotUpdated(_)
            | Event::GateReady(_)
            | Event::GateChanged(_)
            | Event::GateWaived(_)
            | Event::JobUpdated(_)
            | Event::BudgetWarning(_)
            | Event::Error(_) => {}
        }
    }

    fn turn_completed(&mut self, completed: &TurnCompleted) {
        *self.turns.entry(completed.turn_id).or_default() += 1;
        let counts = &mut self.report.counts;
        match completed.outcome {
            TurnOutcome::Ok | TurnOutcome::Interrupted => {}
            TurnOutcome::Failed => counts.turns_failed += 1,
            TurnOutcome::Abandoned => counts.turns_abandoned += 1,
        }
    }

    fn message(&mut self, seq: Seq, added: &MessageAdded) {
        let allowed = match (added.role, &added.provenance) {
            (Role::User, Provenance::User { turn_id }) => added.turn_id == Some(*turn_id),
            (
                Role::Assistant,
                Provenance::Model { .. } | Provenance::Playbook { .. } | Provenance::Operator,
            ) => true,
            (Role::User, Provenance::Model { .. } | Provenance::Playbook { .. } | Provenance::Operator)
            | (Role::Assistant, Provenance::User { .. }) => false,
        };
        if !allowed {
            let reason = format!(
                "a message of the {:?} comes from {:?}",
                added.role, added.provenance
            );
            self.found(Violation::Provenance {
                session: self.session,
                seq,
                reason,
            });
        }
        self.provenance(seq, &added.provenance);
        if let (Provenance::Model { .. }, Some(turn_id)) = (&added.provenance, added.turn_id) {
            let scope = CallScope::Turn { turn_id, attempt: 1 };
            self.waits_for_checks(seq, &scope, "a reply was added");
        }
    }

    /// A model's text names the call that wrote it, and that call was reserved.
    fn provenance(&mut self, seq: Seq, provenance: &Provenance) {
        if let Provenance::Model { call_id, .. } = provenance
            && !self.calls.is_reserved_in(self.session, *call_id)
        {
            let reason = format!("{call_id} was never reserved");
            self.found(Violation::Provenance {
                session: self.session,
                seq,
                reason,
            });
        }
    }

    /// A run that takes another over is of one that failed: what goes on by itself is never paid for again.
    fn run_started(&mut self, started: RunStarted) {
        self.report.counts.runs += 1;
        let (session, run_id) = (self.session, started.run_id);
        if let Some(from_run) = started.from_run
            && self
                .runs
                .get(&from_run)
                .is_none_or(|run| run.end != RunEnd::Failed)
        {
            self.found(Violation::RunEnd {
                session,
                run: run_id,
                reason: format!("takes over {from_run}, which has not failed"),
            });
        }
        let run = Run {
            stages: started.stages,
            completed: BTreeMap::new(),
            takes_over: started.from_run,
            end: RunEnd::Open,
        };
        self.runs.insert(run_id, run);
    }

    /// An output that no attempt of this run made is the one that the run before had, word by whom.
    fn is_adopted(&self, completed: &StageCompleted) -> bool {
        let run = self.runs.get(&completed.run_id);
        let origin = run.and_then(|run| self.runs.get(&run.takes_over?));
        origin.and_then(|run| run.completed.get(&completed.stage)) == Some(&completed.provenance)
    }

    fn stage_taken_up(&mut self, seq: Seq, run_id: RunId, stage: StageId) {
        let session = self.session;
        let Some(run) = self.runs.get(&run_id) else {
            return self.found(Violation::StageWithoutRun {
                session,
                run: run_id,
                seq,
            });
        };
        if run.completed.contains_key(&stage)
            || matches!(run.end, RunEnd::Completed | RunEnd::Done | RunEnd::Cancelled)
        {
            self.found(Violation::StageCalledAgain {
                session,
                run: run_id,
                stage,
                seq,
            });
        }
    }

    fn stage_completed(&mut self, seq: Seq, completed: &StageCompleted) {
        let session = self.session;
        self.report.counts.stages_completed += 1;
        let scope = CallScope::Stage {
            run_id: completed.run_id,
            stage: completed.stage.clone(),
            attempt: completed.attempt,
        };
        self.waits_for_checks(seq, &scope, "a stage was completed");
        self.stage_taken_up(seq, completed.run_id, completed.stage.clone());
        if completed.attempt == 0 && !self.is_adopted(completed) {
            let reason = format!("{} was adopted from nowhere", completed.stage);
            self.found(Violation::Provenance { session, seq, reason });
        }
        if let Some(run) = self.runs.get_mut(&completed.run_id) {
            let provenance = completed.provenance.clone();
            run.completed.insert(completed.stage.clone(), provenance);
        }
        if matches!(completed.provenance, Provenance::Model { .. }) {
            self.provenance(seq, &completed.provenance);
        } else {
            let reason = format!("a stage's output comes from {:?}", completed.provenance);
            self.found(Violation::Provenance { session, seq, reason });
        }
    }

    fn stage_changed(&mut self, changed: &StageChanged) {
        let session = self.session;
        let Some(run_id) = changed.run_id else { return };
        let Some(run) = self.runs.get_mut(&run_id) else {
            return;
        };
        let says_failed = changed.state == FAILED || !changed.failures.is_empty();
        let next = match (run.end, says_failed) {
            (RunEnd::Open, true) => RunEnd::Failed,
            (RunEnd::Failed, false) => RunEnd::Open,
            (RunEnd::Completed, false) => RunEnd::Done,
            (end, _) => end,
        };
        let broken = match (run.end, says_failed) {
            (RunEnd::Open, true) if changed.failures.is_empty() => Some("failed without saying what"),
            (RunEnd::Completed | RunEnd::Done | RunEnd::Cancelled, true) => Some("failed after its end"),
            _ => None,
        };
        run.end = next;
        if let Some(reason) = broken {
            self.found(Violation::RunEnd {
                session,
                run: run_id,
                reason: reason.to_owned(),
            });
        }
    }

    fn run_completed(&mut self, run_id: RunId) {
        let session = self.session;
        let reason = match self.runs.get_mut(&run_id) {
            None => Some("was completed and never started".to_owned()),
            Some(run) if run.end != RunEnd::Open => Some(format!("was completed while it was {:?}", run.end)),
            Some(run) => {
                run.end = RunEnd::Completed;
                let missing: Vec<&str> = run
                    .stages
                    .iter()
                    .filter(|stage| !run.completed.contains_key(stage))
                    .map(StageId::as_str)
                    .collect();
                (!missing.is_empty()).then(|| format!("was completed without {}", missing.join(", ")))
            }
        };
        if let Some(reason) = reason {
            self.found(Violation::RunEnd {
                session,
                run: run_id,
                reason,
            });
        }
    }

    fn run_cancelled(&mut self, run_id: RunId) {
        let session = self.session;
        let reason = match self.runs.get_mut(&run_id) {
            None => Some("was cancelled and never started".to_owned()),
            Some(run) if run.end != RunEnd::Open => Some(format!("was cancelled while it was {:?}", run.end)),
            Some(run) => {
                run.end = RunEnd::Cancelled;
                None
            }
        };
        if let Some(reason) = reason {
            self.found(Violation::RunEnd {
                session,
                run: run_id,
                reason,
            });
        }
    }

    /// An operator's stop leaves nothing under way.
    fn session_stopped(&mut self) {
        let session = self.session;
        let open: Vec<RunId> = self
            .runs
            .iter()
            .filter(|(_, run)| run.end == RunEnd::Open)
            .map(|(run_id, _)| *run_id)
            .collect();
        for run in open {
            let reason = "outlived the operator's stop".to_owned();
            self.found(Violation::RunEnd { session, run, reason });
        }
        for call in self.calls.open_in(session) {
            self.booking(call, "outlived the operator's stop");
        }
    }

    /// Nothing reads what a user said, and nothing that a model wrote stands, while its check is open.
    fn waits_for_checks(&mut self, seq: Seq, scope: &CallScope, reason: &str) {
        let of_the_same = |checked: &CallScope| match (checked, scope) {
            (CallScope::Turn { turn_id: checked, .. }, CallScope::Turn { turn_id, .. }) => checked == turn_id,
            (checked @ CallScope::Stage { .. }, scope) => checked == scope,
            (CallScope::Turn { .. }, CallScope::Stage { .. } | CallScope::Session {})
            | (CallScope::Session {}, _) => false,
        };
        let check = self.checks.iter().find(|(_, checked)| of_the_same(checked));
        if let Some((check, _)) = check {
            let (session, check) = (self.session, *check);
            self.found(Violation::Unchecked {
                session,
                seq,
                check,
                reason: reason.to_owned(),
            });
        }
    }

    fn call_reserved(&mut self, seq: Seq, reserved: CallReserved) {
        self.report.counts.calls_reserved += 1;
        match reserved.purpose {
            CallPurpose::Moderate => {
                self.checks.insert(reserved.call_id, reserved.scope.clone());
            }
            CallPurpose::Plan | CallPurpose::Stage | CallPurpose::Repair => {
                self.waits_for_checks(seq, &reserved.scope, "a model was called");
            }
            CallPurpose::Transcribe | CallPurpose::Speak => {}
        }
        if let Some(reason) = self.calls.reserve(self.session, reserved.call_id) {
            self.booking(reserved.call_id, reason);
        }
        if let CallScope::Stage { run_id, stage, .. } = reserved.scope {
            self.stage_taken_up(seq, run_id, stage);
        }
    }

    fn call_settled(&mut self, settled: &CallSettled) {
        self.report.counts.calls_settled += 1;
        self.checks.remove(&settled.call_id);
        if let Some(reason) = self.calls.settle(self.session, settled.call_id, settled.outcome) {
            self.booking(settled.call_id, reason);
        }
    }

    fn booking(&mut self, call: CallId, reason: &str) {
        self.found(Violation::CallBooking {
            session: self.session,
            call,
            reason: reason.to_owned(),
        });
    }

    fn end(mut self, expectation: Expectation) {
        let session = self.session;
        let may_be_open = expectation == Expectation::UnderWay || self.was_given_up;
        for (turn, times) in std::mem::take(&mut self.turns) {
            if times > 1 || (times == 0 && !may_be_open) {
                self.found(Violation::TurnEnd { session, turn, times });
            }
        }
        for (run, Run { end, .. }) in std::mem::take(&mut self.runs) {
            let counts = &mut self.report.counts;
            match end {
                RunEnd::Done => counts.runs_done += 1,
                RunEnd::Failed => counts.runs_failed += 1,
                RunEnd::Cancelled => counts.runs_cancelled += 1,
                RunEnd::Open | RunEnd::Completed if may_be_open => {}
                RunEnd::Open => {
                    self.found(Violation::RunEnd {
                        session,
                        run,
                        reason: "never ended".to_owned(),
                    });
                }
                RunEnd::Completed => {
                    let reason = "was completed, and the session's state never said so".to_owned();
                    self.found(Violation::RunEnd { session, run, reason });
                }
            }
        }
        if !may_be_open {
            for call in self.calls.open_in(session) {
                self.booking(call, "was never settled");
            }
        }
    }
}
