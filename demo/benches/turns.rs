//! What a turn costs the server, measured from outside over real sockets: `cargo bench -p greenroom-demo --bench turns`.
//!
//! Turns without a model: how many a second, their CPU, p50 and p99, with the server on one core. Turns with a model:
//! what the server adds to the simulator's own time to the first token. Reports; asserts nothing about time.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;
use greenroom_demo::built::programs;
use greenroom_protocol::{ClientMessage, Event, Locale};
use loadtest::client::{Client, CreateSession, Incoming, SocketOptions};
use loadtest::world::{World, WorldSpec};

/// How long each number of users is measured.
const MEASURED: Duration = Duration::from_secs(6);
/// The simulator's time to its first token.
const FIRST_TOKEN: Duration = Duration::from_millis(50);
/// Turns that each session takes with a model.
const MODEL_TURNS: usize = 20;
/// One address speaks for all users here.
const UNLIMITED: &str = "[limits]\nrequests_per_minute = 0\nturns_per_minute = 0\n";
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
async fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    without_model(folder.path()).await?;
    with_model(folder.path()).await
}

async fn without_model(folder: &Path) -> anyhow::Result<()> {
    println!(
        "turns without a model (POST …/message; every turn durable; server on one core: {})",
        can_pin()
    );
    println!(
        "{:>6} {:>10} {:>12} {:>10} {:>10} {:>10}",
        "users", "turns/s", "CPU-ms/turn", "p50 ms", "p99 ms", "max ms"
    );
    for users in [1, 50, 200] {
        let mut spec = WorldSpec::new(programs(), &folder.join(format!("bare-{users}")));
        spec.with_model = false;
        UNLIMITED.clone_into(&mut spec.config);
        let world = World::start(spec).await?;
        let pid = world.server.id().context("the server runs")?;
        pin(pid, "0");
        let client = Client::new(&world.server_url())?;
        let mut sessions = Vec::new();
        for user in 0..users {
            let client = client.clone().with_user_key(format!("user-{user}"));
            let new = CreateSession {
                locale: Some(Locale::Ko),
                ..CreateSession::default()
            };
            let session = client.create_session(&new).await?.session.session_id;
            sessions.push((client, session));
        }
        let (cpu_before, started) = (cpu_time(pid)?, Instant::now());
        let talks: Vec<_> = sessions
            .into_iter()
            .map(|(client, session)| {
                tokio::spawn(async move {
                    let mut latencies = Vec::new();
                    for text in UTTERANCES.iter().cycle() {
                        if started.elapsed() > MEASURED {
                            break;
                        }
                        let asked = Instant::now();
                        client.message(session, text, None).await?;
                        latencies.push(asked.elapsed());
                    }
                    anyhow::Ok(latencies)
                })
            })
            .collect();
        let mut latencies = Vec::new();
        for talk in talks {
            latencies.extend(talk.await??);
        }
        let (cpu, elapsed) = (cpu_time(pid)?.saturating_sub(cpu_before), started.elapsed());
        let turns = latencies.len();
        latencies.sort_unstable();
        println!(
            "{users:>6} {:>10.0} {:>12.3} {:>10.2} {:>10.2} {:>10.2}",
            per(turns, elapsed),
            millis(cpu) / count(turns),
            millis(percentile(&latencies, 0.50)),
            millis(percentile(&latencies, 0.99)),
            millis(percentile(&latencies, 1.0)),
        );
    }
    Ok(())
}

async fn with_model(folder: &Path) -> anyhow::Result<()> {
    println!(
        "\nwhat the server adds to a text turn (sent to first planner.delta, less the simulator's {FIRST_TOKEN:?})"
    );
    println!(
        "{:>8} {:>7} {:>10} {:>10} {:>10}",
        "sessions", "turns", "p50 ms", "p99 ms", "max ms"
    );
    for sessions in [1, 50] {
        let mut spec = WorldSpec::new(programs(), &folder.join(format!("model-{sessions}")));
        let first_token = FIRST_TOKEN.as_millis().to_string();
        let args = ["--first-token-ms", &first_token, "--tokens-per-second", "2000"];
        spec.simulator_args = args.map(str::to_owned).to_vec();
        UNLIMITED.clone_into(&mut spec.config);
        let world = World::start(spec).await?;
        let talks: Vec<_> = (0..sessions)
            .map(|number| {
                let url = world.server_url();
                tokio::spawn(async move { talk(&url, number).await })
            })
            .collect();
        let mut added = Vec::new();
        for talk in talks {
            added.extend(talk.await??);
        }
        added.sort_unstable();
        println!(
            "{sessions:>8} {:>7} {:>10.2} {:>10.2} {:>10.2}",
            added.len(),
            millis(percentile(&added, 0.50)),
            millis(percentile(&added, 0.99)),
            millis(percentile(&added, 1.0)),
        );
    }
    Ok(())
}

/// One session's turns over the WebSocket; for each, the time to the first word beyond the simulator's own.
async fn talk(url: &str, number: usize) -> anyhow::Result<Vec<Duration>> {
    let client = Client::new(url)?.with_user_key(format!("user-{number}"));
    let session = client
        .create_session(&CreateSession::default())
        .await?
        .session
        .session_id;
    let mut socket = client.connect(session, SocketOptions::default()).await?;
    let mut added = Vec::new();
    for text in UTTERANCES.iter().cycle().take(MODEL_TURNS) {
        let sent = Instant::now();
        socket
            .send(
                &ClientMessage::UserMessage {
                    text: (*text).to_owned(),
                },
                None,
            )
            .await?;
        let mut first_word = None;
        loop {
            match socket.next().await? {
                Incoming::Event(event) => match event.event()? {
                    Event::PlannerDelta(_) => {
                        first_word.get_or_insert_with(|| sent.elapsed());
                    }
                    Event::TurnCompleted(_) => break,
                    _ => {}
                },
                Incoming::Closed { code } => anyhow::bail!("the socket closed ({code:?})"),
                _ => {}
            }
        }
        added.extend(first_word.map(|waited| waited.saturating_sub(FIRST_TOKEN)));
    }
    Ok(added)
}

/// Whether processes can be pinned to a core here.
fn can_pin() -> bool {
    Command::new("taskset")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
}

/// Keeps a process and all its threads on a core, if that can be done here.
fn pin(pid: u32, core: &str) {
    if can_pin() {
        // The report says whether pinning works; a failure here only means that it does not.
        let _ = Command::new("taskset")
            .args(["-a", "-c", "-p", core, &pid.to_string()])
            .output();
    }
}

/// CPU time of a process so far, user and system.
fn cpu_time(pid: u32) -> anyhow::Result<Duration> {
    /// The kernel's unit in `/proc/<pid>/stat`, fixed at 100 a second on Linux.
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).context("CPU time is read from /proc")?;
    // The fields after the name, which may hold spaces: utime is the 12th, stime the 13th.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |index: usize| {
        fields
            .get(index)
            .and_then(|field| field.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    Ok(Duration::from_secs_f64(
        (ticks(11) + ticks(12)) / TICKS_PER_SECOND,
    ))
}

#[allow(
    clippy::cast_precision_loss,
    reason = "counts of a benchmark are far below 2^52"
)]
fn count(number: usize) -> f64 {
    number as f64
}

fn per(number: usize, elapsed: Duration) -> f64 {
    count(number) / elapsed.as_secs_f64()
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a length is an index below the length"
)]
fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let index = (count(sorted.len()) * share) as usize;
    sorted
        .get(index.min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}
