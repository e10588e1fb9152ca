//! Plays a scenario: the session's own decider and reader, a fixed clock, ids that count up.

use greenroom_protocol::{
    CallId, CallScope, ErrorBody, ErrorCode, Locale, Millis, SessionId, StageId, Timestamp,
};

use super::document::{Failing, Happening, Reply, ReplyEnd, Scenario, Setting, StageEnd, Step};
use super::expectation::{Before, Stood, check};
use super::invariants::Invariants;
use crate::playbook::Playbook;
use crate::ports::{
    CallFailure, CallReceipt, Capabilities, IdSource, LlmIdentity, ModelIdentity, SearchSource,
};
use crate::{
    AgentOutput, AgentReader, AgentReport, AgentTask, CallCost, CallRecord, Caller, Command, CommandKind,
    Context, Fact, Input, JobLimits, ModelTask, NewSession, OutsideCall, Receipt, SlotEdit, Spoken, Stamp,
    State, agent_task, create, decide, due,
};

/// When every scenario begins: 2026-02-19T15:00:00Z.
const BEGINNING_UNIX_MS: i64 = 1_771_513_200_000;
/// How long a user thinks before the next step.
const THINKING: Millis = Millis(1_000);
/// Characters of a reply that arrive at once.
const PIECE_CHARS: usize = 5;
/// Digest that stands for a recording.
const RECORDING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What was expected of a scenario, and what was found instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The line of the expectation, or of the step that broke a rule which always holds.
    pub line: usize,
    /// What was expected.
    pub expected: String,
    /// What was found.
    pub found: String,
}

/// A scenario that was played.
#[derive(Debug, Clone)]
pub struct Played {
    /// What did not turn out as expected; none means that the scenario holds.
    pub mismatches: Vec<Mismatch>,
    /// The session's log.
    pub log: Vec<Fact>,
}

/// Plays a scenario on a playbook. It goes on after a mismatch, so that one run tells all of them.
pub fn play(scenario: &Scenario, playbook: &Playbook) -> Played {
    let mut player = Player::begin(scenario, playbook);
    for step in &scenario.steps {
        player.step(step);
    }
    Played {
        mismatches: player.mismatches,
        log: player.log,
    }
}

/// Ids that count up, so that every play is the same.
struct Counter(u128);

impl IdSource for Counter {
    fn next_ulid(&mut self) -> ulid::Ulid {
        self.0 += 1;
        ulid::Ulid::from(self.0)
    }

    fn jitter(&mut self) -> f64 {
        0.5
    }
}

/// A reply that is arriving.
struct Stream {
    call_id: CallId,
    reader: AgentReader,
    arrived: String,
}

struct Player<'a> {
    scenario: &'a Scenario,
    playbook: &'a Playbook,
    capabilities: Capabilities,
    ids: Counter,
    now: Timestamp,
    state: State,
    log: Vec<Fact>,
    invariants: Invariants<'a>,
    mismatches: Vec<Mismatch>,
    /// The reply that arrived last, which a later step may go on with.
    stream: Option<Stream>,
    /// The line of the step under way.
    line: usize,
    /// What the user's wish of this step was refused with.
    refused: Option<ErrorCode>,
    /// What the planner was given to read first in this step.
    read: Option<String>,
}

impl<'a> Player<'a> {
    fn begin(scenario: &'a Scenario, playbook: &'a Playbook) -> Self {
        let Setting { locale, mode, .. } = scenario.setting;
        let capabilities = capabilities(&scenario.setting);
        let now = Timestamp::from_unix_ms(BEGINNING_UNIX_MS);
        let mut ids = Counter(1 << 100);
        let new = NewSession {
            id: SessionId::new(ulid::Ulid::from(7_u128)),
            user: None,
            locale,
            mode,
        };
        let mut context = Context {
            playbook,
            capabilities: capabilities.clone(),
            jobs: JobLimits::default(),
            now,
            ids: &mut ids,
        };
        let (state, log) = create(&mut context, new);
        let mut player = Self {
            scenario,
            playbook,
            capabilities,
            ids,
            now,
            state,
            log,
            invariants: Invariants::new(playbook),
            mismatches: Vec::new(),
            stream: None,
            line: scenario.line,
            refused: None,
            read: None,
        };
        player.check_invariants();
        if !scenario.setting.brief.is_empty() {
            let edits = scenario.setting.brief.iter();
            let edits = edits.map(|(path, value)| (path.clone(), value.clone())).collect();
            player.edit(edits);
        }
        player
    }

    fn step(&mut self, step: &Step) {
        self.now = self.now.after(THINKING);
        self.line = step.line;
        (self.refused, self.read) = (None, None);
        let before = Before::of(&self.state, self.log.len());
        let mut replies = step.replies.iter();
        match &step.happening {
            Happening::Says { words, voice } => self.say(words, *voice),
            Happening::Edits(edits) => self.edit(edits.clone()),
            Happening::Presses(button) => {
                self.send(button.command());
            }
            Happening::Stage { stage, end } => self.end_stage(stage, end),
            Happening::Waits { ms } => {
                self.now = self.now.after(Millis(*ms));
                self.decide(Input::Tick);
            }
            Happening::Restarts => {
                self.decide(Input::Activated);
            }
            Happening::Operates(deed) => {
                self.send_as(Caller::Operator, deed.command());
            }
            Happening::GoesOn => {}
        }
        self.plan(step, &mut replies);
        if let Some(left) = replies.next() {
            let reply = Mismatch {
                line: left.line,
                expected: "a call of the planner for this reply".to_owned(),
                found: "none is under way".to_owned(),
            };
            self.mismatches.push(reply);
        }
        let stood = Stood {
            scenario: self.scenario,
            playbook: self.playbook,
            state: &self.state,
            facts: &self.log[before.head..],
            refused: self.refused,
            read: self.read.as_deref(),
            line: step.line,
        };
        let found = check(&step.expect, &before, &stood);
        self.mismatches.extend(found);
    }

    /// Lets the planner's model do what is written, attempt by attempt.
    fn plan<'r>(&mut self, step: &Step, replies: &mut impl Iterator<Item = &'r Reply>) {
        while let Some(stamp) = self.due_plan() {
            if self.read.is_none() {
                self.read = self.task(&stamp).map(|task| read_by(&task));
            }
            let Some(reply) = replies.next() else {
                if !step.unanswered {
                    self.note(
                        "a reply for the planner's call",
                        "none is written; say `unanswered = true` if none comes",
                    );
                }
                return;
            };
            self.reply(&stamp, reply);
            if matches!(reply.end, ReplyEnd::Open) {
                return;
            }
        }
    }

    /// The planner's call that is under way, after the wait that may come before it.
    fn due_plan(&mut self) -> Option<Stamp> {
        let waits = self.state.planning().is_some();
        let due = due(&self.state);
        let is_plan = |stamp: &Stamp| matches!(stamp.scope, CallScope::Turn { .. });
        let call = due.calls.into_iter().map(|call| call.stamp).find(is_plan);
        if let (None, true, Some(wake_at)) = (&call, waits, due.wake_at) {
            self.now = self.now.max(wake_at);
            self.decide(Input::Tick);
            return crate::due(&self.state)
                .calls
                .into_iter()
                .map(|call| call.stamp)
                .find(is_plan);
        }
        call
    }

    fn reply(&mut self, stamp: &Stamp, reply: &Reply) {
        self.stream(stamp, &reply.text, &[]);
        match reply.end {
            ReplyEnd::Complete => self.finish(stamp, &reply.text, &[]),
            ReplyEnd::Failure(failing) => self.fail(stamp, failing, &reply.text),
            ReplyEnd::Open => {}
        }
    }

    fn say(&mut self, words: &str, voice: bool) {
        let spoken = if voice { self.transcribe() } else { None };
        self.send(CommandKind::UserMessage {
            text: words.to_owned(),
            spoken: spoken.map(Box::new),
        });
    }

    /// Reserves the transcription whose words come next.
    fn transcribe(&mut self) -> Option<Spoken> {
        let reserved = self.send(CommandKind::ReserveCall {
            call: OutsideCall::Transcribe {
                audio_digest: Some(RECORDING.to_owned()),
            },
        })?;
        Some(Spoken {
            turn_id: reserved.turn_id?,
            call_id: reserved.call_id?,
            record: CallRecord {
                provider: "scripted".to_owned(),
                model: "sim-ear".to_owned(),
                response_id: None,
                request_id: None,
                usage: None,
                cost: CallCost::Known(1),
            },
            audio_digest: Some(RECORDING.to_owned()),
            ended_at: self.now,
            endpoint_at: None,
            voiced: false,
        })
    }

    fn edit(&mut self, edits: Vec<(greenroom_protocol::SlotPath, serde_json::Value)>) {
        let edits = edits.into_iter();
        self.send(CommandKind::SetSlots {
            edits: edits.map(|(path, value)| SlotEdit { path, value }).collect(),
        });
    }

    /// Ends the call of a stage, after the wait that may come before it.
    fn end_stage(&mut self, stage: &StageId, end: &StageEnd) {
        let is_stage =
            |stamp: &Stamp| matches!(&stamp.scope, CallScope::Stage { stage: due, .. } if due == stage);
        let mut call = self.due_call(is_stage);
        if let (None, Some(wake_at)) = (&call, due(&self.state).wake_at) {
            self.now = self.now.max(wake_at);
            self.decide(Input::Tick);
            call = self.due_call(is_stage);
        }
        let Some(stamp) = call else {
            return self.note(&format!("a call of the stage {stage}"), "none is under way");
        };
        match end {
            StageEnd::Output { text, sources } => {
                self.stream(&stamp, text, sources);
                self.finish(&stamp, text, sources);
            }
            StageEnd::Failure(failing) => self.fail(&stamp, *failing, ""),
        }
    }

    fn due_call(&self, wanted: impl Fn(&Stamp) -> bool) -> Option<Stamp> {
        let calls = due(&self.state).calls.into_iter();
        calls.map(|call| call.stamp).find(|stamp| wanted(stamp))
    }

    fn task(&self, stamp: &Stamp) -> Option<Box<ModelTask>> {
        match agent_task(&self.state, self.playbook, stamp, self.now)? {
            AgentTask::Model(task) => Some(task),
            // Nothing is checked in scenarios.
            AgentTask::Moderation(_) => None,
        }
    }

    /// Streams a reply in small pieces through the reader, as an agent does.
    fn stream(&mut self, stamp: &Stamp, text: &str, sources: &[String]) {
        let goes_on = |stream: &Stream| stream.call_id == stamp.call_id && text.starts_with(&stream.arrived);
        let begun = self.stream.take().filter(goes_on);
        let Some(Stream {
            mut reader, arrived, ..
        }) = begun.or_else(|| self.begin_stream(stamp, sources))
        else {
            return;
        };
        let characters: Vec<char> = text[arrived.len()..].chars().collect();
        for piece in characters.chunks(PIECE_CHARS) {
            let steps = reader.text(&piece.iter().collect::<String>());
            if !steps.is_empty() {
                self.report(stamp, AgentReport::Steps(steps));
            }
        }
        self.stream = Some(Stream {
            call_id: stamp.call_id,
            reader,
            arrived: text.to_owned(),
        });
    }

    fn begin_stream(&self, stamp: &Stamp, sources: &[String]) -> Option<Stream> {
        let mut reader = self.task(stamp)?.reader;
        for source in searched(sources) {
            reader.source(&source);
        }
        Some(Stream {
            call_id: stamp.call_id,
            reader,
            arrived: String::new(),
        })
    }

    fn finish(&mut self, stamp: &Stamp, reply: &str, sources: &[String]) {
        let output = AgentOutput {
            reply: reply.to_owned(),
            sources: searched(sources),
            receipt: receipt(),
        };
        self.report(stamp, AgentReport::Finished(output));
    }

    fn fail(&mut self, stamp: &Stamp, failing: Failing, partial: &str) {
        self.now = self.now.after(Millis(failing.after_ms));
        let usually = ErrorBody::new(failing.code, Locale::En).retryable;
        let failure = CallFailure {
            code: failing.code,
            retryable: failing.retryable.unwrap_or(usually),
            retry_after: None,
            reason: "scripted".to_owned(),
            receipt: None,
        };
        let failed = AgentReport::Failed {
            failure,
            partial: partial.to_owned(),
            sources: Vec::new(),
        };
        self.report(stamp, failed);
    }

    fn report(&mut self, stamp: &Stamp, report: AgentReport) {
        self.decide(Input::Agent {
            stamp: stamp.clone(),
            report: Box::new(report),
        });
    }

    fn send(&mut self, kind: CommandKind) -> Option<Receipt> {
        self.send_as(Caller::Client(None), kind)
    }

    fn send_as(&mut self, caller: Caller, kind: CommandKind) -> Option<Receipt> {
        let command = Command {
            id: None,
            caller,
            kind,
        };
        match self.decide(Input::Command(command)) {
            Some(Ok(receipt)) => Some(receipt),
            Some(Err(refused)) => {
                self.refused = Some(refused.code);
                None
            }
            None => None,
        }
    }

    fn decide(&mut self, input: Input) -> Option<crate::Answer> {
        let mut context = Context {
            playbook: self.playbook,
            capabilities: self.capabilities.clone(),
            jobs: JobLimits::default(),
            now: self.now,
            ids: &mut self.ids,
        };
        let decision = decide(&mut self.state, &mut context, input);
        self.log.extend(decision.facts);
        self.check_invariants();
        decision.answer
    }

    fn check_invariants(&mut self) {
        for broken in self.invariants.check(&self.state, &self.log) {
            self.note(broken.rule, &broken.found);
        }
    }

    fn note(&mut self, expected: &str, found: &str) {
        self.mismatches.push(Mismatch {
            line: self.line,
            expected: expected.to_owned(),
            found: found.to_owned(),
        });
    }
}

fn capabilities(setting: &Setting) -> Capabilities {
    let llm = setting.has_model.then(|| LlmIdentity {
        provider: "scripted".to_owned(),
        model: "sim-large".to_owned(),
        small_model: "sim-small".to_owned(),
        simulated: true,
    });
    Capabilities {
        search: llm.is_some(),
        llm,
        stt: Some(ModelIdentity {
            provider: "scripted".to_owned(),
            model: "sim-ear".to_owned(),
            simulated: true,
        }),
        ..Capabilities::default()
    }
}

/// All that a model was given to read, as one text.
fn read_by(task: &ModelTask) -> String {
    let messages = task.request.messages.iter().map(|message| message.text.as_str());
    let texts: Vec<&str> = std::iter::once(task.request.instructions.as_str())
        .chain(messages)
        .collect();
    texts.join("\n")
}

fn searched(urls: &[String]) -> Vec<SearchSource> {
    urls.iter()
        .map(|url| SearchSource {
            url: url.clone(),
            title: None,
            passage: None,
        })
        .collect()
}

fn receipt() -> CallReceipt {
    CallReceipt {
        provider: "scripted".to_owned(),
        model: "sim-large-1".to_owned(),
        simulated: true,
        response_id: None,
        request_id: None,
        usage: None,
        cost: CallCost::Known(1),
    }
}
