//! What the read models follow with when facts are appended: a pure function of the append.

use std::sync::Arc;

use greenroom_protocol::{
    AssetReady, CallOutcome, CallPurpose, CallReserved, CallScope, CallSettled, Event, JobUpdated,
    MessageAdded, MessageHeard, RunId, SlotUpdated, StageChanged, StageCompleted, Timestamp,
};
use greenroom_session::ports::{Append, Entry, RunStatus};
use greenroom_session::{CallCost, Private};
use serde::Serialize;

use super::prepared::{AppendDefect, Key};

/// The state on the wire of a session whose run failed (PRODUCT.md, states).
const FAILED_STATE: &str = "FAILED";

/// What an append that is more than deltas writes beside its events.
#[derive(Debug)]
pub struct Projection {
    pub session: SessionValues,
    pub messages: Vec<MessageRow>,
    pub slots: Vec<SlotRow>,
    pub reserved: Vec<ReservedRow>,
    pub settled: Vec<SettledRow>,
    /// Rarer changes, one statement each, in the order of their facts.
    pub changes: Vec<Change>,
}

#[derive(Debug)]
pub struct SessionValues {
    pub session: Key,
    pub user: Option<Arc<str>>,
    pub state: Arc<str>,
    pub mode: Arc<str>,
    pub locale: Arc<str>,
    pub playbook: Arc<str>,
    pub title: Option<Arc<str>>,
    pub completeness: f64,
    pub wake_at: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Debug)]
pub struct MessageRow {
    pub session: Key,
    pub message: Key,
    pub seq: i64,
    pub turn: Option<Key>,
    pub role: Arc<str>,
    pub modality: Arc<str>,
    pub text: Arc<str>,
    pub truncated: bool,
    pub asks: Option<Arc<str>>,
    pub locale: Option<Arc<str>>,
    pub provenance: Arc<str>,
    pub created_at: i64,
}

#[derive(Debug)]
pub struct SlotRow {
    pub session: Key,
    pub path: Arc<str>,
    pub value: Arc<str>,
    pub confidence: f64,
    pub source: Arc<str>,
    pub seq: i64,
    pub updated_at: i64,
}

#[derive(Debug)]
pub struct ReservedRow {
    pub session: Key,
    pub call: Key,
    pub purpose: Arc<str>,
    pub turn: Option<Key>,
    pub run: Option<Key>,
    pub stage: Option<Arc<str>>,
    pub attempt: Option<i64>,
    pub provider: Option<Arc<str>>,
    pub model: Option<Arc<str>>,
    pub at: i64,
}

#[derive(Debug)]
pub struct SettledRow {
    pub session: Key,
    pub call: Key,
    pub purpose: Arc<str>,
    pub outcome: Arc<str>,
    pub provider: Option<Arc<str>>,
    pub model: Option<Arc<str>>,
    pub response_id: Option<Arc<str>>,
    pub request_id: Option<Arc<str>>,
    pub usage: Option<Arc<str>>,
    pub cost_micro_usd: Option<i64>,
    pub at: i64,
}

/// A change of a read model that comes too seldom to be written many at a time.
#[derive(Debug)]
pub enum Change {
    /// A spoken message was heard up to here.
    Heard {
        message: Key,
        heard_ms: i64,
        text: Arc<str>,
    },
    /// Something became of a run.
    Run { run: Key, at: i64, change: RunChange },
    /// An asset can be fetched.
    Asset(Box<AssetValues>),
    /// A job stands somewhere else.
    Job(Box<JobValues>),
    /// The session itself failed: what it had under way failed with it.
    Failed {
        state: Arc<str>,
        error: Option<Arc<str>>,
        at: i64,
    },
}

#[derive(Debug)]
pub enum RunChange {
    /// The gate was waived for it.
    Waived { data: Arc<str> },
    /// It began.
    Started { state: Arc<str>, data: Arc<str> },
    /// The state on the wire changed because of it.
    State {
        state: Arc<str>,
        failed: bool,
        failures: Arc<str>,
    },
    /// A stage of it began; a failed run goes on by that.
    Resumed,
    /// It ended well, or was cancelled.
    Ended { status: Arc<str> },
    /// A stage of it is complete.
    Output {
        stage: Arc<str>,
        attempt: i64,
        seq: i64,
        data: Arc<str>,
        provenance: Arc<str>,
    },
}

#[derive(Debug)]
pub struct JobValues {
    pub job: Key,
    pub run: Key,
    pub job_type: Arc<str>,
    pub status: Arc<str>,
    pub progress: i64,
    pub retry_count: i64,
    pub last_retry_at: Option<i64>,
    pub error: Option<Arc<str>>,
    pub at: i64,
}

#[derive(Debug)]
pub struct AssetValues {
    pub asset: Key,
    pub run: Option<Key>,
    pub kind: Arc<str>,
    pub url: Arc<str>,
    pub media_type: Arc<str>,
    pub size_bytes: i64,
    pub provenance: Arc<str>,
    pub seq: i64,
    pub at: i64,
}

impl Projection {
    /// What follows from an append; nothing if it is nothing but deltas.
    pub fn new(append: &Append) -> Result<Option<Self>, AppendDefect> {
        let mut told = append
            .entries
            .iter()
            .filter(|entry| !is_delta(&entry.fact.event))
            .peekable();
        let Some(first) = told.peek() else { return Ok(None) };
        let session = Key::new(append.session_id.ulid());
        let mut projection = Self {
            session: session_values(append, session, first.fact.at)?,
            messages: Vec::new(),
            slots: Vec::new(),
            reserved: Vec::new(),
            settled: Vec::new(),
            changes: Vec::new(),
        };
        for entry in told {
            projection.session.updated_at = entry.fact.at.unix_ms();
            projection.follow(session, append, entry)?;
        }
        Ok(Some(projection))
    }

    fn follow(&mut self, session: Key, append: &Append, entry: &Entry) -> Result<(), AppendDefect> {
        let at = entry.fact.at.unix_ms();
        match &entry.fact.event {
            Event::MessageAdded(message) => self.messages.push(message_row(session, message, entry)?),
            Event::SlotUpdated(slot) => self.slots.push(slot_row(session, slot, entry)?),
            Event::CallReserved(call) => {
                self.reserved
                    .push(reserved_row(session, call, &entry.fact.private, at)?);
            }
            Event::CallSettled(call) => {
                self.settled
                    .push(settled_row(session, call, &entry.fact.private, at)?);
            }
            Event::MessageHeard(heard) => self.changes.push(heard_change(heard)),
            Event::AssetReady(asset) => self.changes.push(asset_change(asset, entry)?),
            Event::JobUpdated(job) => self.changes.push(job_change(job, at)?),
            Event::GateWaived(waived) => {
                self.run_change(waived.run_id, at, RunChange::Waived { data: data(entry) });
            }
            Event::RunStarted(started) => {
                self.run_change(
                    started.run_id,
                    at,
                    RunChange::Started {
                        state: append.summary.state.as_str().into(),
                        data: data(entry),
                    },
                );
            }
            Event::StageChanged(changed) => {
                if let Some(run_id) = changed.run_id {
                    self.run_change(run_id, at, state_change(changed)?);
                } else if changed.state == FAILED_STATE {
                    self.changes.push(failed_change(append, at)?);
                }
            }
            Event::StageStarted(started) => self.run_change(started.run_id, at, RunChange::Resumed),
            Event::StageCompleted(completed) => {
                self.run_change(completed.run_id, at, output_change(completed, entry)?);
            }
            Event::RunCancelled(run) => {
                self.run_change(
                    run.run_id,
                    at,
                    RunChange::Ended {
                        status: word(RunStatus::Cancelled)?,
                    },
                );
            }
            Event::RunCompleted(run) => {
                self.run_change(
                    run.run_id,
                    at,
                    RunChange::Ended {
                        status: word(RunStatus::Completed)?,
                    },
                );
            }
            Event::SessionStarted(_)
            | Event::SessionRestarted(_)
            | Event::SessionStopped(_)
            | Event::TurnStarted(_)
            | Event::PlannerDelta(_)
            | Event::GateReady(_)
            | Event::GateChanged(_)
            | Event::TurnCompleted(_)
            | Event::BudgetWarning(_)
            | Event::Error(_)
            | Event::StageDelta(_) => {}
        }
        Ok(())
    }

    fn run_change(&mut self, run_id: RunId, at: i64, change: RunChange) {
        self.changes.push(Change::Run {
            run: Key::new(run_id.ulid()),
            at,
            change,
        });
    }
}

/// Deltas touch no read model: there are many of them, and what they say is said again when it is final.
fn is_delta(event: &Event) -> bool {
    matches!(event, Event::PlannerDelta(_) | Event::StageDelta(_))
}

fn session_values(
    append: &Append,
    session: Key,
    created_at: Timestamp,
) -> Result<SessionValues, AppendDefect> {
    let summary = &append.summary;
    Ok(SessionValues {
        session,
        user: summary.user.as_ref().map(|user| user.reveal().into()),
        state: summary.state.as_str().into(),
        mode: word(summary.mode)?,
        locale: word(summary.locale)?,
        playbook: summary.playbook.as_str().into(),
        title: summary.title.as_deref().map(Into::into),
        completeness: summary.completeness,
        wake_at: summary.wake_at.map(Timestamp::unix_ms),
        created_at: created_at.unix_ms(),
        updated_at: created_at.unix_ms(),
    })
}

fn message_row(session: Key, message: &MessageAdded, entry: &Entry) -> Result<MessageRow, AppendDefect> {
    Ok(MessageRow {
        session,
        message: Key::new(message.message_id.ulid()),
        seq: seq(entry),
        turn: message.turn_id.map(|turn| Key::new(turn.ulid())),
        role: word(message.role)?,
        modality: word(message.modality)?,
        text: message.text.as_str().into(),
        truncated: message.truncated,
        asks: message.asks.as_ref().map(|path| path.as_str().into()),
        locale: message.locale.map(word).transpose()?,
        provenance: json(&message.provenance)?,
        created_at: entry.fact.at.unix_ms(),
    })
}

fn slot_row(session: Key, slot: &SlotUpdated, entry: &Entry) -> Result<SlotRow, AppendDefect> {
    Ok(SlotRow {
        session,
        path: slot.path.as_str().into(),
        value: json(&slot.value)?,
        confidence: slot.confidence,
        source: json(&slot.source)?,
        seq: seq(entry),
        updated_at: entry.fact.at.unix_ms(),
    })
}

fn reserved_row(
    session: Key,
    call: &CallReserved,
    private: &Private,
    at: i64,
) -> Result<ReservedRow, AppendDefect> {
    let (turn, run, stage, attempt) = match &call.scope {
        CallScope::Stage {
            run_id,
            stage,
            attempt,
        } => (None, Some(run_id), Some(stage), Some(*attempt)),
        CallScope::Turn { turn_id, attempt } => (Some(turn_id), None, None, Some(*attempt)),
        CallScope::Session {} => (None, None, None, None),
    };
    Ok(ReservedRow {
        session,
        call: Key::new(call.call_id.ulid()),
        purpose: word::<CallPurpose>(call.purpose)?,
        turn: turn.map(|turn| Key::new(turn.ulid())),
        run: run.map(|run| Key::new(run.ulid())),
        stage: stage.map(|stage| stage.as_str().into()),
        attempt: attempt.map(i64::from),
        provider: private.model.as_ref().map(|model| model.provider.as_str().into()),
        model: private.model.as_ref().map(|model| model.model.as_str().into()),
        at,
    })
}

fn settled_row(
    session: Key,
    call: &CallSettled,
    private: &Private,
    at: i64,
) -> Result<SettledRow, AppendDefect> {
    let record = private.call.as_ref();
    let cost_micro_usd = record.and_then(|record| match record.cost {
        CallCost::Known(micro_usd) => Some(i64::try_from(micro_usd).unwrap_or(i64::MAX)),
        CallCost::Unknown => None,
    });
    let usage = record
        .and_then(|record| record.usage.as_ref())
        .map(json)
        .transpose()?;
    Ok(SettledRow {
        session,
        call: Key::new(call.call_id.ulid()),
        purpose: word::<CallPurpose>(call.purpose)?,
        outcome: word::<CallOutcome>(call.outcome)?,
        provider: record.map(|record| record.provider.as_str().into()),
        model: record.map(|record| record.model.as_str().into()),
        response_id: record
            .and_then(|record| record.response_id.as_deref())
            .map(Into::into),
        request_id: record
            .and_then(|record| record.request_id.as_deref())
            .map(Into::into),
        usage,
        cost_micro_usd,
        at,
    })
}

fn heard_change(heard: &MessageHeard) -> Change {
    Change::Heard {
        message: Key::new(heard.message_id.ulid()),
        heard_ms: i64::try_from(heard.heard_ms.0).unwrap_or(i64::MAX),
        text: heard.text.as_str().into(),
    }
}

fn state_change(changed: &StageChanged) -> Result<RunChange, AppendDefect> {
    Ok(RunChange::State {
        state: changed.state.as_str().into(),
        failed: changed.state == FAILED_STATE || !changed.failures.is_empty(),
        failures: json(&changed.failures)?,
    })
}

/// The session failed without a run having brought it about: the error told along with that is why.
fn failed_change(append: &Append, at: i64) -> Result<Change, AppendDefect> {
    let error = append.entries.iter().find_map(|entry| match &entry.fact.event {
        Event::Error(told) => Some(&told.error),
        _ => None,
    });
    Ok(Change::Failed {
        state: FAILED_STATE.into(),
        error: error.map(json).transpose()?,
        at,
    })
}

fn output_change(completed: &StageCompleted, entry: &Entry) -> Result<RunChange, AppendDefect> {
    Ok(RunChange::Output {
        stage: completed.stage.as_str().into(),
        attempt: i64::from(completed.attempt),
        seq: seq(entry),
        data: data(entry),
        provenance: json(&completed.provenance)?,
    })
}

fn asset_change(asset: &AssetReady, entry: &Entry) -> Result<Change, AppendDefect> {
    Ok(Change::Asset(Box::new(AssetValues {
        asset: Key::new(asset.asset_id.ulid()),
        run: asset.run_id.map(|run| Key::new(run.ulid())),
        kind: asset.kind.as_str().into(),
        url: asset.url.as_str().into(),
        media_type: asset.media_type.as_str().into(),
        size_bytes: i64::try_from(asset.size_bytes).unwrap_or(i64::MAX),
        provenance: json(&asset.provenance)?,
        seq: seq(entry),
        at: entry.fact.at.unix_ms(),
    })))
}

fn job_change(job: &JobUpdated, at: i64) -> Result<Change, AppendDefect> {
    Ok(Change::Job(Box::new(JobValues {
        job: Key::new(job.job_id.ulid()),
        run: Key::new(job.run_id.ulid()),
        job_type: word(job.job_type)?,
        status: word(job.status)?,
        progress: i64::from(job.progress),
        retry_count: i64::from(job.retry_count),
        last_retry_at: job.last_retry_at.map(Timestamp::unix_ms),
        error: job.error.as_ref().map(json).transpose()?,
        at,
    })))
}

/// The number of an entry; [`super::prepared::PreparedAppend`] has checked that it fits.
fn seq(entry: &Entry) -> i64 {
    i64::try_from(entry.frame.seq.0).unwrap_or(i64::MAX)
}

fn data(entry: &Entry) -> Arc<str> {
    entry.frame.data_json().into()
}

fn json<T: Serialize + ?Sized>(value: &T) -> Result<Arc<str>, AppendDefect> {
    Ok(serde_json::to_string(value)?.into())
}

/// The word that stands for a plain variant on the wire, without its quotes.
fn word<T: Serialize>(value: T) -> Result<Arc<str>, AppendDefect> {
    Ok(serde_json::to_string(&value)?.trim_matches('"').into())
}
