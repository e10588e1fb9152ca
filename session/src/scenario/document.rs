//! Scenarios, as they were read.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use greenroom_protocol::{ErrorCode, Locale, Mode, SlotPath, StageId, TurnOutcome};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use toml::Spanned;

use crate::CommandKind;

/// A text of the assistant that is a phrase of the playbook is written as this and the phrase's key.
pub const PHRASE_PREFIX: &str = "phrase:";

/// Something wrong in a scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScenarioFault {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what to write instead.
    pub message: String,
}

impl fmt::Display for ScenarioFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

/// One conversation with what must follow from it.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The file that it stands in.
    pub file: String,
    /// The line of its name.
    pub line: usize,
    /// What it shows, as a sentence.
    pub name: String,
    pub(super) setting: Setting,
    pub(super) steps: Vec<Step>,
    /// The text of the file, for the lines of what fails.
    pub(super) text: Arc<str>,
}

/// What a session of a scenario begins with.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub locale: Locale,
    pub mode: Mode,
    /// Whether a language model is configured.
    pub has_model: bool,
    /// Slots that the user has edited before the first step.
    pub brief: BTreeMap<SlotPath, Value>,
}

/// One thing that happens, and what must follow.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub line: usize,
    pub happening: Happening,
    /// What the planner's model does, attempt by attempt.
    pub replies: Vec<Reply>,
    /// Whether the planner's call is still under way at the end of the step.
    pub unanswered: bool,
    pub expect: Expect,
}

/// What happens in a step.
#[derive(Debug, Clone)]
pub(super) enum Happening {
    /// The user says something.
    Says { words: String, voice: bool },
    /// The user edits slots; null clears one.
    Edits(Vec<(SlotPath, Value)>),
    /// The user presses a button.
    Presses(Button),
    /// A stage's model ends its call.
    Stage { stage: StageId, end: StageEnd },
    /// Time passes.
    Waits { ms: u64 },
    /// The server dies and lives again.
    Restarts,
    /// An operator does something to the session.
    Operates(Deed),
    /// The planner's call that is under way goes on.
    GoesOn,
}

/// How the call of a stage ends.
#[derive(Debug, Clone)]
pub(super) enum StageEnd {
    /// With an output; `sources` are what its searches returned.
    Output { text: String, sources: Vec<String> },
    /// With a failure, after some time.
    Failure(Failing),
}

/// A call that fails.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failing {
    pub code: ErrorCode,
    /// Whether another attempt may succeed; none means as the code usually is.
    pub retryable: Option<bool>,
    pub after_ms: u64,
}

/// What the user can press.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Button {
    /// Start the run.
    Generate,
    /// Start it with what there is.
    Draft,
    /// Cancel the run.
    CancelRun,
    /// Take the failed run up again.
    RetryRun,
    /// End the reply that is under way.
    CancelResponse,
}

/// What an operator can do to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deed {
    /// Take it up again, a failed run from this stage. A session that has not failed is only marked: what follows is
    /// that it lives again.
    Restart {
        /// None means where the run failed.
        from_stage: Option<StageId>,
    },
    /// End what is under way.
    Stop,
}

/// What the planner's model does in one attempt.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub line: usize,
    /// What it writes, as it arrives.
    pub text: String,
    pub end: ReplyEnd,
}

/// How an attempt of the planner ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum ReplyEnd {
    /// The reply is complete.
    Complete,
    /// The call fails after what it wrote.
    Failure(Failing),
    /// Nothing more comes for now.
    Open,
}

/// What must follow from a step. What is not named may not change: slots, state, language, runs, errors.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Expect {
    /// Slots that have another value now, with that value.
    pub filled: Option<Spanned<BTreeMap<SlotPath, Value>>>,
    /// Slots that have no value any more.
    pub cleared: Option<Spanned<Vec<SlotPath>>>,
    /// The whole brief.
    pub brief: Option<Spanned<BTreeMap<SlotPath, Value>>>,
    /// The words that slots were filled from.
    pub words: Option<Spanned<BTreeMap<SlotPath, String>>>,
    /// Slots whose confidence is below what the gate wants on average.
    pub unsure: Option<Spanned<Vec<SlotPath>>>,
    /// Whether the gate is open.
    pub gate: Option<Spanned<GateIs>>,
    /// Required slots without a value, in the playbook's order.
    pub missing: Option<Spanned<Vec<SlotPath>>>,
    /// The state on the wire.
    pub state: Option<Spanned<String>>,
    /// The session's language.
    pub locale: Option<Spanned<Locale>>,
    /// The slot that the user is asked for now; `nothing` if none.
    pub asks: Option<Spanned<String>>,
    /// All texts of the assistant in this step.
    pub said: Option<Spanned<Vec<String>>>,
    /// Parts that the assistant's texts have.
    pub contains: Option<Spanned<Vec<String>>>,
    /// Parts that they have not.
    pub lacks: Option<Spanned<Vec<String>>>,
    /// Types of events, in this order, others between them.
    pub events: Option<Spanned<Vec<String>>>,
    /// Types of all events but deltas.
    pub only_events: Option<Spanned<Vec<String>>>,
    /// How turns ended in this step.
    pub outcomes: Option<Spanned<Vec<TurnOutcome>>>,
    /// The code that the user's wish was refused with.
    pub refused: Option<Spanned<ErrorCode>>,
    /// Codes of failures that were told.
    pub errors: Option<Spanned<Vec<ErrorCode>>>,
    /// Parts of what the planner was given to read in its first attempt of this step.
    pub reads: Option<Spanned<Vec<String>>>,
    /// Parts that it was not given.
    pub reads_not: Option<Spanned<Vec<String>>>,
}

/// Whether the gate is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum GateIs {
    /// A run may start.
    Open,
    /// Something is missing or unclear.
    Closed,
}

impl Button {
    /// What is asked by pressing it.
    pub(super) fn command(self) -> CommandKind {
        match self {
            Self::Generate => CommandKind::Generate {
                draft: false,
                background: false,
            },
            Self::Draft => CommandKind::Generate {
                draft: true,
                background: false,
            },
            Self::CancelRun => CommandKind::CancelRun { run_id: None },
            Self::RetryRun => CommandKind::RetryRun { run_id: None },
            Self::CancelResponse => CommandKind::CancelResponse,
        }
    }
}

impl Deed {
    /// What is asked by it.
    pub(super) fn command(&self) -> CommandKind {
        let reason = "written in a scenario".to_owned();
        match self {
            Self::Restart { from_stage } => CommandKind::Restart {
                from_stage: from_stage.clone(),
                reason,
            },
            Self::Stop => CommandKind::Stop { reason },
        }
    }
}

impl Scenario {
    /// The line of the file that a span begins on.
    pub(super) fn line_of(&self, span: &Range<usize>) -> usize {
        line_of(&self.text, span)
    }
}

/// The line of a text that a span begins on.
pub(super) fn line_of(text: &str, span: &Range<usize>) -> usize {
    1 + text
        .bytes()
        .take(span.start)
        .filter(|byte| *byte == b'\n')
        .count()
}
