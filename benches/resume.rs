//! How soon a session of 100,000 events is back in memory, with and without a snapshot of it: `cargo bench --bench resume`.
//!
//! The conversation is decided by the core with a scripted model and stored on the disk; a server is then started on it
//! and asked for the session, again and again. Reports; asserts nothing about time.

#![allow(missing_docs, reason = "a benchmark has no callers")]

mod stage;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use greenroom_actors::{ActorsConfig, Greenroom, PlaybookLibrary, Ports};
use greenroom_protocol::{Frame, Locale, Mode, Seq, SessionId, Timestamp};
use greenroom_providers::Unconfigured;
use greenroom_session::playbook::Playbook;
use greenroom_session::ports::{
    Append, AppendOutcome, Blobs, CallReceipt, Capabilities, Entry, Epoch, IdSource, Journal, LlmIdentity,
    OpenMode, Snapshot, TenantId,
};
use greenroom_session::{
    AgentOutput, AgentReport, AgentTask, CallCost, Caller, Command, CommandKind, Context, Fact, Input,
    JobLimits, NewSession, State, agent_task, create, decide, due, snapshot, summary,
};
use greenroom_store::{LocalBlobs, SqliteStore, StoreConfig};
use ulid::Ulid;

use stage::{SystemClock, launch};

const EVENTS: usize = 100_000;
/// For `cargo test --benches`, which only wants to know that it runs.
const EVENTS_IN_TEST: usize = 2_500;
/// Facts in one append.
const APPEND_FACTS: usize = 500;
/// The most events that a session has which are not in its snapshot, while it lives.
const SINCE_SNAPSHOT: usize = 1_000;
/// How often each resume is measured.
const ROUNDS: usize = 5;
/// Characters of a reply that arrive at once.
const PIECE_CHARS: usize = 12;
/// What users say; each fills, corrects or leaves a slot.
const UTTERANCES: [&str; 6] = [
    "제품명은 루미세럼이에요",
    "카테고리는 스킨케어, 특징은 저자극, 빠른흡수, 비건",
    "가격은 39000원",
    "The target is women in their 20s",
    "음 글쎄요, 잘 모르겠어요",
    "아니, 제품명은 루미앰플이야",
];
const REPLY: &str = r#"{"answer":"네, 말씀하신 대로 적어 두었어요. 다른 이야기도 편하게 들려주세요.",
    "slot_updates":[],"ask":null,"question":"","intent":"none"}"#;

#[tokio::main]
async fn main() {
    let events = if std::env::args().any(|argument| argument == "--bench") {
        EVENTS
    } else {
        EVENTS_IN_TEST
    };
    let playbook = launch();
    let folder = tempfile::tempdir().expect("a folder");
    let log = converse(&playbook, events);
    let session = SessionId::new(Ulid(7));
    let written = store_all(folder.path(), session, &playbook, &log).await;
    println!("{} events in {written:?}", log.len());

    let early = fold(session, &log[..log.len() - SINCE_SNAPSHOT]);
    let whole = fold(session, &log);
    let began = Instant::now();
    let kept = snapshot::encode(&whole);
    let encoding = began.elapsed();
    let began = Instant::now();
    assert_eq!(snapshot::decode(&kept).as_ref(), Ok(&whole));
    println!(
        "a snapshot has {} bytes, is written in {encoding:?} and read in {:?}",
        kept.len(),
        began.elapsed()
    );
    println!("until the session answers, of {ROUNDS} starts: fastest, median, slowest");
    for (begun_from, state) in [
        ("the first event", None),
        ("a snapshot, 1,000 events ago", Some(&early)),
        ("a snapshot of the last event", Some(&whole)),
    ] {
        if let Some(state) = state {
            keep(folder.path(), session, state).await;
        }
        let mut taken = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            taken.push(resume(folder.path(), session, &playbook, whole.head).await);
        }
        taken.sort();
        println!(
            "{begun_from:>30}: {:>10.1?} {:>10.1?} {:>10.1?}",
            taken[0],
            taken[ROUNDS / 2],
            taken[ROUNDS - 1]
        );
    }
}

/// Starts a server on what is stored and asks it for the session.
async fn resume(folder: &Path, session: SessionId, playbook: &Arc<Playbook>, head: Seq) -> Duration {
    let store = open(folder).await;
    let blobs = LocalBlobs::open(folder.join("blobs")).await.expect("blobs");
    let blobs: Arc<dyn Blobs> = Arc::new(blobs);
    let ports = Ports {
        journal: store.journal(),
        erasures: store.erasures(),
        blobs: Arc::clone(&blobs),
        model: Arc::new(Unconfigured),
        moderator: Arc::new(Unconfigured),
        capabilities: Capabilities::default(),
        clock: Arc::new(SystemClock),
        ids: Arc::new(|| Box::new(Ids(0))),
        playbooks: Arc::new(PlaybookLibrary::new("launch", vec![Arc::clone(playbook)], blobs)),
    };
    let greenroom = Greenroom::start(ActorsConfig::default(), ports)
        .await
        .expect("actors");
    let began = Instant::now();
    let view = greenroom.directory().view(session, &Caller::Operator).await;
    let taken = began.elapsed();
    assert_eq!(view.expect("the session answers").as_of_seq, head);
    greenroom.shutdown(Duration::from_secs(5)).await;
    store.close().await;
    taken
}

async fn open(folder: &Path) -> SqliteStore {
    SqliteStore::open(StoreConfig::new(folder))
        .await
        .expect("a store")
}

/// Keeps a snapshot for good.
async fn keep(folder: &Path, session: SessionId, state: &State) {
    let (store, tenant) = (open(folder).await, TenantId::default());
    let journal = store.journal();
    let opened = journal.open(&tenant, session, OpenMode::Existing).await;
    let epoch = opened.expect("the session is there").epoch;
    journal.keep_snapshot(&tenant, session, epoch, Snapshot::of(state));
    store.close().await;
}

/// Writes a whole log to the disk.
async fn store_all(folder: &Path, session: SessionId, playbook: &Playbook, log: &[Fact]) -> Duration {
    let store = open(folder).await;
    let journal = store.journal();
    let opened = journal.open(&TenantId::default(), session, OpenMode::New).await;
    let epoch = opened.expect("the session is new").epoch;
    let began = Instant::now();
    let mut seq = Seq::ZERO;
    let mut state = fold(session, &log[..1]);
    for facts in log.chunks(APPEND_FACTS) {
        let skipped = usize::from(seq == Seq::ZERO);
        facts.iter().skip(skipped).for_each(|fact| state.evolve(fact));
        seq = append(&*journal, session, epoch, seq, facts, &state, playbook).await;
    }
    let taken = began.elapsed();
    store.close().await;
    taken
}

async fn append(
    journal: &dyn Journal,
    session_id: SessionId,
    epoch: Epoch,
    after: Seq,
    facts: &[Fact],
    state: &State,
    playbook: &Playbook,
) -> Seq {
    let entries = facts.iter().zip(after.0 + 1..).map(|(fact, seq)| {
        let data = fact.event.data_json().expect("an event is JSON");
        let frame = Frame::new(session_id, Seq(seq), &fact.event.event_type(), fact.at, &data);
        Entry {
            fact: fact.clone(),
            frame,
        }
    });
    let outcome = journal
        .append(Append {
            tenant: TenantId::default(),
            session_id,
            epoch,
            entries: entries.collect(),
            summary: summary(state, playbook, None),
        })
        .await;
    match outcome {
        AppendOutcome::Committed { head } => head,
        refused => panic!("{refused:?}"),
    }
}

fn fold(session: SessionId, log: &[Fact]) -> State {
    let mut state = State::begin(session, &log[0]).expect("a beginning");
    for fact in &log[1..] {
        state.evolve(fact);
    }
    state
}

/// A conversation of at least so many events, which has come to rest.
fn converse(playbook: &Playbook, events: usize) -> Vec<Fact> {
    let mut ids = Ids(1 << 100);
    let mut now = Timestamp::from_unix_ms(1_771_513_200_000);
    let new = NewSession {
        id: SessionId::new(Ulid(7)),
        user: None,
        locale: Locale::Ko,
        mode: Mode::Standard,
    };
    let (mut state, mut log) = create(&mut context(playbook, &mut ids, now), new);
    for (number, text) in UTTERANCES.iter().cycle().enumerate() {
        if log.len() >= events {
            break;
        }
        now = now.after(greenroom_protocol::Millis(7_000));
        let mut happens = |state: &mut State, input| {
            log.extend(decide(state, &mut context(playbook, &mut ids, now), input).facts);
        };
        happens(&mut state, Input::Command(say(number, text)));
        for report in reply(&state, playbook, now) {
            let call = due(&state).calls.into_iter().next().expect("the planner's call");
            let report = Box::new(report);
            happens(
                &mut state,
                Input::Agent {
                    stamp: call.stamp,
                    report,
                },
            );
        }
    }
    log
}

/// What the agent of the planner's call that is due reports.
fn reply(state: &State, playbook: &Playbook, now: Timestamp) -> Vec<AgentReport> {
    let call = due(state).calls.into_iter().next().expect("the planner's call");
    let Some(AgentTask::Model(mut task)) = agent_task(state, playbook, &call.stamp, now) else {
        panic!("a reply is due");
    };
    let characters: Vec<char> = REPLY.chars().collect();
    let pieces = characters
        .chunks(PIECE_CHARS)
        .map(|piece| piece.iter().collect::<String>());
    let steps = pieces.map(|piece| task.reader.text(&piece));
    let mut reports: Vec<AgentReport> = steps
        .filter(|steps| !steps.is_empty())
        .map(AgentReport::Steps)
        .collect();
    reports.push(AgentReport::Finished(AgentOutput {
        reply: REPLY.to_owned(),
        sources: Vec::new(),
        receipt: CallReceipt {
            provider: "scripted".to_owned(),
            model: "scripted".to_owned(),
            simulated: true,
            response_id: None,
            request_id: None,
            usage: None,
            cost: CallCost::Known(12),
        },
    }));
    reports
}

fn say(number: usize, text: &str) -> Command {
    Command {
        id: Some(format!("turn-{number}").parse().expect("a key")),
        caller: Caller::Client(None),
        kind: CommandKind::UserMessage {
            text: text.to_owned(),
            spoken: None,
        },
    }
}

fn context<'a>(playbook: &'a Playbook, ids: &'a mut Ids, now: Timestamp) -> Context<'a> {
    let llm = LlmIdentity {
        provider: "scripted".to_owned(),
        model: "scripted".to_owned(),
        small_model: "scripted".to_owned(),
        simulated: true,
    };
    Context {
        playbook,
        capabilities: Capabilities {
            llm: Some(llm),
            ..Capabilities::default()
        },
        jobs: JobLimits::default(),
        now,
        ids,
    }
}

/// Ids that count up.
struct Ids(u128);

impl IdSource for Ids {
    fn next_ulid(&mut self) -> Ulid {
        self.0 += 1;
        Ulid(self.0)
    }

    fn jitter(&mut self) -> f64 {
        0.5
    }
}
