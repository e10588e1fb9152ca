//! What clients were promised, against the journals: a message counts once, however often it was sent under its id, and
//! what was accepted is there.

use std::collections::{BTreeMap, BTreeSet};

use greenroom_protocol::{Event, Role, RunId, SessionId, Signal, TurnId};

use super::evidence::Evidence;
use super::{Report, Violation};
use crate::client::{Saw, SeenEvent};

/// Characters of a text in a violation.
const TEXT_CHARS_SHOWN: usize = 60;

/// What a client sent or was told, besides what its record shows.
#[derive(Debug, Clone, PartialEq)]
pub enum Promise {
    /// It said this, under one id, and nothing else in the same words.
    Said {
        /// Where.
        session: SessionId,
        /// The words.
        text: String,
        /// Whether they were taken. Words without an answer may count or not.
        is_answered: bool,
    },
    /// It was told that a run was begun.
    Run {
        /// Where.
        session: SessionId,
        /// The run.
        run: RunId,
    },
}

/// What a journal holds that can have been promised.
#[derive(Debug, Default)]
struct Held {
    turns: BTreeSet<TurnId>,
    runs: BTreeSet<RunId>,
    /// What users said, and how often.
    said: BTreeMap<String, usize>,
}

impl Held {
    fn of(journal: &[SeenEvent]) -> Self {
        let mut held = Self::default();
        // What cannot be read is a violation of its own.
        for event in journal.iter().filter_map(|event| event.event().ok()) {
            match event {
                Event::TurnStarted(started) => {
                    held.turns.insert(started.turn_id);
                }
                Event::RunStarted(started) => {
                    held.runs.insert(started.run_id);
                }
                Event::MessageAdded(added) if added.role == Role::User => {
                    *held.said.entry(added.text).or_default() += 1;
                }
                _ => {}
            }
        }
        held
    }
}

/// Every promise is kept, and nothing counts twice.
pub(super) fn check(evidence: &Evidence, report: &mut Report) {
    let held: BTreeMap<SessionId, Held> = evidence
        .journals
        .iter()
        .map(|(session, journal)| (*session, Held::of(journal)))
        .collect();
    for promise in &evidence.promises {
        report.counts.promises += 1;
        let (Promise::Said { session, .. } | Promise::Run { session, .. }) = promise;
        // A journal that was not given is a violation of its own, or was erased.
        if let Some(held) = held.get(session) {
            report.violations.extend(broken(*session, promise, held));
        }
    }
    for record in &evidence.records {
        check_acceptances(record, &held, report);
    }
}

fn broken(session: SessionId, promise: &Promise, held: &Held) -> Option<Violation> {
    match promise {
        Promise::Said {
            text, is_answered, ..
        } => {
            let times = held.said.get(text).copied().unwrap_or_default();
            let what = || text.chars().take(TEXT_CHARS_SHOWN).collect();
            match times {
                0 if *is_answered => Some(Violation::PromiseBroken {
                    session,
                    what: what(),
                }),
                0 | 1 => None,
                times => Some(Violation::CountedAgain {
                    session,
                    what: what(),
                    times,
                }),
            }
        }
        Promise::Run { run, .. } => (!held.runs.contains(run)).then(|| Violation::PromiseBroken {
            session,
            what: run.to_string(),
        }),
    }
}

/// What `accepted` names is in the journal, and the same id always names the same.
fn check_acceptances(record: &super::ClientRecord, held: &BTreeMap<SessionId, Held>, report: &mut Report) {
    let mut sessions: BTreeMap<u32, SessionId> = BTreeMap::new();
    let mut accepted: BTreeMap<(SessionId, String), (Option<TurnId>, Option<RunId>)> = BTreeMap::new();
    for line in &record.lines {
        match &line.saw {
            Saw::Connected { session_id, .. } => {
                sessions.insert(line.connection, *session_id);
            }
            Saw::Signal { text } => {
                let (
                    Some(session),
                    Ok(Signal::Accepted {
                        id, turn_id, run_id, ..
                    }),
                ) = (
                    sessions.get(&line.connection).copied(),
                    serde_json::from_str(text),
                )
                else {
                    continue;
                };
                let Some(held) = held.get(&session) else { continue };
                report.counts.promises += 1;
                if turn_id.is_some_and(|turn| !held.turns.contains(&turn))
                    || run_id.is_some_and(|run| !held.runs.contains(&run))
                {
                    let what = format!("{id} was accepted as {turn_id:?} {run_id:?}");
                    report.violations.push(Violation::PromiseBroken { session, what });
                }
                let before = accepted.insert((session, id.clone()), (turn_id, run_id));
                if before.is_some_and(|before| before != (turn_id, run_id)) {
                    let what = format!("{id}: {before:?}, then {turn_id:?} {run_id:?}");
                    let times = 2;
                    report
                        .violations
                        .push(Violation::CountedAgain { session, what, times });
                }
            }
            Saw::Sent { .. } | Saw::Event(_) | Saw::Closed { .. } => {}
        }
    }
}
