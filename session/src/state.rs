//! The state of a session: nothing but the fold of its facts. What folds it is in `evolve`.

mod conversation;
mod job;
mod shared;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use greenroom_protocol::{
    CallId, CallPurpose, CallScope, CommandId, ErrorBody, FrozenSlot, Gate, JobId, Locale, Millis, Mode,
    PlaybookRef, Provenance, RunId, Seq, SessionId, SlotPath, StageCompleted, StageId, Timestamp, TurnId,
};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::planner::PlannerOutput;
use crate::ports::{ModelIdentity, SearchSource};
use crate::{Breach, Brief, UserKey};

pub use conversation::Conversation;
pub(crate) use conversation::{Asking, INTERRUPTED_KEPT, MESSAGES_KEPT};
pub use job::JobProgress;

/// Search results that a run remembers.
pub(crate) const SOURCES_KEPT: usize = 500;
/// Outside calls that a session remembers after it gave them up; four of each kind may be open at once.
pub(crate) const LATE_CALLS_KEPT: usize = 16;
/// How long a turn whose text is complete waits to hear of its voice. A mouth makes the first sentence in a second or
/// two and always says how that went, so whoever takes longer has gone.
pub(crate) const VOICE_WAIT: Millis = Millis(10_000);
/// A call that is made outside the session and not settled after this long was abandoned by who made it: a recording of
/// five minutes is heard, and a reply spoken, in well under that; live speech lasts two minutes at most, and its words
/// come within another.
const OUTSIDE_CALL_AGE_MAX: Millis = Millis(3 * 60 * 1_000);

/// One session, folded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    pub open_calls: BTreeMap<CallId, OpenCall>,
    /// Calls made outside that were booked as unknown while somebody may still be making them; what comes of them
    /// counts. Oldest first.
    pub late_calls: VecDeque<LateCall>,
    /// Commands with an id that made facts: the latest, and for good those that started a run.
    pub(crate) commands: IndexMap<CommandId, Remembered>,
    /// Its supervisor gave it up, and clients were not told since where it stands.
    pub given_up: bool,
}

/// What the session remembers of a run that it need not hold whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEntry {
    /// The job that stands for it.
    pub job_id: Option<JobId>,
    /// The first fact of it.
    pub started_seq: Seq,
}

/// A call that was reserved and not settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenCall {
    /// What it is for.
    pub purpose: CallPurpose,
    /// What it belongs to.
    pub scope: CallScope,
    /// When it was reserved.
    pub reserved_at: Timestamp,
}

/// A call made outside that was given up before its end was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateCall {
    /// The call.
    pub call_id: CallId,
    /// What it belongs to.
    pub scope: CallScope,
}

/// A command that was taken, so that it is recognised when it comes again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Remembered {
    pub digest: String,
    pub seq: Seq,
    pub turn_id: Option<TurnId>,
    pub run_id: Option<RunId>,
    pub starts_run: bool,
}

/// The turn under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Turn {
    /// Nobody waits for a reply.
    Idle,
    /// A reply is being made.
    Planning(Box<Planning>),
}

/// A reply that is being made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Planning {
    /// The turn.
    pub turn_id: TurnId,
    /// What the user said.
    pub words: String,
    /// When the user had finished speaking; none for a typed turn.
    pub speech_ended_at: Option<Timestamp>,
    /// When that was noticed; none unless it was spoken live.
    pub endpoint_at: Option<Timestamp>,
    /// Whether somebody speaks the reply and says when it was heard.
    pub voiced: bool,
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanProgress {
    /// The turn has begun; its call is reserved in the same batch, or none is made.
    Begun,
    /// What the user said is being checked. Nothing has read it.
    Checking(Check),
    /// A call is under way.
    Calling(Attempt),
    /// The reply is whole and is being checked. Nothing of it is a message yet.
    Replied(Box<CheckedReply>),
    /// An attempt failed; the next begins at a time.
    Backoff(Backoff),
    /// The text of the reply is complete, and stands. The turn waits to hear of its voice.
    Voicing {
        /// When the text was complete.
        since: Timestamp,
    },
}

/// The check of texts that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Its call; none only between the facts of one batch.
    pub call: Option<ActiveCall>,
    /// Which of the requests that the texts fill, from 0.
    pub part: usize,
    /// Checks directly before it that a crash of the server interrupted.
    pub interruptions: u32,
    /// When the call was reserved.
    pub started_at: Timestamp,
    /// The time that it has.
    pub budget: Millis,
}

/// A reply that waits for its check; its text is what the user was shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckedReply {
    /// The attempt that made it.
    pub attempt: u32,
    /// The reply.
    pub reply: PlannerOutput,
    /// Which call wrote it.
    pub provenance: Provenance,
    /// Its check.
    pub check: Check,
}

/// An output that waits for its check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckedStage {
    /// The attempt that made it; none of its calls is under way.
    pub attempt: Attempt,
    /// What is recorded once the check has passed.
    pub completed: StageCompleted,
    /// Its check.
    pub check: Check,
}

/// An attempt that is under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveCall {
    /// The call.
    pub call_id: CallId,
    /// What it is for.
    pub purpose: CallPurpose,
    /// The number of its `call.reserved`: it may leave once that is committed.
    pub reserved_seq: Seq,
    /// The model that it is meant for.
    pub model: Option<ModelIdentity>,
    /// The provider's response that it is, once that is known to go on while nobody waits for it.
    pub response_id: Option<String>,
}

/// The wait before the next attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    #[serde(with = "shared::one")]
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
    /// When something last happened to it.
    pub progressed_at: Timestamp,
    /// How it goes on as a job.
    pub job: JobProgress,
}

/// Where a stage stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageProgress {
    /// Not begun.
    Waiting,
    /// An attempt is under way.
    Running(Box<Attempt>),
    /// An attempt has made an output, which is being checked.
    Checking(Box<CheckedStage>),
    /// An attempt failed; the next begins at a time.
    Backoff(Backoff),
    /// Its output is committed; it is never called again.
    Completed {
        /// What was recorded of it.
        #[serde(with = "shared::one")]
        completed: Arc<StageCompleted>,
    },
    /// Its attempts are used up.
    Failed {
        /// The last attempt.
        attempt: u32,
        /// Why.
        error: Box<ErrorBody>,
    },
}

impl OpenCall {
    /// Whether it is made outside the session, so that nothing is due for it.
    pub fn is_outside(&self) -> bool {
        match self.purpose {
            CallPurpose::Transcribe | CallPurpose::Speak => true,
            CallPurpose::Moderate => self.scope == CallScope::Session {},
            CallPurpose::Plan | CallPurpose::Stage | CallPurpose::Repair => false,
        }
    }

    /// When whoever makes it outside has gone for certain; none of a call that is made here.
    pub fn given_up_at(&self) -> Option<Timestamp> {
        self.is_outside()
            .then(|| self.reserved_at.after(OUTSIDE_CALL_AGE_MAX))
    }

    /// Whether it is made outside and somebody may still be making it.
    pub fn is_outside_and_recent(&self, now: Timestamp) -> bool {
        self.given_up_at().is_some_and(|given_up_at| now < given_up_at)
    }
}

impl Attempt {
    /// What is left of its time, for itself and what follows it.
    pub fn time_left(&self, now: Timestamp) -> Millis {
        Millis(self.budget.0.saturating_sub(now.since(self.started_at).0))
    }
}

impl Check {
    /// What is left of its time.
    pub fn time_left(&self, now: Timestamp) -> Millis {
        Millis(self.budget.0.saturating_sub(now.since(self.started_at).0))
    }
}

impl PlanProgress {
    /// The call that is under way.
    pub fn call(&self) -> Option<&ActiveCall> {
        match self {
            Self::Begun | Self::Backoff(_) | Self::Voicing { .. } => None,
            Self::Checking(check) => check.call.as_ref(),
            Self::Calling(attempt) => attempt.call.as_ref(),
            Self::Replied(reply) => reply.check.call.as_ref(),
        }
    }

    /// Since when the text of the reply is complete, if the turn waits to hear of its voice.
    pub fn voicing_since(&self) -> Option<Timestamp> {
        match self {
            Self::Voicing { since } => Some(*since),
            Self::Begun | Self::Checking(_) | Self::Calling(_) | Self::Replied(_) | Self::Backoff(_) => None,
        }
    }
}

impl StageProgress {
    /// The attempt that is under way, its check included.
    pub fn attempt(&self) -> Option<&Attempt> {
        match self {
            Self::Running(attempt) => Some(attempt),
            Self::Checking(checked) => Some(&checked.attempt),
            Self::Waiting | Self::Backoff(_) | Self::Completed { .. } | Self::Failed { .. } => None,
        }
    }

    /// The call that is under way.
    pub fn call(&self) -> Option<&ActiveCall> {
        match self {
            Self::Running(attempt) => attempt.call.as_ref(),
            Self::Checking(checked) => checked.check.call.as_ref(),
            Self::Waiting | Self::Backoff(_) | Self::Completed { .. } | Self::Failed { .. } => None,
        }
    }
}

impl Run {
    /// Whether an attempt of any stage is under way or waited for.
    pub fn is_busy(&self) -> bool {
        self.stages.values().any(|progress| match progress {
            StageProgress::Running(_) | StageProgress::Checking(_) | StageProgress::Backoff(_) => true,
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
    pub fn output(&self, stage: &StageId) -> Option<&Value> {
        match self.stages.get(stage)? {
            StageProgress::Completed { completed } => Some(&completed.output),
            StageProgress::Waiting
            | StageProgress::Running(_)
            | StageProgress::Checking(_)
            | StageProgress::Backoff(_)
            | StageProgress::Failed { .. } => None,
        }
    }

    /// The attempt of a stage that is under way, its check included.
    pub fn attempt(&self, stage: &StageId) -> Option<&Attempt> {
        self.stages.get(stage)?.attempt()
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

    /// The calls whose response their provider goes on with, whoever waits for it.
    pub fn responses(&self) -> impl Iterator<Item = (CallId, &str)> {
        let stages = self.active_run().into_iter().flat_map(|run| run.stages.values());
        let calls = stages.filter_map(StageProgress::call);
        calls.filter_map(|call| Some((call.call_id, call.response_id.as_deref()?)))
    }

    /// The reply that is being made.
    pub fn planning(&self) -> Option<&Planning> {
        match &self.turn {
            Turn::Planning(planning) => Some(planning),
            Turn::Idle => None,
        }
    }

    /// Whether somebody may still be making a call outside, so that the session had better stay where it is.
    pub fn awaits_outside(&self, now: Timestamp) -> bool {
        self.open_calls
            .values()
            .any(|call| call.is_outside_and_recent(now))
    }
}
