//! What an agent is given to do, how it reads its model's reply, and what it reports.

use greenroom_protocol::{CallId, CallPurpose, CallScope, Delta, DeltaChange, SlotPath, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::evolve::ends_sentence;
use crate::moderation;
use crate::partial_json::{PartialJson, PartialJsonOptions, Step};
use crate::planner::{self, PlannerReader};
use crate::playbook::Playbook;
use crate::ports::{CallFailure, CallReceipt, ModelRequest, ModerationRequest, SearchSource, Verdict};
use crate::stage::{self, StageReader};
use crate::state::{
    ActiveCall, Check, Conversation, OpenCall, Phase, PlanProgress, Planning, StageProgress, State, Turn,
    VOICE_WAIT,
};

/// Steps of one reply that are shown as they come. A reply of the usual size has some hundreds; each may become an
/// event, and the whole output stands in the one that completes it.
const STEPS_MAX: usize = 20_000;

/// Which call of which attempt: what an agent's reports carry, so that late ones are recognised.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// The call.
    pub call_id: CallId,
    /// What it is for.
    pub purpose: CallPurpose,
    /// The attempt it belongs to.
    pub scope: CallScope,
}

/// What an agent reports to its session.
#[derive(Debug, Clone, PartialEq)]
pub enum AgentReport {
    /// The provider goes on with the reply, whoever waits for it.
    Begun {
        /// Its id of the response.
        response_id: String,
    },
    /// The reply grows.
    Steps(Vec<AgentStep>),
    /// The reply is complete.
    Finished(AgentOutput),
    /// The check is made.
    Checked(Verdict),
    /// The call failed.
    Failed {
        /// How.
        failure: CallFailure,
        /// What had arrived.
        partial: String,
        /// What searches had returned.
        sources: Vec<SearchSource>,
    },
    /// The reply that was to be taken up will not come.
    Lost {
        /// For the operator.
        reason: String,
    },
    /// The agent itself crashed.
    Crashed {
        /// For the operator.
        reason: String,
    },
}

/// A complete reply.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentOutput {
    /// The reply as it came.
    pub reply: String,
    /// What searches returned.
    pub sources: Vec<SearchSource>,
    /// What the provider says of the call.
    pub receipt: CallReceipt,
}

/// One step of a reply, for the session to decide upon.
#[derive(Debug, Clone, PartialEq)]
pub enum AgentStep {
    /// The planner's answer grows.
    Answer(String),
    /// The planner's question grows.
    Question {
        /// The slot it asks for.
        ask: Option<SlotPath>,
        /// More of its text.
        text: String,
    },
    /// The planner proposes a value.
    Slot(ProposedSlot),
    /// A stage's output grows; what must be checked has been.
    Delta(Delta),
}

/// A value that the planner proposes for a slot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProposedSlot {
    /// Which slot.
    pub path: SlotPath,
    /// The value.
    pub value: Value,
    /// How sure the planner is, 0 to 1.
    pub confidence: f64,
    /// The user's words that it quotes.
    pub words: String,
}

impl AgentStep {
    /// Joins what follows into this step if both append to the same text; gives it back otherwise.
    pub fn merge(&mut self, next: Self) -> Option<Self> {
        match (self, next) {
            (Self::Answer(text), Self::Answer(more)) => {
                text.push_str(&more);
                None
            }
            (
                Self::Question { ask, text },
                Self::Question {
                    ask: next_ask,
                    text: more,
                },
            ) if *ask == next_ask => {
                text.push_str(&more);
                None
            }
            (
                Self::Delta(Delta {
                    path,
                    change: DeltaChange::Append(text),
                }),
                Self::Delta(Delta {
                    path: next_path,
                    change: DeltaChange::Append(more),
                }),
            ) if *path == next_path => {
                text.push_str(&more);
                None
            }
            (
                Self::Answer(_) | Self::Question { .. } | Self::Slot(_) | Self::Delta(_),
                next @ (Self::Answer(_) | Self::Question { .. } | Self::Slot(_) | Self::Delta(_)),
            ) => Some(next),
        }
    }

    /// Whether this step ends a sentence that somebody may be waiting to hear.
    pub fn ends_sentence(&self) -> bool {
        match self {
            Self::Answer(text) | Self::Question { text, .. } => text.contains(ends_sentence),
            Self::Slot(_) | Self::Delta(_) => false,
        }
    }
}

/// One call for an agent to make.
#[derive(Debug)]
pub enum AgentTask {
    /// A reply of the language model.
    Model(Box<ModelTask>),
    /// The check of texts.
    Moderation(ModerationTask),
}

/// A check for an agent to make.
#[derive(Debug)]
pub struct ModerationTask {
    /// Which call.
    pub stamp: Stamp,
    /// What to send.
    pub request: ModerationRequest,
}

/// A call of the language model for an agent to make.
#[derive(Debug)]
pub struct ModelTask {
    /// Which call.
    pub stamp: Stamp,
    /// What to send.
    pub request: ModelRequest,
    /// How to read the reply.
    pub reader: AgentReader,
}

impl AgentTask {
    /// Which call it is.
    pub fn stamp(&self) -> &Stamp {
        match self {
            Self::Model(task) => &task.stamp,
            Self::Moderation(task) => &task.stamp,
        }
    }
}

/// Reads a growing reply. Never fails: what is malformed is found at the end, by the decider.
#[derive(Debug)]
pub struct AgentReader {
    json: PartialJson,
    /// Steps that may still be shown.
    steps_left: usize,
    kind: ReaderKind,
}

#[derive(Debug)]
enum ReaderKind {
    Planner(PlannerReader),
    Stage(StageReader),
}

impl AgentReader {
    pub(crate) fn planner() -> Self {
        let options = PartialJsonOptions {
            held: vec![planner::SLOT_UPDATES.to_owned()],
        };
        Self {
            json: PartialJson::new(options),
            steps_left: STEPS_MAX,
            kind: ReaderKind::Planner(PlannerReader::default()),
        }
    }

    pub(crate) fn stage(reader: StageReader) -> Self {
        let options = PartialJsonOptions {
            held: reader.held_paths(),
        };
        Self {
            json: PartialJson::new(options),
            steps_left: STEPS_MAX,
            kind: ReaderKind::Stage(reader),
        }
    }

    /// Reads on; the steps that follow from it.
    pub fn text(&mut self, text: &str) -> Vec<AgentStep> {
        let steps: Vec<Step> = self.json.push(text).unwrap_or_default();
        let mut shown: Vec<AgentStep> = match &mut self.kind {
            ReaderKind::Planner(reader) => steps.into_iter().filter_map(|step| reader.step(step)).collect(),
            ReaderKind::Stage(reader) => reader.steps(steps),
        };
        shown.truncate(self.steps_left);
        self.steps_left -= shown.len();
        shown
    }

    /// A search returned this: what names it later is supported.
    pub fn source(&mut self, source: &SearchSource) {
        match &mut self.kind {
            ReaderKind::Planner(_) => {}
            ReaderKind::Stage(reader) => reader.source(source),
        }
    }
}

/// What ought to be under way. Nothing else may be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Due {
    /// Calls, each to be made by an agent of its own.
    pub calls: Vec<DueCall>,
    /// Whether a call made outside is open. Its maker does not outlive this process; the session has to be woken by the
    /// next one, so that the call is booked.
    pub awaits_outside: bool,
    /// When the decider wants to be asked again.
    pub wake_at: Option<Timestamp>,
}

/// A call that ought to be under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueCall {
    /// Which.
    pub stamp: Stamp,
    /// It may leave once this event is committed.
    pub reserved_seq: greenroom_protocol::Seq,
}

/// What ought to be under way, from the state alone. Calls made outside the session are none of it, but that they end is
/// waited for.
pub fn due(state: &State) -> Due {
    let mut due = Due::default();
    for given_up_at in state.open_calls.values().filter_map(OpenCall::given_up_at) {
        due.awaits_outside = true;
        due.wake(given_up_at);
    }
    if let Turn::Planning(planning) = &state.turn {
        let attempt = match &planning.progress {
            // What the user says belongs to the first attempt at an answer.
            PlanProgress::Begun | PlanProgress::Checking(_) => 1,
            PlanProgress::Calling(attempt) => attempt.number,
            PlanProgress::Replied(reply) => reply.attempt,
            PlanProgress::Backoff(backoff) => {
                due.wake(backoff.retry_at);
                backoff.failed_attempt
            }
            PlanProgress::Voicing { since } => {
                due.wake(since.after(VOICE_WAIT));
                1
            }
        };
        let turn_id = planning.turn_id;
        due.call(planning.progress.call(), CallScope::Turn { turn_id, attempt });
    }
    match &state.phase {
        Phase::Running(run) => {
            if let Some(stuck_at) = run.stuck_at() {
                due.wake(stuck_at);
            }
            for (stage, progress) in &run.stages {
                if let StageProgress::Backoff(backoff) = progress {
                    due.wake(backoff.retry_at);
                }
                let Some(attempt) = progress.attempt() else {
                    continue;
                };
                let scope = CallScope::Stage {
                    run_id: run.run_id,
                    stage: stage.clone(),
                    attempt: attempt.number,
                };
                due.call(progress.call(), scope);
            }
        }
        Phase::Collecting | Phase::Ready | Phase::Failed(_) | Phase::Done { .. } => {}
    }
    due
}

impl Due {
    fn call(&mut self, call: Option<&ActiveCall>, scope: CallScope) {
        self.calls.extend(call.map(|call| DueCall {
            stamp: Stamp {
                call_id: call.call_id,
                purpose: call.purpose,
                scope,
            },
            reserved_seq: call.reserved_seq,
        }));
    }

    fn wake(&mut self, at: Timestamp) {
        self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// What the index of sessions keeps: now while calls are under way, here or outside, else the next timer, else nothing.
    pub fn wake_index(&self, now: Timestamp) -> Option<Timestamp> {
        if self.calls.is_empty() && !self.awaits_outside {
            self.wake_at
        } else {
            Some(now)
        }
    }
}

/// What the agent of a due call is to do; none when the state no longer names the call.
pub fn agent_task(state: &State, playbook: &Playbook, stamp: &Stamp, now: Timestamp) -> Option<AgentTask> {
    match &stamp.scope {
        CallScope::Session {} => None,
        CallScope::Turn { turn_id, .. } => {
            let planning = state.planning().filter(|planning| planning.turn_id == *turn_id)?;
            match &planning.progress {
                PlanProgress::Begun | PlanProgress::Backoff(_) | PlanProgress::Voicing { .. } => None,
                PlanProgress::Calling(attempt) => {
                    let timeout = attempt.time_left(now);
                    let request = planner::request(state, playbook, stamp.call_id, timeout);
                    Some(model_task(stamp, request, AgentReader::planner()))
                }
                PlanProgress::Checking(check) => {
                    moderation_task(stamp, check, words_to_check(&state.conversation, planning), now)
                }
                PlanProgress::Replied(reply) => moderation_task(
                    stamp,
                    &reply.check,
                    moderation::requests([planning.reply.as_str()]),
                    now,
                ),
            }
        }
        CallScope::Stage { run_id, stage, .. } => {
            let run = state.active_run().filter(|run| run.run_id == *run_id)?;
            match run.stages.get(stage)? {
                StageProgress::Running(attempt) => {
                    let spec = playbook.stage(stage)?;
                    let timeout = attempt.time_left(now).min(run.deadline.since(now));
                    let request = stage::request(run, spec, attempt, stamp, timeout);
                    let reader = AgentReader::stage(StageReader::new(run, spec, stamp.purpose));
                    Some(model_task(stamp, request, reader))
                }
                StageProgress::Checking(checked) => {
                    let texts = moderation::texts_of(&checked.completed.output);
                    moderation_task(stamp, &checked.check, moderation::requests(texts), now)
                }
                StageProgress::Waiting
                | StageProgress::Backoff(_)
                | StageProgress::Completed { .. }
                | StageProgress::Failed { .. } => None,
            }
        }
    }
}

fn model_task(stamp: &Stamp, request: ModelRequest, reader: AgentReader) -> AgentTask {
    AgentTask::Model(Box::new(ModelTask {
        stamp: stamp.clone(),
        request,
        reader,
    }))
}

/// What the user said in this turn, and in those before it that were interrupted unchecked.
fn words_to_check(conversation: &Conversation, planning: &Planning) -> Vec<Vec<String>> {
    let earlier = conversation.unchecked.iter().map(|(_, words)| words.as_str());
    moderation::requests(earlier.chain([planning.words.as_str()]))
}

fn moderation_task(
    stamp: &Stamp,
    check: &Check,
    mut requests: Vec<Vec<String>>,
    now: Timestamp,
) -> Option<AgentTask> {
    if check.part >= requests.len() {
        return None;
    }
    Some(AgentTask::Moderation(ModerationTask {
        stamp: stamp.clone(),
        request: ModerationRequest {
            call_id: stamp.call_id,
            texts: requests.swap_remove(check.part),
            timeout: check.time_left(now),
        },
    }))
}
