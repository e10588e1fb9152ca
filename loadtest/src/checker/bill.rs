//! The calls that the journals book, against those that the simulator counted and those that an operator sees.

use std::collections::{BTreeMap, BTreeSet};

use greenroom_protocol::{CallId, CallOutcome, Event, SessionId};
use serde_json::Value;

use super::evidence::{Erasure, Evidence, OperatorRow};
use super::{Report, Violation};
use crate::provider::{BillOutcome, BilledCall};

/// Every call that the journals book.
#[derive(Debug, Default)]
pub(super) struct Calls {
    booked: BTreeMap<CallId, Booked>,
}

#[derive(Debug)]
struct Booked {
    session: SessionId,
    outcome: Option<CallOutcome>,
}

impl Calls {
    /// Notes a reservation; says what is wrong with it.
    pub(super) fn reserve(&mut self, session: SessionId, call: CallId) -> Option<&'static str> {
        if self.booked.contains_key(&call) {
            return Some("was reserved twice");
        }
        self.booked.insert(
            call,
            Booked {
                session,
                outcome: None,
            },
        );
        None
    }

    /// Notes a settlement; says what is wrong with it.
    pub(super) fn settle(
        &mut self,
        session: SessionId,
        call: CallId,
        outcome: CallOutcome,
    ) -> Option<&'static str> {
        match self.booked.get_mut(&call) {
            Some(booked) if booked.session == session && booked.outcome.is_none() => {
                booked.outcome = Some(outcome);
                None
            }
            Some(booked) if booked.session == session => Some("was settled twice"),
            Some(_) | None => Some("was settled and never reserved"),
        }
    }

    pub(super) fn is_reserved_in(&self, session: SessionId, call: CallId) -> bool {
        self.booked
            .get(&call)
            .is_some_and(|booked| booked.session == session)
    }

    pub(super) fn open_in(&self, session: SessionId) -> Vec<CallId> {
        let open = self
            .booked
            .iter()
            .filter(|(_, booked)| booked.session == session && booked.outcome.is_none());
        open.map(|(call, _)| *call).collect()
    }
}

/// Every call that was counted was reserved, once; every one settled as whole was completed; an operator sees the same.
pub(super) fn check(evidence: &Evidence, calls: &Calls, report: &mut Report) {
    let billed = evidence.bill.as_deref().unwrap_or_default();
    report.counts.calls_billed = billed.len();
    report.counts.operator_rows = evidence.operator.len();
    let erased = Erased::of(evidence);
    let mut counted = BTreeSet::new();
    let mut by_id: BTreeMap<CallId, &BilledCall> = BTreeMap::new();
    for call in billed {
        let id: Option<CallId> = call.call_id.as_deref().and_then(|id| id.parse().ok());
        match id.filter(|id| calls.booked.contains_key(id)) {
            None if erased.may_have_made(call, id) => report.counts.calls_of_the_erased += 1,
            None => {
                report.violations.push(Violation::BilledNotReserved {
                    n: call.n,
                    call_id: call.call_id.clone(),
                });
            }
            Some(id) => {
                by_id.insert(id, call);
                if !counted.insert(id) {
                    report.violations.push(Violation::BilledTwice {
                        call_id: id.to_string(),
                    });
                }
            }
        }
    }
    if evidence.bill.is_some() {
        for (call, booked) in &calls.booked {
            let is_completed = by_id
                .get(call)
                .is_some_and(|billed| billed.outcome == Some(BillOutcome::Completed));
            if booked.outcome == Some(CallOutcome::Ok) && !is_completed {
                report.violations.push(Violation::SettledNotBilled {
                    session: booked.session,
                    call: *call,
                });
            }
        }
    }
    for row in &evidence.operator {
        if let Some(reason) = operator_differs(row, evidence, &by_id) {
            let (session, seq) = (row.session_id, row.seq);
            report
                .violations
                .push(Violation::OperatorDiffers { session, seq, reason });
        }
    }
}

/// What is left of the calls of sessions that were erased.
struct Erased<'a> {
    reserved: BTreeSet<CallId>,
    erasures: Vec<&'a Erasure>,
}

impl<'a> Erased<'a> {
    fn of(evidence: &'a Evidence) -> Self {
        let erasures: Vec<&Erasure> = evidence.erased.values().collect();
        let events = erasures.iter().flat_map(|erasure| &erasure.journal);
        let reserved = events.filter_map(|event| match event.event() {
            Ok(Event::CallReserved(reserved)) => Some(reserved.call_id),
            _ => None,
        });
        Self {
            reserved: reserved.collect(),
            erasures,
        }
    }

    /// Whether it is known to be theirs, or came between the last look at one of them and its end.
    fn may_have_made(&self, call: &BilledCall, id: Option<CallId>) -> bool {
        id.is_some_and(|id| self.reserved.contains(&id))
            || self
                .erasures
                .iter()
                .any(|erasure| (erasure.read_at..=erasure.over_at).contains(&call.started_at))
    }
}

fn operator_differs(
    row: &OperatorRow,
    evidence: &Evidence,
    billed: &BTreeMap<CallId, &BilledCall>,
) -> Option<String> {
    let journal = evidence.journals.get(&row.session_id)?;
    let index = journal.binary_search_by_key(&row.seq, |held| held.seq);
    let Some(held) = index.ok().and_then(|index| journal.get(index)) else {
        return Some("the journal does not hold it".to_owned());
    };
    if held.event_type != row.event_type || held.data != row.data.get() {
        return Some("the journal holds it otherwise".to_owned());
    }
    let data: Value = serde_json::from_str(row.data.get()).ok()?;
    let call = billed.get(&data["call_id"].as_str()?.parse().ok()?)?;
    let usage = row
        .private
        .pointer("/call/usage")
        .filter(|usage| usage.is_object())?;
    let counted: &[(&str, u64)] = if data["purpose"] == "speak" {
        // Speech is answered with sound alone: what is known of it is the text that was sent.
        &[("characters", call.usage.spoken_chars)]
    } else {
        &[
            ("input_tokens", call.usage.input_tokens),
            ("output_tokens", call.usage.output_tokens),
            ("searches", call.usage.searches),
        ]
    };
    let differs = |(name, counted): &&(&str, u64)| usage[*name].as_u64().unwrap_or(0) != *counted;
    let (name, counted) = counted.iter().find(differs)?;
    Some(format!(
        "{name} {} where the simulator counted {counted}",
        usage[*name]
    ))
}
