//! What an operator sees of a session's actor.

use std::time::Duration;

use greenroom_protocol::{CallId, CallPurpose, CallScope, RunId, Seq, SessionId, StageId, Timestamp, TurnId};
use greenroom_session::Stamp;
use serde::Serialize;

/// A session's actor as it is now. What it decided and the journal has not taken yet is in it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ActorSnapshot {
    /// Which session.
    pub session_id: SessionId,
    /// The state on the wire.
    pub state: String,
    /// The turn under way.
    pub turn_id: Option<TurnId>,
    /// The newest run.
    pub run_id: Option<RunId>,
    /// The stages under way.
    pub stages: Vec<StageSnapshot>,
    /// Commands that wait for their answer.
    pub commands_waiting: usize,
    /// Agents under way.
    pub children: Vec<ChildSnapshot>,
    /// Cursors on this session.
    pub connections: usize,
    /// The last fact decided.
    pub head: Seq,
    /// The last event committed.
    pub committed: Seq,
    /// Facts that wait for the append in flight.
    pub facts_waiting: usize,
    /// Whether an append is in flight.
    pub appending: bool,
    /// The epoch under which it appends.
    pub epoch: u64,
    /// Which activation this is, counted over the whole server.
    pub generation: u64,
    /// Restarts after a panic, as long as the session is in memory.
    pub restarts: u32,
    /// When it wants to be woken.
    pub wake_at: Option<Timestamp>,
}

/// A stage under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StageSnapshot {
    /// Which.
    pub stage: StageId,
    /// The attempt under way, or the one that failed last.
    pub attempt: u32,
}

/// An agent under way.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChildSnapshot {
    /// The call that it makes.
    pub call_id: CallId,
    /// What the call is for.
    pub purpose: CallPurpose,
    /// The attempt it belongs to.
    #[serde(flatten)]
    pub scope: CallScope,
    /// For how long it has been under way, in milliseconds.
    pub age_ms: u64,
}

impl ChildSnapshot {
    pub(super) fn new(stamp: &Stamp, age: Duration) -> Self {
        Self {
            call_id: stamp.call_id,
            purpose: stamp.purpose,
            scope: stamp.scope.clone(),
            age_ms: u64::try_from(age.as_millis()).unwrap_or(u64::MAX),
        }
    }
}
