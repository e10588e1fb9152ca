//! A stage to play sessions on, for the black-box suite: a world in a folder of its own, clients that record what they
//! see, the simulator's faults, the operator's socket.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail, ensure};
use greenroom_protocol::{SessionId, Signal, Timestamp};
use loadtest::checker::{self, Erasure, Evidence, Expectation, read_records};
use loadtest::client::{Client, CreateSession, Incoming, Recorder, SeenEvent, Socket, Turn};
use loadtest::provider::{BillStatement, read_bill};
use loadtest::world::{World, WorldSpec};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tempfile::TempDir;

use crate::built;

/// A brief that fills every slot in one turn, without any model.
pub const BRIEF: &str = "제품명은 런치부스터, 카테고리는 스킨케어, 특징은 저자극, 빠른흡수, 비건, 가격은 29000원, \
                         타겟은 20대 여성, 이유는 트러블 진정, 채널은 인스타와 네이버, 목표는 구매, 영상 길이는 10초";

/// Where the clients' records lie in a stage's folder.
const RECORDS: &str = "records";
/// A simulator that writes as fast as it can be read.
const FAST: [&str; 4] = ["--first-token-ms", "5", "--tokens-per-second", "20000"];
/// No scene takes longer, on a machine with two busy cores; most take a second.
const SCENE_TIMEOUT: Duration = Duration::from_mins(1);

/// What a stage is made of.
#[derive(Debug)]
pub struct StageSpec {
    world: WorldSpec,
    folder: TempDir,
    timeout: Duration,
}

impl StageSpec {
    /// A server with a fast simulator, everything else at its defaults.
    pub fn new() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("no folder to play in")?;
        let mut world = WorldSpec::new(built::programs(), folder.path());
        world.simulator_args = FAST.map(str::to_owned).to_vec();
        Ok(Self {
            world,
            folder,
            timeout: SCENE_TIMEOUT,
        })
    }

    /// A server without a language model.
    pub fn without_model() -> anyhow::Result<Self> {
        let mut spec = Self::new()?;
        spec.world.with_model = false;
        Ok(spec)
    }

    /// The folder that everything of the scene lies in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// With this `greenroom.toml`.
    #[must_use]
    pub fn config(mut self, toml: &str) -> Self {
        toml.clone_into(&mut self.world.config);
        self
    }

    /// With one more variable in the server's environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.world.server_env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With these arguments of the simulator, in the place of those that make it fast.
    #[must_use]
    pub fn simulator(mut self, args: &[&str]) -> Self {
        self.world.simulator_args = args.iter().map(|arg| (*arg).to_owned()).collect();
        self
    }

    /// With more or less time for the scene.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Starts the world, plays the scene, and asks the checker: at its end the scene has left nothing under way. A
    /// failure is told with the end of the server's log.
    pub async fn play(self, scene: impl AsyncFnOnce(&mut Stage) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let world = World::start(self.world).await?;
        std::fs::create_dir(self.folder.path().join(RECORDS))
            .context("no folder for the clients' records")?;
        let mut stage = Stage {
            world,
            folder: self.folder,
            clients: AtomicU32::new(0),
            erased: Mutex::default(),
        };
        let played = within(self.timeout, async {
            // On the heap: a scene holds whatever it waits for.
            Box::pin(scene(&mut stage)).await?;
            stage.check(Expectation::AtRest).await
        });
        let outcome = played.await;
        outcome.with_context(|| format!("the server's last words:\n{}", stage.world.server.last_words()))
    }
}

/// A running world, and whoever plays in it.
#[derive(Debug)]
pub struct Stage {
    /// The simulator and the server.
    pub world: World,
    folder: TempDir,
    clients: AtomicU32,
    /// Sessions that are erased, as they were seen last, and when.
    erased: Mutex<BTreeMap<SessionId, (Vec<SeenEvent>, Timestamp)>>,
}

impl Stage {
    /// A new client, whose own record of what it sees the checker will read.
    pub fn client(&self) -> anyhow::Result<Client> {
        let number = self.clients.fetch_add(1, Ordering::Relaxed) + 1;
        let record = Recorder::create(&self.records().join(format!("client-{number}.jsonl")))?;
        Ok(Client::new(&self.world.server_url())?.with_recorder(record))
    }

    /// Replaces the simulator's rules of what goes wrong (`loadtest/src/provider/fault.rs`).
    pub async fn simulate(&self, rules: &Value) -> anyhow::Result<()> {
        self.world.simulate(rules).await
    }

    /// The simulator's bill, once no call is under way any more.
    pub async fn bill(&self) -> anyhow::Result<BillStatement> {
        self.world.statement().await
    }

    /// The server's admin socket.
    pub fn admin_socket(&self) -> PathBuf {
        self.world.admin_socket()
    }

    /// Asks the admin socket; answers with the status and the document.
    pub async fn admin<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<(u16, T)> {
        self.world.admin(path).await
    }

    /// The whole log of a session, read by the operator.
    pub async fn journal(&self, session: SessionId) -> anyhow::Result<Vec<SeenEvent>> {
        self.world.journal(session).await
    }

    /// Says that a session is about to be erased: from now on it need not be there, and what it made is not missed.
    pub async fn expect_erased(&self, session: SessionId) -> anyhow::Result<()> {
        let (journal, read_at) = (self.journal(session).await?, now());
        let mut erased = self.erased.lock().unwrap_or_else(PoisonError::into_inner);
        erased.insert(session, (journal, read_at));
        Ok(())
    }

    /// Every session that the server knows.
    pub async fn sessions(&self) -> anyhow::Result<Vec<SessionId>> {
        self.world.sessions().await
    }

    /// Holds what the clients saw, the journals of all sessions and the bill against each other; nothing may be wrong.
    pub async fn check(&self, expectation: Expectation) -> anyhow::Result<()> {
        let statement = self.bill().await?;
        if expectation == Expectation::AtRest {
            ensure!(
                statement.totals.open == 0,
                "the simulator still answers calls: {statement:?}"
            );
        }
        // The file goes back beyond a restart of the simulator.
        let bill = Some(read_bill(&self.world.bill())?);
        let mut evidence = Evidence {
            bill,
            ..Evidence::default()
        };
        for session in self.sessions().await? {
            evidence.journals.insert(session, self.journal(session).await?);
        }
        evidence.records = read_records(&self.records())?;
        let erased = self.erased.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let gone = erased
            .into_iter()
            .filter(|(session, _)| !evidence.journals.contains_key(session));
        evidence.erased = gone
            .map(|(session, (journal, read_at))| {
                let over_at = now();
                let erasure = Erasure {
                    journal,
                    read_at,
                    over_at,
                };
                (session, erasure)
            })
            .collect();
        let report = checker::check(&evidence, expectation);
        ensure!(report.is_clean(), "the checker found something wrong:\n{report}");
        Ok(())
    }

    fn records(&self) -> PathBuf {
        self.folder.path().join(RECORDS)
    }
}

/// Says the whole brief in one turn; the gate is open after it.
pub async fn fill_brief(client: &Client, session: SessionId) -> anyhow::Result<Turn> {
    let turn = client.message(session, BRIEF, None).await?;
    ensure!(turn.gate.ready, "the brief opens the gate: {:?}", turn.gate);
    Ok(turn)
}

fn now() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ms(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
}

/// A new session with its brief filled.
pub async fn ready_session(client: &Client) -> anyhow::Result<SessionId> {
    let session = client
        .create_session(&CreateSession::default())
        .await?
        .session
        .session_id;
    fill_brief(client, session).await?;
    Ok(session)
}

/// Reads a socket until `found` finds what it looks for. A socket that ends before is an error.
pub async fn until<T>(
    socket: &mut Socket,
    mut found: impl FnMut(&Incoming) -> Option<T>,
) -> anyhow::Result<T> {
    loop {
        let incoming = socket.next().await?;
        if let Some(found) = found(&incoming) {
            return Ok(found);
        }
        if let Incoming::Closed { code } = incoming {
            bail!("the socket was closed ({code:?}) before what was waited for came");
        }
    }
}

/// Reads a socket until an event of this type; answers with its data.
pub async fn until_event(socket: &mut Socket, event_type: &str) -> anyhow::Result<Value> {
    let event = until(socket, |incoming| match incoming {
        Incoming::Event(event) if event.event_type == event_type => Some(event.data.clone()),
        _ => None,
    });
    let data = event.await.with_context(|| format!("waiting for {event_type}"))?;
    Ok(serde_json::from_str(&data)?)
}

/// Reads a socket until the session's state is this one.
pub async fn until_state(socket: &mut Socket, state: &str) -> anyhow::Result<()> {
    loop {
        let changed = until_event(socket, "stage.changed")
            .await
            .with_context(|| format!("waiting for {state}"))?;
        if changed["state"] == state {
            return Ok(());
        }
    }
}

/// Reads a socket until a signal that `found` looks for.
pub async fn until_signal<T>(
    socket: &mut Socket,
    mut found: impl FnMut(&Signal) -> Option<T>,
) -> anyhow::Result<T> {
    until(socket, |incoming| match incoming {
        Incoming::Signal(signal) => found(signal),
        _ => None,
    })
    .await
}

/// The outcome, if it comes in time.
pub async fn within<T>(limit: Duration, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    match tokio::time::timeout(limit, work).await {
        Ok(outcome) => outcome,
        Err(_) => bail!("not done within {limit:?}"),
    }
}
