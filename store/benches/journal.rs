//! The journal under load: a thousand sessions that talk, against one transaction per event.
//!
//! `cargo bench -p greenroom-store --bench journal` takes about 50 s. Epochs, fences and read models are on, every
//! commit is synced. "One transaction per event" is the same store, made to take one append of one event at a time.

#![allow(missing_docs, reason = "a benchmark has no callers")]

#[allow(dead_code, reason = "the benchmark tells a part of what the tests tell")]
#[path = "../tests/suite/facts.rs"]
mod facts;

use std::sync::Arc;
use std::time::Duration;

use facts::{Author, fresh};
use greenroom_protocol::{Event, TurnId};
use greenroom_session::ports::{AppendOutcome, Journal};
use greenroom_store::{SqliteStore, StoreConfig};
use serde_json::json;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

const SESSIONS: usize = 1_000;
const DELTAS_PER_TURN: usize = 6;
const OFFERED: [Option<u32>; 4] = [Some(1_000), Some(5_000), Some(20_000), None];
/// Until every session has begun to talk; not measured.
const WARM_UP: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_millis(4_500);
/// For `cargo test --benches`, which only wants to know that it runs.
const MEASURED_IN_TEST: Duration = Duration::from_millis(100);

/// How appends become transactions.
#[derive(Clone)]
enum Commit {
    /// As the store does it.
    Grouped,
    /// One event at a time, whoever's it is.
    Single(Arc<Mutex<()>>),
}

/// When a session begins to talk, is listened to, and stops.
#[derive(Clone, Copy)]
struct Span {
    start: Instant,
    measured_from: Instant,
    end: Instant,
}

struct Measured {
    events_per_second: f64,
    /// Sorted.
    latencies: Vec<Duration>,
}

impl Measured {
    fn percentile(&self, percent: usize) -> f64 {
        let index = self.latencies.len() * percent / 100;
        self.latencies
            .get(index)
            .map_or(f64::NAN, |latency| latency.as_secs_f64() * 1_000.0)
    }
}

#[tokio::main]
async fn main() {
    let measured = if std::env::args().any(|argument| argument == "--bench") {
        MEASURED
    } else {
        MEASURED_IN_TEST
    };
    println!(
        "{SESSIONS} sessions, {} s each, every commit synced; latency from append to ack",
        measured.as_secs_f64()
    );
    println!();
    println!(
        "{:>10} | {:^31} | {:^31} | {:^26}",
        "offered", "group commit", "one transaction per event", "ratio"
    );
    println!(
        "{:>10} | {:>11} {:>9} {:>9} | {:>11} {:>9} {:>9} | {:>8} {:>8} {:>8}",
        "events/s", "events/s", "p50 ms", "p99 ms", "events/s", "p50 ms", "p99 ms", "events/s", "p50", "p99"
    );
    for offered in OFFERED {
        let grouped = measure(offered, Commit::Grouped, measured).await;
        let single = measure(offered, Commit::Single(Arc::default()), measured).await;
        let name = offered.map_or_else(|| "saturated".to_owned(), |rate| rate.to_string());
        let cells = |of: &Measured| {
            format!(
                "{:>11.0} {:>9.2} {:>9.2}",
                of.events_per_second,
                of.percentile(50),
                of.percentile(99)
            )
        };
        println!(
            "{name:>10} | {} | {} | {:>7.1}x {:>7.2}x {:>7.2}x",
            cells(&grouped),
            cells(&single),
            grouped.events_per_second / single.events_per_second,
            grouped.percentile(50) / single.percentile(50),
            grouped.percentile(99) / single.percentile(99),
        );
    }
}

async fn measure(offered: Option<u32>, commit: Commit, measured: Duration) -> Measured {
    let data_dir = tempfile::TempDir::new().expect("a directory");
    let store = SqliteStore::open(StoreConfig::new(data_dir.path()))
        .await
        .expect("the store opens");
    let journal = store.journal();
    let authors = begin_all(&journal).await;

    let start = Instant::now();
    let span = Span {
        start,
        measured_from: start + WARM_UP,
        end: start + WARM_UP + measured,
    };
    let mut sessions = JoinSet::new();
    for (index, author) in authors.into_iter().enumerate() {
        sessions.spawn(talk(author, index, offered, commit.clone(), span));
    }
    let mut events = 0;
    let mut latencies = Vec::new();
    while let Some(done) = sessions.join_next().await {
        let (told, waits) = done.expect("no session panics");
        events += told;
        latencies.extend(waits);
    }
    store.close().await;
    latencies.sort_unstable();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let events_per_second = events as f64 / measured.as_secs_f64();
    Measured {
        events_per_second,
        latencies,
    }
}

async fn begin_all(journal: &Arc<dyn Journal>) -> Vec<Author> {
    let mut beginning = JoinSet::new();
    for _ in 0..SESSIONS {
        let journal = journal.clone();
        beginning.spawn(async move { Author::started(&journal).await });
    }
    beginning.join_all().await
}

/// Talks until the end: at its share of the offered rate, evenly spread over the sessions, or as fast as it can.
async fn talk(
    mut author: Author,
    index: usize,
    offered: Option<u32>,
    commit: Commit,
    span: Span,
) -> (usize, Vec<Duration>) {
    let pause =
        offered.map(|rate| Duration::from_secs(1) * u32::try_from(SESSIONS).expect("it is small") / rate);
    let lag = pause.map(|pause| pause.mul_f64(fraction(index)));
    let mut due = span.start + lag.unwrap_or_default();
    let mut told = 0;
    let mut waits = Vec::new();
    for turn in 1.. {
        for events in appends_of_a_turn(turn, &commit) {
            let count = events.len();
            if let Some(pause) = pause {
                tokio::time::sleep_until(due).await;
                due = (due + pause * u32::try_from(count).expect("it is small")).max(Instant::now());
            }
            if Instant::now() >= span.end {
                return (told, waits);
            }
            let append = author.events(events);
            let since = Instant::now();
            let outcome = match &commit {
                Commit::Grouped => author.send(append).await,
                Commit::Single(turnstile) => {
                    let _one_at_a_time = turnstile.lock().await;
                    author.send(append).await
                }
            };
            assert!(matches!(outcome, AppendOutcome::Committed { .. }), "{outcome:?}");
            let acknowledged = Instant::now();
            if acknowledged >= span.measured_from {
                waits.push(acknowledged - since);
                told += if acknowledged <= span.end { count } else { 0 };
            }
        }
    }
    unreachable!("turns do not run out");
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn fraction(index: usize) -> f64 {
    index as f64 / SESSIONS as f64
}

/// What a session appends in one turn, grouped as it decides it: what was said, what follows from it, the reply as
/// it grows, its end.
fn appends_of_a_turn(turn: u32, commit: &Commit) -> Vec<Vec<Event>> {
    let turn_id = TurnId::new(fresh());
    let mut appends = vec![
        vec![
            facts::turn_started(turn_id, turn),
            facts::user_message(
                turn_id,
                "제품명은 루미세럼이고 카테고리는 스킨케어예요. 가격은 29000원입니다.",
            ),
        ],
        vec![
            facts::slot_updated(turn_id, "product.name", json!("루미세럼")),
            facts::gate_changed(0.25),
        ],
    ];
    for _ in 0..DELTAS_PER_TURN {
        appends.push(vec![facts::planner_delta(
            turn_id,
            "좋은 이름이네요. 어떤 분들을 위한 ",
        )]);
    }
    appends.push(vec![
        facts::assistant_message(turn_id, "좋은 이름이네요. 어떤 분들을 위한 제품인가요?"),
        facts::turn_completed(turn_id),
    ]);
    match commit {
        Commit::Grouped => appends,
        Commit::Single(_) => appends.into_iter().flatten().map(|event| vec![event]).collect(),
    }
}
