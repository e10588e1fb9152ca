//! A drill for the day when the data are gone: fills a server, backs it up while it is at work, destroys its data,
//! restores them, and says how long that took and what was lost.
//!
//! `cargo run --release -p greenroom-demo --example drill -- --sessions 1000`

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Parser;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use greenroom_demo::built;
use greenroom_demo::session_play::ready_session;
use greenroom_protocol::SessionId;
use loadtest::client::{Client, SeenEvent, VoiceFormat};
use loadtest::world::{Programs, World, WorldSpec};
use tokio::process::Command;
use tokio::task::JoinHandle;

/// Sessions that are filled at once.
const FILLED_AT_ONCE: usize = 16;
/// Sessions that people go on talking in while everything else happens.
const TALKING_MAX: usize = 8;
/// One session in so many has a finished run.
const RUN_IN: usize = 5;

#[derive(Debug, Parser)]
struct Args {
    /// Sessions to fill the server with.
    #[arg(long, default_value_t = 50)]
    sessions: usize,
    /// Seconds that people go on talking between the backup and the loss.
    #[arg(long, default_value_t = 2)]
    seconds: u64,
}

/// What every session had told when the backup began.
type Told = BTreeMap<SessionId, Vec<SeenEvent>>;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let folder = tempfile::tempdir()?;
    let programs = built::programs();
    let mut world = World::start(spec(&programs, folder.path())).await?;
    let client = Client::new(&world.server_url())?;
    let data_dir = world.data_dir();
    let backups = folder.path().join("backups");

    let began = Instant::now();
    let sessions = fill(&client, args.sessions).await?;
    println!(
        "filled    {} sessions in {:.1} s",
        sessions.len(),
        began.elapsed().as_secs_f64()
    );
    let talk = Talk::begin(&client, &sessions);
    tokio::time::sleep(Duration::from_secs(args.seconds)).await;
    let told = journals(&client, &sessions).await?;
    let before = talk.turns();
    let began = Instant::now();
    let made = greenroom(
        &programs,
        &["backup", "--data-dir"],
        &data_dir,
        &["--to"],
        &backups,
    )
    .await?;
    let during = talk.turns() - before;
    println!(
        "backed up in {:.2} s, while {during} turns were answered",
        began.elapsed().as_secs_f64()
    );
    print!("          {}", String::from_utf8_lossy(&made.stdout));
    tokio::time::sleep(Duration::from_secs(args.seconds)).await;
    talk.end().await?;
    let last = journals(&client, &sessions).await?;

    lose_and_recover(&mut world, &programs, &backups).await?;
    let found = journals(&client, &sessions).await?;
    compare(&told, &last, &found)?;
    // Beside the server that runs.
    let verified = greenroom(
        &programs,
        &["verify", "--data-dir"],
        &data_dir,
        &[],
        Path::new(""),
    )
    .await?;
    print!("{}", String::from_utf8_lossy(&verified.stdout));
    client.message(sessions[0], "고마워요", None).await?;
    println!("and a session that was restored goes on");
    Ok(())
}

/// A server that speaks and limits nobody, beside a fast simulator.
fn spec(programs: &Programs, folder: &Path) -> WorldSpec {
    WorldSpec {
        simulator_args: ["--first-token-ms", "5", "--tokens-per-second", "20000"]
            .map(str::to_owned)
            .to_vec(),
        config: "[limits]\nrequests_per_minute = 0\nturns_per_minute = 0\n".to_owned(),
        server_env: vec![("GREENROOM_TTS__MODEL".to_owned(), "sim-tts".to_owned())],
        ..WorldSpec::new(programs.clone(), folder)
    }
}

/// Destroys all data of the server amid its work, and brings it back by the newest backup.
async fn lose_and_recover(world: &mut World, programs: &Programs, backups: &Path) -> anyhow::Result<()> {
    let data_dir = world.data_dir();
    world.server.kill().await?;
    std::fs::remove_dir_all(&data_dir)?;
    let lost_at = Instant::now();
    let restored = greenroom(
        programs,
        &["restore", "--from"],
        backups,
        &["--data-dir"],
        &data_dir,
    )
    .await?;
    let restored_in = lost_at.elapsed();
    let starting = Instant::now();
    world.restart_server().await?;
    print!("restored  {}", String::from_utf8_lossy(&restored.stdout));
    println!(
        "recovered in {:.2} s: {:.2} s to restore and verify, {:.2} s to start",
        lost_at.elapsed().as_secs_f64(),
        restored_in.as_secs_f64(),
        starting.elapsed().as_secs_f64()
    );
    Ok(())
}

async fn fill(client: &Client, count: usize) -> anyhow::Result<Vec<SessionId>> {
    let filling = (0..count).map(|number| async move {
        let session = ready_session(client).await?;
        // Said aloud, and kept as a blob.
        let text = format!("{number}번째 인사입니다");
        client
            .assistant_voice(session, &text, None, VoiceFormat::Wav)
            .await?;
        if number % RUN_IN == 0 {
            client.generate(session, false, None).await?;
        }
        anyhow::Ok(session)
    });
    stream::iter(filling)
        .buffer_unordered(FILLED_AT_ONCE)
        .try_collect()
        .await
}

/// People who talk, one turn after another.
struct Talk {
    goes_on: Arc<AtomicBool>,
    turns: Arc<AtomicUsize>,
    people: Vec<JoinHandle<anyhow::Result<()>>>,
}

impl Talk {
    fn begin(client: &Client, sessions: &[SessionId]) -> Self {
        let goes_on = Arc::new(AtomicBool::new(true));
        let turns = Arc::new(AtomicUsize::new(0));
        let talking = sessions.iter().take(TALKING_MAX).map(|session| {
            let (client, session) = (client.clone(), *session);
            let (goes_on, turns) = (Arc::clone(&goes_on), Arc::clone(&turns));
            tokio::spawn(async move {
                while goes_on.load(Ordering::Relaxed) {
                    client.message(session, "이건 누구에게 어울릴까요?", None).await?;
                    turns.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            })
        });
        let people = talking.collect();
        Self {
            goes_on,
            turns,
            people,
        }
    }

    fn turns(&self) -> usize {
        self.turns.load(Ordering::Relaxed)
    }

    async fn end(self) -> anyhow::Result<()> {
        self.goes_on.store(false, Ordering::Relaxed);
        for person in self.people {
            person.await??;
        }
        Ok(())
    }
}

async fn journals(client: &Client, sessions: &[SessionId]) -> anyhow::Result<Told> {
    let reading = sessions
        .iter()
        .map(|session| async move { anyhow::Ok((*session, client.journal(*session).await?)) });
    stream::iter(reading)
        .buffer_unordered(FILLED_AT_ONCE)
        .try_collect()
        .await
}

/// Everything that was told before the backup began is there, byte for byte; what came after it may be lost.
fn compare(before: &Told, last: &Told, found: &Told) -> anyhow::Result<()> {
    let mut kept = 0;
    let mut gone = 0;
    for (session, told) in before {
        let found = found
            .get(session)
            .with_context(|| format!("{session} is missing"))?;
        ensure!(found.len() >= told.len(), "{session} has lost what was backed up");
        let same = told.iter().zip(found).all(|(told, found)| {
            (told.seq, &told.event_type, &told.data) == (found.seq, &found.event_type, &found.data)
        });
        ensure!(same, "{session} is not what was backed up");
        kept += told.len();
        gone += last[session].len().saturating_sub(found.len());
    }
    println!(
        "kept      {kept} events of {} sessions; lost {gone} that were told after the backup",
        before.len()
    );
    Ok(())
}

/// Runs the server's program, which must succeed.
async fn greenroom(
    programs: &Programs,
    before: &[&str],
    first: &Path,
    between: &[&str],
    second: &Path,
) -> anyhow::Result<Output> {
    let mut command = Command::new(&programs.server.path);
    command
        .args(&programs.server.args)
        .args(before)
        .arg(first)
        .args(between);
    if !second.as_os_str().is_empty() {
        command.arg(second);
    }
    let output = command.output().await?;
    ensure!(
        output.status.success(),
        "greenroom {before:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output)
}
