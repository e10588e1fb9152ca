//! What of a turn's cost is deciding, what supervision, and what the journal: `cargo bench --bench turn_cost`.
//!
//! The same turns, which need no model, three times: decided by the bare core; sent to supervised actors whose journal
//! says yes to everything; sent to the same actors over the database on the disk. Reports; asserts nothing about time.

#![allow(missing_docs, reason = "a benchmark has no callers")]

mod stage;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use greenroom_actors::{ActorsConfig, CreateSession, Directory, Greenroom, PlaybookLibrary, Ports};
use greenroom_protocol::{Frame, Locale, Mode, Seq, SessionId, Timestamp};
use greenroom_providers::Unconfigured;
use greenroom_session::playbook::Playbook;
use greenroom_session::ports::{
    Append, AppendOutcome, Blobs, Capabilities, Clock, Epoch, IdSource, Journal, OpenError, OpenMode, Opened,
    ReadError, SessionRow, Snapshot, StoredFact, TenantId,
};
use greenroom_session::{
    Caller, Command, CommandKind, Context, Input, JobLimits, NewSession, create, decide,
};
use greenroom_store::{LocalBlobs, SqliteStore, StoreConfig};
use tokio::task::JoinSet;
use ulid::Ulid;

use stage::{SystemClock, launch};

const TURNS: usize = 6_000;
/// Sessions that talk at once.
const AT_ONCE: [usize; 2] = [1, 100];
/// For `cargo test --benches`, which only wants to know that it runs: a conversation for each session.
const TURNS_IN_TEST: usize = 600;
/// What users say; each fills, corrects or leaves a slot.
const UTTERANCES: [&str; 6] = [
    "제품명은 루미세럼이에요",
    "카테고리는 스킨케어, 특징은 저자극, 빠른흡수, 비건",
    "가격은 39000원",
    "The target is women in their 20s",
    "음 글쎄요, 잘 모르겠어요",
    "아니, 제품명은 루미앰플이야",
];

#[tokio::main]
async fn main() {
    let turns = if std::env::args().any(|argument| argument == "--bench") {
        TURNS
    } else {
        TURNS_IN_TEST
    };
    let playbook = launch();
    println!("microseconds a turn, of {turns} (wall clock; two of them at most run at once on two cores)");
    println!(
        "{:>10} {:>10} {:>14} {:>18}",
        "sessions", "decided", "and supervised", "and made durable"
    );
    for sessions in AT_ONCE {
        let decided = decide_alone(&playbook, turns);
        let supervised = supervise(&playbook, turns, sessions, Durability::None).await;
        let durable = supervise(&playbook, turns, sessions, Durability::Disk).await;
        let per_turn = |taken: Duration| taken.as_micros() / turns as u128;
        println!(
            "{sessions:>10} {:>10} {:>14} {:>18}",
            per_turn(decided),
            per_turn(supervised),
            per_turn(durable)
        );
    }
}

/// How long the bare core takes, on one thread. A session takes as many turns as it may, then another begins.
fn decide_alone(playbook: &Playbook, turns: usize) -> Duration {
    let mut ids = Ids;
    let began = Instant::now();
    for _ in 0..turns / UTTERANCES.len() {
        let id = SessionId::new(ids.next_ulid());
        let (mut state, _) = create(&mut context(playbook, &mut ids), new_session(id));
        for text in UTTERANCES {
            let input = Input::Command(say(text));
            let decision = decide(&mut state, &mut context(playbook, &mut ids), input);
            assert!(
                decision.answer.is_some_and(|answer| answer.is_ok()),
                "the turn is taken"
            );
        }
    }
    began.elapsed()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Durability {
    None,
    Disk,
}

/// How long the same turns take with actors, so many sessions at once.
async fn supervise(
    playbook: &Arc<Playbook>,
    turns: usize,
    at_once: usize,
    durability: Durability,
) -> Duration {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqliteStore::open(StoreConfig::new(folder.path()))
        .await
        .expect("a store");
    let blobs: Arc<dyn Blobs> = Arc::new(
        LocalBlobs::open(folder.path().join("blobs"))
            .await
            .expect("blobs"),
    );
    let journal: Arc<dyn Journal> = match durability {
        Durability::Disk => store.journal(),
        Durability::None => Arc::new(SaysYes(store.journal())),
    };
    let ports = Ports {
        journal,
        erasures: store.erasures(),
        blobs: Arc::clone(&blobs),
        model: Arc::new(Unconfigured),
        moderator: Arc::new(Unconfigured),
        capabilities: Capabilities::default(),
        clock: Arc::new(SystemClock),
        ids: Arc::new(|| Box::new(Ids)),
        playbooks: Arc::new(PlaybookLibrary::new("launch", vec![Arc::clone(playbook)], blobs)),
    };
    let greenroom = Greenroom::start(ActorsConfig::default(), ports)
        .await
        .expect("actors");
    let mut talks = JoinSet::new();
    let began = Instant::now();
    for _ in 0..at_once {
        let (directory, conversations) = (greenroom.directory(), turns / UTTERANCES.len() / at_once);
        talks.spawn(async move {
            for _ in 0..conversations {
                converse(&directory).await;
            }
        });
    }
    talks.join_all().await;
    let taken = began.elapsed();
    greenroom.shutdown(Duration::from_secs(5)).await;
    store.close().await;
    taken
}

async fn converse(directory: &Directory) {
    let new = CreateSession {
        user: None,
        locale: Locale::Ko,
        mode: Mode::Standard,
        playbook: None,
    };
    let session = directory.create(new).await.expect("a session").session_id;
    for text in UTTERANCES {
        directory
            .send(session, say(text))
            .await
            .expect("the turn is taken");
    }
}

fn say(text: &str) -> Command {
    Command {
        id: None,
        caller: Caller::Client(None),
        kind: CommandKind::UserMessage {
            text: text.to_owned(),
            spoken: None,
        },
    }
}

fn new_session(id: SessionId) -> NewSession {
    NewSession {
        id,
        user: None,
        locale: Locale::Ko,
        mode: Mode::Standard,
    }
}

fn context<'a>(playbook: &'a Playbook, ids: &'a mut Ids) -> Context<'a> {
    Context {
        playbook,
        capabilities: Capabilities::default(),
        jobs: JobLimits::default(),
        now: SystemClock.now(),
        ids,
    }
}

struct Ids;

impl IdSource for Ids {
    fn next_ulid(&mut self) -> Ulid {
        let unix_ms = SystemClock.now().unix_ms().unsigned_abs();
        Ulid::from_parts(unix_ms, rand::random())
    }

    fn jitter(&mut self) -> f64 {
        0.5
    }
}

/// A journal that opens sessions for good and takes every append without writing it.
struct SaysYes(Arc<dyn Journal>);

#[async_trait]
impl Journal for SaysYes {
    async fn open(&self, tenant: &TenantId, session: SessionId, mode: OpenMode) -> Result<Opened, OpenError> {
        self.0.open(tenant, session, mode).await
    }

    async fn append(&self, append: Append) -> AppendOutcome {
        match append.entries.last() {
            Some(last) => AppendOutcome::Committed { head: last.frame.seq },
            None => AppendOutcome::Failed("an append has facts".to_owned()),
        }
    }

    async fn read(
        &self,
        tenant: &TenantId,
        session: SessionId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<StoredFact>, ReadError> {
        self.0.read(tenant, session, after, limit).await
    }

    async fn frames(
        &self,
        tenant: &TenantId,
        session: SessionId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Frame>, ReadError> {
        self.0.frames(tenant, session, after, limit).await
    }

    fn keep_snapshot(&self, _: &TenantId, _: SessionId, _: Epoch, _: Snapshot) {}

    async fn snapshot(&self, _: &TenantId, _: SessionId) -> Result<Option<Snapshot>, ReadError> {
        Ok(None)
    }

    async fn due(
        &self,
        tenant: &TenantId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<SessionId>, ReadError> {
        self.0.due(tenant, now, limit).await
    }

    async fn listed(&self, tenant: &TenantId, session: SessionId) -> Result<Option<SessionRow>, ReadError> {
        self.0.listed(tenant, session).await
    }

    fn writable(&self) -> bool {
        true
    }

    async fn has_room(&self) -> bool {
        true
    }
}
