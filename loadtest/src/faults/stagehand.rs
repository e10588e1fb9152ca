//! Makes what the plan says happen, each at its time, and takes it back at its time.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use greenroom_protocol::{ErrorCode, SessionId, Timestamp};
use reqwest::Method;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::database;
use super::finding::Finding;
use super::people::{Commons, Disturbance, Presence, Role};
use super::plan::{Plan, Trouble};
use crate::checker::Erasure;
use crate::client::{Client, ClientError};
use crate::provider::Chance;
use crate::wall_clock;
use crate::world::World;

/// The server's configuration for a trial, without the limit of pages.
pub(super) const CONFIG: &str =
    "[server]\ndrain_seconds = 5\n\n[limits]\nrequests_per_minute = 0\nturns_per_minute = 0\n";
/// The same, with a database that may not grow.
const CONFIG_FULL: &str = "[server]\ndrain_seconds = 5\n\n[limits]\nrequests_per_minute = 0\nturns_per_minute = 0\n\n\
                           [store]\npage_limit = 1\n";
/// How long a server may take to end: its drain, what it holds for the journal, and a busy machine.
const END_WITHIN: Duration = Duration::from_secs(40);
/// Between two signals to the same server.
const BETWEEN_SIGNALS: Duration = Duration::from_millis(150);
/// Sessions that are tried until one has what is to panic.
const TARGETS_TRIED: usize = 12;
/// Panics that make the supervisor give a session up: one more than it restarts it.
const PANICS_UNTIL_GIVEN_UP: usize = 4;
/// How long a session may take until it panics again.
const BETWEEN_PANICS: Duration = Duration::from_millis(300);
/// How long a call that was reserved before its session was erased may take to reach the simulator.
const CALLS_UNDER_WAY: Duration = Duration::from_secs(2);
/// How long an erasure may take when nothing goes wrong any more, and how often it is asked for.
const ERASED_WITHIN: Duration = Duration::from_secs(20);
const ERASE_AGAIN: Duration = Duration::from_millis(250);

/// How often each kind of trouble was tried, and how often it took effect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tried {
    /// How often it was to happen.
    pub tried: usize,
    /// How often it did; otherwise nobody was there whom it could happen to.
    pub done: usize,
}

/// What the stagehand did.
#[derive(Debug, Default)]
pub(super) struct Deeds {
    pub(super) tried: BTreeMap<&'static str, Tried>,
    pub(super) erased: BTreeMap<SessionId, Erasure>,
    pub(super) findings: Vec<Finding>,
    /// How long each end by SIGTERM and each start took.
    pub(super) ends: Vec<Duration>,
    pub(super) starts: Vec<Duration>,
}

/// Something that is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lift {
    Full,
    Provider,
}

/// What became of a request to erase a session.
enum Erased {
    Yes,
    /// It cannot be now, or nobody knows: it is asked for again.
    NotYet,
    /// This server erases nothing.
    Never,
}

/// Whoever does it.
pub(super) struct Stagehand<'a> {
    pub(super) world: &'a mut World,
    commons: &'a Commons,
    chance: Chance,
    pub(super) deeds: Deeds,
    lifts: Vec<(Instant, Lift)>,
    /// Sessions whose erasure was asked for and not answered.
    erasing: Vec<(SessionId, Erasure)>,
    /// Whoever holds the database's lock.
    holders: JoinSet<anyhow::Result<()>>,
}

impl<'a> Stagehand<'a> {
    pub(super) fn new(world: &'a mut World, commons: &'a Commons) -> Self {
        let chance = commons.chance.at("stagehand");
        Self {
            world,
            commons,
            chance,
            deeds: Deeds::default(),
            lifts: Vec::new(),
            erasing: Vec::new(),
            holders: JoinSet::new(),
        }
    }

    /// Fails unless panics can be provoked.
    pub(super) async fn has_hooks(world: &World) -> anyhow::Result<()> {
        let nobody = json!({ "fault": "nobody_panics" });
        let (status, _): (u16, Value) = world.operate(Method::POST, "/faults", Some(&nobody)).await?;
        anyhow::ensure!(
            status == 422,
            "panics cannot be provoked in this server, only in one that was built with debug assertions; \
             --without-panics leaves them out"
        );
        Ok(())
    }

    /// Follows the plan; whatever it did is taken back at the end. Ends early when `interrupted` is ready.
    pub(super) async fn follow(
        &mut self,
        plan: &Plan,
        interrupted: impl Future<Output = ()>,
    ) -> anyhow::Result<()> {
        let mut interrupted = std::pin::pin!(interrupted);
        let began = Instant::now();
        for (number, happening) in plan.happenings.iter().enumerate() {
            let at = began + Duration::from_millis(happening.at_ms);
            tokio::select! {
                lifted = self.lift_until(at) => lifted?,
                () = interrupted.as_mut() => break,
            }
            self.revive().await?;
            self.erase_again().await?;
            eprintln!("{happening}");
            self.chance = self.commons.chance.at(&format!("happening-{number}"));
            let is_done = self.happen(&happening.trouble).await.unwrap_or_else(|error| {
                let reason = format!("{}: {error:#}", happening.trouble.name());
                self.deeds.findings.push(Finding::Operator { reason });
                false
            });
            let tried = self.deeds.tried.entry(happening.trouble.name()).or_default();
            tried.tried += 1;
            tried.done += usize::from(is_done);
        }
        self.end_all().await
    }

    /// Waits until then, and takes back what is to be taken back before.
    async fn lift_until(&mut self, at: Instant) -> anyhow::Result<()> {
        while let Some(place) = (0..self.lifts.len()).min_by_key(|place| self.lifts[*place].0)
            && self.lifts[place].0 <= at
        {
            sleep_until(self.lifts[place].0).await;
            let (_, lift) = self.lifts.swap_remove(place);
            self.lift(lift).await?;
        }
        sleep_until(at).await;
        Ok(())
    }

    async fn lift(&mut self, lift: Lift) -> anyhow::Result<()> {
        // One that overlaps another of its kind is taken back with the last of them.
        if self.lifts.iter().any(|(_, other)| *other == lift) {
            return Ok(());
        }
        match lift {
            Lift::Full => self.world.reconfigure(CONFIG),
            Lift::Provider => self.world.simulate(&json!([])).await,
        }
    }

    /// Takes back everything, and leaves a server that runs.
    async fn end_all(&mut self) -> anyhow::Result<()> {
        self.lifts.clear();
        while let Some(held) = self.holders.join_next().await {
            self.note_holder(held);
        }
        self.revive().await?;
        self.world.reconfigure(CONFIG)?;
        self.world.simulate(&json!([])).await?;
        let until = Instant::now() + ERASED_WITHIN;
        while !self.erasing.is_empty() && Instant::now() < until {
            sleep(ERASE_AGAIN).await;
            self.erase_again().await?;
        }
        let left = self.erasing.drain(..).map(|(session, _)| Finding::NotErased {
            session: session.to_string(),
            reason: format!("nothing goes wrong any more, and it was not erased within {ERASED_WITHIN:?}"),
        });
        self.deeds.findings.extend(left);
        Ok(())
    }

    fn note_holder(&mut self, held: Result<anyhow::Result<()>, tokio::task::JoinError>) {
        // Whoever could not have the lock held up nobody; the server's own work comes first.
        if let Ok(Err(error)) = held {
            eprintln!("           the database was not held: {error:#}");
            let busy = self.deeds.tried.entry("busy").or_default();
            busy.done = busy.done.saturating_sub(1);
        }
    }

    /// Starts the server if it has ended by itself, which it must not.
    async fn revive(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.world.server.has_ended()? {
            self.deeds.findings.push(Finding::ServerDied {
                status: format!("{status}: {}", self.world.server.last_words()),
            });
            self.start().await?;
        }
        Ok(())
    }

    async fn happen(&mut self, trouble: &Trouble) -> anyhow::Result<bool> {
        match trouble {
            Trouble::Kill { down_ms } => {
                self.world.server.kill().await?;
                sleep(Duration::from_millis(*down_ms)).await;
                self.start().await?;
                Ok(true)
            }
            Trouble::Terminate => self.terminate(false).await,
            Trouble::TerminateTwice => self.terminate(true).await,
            Trouble::AgentPanic => self.panic("agent_panic", |presence| presence.is_running).await,
            Trouble::SessionPanic => self.panic("session_panic", |_| true).await,
            Trouble::Poison => self.poison().await,
            Trouble::LinePanic => {
                let is_caller = |presence: &Presence| presence.role == Role::Caller;
                self.panic("line_panic", is_caller).await
            }
            Trouble::WriterPanic => self.provoke("writer_panic", None).await,
            Trouble::Reset { share } => Ok(self.disturb(Disturbance::Reset, *share)),
            Trouble::HangUp { share } => Ok(self.disturb(Disturbance::HangUp, *share)),
            Trouble::Stall { share, for_ms } => {
                let length = Duration::from_millis(*for_ms);
                Ok(self.disturb(Disturbance::Stall(length), *share))
            }
            Trouble::Full { for_ms } => {
                self.world.reconfigure(CONFIG_FULL)?;
                self.lift_in(*for_ms, Lift::Full);
                Ok(true)
            }
            Trouble::Busy { for_ms } => {
                let (folder, length) = (self.world.data_dir(), Duration::from_millis(*for_ms));
                self.holders
                    .spawn(async move { database::hold(&folder, length).await });
                Ok(true)
            }
            Trouble::Provider { rules, for_ms } => {
                self.world.simulate(rules).await?;
                self.lift_in(*for_ms, Lift::Provider);
                Ok(true)
            }
            Trouble::OperatorRestart => self.operate("restart").await,
            Trouble::OperatorStop => self.operate("stop").await,
            Trouble::Delete => self.delete().await,
        }
    }

    fn lift_in(&mut self, for_ms: u64, lift: Lift) {
        self.lifts
            .push((Instant::now() + Duration::from_millis(for_ms), lift));
    }

    fn disturb(&self, what: Disturbance, share: f64) -> bool {
        self.commons.disturb(what, share, self.chance);
        true
    }

    async fn start(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        // It lives before it is ready: its journal may be one that cannot be written.
        let started = self.world.restart_server_until("/health").await;
        self.deeds.starts.push(began.elapsed());
        if let Err(error) = started {
            self.deeds.findings.push(Finding::ServerDidNotStart {
                reason: format!("{error:#}"),
            });
            // Once more, so that the trial can go on; a second time is the end of it.
            self.world.restart_server_until("/health").await?;
        }
        Ok(())
    }

    async fn terminate(&mut self, twice: bool) -> anyhow::Result<bool> {
        let began = Instant::now();
        if twice {
            self.world.server.ask_to_end()?;
            sleep(BETWEEN_SIGNALS).await;
        }
        let finding = end_server(self.world, END_WITHIN).await?;
        self.deeds.ends.push(began.elapsed());
        self.deeds.findings.extend(finding);
        self.start().await?;
        Ok(true)
    }

    /// The sessions that somebody is in and that are meant, in an arbitrary order.
    fn targets(&self, is_meant: impl Fn(&Presence) -> bool) -> Vec<SessionId> {
        let mut present = self.commons.present();
        present.retain(|(session, presence)| is_meant(presence) && !self.is_erased(*session));
        // By the owner's number, which is the same in every replay; ids are not.
        let order = self.chance.at("target");
        present.sort_by_cached_key(|(_, presence)| order.at(&presence.number.to_string()).hex());
        present.into_iter().map(|(session, _)| session).collect()
    }

    fn is_erased(&self, session: SessionId) -> bool {
        self.deeds.erased.contains_key(&session)
            || self.erasing.iter().any(|(erasing, _)| *erasing == session)
    }

    /// Makes somebody panic in the first session that has them.
    async fn panic(&self, fault: &str, is_meant: impl Fn(&Presence) -> bool) -> anyhow::Result<bool> {
        for session in self.targets(is_meant).into_iter().take(TARGETS_TRIED) {
            if self.provoke(fault, Some(session)).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Makes a session panic until it is given up.
    async fn poison(&self) -> anyhow::Result<bool> {
        let Some(session) = self.targets(|_| true).first().copied() else {
            return Ok(false);
        };
        for _ in 0..PANICS_UNTIL_GIVEN_UP {
            // Whoever looks at a session wakes it, so that there is somebody to panic.
            let _: (u16, Value) = self.world.admin(&format!("/sessions/{session}")).await?;
            self.provoke("session_panic", Some(session)).await?;
            sleep(BETWEEN_PANICS).await;
        }
        let (_, shown): (u16, Value) = self.world.admin(&format!("/sessions/{session}")).await?;
        Ok(shown["actor_error"]["code"] == ErrorCode::SessionRestartLimit.as_str())
    }

    async fn provoke(&self, fault: &str, session: Option<SessionId>) -> anyhow::Result<bool> {
        let mut body = json!({ "fault": fault });
        if let Some(session) = session {
            body["session_id"] = json!(session);
        }
        let (status, answer): (u16, Value) = self.world.operate(Method::POST, "/faults", Some(&body)).await?;
        anyhow::ensure!(status == 200, "{body}: {status}: {answer}");
        Ok(answer["provoked"] == true)
    }

    /// The operator restarts or stops a session: one that failed or was given up, if there is one.
    async fn operate(&mut self, what: &str) -> anyhow::Result<bool> {
        let failed = if what == "restart" {
            self.failed_session().await?
        } else {
            None
        };
        let Some(session) = failed.or_else(|| self.targets(|_| true).first().copied()) else {
            return Ok(false);
        };
        let body = json!({ "reason": "the fault harness tries it" });
        let path = format!("/sessions/{session}/{what}");
        let (status, answer): (u16, Value) = self.world.operate(Method::POST, &path, Some(&body)).await?;
        // The session may have been erased, or be restarted by somebody else; and there may be no journal now.
        let is_fair = status < 300 || matches!(status, 404 | 405 | 409 | 410 | 503);
        if !is_fair {
            let reason = format!("{path}: {status}: {answer}");
            self.deeds.findings.push(Finding::Operator { reason });
        }
        Ok(status < 300)
    }

    async fn failed_session(&self) -> anyhow::Result<Option<SessionId>> {
        let (_, page): (u16, Value) = self.world.admin("/sessions?state=FAILED&limit=20").await?;
        let failed = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        let chosen = failed.get(self.chance.at("failed").below(failed.len()));
        Ok(chosen.and_then(|row| row["session_id"].as_str()?.parse().ok()))
    }

    /// Its owner asks for the erasure of a session that somebody is in.
    async fn delete(&mut self) -> anyhow::Result<bool> {
        let Some(session) = self.targets(|_| true).first().copied() else {
            return Ok(false);
        };
        // Between this look and its end the session may reserve calls that nobody will ever see.
        let read_at = wall_clock::now();
        let erasure = Erasure {
            journal: self.world.journal(session).await?,
            read_at,
            over_at: read_at,
        };
        match self.erase(session).await? {
            Erased::Yes => self.note_erased(session, erasure),
            Erased::NotYet => self.erasing.push((session, erasure)),
            Erased::Never => return Ok(false),
        }
        Ok(true)
    }

    /// Asks again for what was not answered.
    async fn erase_again(&mut self) -> anyhow::Result<()> {
        for (session, erasure) in std::mem::take(&mut self.erasing) {
            match self.erase(session).await? {
                Erased::Yes => self.note_erased(session, erasure),
                Erased::NotYet => self.erasing.push((session, erasure)),
                Erased::Never => {
                    let reason = format!("the erasure of {session} was put off, and then refused");
                    self.deeds.findings.push(Finding::Operator { reason });
                }
            }
        }
        Ok(())
    }

    async fn erase(&self, session: SessionId) -> anyhow::Result<Erased> {
        let client = Client::new(&self.world.server_url())?;
        match client.delete_session(session).await {
            Ok(()) => Ok(Erased::Yes),
            Err(ClientError::Refused { error, .. }) if error.code == ErrorCode::SessionGone => {
                Ok(Erased::Yes)
            }
            // A release that erases nothing.
            Err(error) if matches!(error.status(), Some(404 | 405)) => Ok(Erased::Never),
            Err(ClientError::Refused { error, .. }) if error.retryable => Ok(Erased::NotYet),
            Err(ClientError::Unreachable(_)) => Ok(Erased::NotYet),
            Err(error) => Err(error).context("a session could not be erased"),
        }
    }

    fn note_erased(&mut self, session: SessionId, erasure: Erasure) {
        let under_way_ms = i64::try_from(CALLS_UNDER_WAY.as_millis()).unwrap_or_default();
        let over_at = Timestamp::from_unix_ms(wall_clock::now().unix_ms() + under_way_ms);
        self.deeds.erased.insert(session, Erasure { over_at, ..erasure });
    }
}

/// Tells the server to end, and kills it if it does not. What is wrong with how it ended.
pub(super) async fn end_server(world: &mut World, within: Duration) -> anyhow::Result<Option<Finding>> {
    let reason = match timeout(within, world.server.terminate()).await {
        Ok(Ok(status)) if status.success() => return Ok(None),
        Ok(Ok(status)) => format!("it ended with {status}"),
        Ok(Err(error)) => format!("it could not be told: {error:#}"),
        Err(_) => format!("it has not ended within {within:?}"),
    };
    if world.server.has_ended()?.is_none() {
        world.server.kill().await?;
    }
    let reason = format!("{reason}: {}", world.server.last_words());
    Ok(Some(Finding::ServerDidNotEnd { reason }))
}
