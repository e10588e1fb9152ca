//! Plays a session through the decider: scripted words, scripted models, a clock that only moves when told.
//! After every decision the log is folded anew and must give the very state that the decider left.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use greenroom_protocol::{
    CallPurpose, CallScope, ErrorCode, Event, Locale, Millis, Mode, SessionId, SlotPath, StageId, Timestamp,
    TurnOutcome,
};
use greenroom_session::playbook::{Bundle, Playbook};
use greenroom_session::ports::{
    CallFailure, CallReceipt, Capabilities, IdSource, LlmIdentity, ModelIdentity, ModelRequest,
    ModerationPolicy, ModerationRequest, SearchSource, Verdict,
};
use greenroom_session::{
    AgentOutput, AgentReport, AgentTask, Answer, CallCost, CallRecord, Caller, Command, CommandKind, Context,
    Fact, Input, JobLimits, ModelTask, NewSession, Private, Receipt, SlotEdit, Stamp, State, agent_task,
    create, decide, due, snapshot,
};
use serde_json::{Value, json};

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

pub struct Play {
    pub state: State,
    pub playbook: Arc<Playbook>,
    pub log: Vec<Fact>,
    pub now: Timestamp,
    pub capabilities: Capabilities,
    pub jobs: JobLimits,
    ids: Counter,
}

pub fn load(folder: &str) -> Playbook {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the playbook's folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path
                    .strip_prefix(&root)
                    .expect("below the root")
                    .to_string_lossy()
                    .replace('\\', "/");
                files.insert(name, std::fs::read_to_string(&path).expect("a text"));
            }
        }
    }
    Playbook::from_bundle(&Bundle { files }).expect("a valid playbook")
}

pub fn path(text: &str) -> SlotPath {
    text.parse().expect("a slot path")
}

pub fn stage(text: &str) -> StageId {
    text.parse().expect("a stage")
}

impl Play {
    pub fn launch() -> Self {
        Self::of(load("../playbooks/launch"), Mode::Standard)
    }

    pub fn of(playbook: Playbook, mode: Mode) -> Self {
        let llm = LlmIdentity {
            provider: "scripted".into(),
            model: "sim-large".into(),
            small_model: "sim-small".into(),
            simulated: true,
        };
        let capabilities = Capabilities {
            llm: Some(llm),
            search: true,
            ..Capabilities::default()
        };
        Self::begin(playbook, mode, capabilities)
    }

    /// The launch playbook on a server that checks what is said and what is written.
    pub fn launch_checked(input: ModerationPolicy, output: ModerationPolicy) -> Self {
        let mut play = Self::launch();
        play.capabilities.moderation = Some(scripted("sim-guard"));
        play.capabilities.moderate_input = input;
        play.capabilities.moderate_output = output;
        play
    }

    pub fn launch_without_model() -> Self {
        Self::begin(
            load("../playbooks/launch"),
            Mode::Standard,
            Capabilities::default(),
        )
    }

    fn begin(playbook: Playbook, mode: Mode, capabilities: Capabilities) -> Self {
        let mut ids = Counter(1 << 100);
        let now = Timestamp::from_unix_ms(1_771_513_200_000);
        let new = NewSession {
            id: SessionId::new(ulid::Ulid::from(7u128)),
            user: None,
            locale: Locale::Ko,
            mode,
        };
        let mut context = Context {
            playbook: &playbook,
            capabilities: capabilities.clone(),
            jobs: JobLimits::default(),
            now,
            ids: &mut ids,
        };
        let (state, log) = create(&mut context, new);
        let play = Self {
            state,
            playbook: Arc::new(playbook),
            log,
            now,
            capabilities,
            jobs: JobLimits::default(),
            ids,
        };
        play.refold();
        play
    }

    fn refold(&self) {
        let mut folded = State::begin(self.state.id, &self.log[0]).expect("a beginning");
        for fact in &self.log[1..] {
            folded.evolve(fact);
        }
        assert_eq!(
            folded, self.state,
            "the state is nothing but the fold of its facts"
        );
        let kept = snapshot::encode(&self.state);
        let restored = snapshot::decode(&kept).expect("what was kept is understood");
        assert_eq!(restored, self.state, "a snapshot holds the whole state");
        assert_eq!(snapshot::encode(&restored), kept, "and in its order");
    }

    pub fn decide(&mut self, input: Input) -> (Vec<Event>, Option<Answer>) {
        let playbook = self.playbook.clone();
        let mut context = Context {
            playbook: &playbook,
            capabilities: self.capabilities.clone(),
            jobs: self.jobs,
            now: self.now,
            ids: &mut self.ids,
        };
        let decision = decide(&mut self.state, &mut context, input);
        let events = decision.facts.iter().map(|fact| fact.event.clone()).collect();
        self.log.extend(decision.facts);
        self.refold();
        (events, decision.answer)
    }

    pub fn send(&mut self, kind: CommandKind) -> Answer {
        self.send_as(None, kind)
    }

    pub fn send_as(&mut self, id: Option<&str>, kind: CommandKind) -> Answer {
        let id = id.map(|id| id.parse().expect("a command id"));
        let command = Command {
            id,
            caller: Caller::Client(None),
            kind,
        };
        self.decide(Input::Command(command))
            .1
            .expect("a command is answered")
    }

    /// An operator asks for something; with the events that follow.
    pub fn operate(&mut self, kind: CommandKind) -> (Vec<Event>, Answer) {
        let command = Command {
            id: None,
            caller: Caller::Operator,
            kind,
        };
        let (events, answer) = self.decide(Input::Command(command));
        (events, answer.expect("a command is answered"))
    }

    /// Facts that somebody else than the decider wrote: the supervisor of a session that crashed too often.
    pub fn supervisor_writes(&mut self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            let fact = Fact {
                at: self.now,
                event,
                private: Private::none(),
            };
            self.state.evolve(&fact);
            self.log.push(fact);
        }
        self.refold();
    }

    pub fn say(&mut self, text: &str) -> Receipt {
        self.send(CommandKind::UserMessage {
            text: text.into(),
            spoken: None,
        })
        .expect("the message is taken")
    }

    pub fn set(&mut self, slot: &str, value: Value) -> Answer {
        self.send(CommandKind::SetSlots {
            edits: vec![SlotEdit {
                path: path(slot),
                value,
            }],
        })
    }

    pub fn generate(&mut self) -> Answer {
        self.send(CommandKind::Generate {
            draft: false,
            background: false,
        })
    }

    /// Lets time pass and asks the decider what has become due.
    pub fn wait(&mut self, ms: u64) -> Vec<Event> {
        self.now = self.now.after(Millis(ms));
        self.decide(Input::Tick).0
    }

    /// Folds the log anew, as after a crash, and lets the session live again.
    pub fn crash_and_return(&mut self, away_ms: u64) -> Vec<Event> {
        self.now = self.now.after(Millis(away_ms));
        self.decide(Input::Activated).0
    }

    /// The stamp of the planner's call that is under way.
    pub fn plan_stamp(&self) -> Stamp {
        let is_plan = |stamp: &Stamp| matches!(stamp.scope, CallScope::Turn { .. });
        self.stamp(is_plan).expect("the planner is at work")
    }

    pub fn stage_stamp(&self, name: &str) -> Stamp {
        let wanted = stage(name);
        let is_stage =
            |stamp: &Stamp| matches!(&stamp.scope, CallScope::Stage { stage, .. } if *stage == wanted);
        self.stamp(is_stage)
            .unwrap_or_else(|| panic!("{name} is at work"))
    }

    fn stamp(&self, wanted: impl Fn(&Stamp) -> bool) -> Option<Stamp> {
        due(&self.state)
            .calls
            .into_iter()
            .map(|call| call.stamp)
            .find(wanted)
    }

    pub fn request(&self, stamp: &Stamp) -> ModelRequest {
        self.model_task(stamp).request
    }

    fn model_task(&self, stamp: &Stamp) -> ModelTask {
        match agent_task(&self.state, &self.playbook, stamp, self.now).expect("the call is due") {
            AgentTask::Model(task) => *task,
            AgentTask::Moderation(_) => panic!("a check is due"),
        }
    }

    /// What the check that is under way is to read.
    pub fn check_request(&self, stamp: &Stamp) -> ModerationRequest {
        match agent_task(&self.state, &self.playbook, stamp, self.now).expect("the call is due") {
            AgentTask::Moderation(task) => task.request,
            AgentTask::Model(_) => panic!("a reply is due"),
        }
    }

    /// The stamp of a check that is under way.
    pub fn check_stamp(&self) -> Stamp {
        self.stamp(|stamp| stamp.purpose == CallPurpose::Moderate)
            .expect("a check is under way")
    }

    /// The check that is under way finds this.
    pub fn check(&mut self, flagged: Option<&[&str]>) -> Vec<Event> {
        let stamp = self.check_stamp();
        let flagged = flagged.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        let receipt = receipt();
        self.report(&stamp, AgentReport::Checked(Verdict { flagged, receipt }))
    }

    /// The check that is under way finds nothing.
    pub fn pass(&mut self) -> Vec<Event> {
        self.check(None)
    }

    /// Streams a reply in small pieces through the reader, as an agent does, then finishes the call.
    pub fn reply(&mut self, stamp: &Stamp, reply: &str, urls: &[&str]) -> Vec<Event> {
        self.reply_found(stamp, reply, &searched(urls))
    }

    /// The same with all that the searches said.
    pub fn reply_found(&mut self, stamp: &Stamp, reply: &str, sources: &[SearchSource]) -> Vec<Event> {
        let mut events = self.stream_found(stamp, reply, sources);
        let output = AgentOutput {
            reply: reply.into(),
            sources: sources.to_vec(),
            receipt: receipt(),
        };
        events.extend(self.report(stamp, AgentReport::Finished(output)));
        events
    }

    pub fn stream(&mut self, stamp: &Stamp, text: &str, urls: &[&str]) -> Vec<Event> {
        self.stream_found(stamp, text, &searched(urls))
    }

    fn stream_found(&mut self, stamp: &Stamp, text: &str, sources: &[SearchSource]) -> Vec<Event> {
        let mut reader = self.model_task(stamp).reader;
        for source in sources {
            reader.source(source);
        }
        let mut events = Vec::new();
        let characters: Vec<char> = text.chars().collect();
        for piece in characters.chunks(5) {
            let steps = reader.text(&piece.iter().collect::<String>());
            if !steps.is_empty() {
                events.extend(self.report(stamp, AgentReport::Steps(steps)));
            }
        }
        events
    }

    pub fn report(&mut self, stamp: &Stamp, report: AgentReport) -> Vec<Event> {
        self.decide(Input::Agent {
            stamp: stamp.clone(),
            report: Box::new(report),
        })
        .0
    }

    pub fn plan(&mut self, reply: &Value) -> Vec<Event> {
        let stamp = self.plan_stamp();
        self.reply(&stamp, &reply.to_string(), &[])
    }

    pub fn stage(&mut self, name: &str, output: &Value) -> Vec<Event> {
        let stamp = self.stage_stamp(name);
        self.reply(&stamp, &output.to_string(), &["https://news.example/serum"])
    }

    pub fn fail(&mut self, stamp: &Stamp, code: ErrorCode, retryable: bool) -> Vec<Event> {
        let failure = CallFailure {
            code,
            retryable,
            retry_after: None,
            reason: "scripted".into(),
            receipt: None,
        };
        self.report(
            stamp,
            AgentReport::Failed {
                failure,
                partial: String::new(),
                sources: Vec::new(),
            },
        )
    }

    /// Texts of the assistant since an event, oldest first.
    pub fn said(&self, since: usize) -> Vec<String> {
        self.log[since..]
            .iter()
            .filter_map(|fact| match &fact.event {
                Event::MessageAdded(message) if message.role == greenroom_protocol::Role::Assistant => {
                    Some(message.text.clone())
                }
                _ => None,
            })
            .collect()
    }

    pub fn phrase(&self, key: &str) -> String {
        self.playbook.phrase(key, self.state.locale).to_owned()
    }

    pub fn value(&self, slot: &str) -> Option<Value> {
        self.state.brief.get(&path(slot)).map(|slot| slot.value.clone())
    }

    pub fn outcomes(&self) -> Vec<TurnOutcome> {
        self.log
            .iter()
            .filter_map(|fact| match &fact.event {
                Event::TurnCompleted(completed) => Some(completed.outcome),
                _ => None,
            })
            .collect()
    }

    /// Fills every required slot of the launch playbook by the user's own edits.
    pub fn fill_launch_brief(&mut self) {
        for (slot, value) in [
            ("product.name", json!("루미세럼")),
            ("product.category", json!("스킨케어")),
            ("product.features", json!(["저자극", "빠른흡수", "비건"])),
            ("product.price_band", json!("mid")),
            ("target.who", json!("20대 여성")),
            ("target.why", json!("트러블 진정")),
            ("channel.channels", json!(["인스타"])),
            ("goal.weekly_goal", json!("purchase")),
        ] {
            self.set(slot, value).expect("a valid edit");
        }
    }
}

pub fn scripted(model: &str) -> ModelIdentity {
    ModelIdentity {
        provider: "scripted".into(),
        model: model.into(),
        simulated: true,
    }
}

fn searched(urls: &[&str]) -> Vec<SearchSource> {
    urls.iter()
        .map(|url| SearchSource {
            url: (*url).into(),
            title: None,
            passage: None,
        })
        .collect()
}

pub fn receipt() -> CallReceipt {
    CallReceipt {
        provider: "scripted".into(),
        model: "sim-large-1".into(),
        simulated: true,
        response_id: Some("resp_1".into()),
        request_id: Some("req_1".into()),
        usage: None,
        cost: CallCost::Known(12),
    }
}

/// What a provider says of an utterance that it has turned into words.
pub fn transcribed() -> CallRecord {
    CallRecord {
        provider: "scripted".into(),
        model: "sim-ear".into(),
        response_id: None,
        request_id: None,
        usage: None,
        cost: CallCost::Known(3),
    }
}

/// What the planner writes when it only answers and asks.
pub fn plan_reply(answer: &str, ask: Option<&str>, question: &str) -> Value {
    json!({ "answer": answer, "slot_updates": [], "ask": ask, "question": question, "intent": "none" })
}

pub fn types(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .map(|event| event.event_type().into_owned())
        .collect()
}
