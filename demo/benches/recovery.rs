//! How fast a server that was killed is itself again: `cargo bench -p greenroom-demo --bench recovery`.
//!
//! A thousand sessions are connected, a hundred of them in mid-run, when the server dies as by `kill -9`. It is started
//! again, and all clients come back at once with their last event. Reports; asserts nothing about time.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use greenroom_demo::built::programs;
use greenroom_demo::session_play::BRIEF;
use greenroom_protocol::{ClientMessage, Event, SessionId, Signal};
use loadtest::client::{Client, CreateSession, Incoming, Reconnect, Socket, SocketOptions};
use loadtest::load::Distribution;
use loadtest::world::{World, WorldSpec};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

const SESSIONS: u32 = 1_000;
const RUNNING: usize = 100;
/// Sessions that are prepared at once.
const PREPARED_AT_ONCE: usize = 32;
/// One address speaks for everybody here.
const LIMITS: &str = "[limits]\nrequests_per_minute = 0\nturns_per_minute = 0\nconnections = 4000\n";
/// A run takes some fifteen seconds, so that all are in the middle of theirs.
const SIMULATOR: [&str; 4] = ["--first-token-ms", "100", "--tokens-per-second", "400"];
/// How clients come back: at once, and again until the server is there.
const RECONNECT: Reconnect = Reconnect {
    attempts: 6_000,
    delay: Duration::from_millis(10),
};

/// What one client felt, from the moment of the kill.
struct Felt {
    /// Until it was connected again.
    connected: Duration,
    /// Until it had everything that it had missed.
    replayed: Duration,
    /// Until the first event reached it; none without a run.
    next_event: Option<Duration>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut spec = WorldSpec::new(programs(), folder.path());
    spec.simulator_args = SIMULATOR.map(str::to_owned).to_vec();
    LIMITS.clone_into(&mut spec.config);
    let mut world = World::start(spec).await?;
    let sessions = prepare(&world).await?;
    println!("{SESSIONS} sessions connected, {RUNNING} of them in mid-run");

    let (killed, kill) = watch::channel(None);
    let (in_run, mut runs) = mpsc::channel(RUNNING);
    let mut clients = JoinSet::new();
    for (number, (client, session)) in sessions.into_iter().enumerate() {
        let options = SocketOptions {
            reconnect: Some(RECONNECT),
            ..SocketOptions::default()
        };
        let socket = client.connect(session, options).await?;
        let (kill, in_run) = (kill.clone(), (number < RUNNING).then(|| in_run.clone()));
        clients.spawn(live_through(socket, kill, in_run));
    }
    for _ in 0..RUNNING {
        runs.recv().await.context("a client with a run gave up")?;
    }
    let died = Instant::now();
    killed.send_replace(Some(died));
    world.server.kill().await?;
    world.restart_server().await?;
    let ready = died.elapsed();

    let mut felt = Vec::new();
    while let Some(client) = clients.join_next().await {
        felt.push(client??);
    }
    report(&felt, ready);
    Ok(())
}

/// Makes sessions whose briefs are complete, each with a client of its own.
async fn prepare(world: &World) -> anyhow::Result<Vec<(Client, SessionId)>> {
    let mut preparing = JoinSet::new();
    let mut sessions = Vec::new();
    for number in 0..SESSIONS {
        let client = Client::new(&world.server_url())?.with_user_key(format!("user-{number}"));
        preparing.spawn(async move {
            let new = CreateSession::default();
            let session = client.create_session(&new).await?.session.session_id;
            let turn = client.message(session, BRIEF, None).await?;
            ensure!(turn.gate.ready, "the brief opens the gate: {:?}", turn.gate);
            anyhow::Ok((client, session))
        });
        if preparing.len() == PREPARED_AT_ONCE {
            sessions.extend(preparing.join_next().await.transpose()?.transpose()?);
        }
    }
    while let Some(prepared) = preparing.join_next().await {
        sessions.push(prepared??);
    }
    Ok(sessions)
}

/// A client that is there before the kill and after it, and if it has a run, until that is done.
async fn live_through(
    mut socket: Socket,
    kill: watch::Receiver<Option<Instant>>,
    in_run: Option<mpsc::Sender<()>>,
) -> anyhow::Result<Felt> {
    let has_run = in_run.is_some();
    if has_run {
        socket
            .send(&ClientMessage::RunGenerate { draft: false }, Some("run"))
            .await?;
    }
    let mut waits = in_run;
    let since_kill = || kill.borrow().map(|died| died.elapsed());
    let (mut connected, mut replayed, mut next_event) = (None, None, None);
    let mut done = !has_run;
    while !(done && replayed.is_some()) {
        match socket.next().await? {
            Incoming::Reconnected { .. } => connected = since_kill(),
            Incoming::Event(seen) => {
                if connected.is_some() && next_event.is_none() {
                    next_event = since_kill();
                }
                match seen.event()? {
                    Event::StageDelta(_) => {
                        if let Some(in_run) = waits.take() {
                            in_run.send(()).await?;
                        }
                    }
                    Event::StageChanged(changed) if changed.state == "DONE" => done = true,
                    Event::StageChanged(changed) if changed.state == "FAILED" => {
                        bail!("a run failed: {changed:?}")
                    }
                    _ => {}
                }
            }
            Incoming::Signal(signal) if matches!(*signal, Signal::ReplayDone { .. }) => {
                replayed = since_kill();
            }
            Incoming::Closed { code } => bail!("the client did not come back ({code:?})"),
            Incoming::Signal(_) | Incoming::Unknown(_) | Incoming::Audio(_) => {}
        }
    }
    Ok(Felt {
        connected: connected.context("it was connected again")?,
        replayed: replayed.context("it had everything again")?,
        next_event: next_event.filter(|_| has_run),
    })
}

fn report(felt: &[Felt], ready: Duration) {
    let ms = |duration: Duration| duration.as_secs_f64() * 1_000.0;
    println!(
        "from the kill until the server answered /ready again: {:.0} ms",
        ms(ready)
    );
    println!("from the kill, ms              p50       p95       p99       max  (clients)");
    let line = |what: &str, values: Vec<f64>| println!("  {what:<24}{}", Distribution::of(values));
    line(
        "connected again",
        felt.iter().map(|felt| ms(felt.connected)).collect(),
    );
    line(
        "everything missed seen",
        felt.iter().map(|felt| ms(felt.replayed)).collect(),
    );
    let next = felt.iter().filter_map(|felt| felt.next_event);
    line("next event of a run", next.map(ms).collect());
    let last = felt.iter().map(|felt| felt.replayed).max().unwrap_or_default();
    let first = felt.iter().map(|felt| felt.connected).min().unwrap_or_default();
    let taken = last.saturating_sub(first).as_secs_f64();
    println!(
        "{SESSIONS} sessions were taken up again in {:.2} s, {:.0} a second",
        taken,
        f64::from(SESSIONS) / taken
    );
}
