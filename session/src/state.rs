//! The state of a session: nothing but the fold of its facts. What folds it is in `evolve`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use greenroom_protocol::{
    CallId, CallPurpose, CallScope, CommandId, ErrorBody, FrozenSlot, Gate, JobId, Locale, MessageAdded,
    Millis, Mode, PlaybookRef, RunId, Seq, SessionId, SlotPath, StageId, Timestamp, TurnId,
};
use indexmap::IndexMap;
use serde_json::Value;

use crate::ports::{ModelIdentity, SearchSource};
use crate::{Breach, Brief, UserKey};

/// Messages that a session keeps at hand for its planner and for snapshots.
pub(crate) const MESSAGES_KEPT: usize = 40;
/// Utterances of interrupted turns that the next planner reads again.
pub(crate) const INTERRUPTED_KEPT: usize = 4;
/// Search results that a run remembers.
pub(crate) const SOURCES_KEPT: usize = 500;

/// One session, folded.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// Which session.
    pub id: SessionId,
    /// Whose it is.
    pub user: Option<UserKey>,
    /// How it spends.
    pub mode: Mode,
    /// Its language now.
    pub locale: Locale,
    /// The playbook it is pinned to.
    pub playbook: PlaybookRef,
    /// When it began.
    pub created_at: Timestamp,
    /// When its last fact was decided.
    pub updated_at: Timestamp,
    /// The number of the last fact folded.
    pub head: Seq,
    /// The state as clients see it.
    pub wire_state: String,
    /// The brief.
    pub brief: Brief,
    /// The gate as it was last announced.
    pub gate: Gate,
    /// What was said.
    pub conversation: Conversation,
    /// The turn under way.
    pub turn: Turn,
    /// Where the session stands with its runs.
    pub phase: Phase,
    /// The newest run.
    pub newest_run: Option<RunId>,
    /// Each run with its job and how it ended, oldest first.
    pub runs: IndexMap<RunId, RunEntry>,
    /// Calls that were reserved and not settled.
    pub open_calls: BTreeMap<CallId, (CallPurpose, CallScope)>,
    /// Commands with an id that made facts: the latest, and for good those that started a run.
    pub(crate) commands: IndexMap<CommandId, Remembered>,
}

/// What the session remembers of a run that it need not hold whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunEntry {
    /// The job that stands for it.
    pub job_id: Option<JobId>,
    /// The first fact of it.
    pub started_seq: Seq,
}

/// A command that was taken, so that it is recognised when it comes again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remembered {
    pub digest: String,
    pub seq: Seq,
    pub turn_id: Option<TurnId>,
    pub run_id: Option<RunId>,
    pub starts_run: bool,
}

/// What was said, as far as the planner needs it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Conversation {
    /// Turns begun.
    pub turns: u32,
    /// The latest messages, oldest first.
    pub messages: VecDeque<Arc<MessageAdded>>,
    /// How often each unfilled slot was asked for.
    pub asks: BTreeMap<SlotPath, u32>,
    /// The slot that the last question asked for, until it is filled.
    pub asked: Option<SlotPath>,
    /// The newest turn.
    pub last_turn: Option<TurnId>,
    /// For each slot that the user edited or cleared, the newest turn then: words from up to it never undo that.
    pub edited_after: BTreeMap<SlotPath, TurnId>,
    /// What the user said in the turns that were interrupted just before.
    pub interrupted: VecDeque<(TurnId, String)>,
}

/// The turn under way.
#[derive(Debug, Clone, PartialEq)]
pub enum Turn {
    /// Nobody waits for a reply.
    Idle,
    /// A reply is being made.
    Planning(Box<Planning>),
}

/// A reply that is being made.
#[derive(Debug, Clone, PartialEq)]
pub struct Planning {
    /// The turn.
    pub turn_id: TurnId,
    /// What the user said.
    pub words: String,
    /// When the turn began.
    pub started_at: Timestamp,
    /// The attempt under way or waited for.
    pub progress: PlanProgress,
    /// The call whose words the user is shown, also after it failed.
    pub speaker: Option<ActiveCall>,
    /// What the user was shown so far by this attempt.
    pub reply: String,
    /// The slot that it asks for.
    pub asks: Option<SlotPath>,
    /// When the first words were shown.
    pub first_words_at: Option<Timestamp>,
    /// When the first sentence was complete.
    pub first_sentence_at: Option<Timestamp>,
}

/// Where the planner stands.
#[derive(Debug, Clone, PartialEq)]
pub enum PlanProgress {
    /// The turn has begun; its call is reserved in the same batch, or none is made.
    Begun,
    /// A call is under way.
    Calling(Attempt),
    /// An attempt failed; the next begins at a time.
    Backoff(Backoff),
}

/// An attempt that is under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// 1 for the first.
    pub number: u32,
    /// Attempts before it that failed by themselves.
    pub retries: u32,
    /// Attempts directly before it that a crash of the server interrupted.
    pub interruptions: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// The time that it began with, for itself and what follows it.
    pub budget: Millis,
    /// The time that its run had left when it began; nothing for a planner's.
    pub run_left: Millis,
    /// Its call; none only between the facts of one batch.
    pub call: Option<ActiveCall>,
    /// What was wrong with its first reply, when the second is a repair.
    pub breach: Option<Breach>,
}

/// A call that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveCall {
    /// The call.
    pub call_id: CallId,
    /// What it is for.
    pub purpose: CallPurpose,
    /// The number of its `call.reserved`: it may leave once that is committed.
    pub reserved_seq: Seq,
    /// The model that it is meant for.
    pub model: Option<ModelIdentity>,
}

/// The wait before the next attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Backoff {
    /// The attempt that failed.
    pub failed_attempt: u32,
    /// Attempts that failed by themselves, this one included.
    pub retries: u32,
    /// When the next begins.
    pub retry_at: Timestamp,
    /// The time that is left for it.
    pub budget: Millis,
    /// The time that its run had left when the failed attempt began.
    pub run_left: Millis,
}

/// Where the session stands with its runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    /// The gate is closed and nothing ran yet since it was.
    Collecting,
    /// The gate is open.
    Ready,
    /// A run is under way.
    Running(Box<Run>),
    /// A run failed and can be taken up again.
    Failed(Box<Run>),
    /// A run is complete.
    Done {
        /// Which.
        run_id: RunId,
    },
}

/// A run that is under way or failed.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Which.
    pub run_id: RunId,
    /// The job that stands for it.
    pub job_id: Option<JobId>,
    /// How it spends.
    pub mode: Mode,
    /// The language of its texts.
    pub locale: Locale,
    /// The brief as it stood.
    pub brief: Arc<Vec<FrozenSlot>>,
    /// The gaps that were waived, for a draft.
    pub gaps: Option<Vec<SlotPath>>,
    /// Until when it must be done.
    pub deadline: Timestamp,
    /// What it may take in all.
    pub budget: Millis,
    /// Its stages, in the playbook's order.
    pub stages: IndexMap<StageId, StageProgress>,
    /// What its searches returned.
    pub sources: Vec<SearchSource>,
}

/// Where a stage stands.
#[derive(Debug, Clone, PartialEq)]
pub enum StageProgress {
    /// Not begun.
    Waiting,
    /// An attempt is under way.
    Running(Box<Attempt>),
    /// An attempt failed; the next begins at a time.
    Backoff(Backoff),
    /// Its output is committed; it is never called again.
    Completed {
        /// The attempt that succeeded.
        attempt: u32,
        /// The output.
        output: Arc<Value>,
    },
    /// Its attempts are used up.
    Failed {
        /// The last attempt.
        attempt: u32,
        /// Why.
        error: Box<ErrorBody>,
    },
}

impl Run {
    /// Whether an attempt of any stage is under way or waited for.
    pub fn is_busy(&self) -> bool {
        self.stages.values().any(|progress| match progress {
            StageProgress::Running(_) | StageProgress::Backoff(_) => true,
            StageProgress::Waiting | StageProgress::Completed { .. } | StageProgress::Failed { .. } => false,
        })
    }

    /// Stages that are complete.
    pub fn completed(&self) -> usize {
        self.stages
            .values()
            .filter(|progress| matches!(progress, StageProgress::Completed { .. }))
            .count()
    }

    /// The output of a completed stage.
    pub fn output(&self, stage: &StageId) -> Option<&Arc<Value>> {
        match self.stages.get(stage)? {
            StageProgress::Completed { output, .. } => Some(output),
            StageProgress::Waiting
            | StageProgress::Running(_)
            | StageProgress::Backoff(_)
            | StageProgress::Failed { .. } => None,
        }
    }

    /// The attempt of a stage that is under way.
    pub fn attempt(&self, stage: &StageId) -> Option<&Attempt> {
        match self.stages.get(stage)? {
            StageProgress::Running(attempt) => Some(attempt),
            StageProgress::Waiting
            | StageProgress::Backoff(_)
            | StageProgress::Completed { .. }
            | StageProgress::Failed { .. } => None,
        }
    }
}

impl State {
    /// The run that is under way.
    pub fn active_run(&self) -> Option<&Run> {
        match &self.phase {
            Phase::Running(run) => Some(run),
            Phase::Collecting | Phase::Ready | Phase::Failed(_) | Phase::Done { .. } => None,
        }
    }

    /// The reply that is being made.
    pub fn planning(&self) -> Option<&Planning> {
        match &self.turn {
            Turn::Planning(planning) => Some(planning),
            Turn::Idle => None,
        }
    }
}
