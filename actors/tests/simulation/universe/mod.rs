//! One simulated world: a server, or one after the other, on one disk, with people, providers and a fate of its own.
//! Everything in it follows from its seed.

mod books;
mod errands;
mod fate;
mod journal;
mod ledger;
mod people;
mod playbooks;
mod providers;
mod server;
mod sources;
mod words;

use std::collections::BTreeMap;
use std::sync::{Arc, Once};
use std::time::Duration;

use greenroom_actors::{ActorsConfig, CreateSession, Refused, Restart};
use greenroom_protocol::{ErrorCode, Locale, Millis, Mode, Seq, SessionId};
use greenroom_session::ports::{Clock as _, ModerationPolicy, Snapshot, StoredFact};
use greenroom_session::{Caller, JobLimits};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;

use self::fate::{Fate, Fault};
use self::ledger::{Ledger, ensure};
use self::people::{Deed, People};
use self::server::{Machine, Policies, Server};

/// How long a world is left alone before everything in it must have ended: longer than the budget of any run, the age at
/// which a turn is given up, and the time in which a call made outside must be told of, one after the other.
const REST: Duration = Duration::from_mins(40);
const MINUTE: Duration = Duration::from_mins(1);
const SECOND: Duration = Duration::from_secs(1);
/// Jobs that are soon taken for stuck.
const IMPATIENT: JobLimits = JobLimits {
    running: Millis(3_000),
    queued: Millis(3_000),
    tries_max: 2,
};
/// Looks at a session that cannot be reached, a second apart, before it counts as lost.
const LOOKS_MAX: usize = 600;

/// What became of one world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct History {
    pub seed: u64,
    pub sessions: usize,
    pub steps: u64,
    pub facts: u64,
    /// What happened in it, faults among it, and how often.
    pub counts: BTreeMap<String, u64>,
    /// Of everything that is on disk at the end.
    pub digest: String,
}

/// A rule of the product that was broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Broken {
    pub seed: u64,
    pub step: u64,
    pub rule: String,
}

/// The names of all faults.
pub fn faults() -> impl Iterator<Item = String> {
    Fault::ALL.iter().map(|fault| format!("{fault:?}"))
}

/// What the panics say that a world asks for.
const ASKED_FOR: &str = "was asked to panic";

/// Plays the world of a seed, on a single thread and in no time.
pub fn play(seed: u64) -> Result<History, Box<Broken>> {
    static QUIET: Once = Once::new();
    QUIET.call_once(keep_quiet_about_what_was_asked_for);
    let played = std::panic::catch_unwind(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime of one thread");
        runtime.block_on(async {
            let mut universe = Universe::begin(seed).await;
            let played = universe.play().await;
            let step = universe.steps;
            match played.and_then(|()| universe.broken()) {
                Ok(()) => Ok(universe.history()),
                Err(rule) => Err(Box::new(Broken { seed, step, rule })),
            }
        })
    });
    played.unwrap_or_else(|_shown| {
        let rule = "the world itself panicked".to_owned();
        Err(Box::new(Broken { seed, step: 0, rule }))
    })
}

/// A world has hundreds of panics that are wanted; those that are not are shown.
fn keep_quiet_about_what_was_asked_for() {
    let show = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let is_wanted = panic
            .payload_as_str()
            .is_some_and(|said| said.contains(ASKED_FOR));
        if !is_wanted {
            show(panic);
        }
    }));
}

struct Universe {
    seed: u64,
    fate: Arc<Fate>,
    machine: Machine,
    server: Server,
    people: Vec<People>,
    /// Commands on their way.
    errands: JoinSet<()>,
    steps: u64,
}

impl Universe {
    async fn begin(seed: u64) -> Self {
        let fate = Arc::new(Fate::new(seed));
        let chance = &fate.chance;
        let policy = |chance: &fate::Chance| {
            chance.pick(&[
                ModerationPolicy::Off,
                ModerationPolicy::Off,
                ModerationPolicy::BestEffort,
                ModerationPolicy::Required,
            ])
        };
        let policies = Policies {
            input: policy(chance),
            output: policy(chance),
        };
        let config = ActorsConfig {
            passivate_after: chance.pick(&[SECOND, SECOND * 10, MINUTE]),
            ring_events_max: chance.pick(&[4, 16, 64]),
            commands_waiting_max: chance.pick(&[2, 8, 32]),
            restarts_max: chance.pick(&[3, 3, usize::MAX]),
            jobs: chance.pick(&[JobLimits::default(), IMPATIENT]),
            ..ActorsConfig::default()
        };
        let playbook = chance.index(playbooks::all().len());
        let machine = Machine::new(fate.clone(), playbook, policies, config);
        let server = machine.start(true).await;
        Self {
            seed,
            fate,
            machine,
            server,
            people: Vec::new(),
            errands: JoinSet::new(),
            steps: 0,
        }
    }

    async fn play(&mut self) -> Result<(), String> {
        for _ in 0..=self.fate.chance.below(3) {
            self.create().await;
        }
        for _ in 0..40 + self.fate.chance.below(80) {
            self.steps += 1;
            self.misfortune().await;
            self.deed().await;
            self.time_passes().await;
            self.check().await?;
        }
        self.rest().await
    }

    async fn create(&mut self) {
        let chance = &self.fate.chance;
        let user = chance.one_in(2).then(|| "somebody".parse().unwrap());
        let new = CreateSession {
            user: user.clone(),
            locale: chance.pick(&[Locale::En, Locale::Ko]),
            mode: chance.pick(&[Mode::Standard, Mode::Standard, Mode::Fast]),
            playbook: None,
        };
        match self.server.directory.create(new).await {
            Ok(view) => {
                let people = People::new(view.session_id, view.playbook.name.clone(), user);
                self.look(&people, |ledger, rows| ledger.check_view(rows, &view));
                self.people.push(people);
            }
            Err(refused) => self.fate.count(format!("not created: {refused}")),
        }
    }

    fn look(&self, people: &People, look: impl FnOnce(&Ledger, &[StoredFact]) -> Result<(), String>) {
        self.machine.disk.check(people.session, &self.fate, look);
    }

    /// What goes wrong with the machine, the disk and the clock.
    async fn misfortune(&mut self) {
        let fate = self.fate.clone();
        if fate.strikes(Fault::ServerKilled) {
            self.server.kill().await;
            self.come_back().await;
        }
        if fate.strikes(Fault::ServerDrained) {
            self.server.drain(fate.chance.up_to(SECOND * 20)).await;
            self.come_back().await;
        }
        if fate.strikes(Fault::JournalDown) {
            self.machine.disk.rows.set_writable(false);
        } else if fate.chance.one_in(4) {
            self.machine.disk.rows.set_writable(true);
        }
        if fate.strikes(Fault::DiskFull) {
            self.machine.disk.rows.set_full(true);
        } else if fate.chance.one_in(4) {
            self.machine.disk.rows.set_full(false);
        }
        if let Some(people) = self.somebody()
            && fate.strikes(Fault::WriterStolen)
        {
            self.machine.disk.rows.steal(self.people[people].session);
        }
        for which in 0..self.people.len() {
            if fate.strikes(Fault::SnapshotKept) {
                self.keep_snapshot(which, false);
            }
            if fate.strikes(Fault::SnapshotDamaged) {
                self.keep_snapshot(which, true);
            }
        }
        let by_ms = i64::try_from(fate.chance.below(20_000)).unwrap();
        if fate.strikes(Fault::ClockSetBack) {
            self.machine.clock.set(-by_ms);
        }
        if fate.strikes(Fault::ClockSetForward) {
            self.machine.clock.set(by_ms);
        }
    }

    /// The fold of a part of the log is found by whoever activates the session next, sound or damaged.
    fn keep_snapshot(&self, which: usize, is_damaged: bool) {
        let (session, chance) = (self.people[which].session, &self.fate.chance);
        let disk = &self.machine.disk;
        let folded = disk.look(session, &self.fate, |ledger, rows| {
            let head = Seq(1 + chance.below(rows.len() as u64));
            Ok(Snapshot::of(&ledger.state_at(rows, head)))
        });
        // A session that was deleted has no log.
        let Ok(mut snapshot) = folded else { return };
        if is_damaged {
            match chance.below(3) {
                0 => snapshot.fold_version += 1,
                1 => snapshot.head = snapshot.head.next(),
                _ => snapshot.state.truncate(chance.index(snapshot.state.len())),
            }
        }
        disk.rows.forge_snapshot(session, Some(snapshot));
    }

    /// Another server takes the place of the one that is gone, sooner or later.
    async fn come_back(&mut self) {
        let chance = &self.fate.chance;
        tokio::time::sleep(chance.up_to(chance.pick(&[Duration::ZERO, SECOND * 5, MINUTE * 10]))).await;
        self.server = self.machine.start(!chance.one_in(5)).await;
        self.people.iter_mut().for_each(People::leave);
    }

    fn somebody(&self) -> Option<usize> {
        (!self.people.is_empty()).then(|| self.fate.chance.index(self.people.len()))
    }

    /// Somebody does something.
    async fn deed(&mut self) {
        let Some(which) = self.somebody() else {
            return self.create().await;
        };
        let fate = self.fate.clone();
        match fate.chance.below(20) {
            0 => self.create().await,
            1 => self.view(which).await,
            2 => self.people[which].leave(),
            3 | 4 => self.people[which].follow(&self.server.directory, &fate).await,
            5..=7 => {
                let pages = 1 + fate.chance.index(3);
                self.people[which].read(pages, &self.machine.disk, &fate).await;
            }
            _ => {
                // Several at once now and then, as one who is impatient does.
                for _ in 0..=fate.chance.weigh(&[(6, 0), (1, 1), (1, 3)]) {
                    self.send(which);
                }
            }
        }
    }

    fn send(&mut self, which: usize) {
        let deed = self.fate.chance.weigh(&Deed::WEIGHTS);
        let now = self.machine.clock.now();
        let (directory, disk) = (&self.server.directory, &self.machine.disk);
        if let Some(errand) = self.people[which].set_about(deed, directory, disk, &self.fate, now) {
            self.errands.spawn(errand.run());
        }
    }

    async fn view(&mut self, which: usize) {
        let people = &self.people[which];
        let caller = people.caller();
        match self.server.directory.view(people.session, &caller).await {
            Ok(view) => self.look(people, |ledger, rows| ledger.check_view(rows, &view)),
            Err(refused) => self.fate.count(format!("no view: {refused}")),
        }
    }

    /// A moment in which others run and no time passes, or some time.
    async fn time_passes(&mut self) {
        let chance = &self.fate.chance;
        match chance.below(16) {
            0..=4 => {
                for _ in 0..chance.below(30) {
                    tokio::task::yield_now().await;
                }
            }
            5..=9 => tokio::time::sleep(chance.up_to(Duration::from_millis(40))).await,
            10..=13 => tokio::time::sleep(chance.up_to(SECOND * 3)).await,
            14 => tokio::time::sleep(chance.up_to(MINUTE)).await,
            _ => {
                let longest = if chance.one_in(4) { MINUTE * 7 } else { SECOND * 10 };
                tokio::time::sleep(chance.up_to(longest)).await;
            }
        }
        while self.errands.try_join_next().is_some() {}
    }

    /// Everything that holds at any time.
    async fn check(&mut self) -> Result<(), String> {
        let disk = &self.machine.disk;
        for session in disk.sessions() {
            disk.check(session, &self.fate, |_, _| Ok(()));
        }
        // Whoever sleeps is not woken by being looked at.
        for session in self.server.awake() {
            if let Ok(actor) = self.server.directory.inspect(session).await {
                disk.check(session, &self.fate, |ledger, rows| {
                    ledger.check_actor(rows, &actor)
                });
            }
        }
        self.broken()
    }

    fn broken(&self) -> Result<(), String> {
        self.fate.found().map_or(Ok(()), Err)
    }

    /// Nothing goes wrong any more and nobody does anything: everything comes to its end.
    async fn rest(&mut self) -> Result<(), String> {
        self.fate.calm_down();
        self.machine.disk.rows.set_writable(true);
        self.machine.disk.rows.set_full(false);
        tokio::time::sleep(MINUTE).await;
        while let Some(ended) = self.errands.join_next().await {
            ended.map_err(|error| format!("somebody who asked something panicked: {error}"))?;
        }
        // Nobody asks for anything: the server itself finds what is to be done.
        tokio::time::sleep(REST).await;
        self.check().await?;
        self.check_rest()?;
        for session in self.machine.disk.sessions() {
            self.reach(session).await?;
        }
        tokio::time::sleep(REST).await;
        self.check().await?;
        self.check_rest()?;
        let deleted = self.machine.disk.deleted();
        self.people.retain(|people| !deleted.contains(&people.session));
        for people in &mut self.people {
            people.read(usize::MAX, &self.machine.disk, &self.fate).await;
            let session = people.session;
            ensure(people.has_seen_all(), || {
                format!("a reader of {session} is not shown everything")
            })?;
            people.check_answers(&self.machine.disk, &self.fate);
            people.leave();
        }
        tokio::time::sleep(MINUTE * 10).await;
        let live = self.server.directory.live();
        ensure(live == 0, || format!("{live} sessions never leave memory"))?;
        let calls = self.server.calls_under_way();
        ensure(calls == 0, || format!("{calls} calls are still being made"))?;
        self.broken()?;
        self.check_bill().await
    }

    /// Everything that was begun has ended, but for sessions that were given up: an operator must look at those.
    fn check_rest(&self) -> Result<(), String> {
        for session in self.machine.disk.sessions() {
            self.machine.disk.look(session, &self.fate, |ledger, rows| {
                if Ledger::is_given_up(rows) {
                    Ok(())
                } else {
                    ledger.check_rest()
                }
            })?;
        }
        Ok(())
    }

    /// A new server finds everything as it was left, and books what nobody told of.
    async fn check_bill(&mut self) -> Result<(), String> {
        self.server.kill().await;
        self.server = self.machine.start(false).await;
        for session in self.machine.disk.sessions() {
            self.reach(session).await?;
        }
        tokio::time::sleep(SECOND).await;
        self.check().await?;
        for session in self.machine.disk.sessions() {
            self.machine.disk.look(session, &self.fate, |ledger, _| {
                ledger.check_rest()?;
                ledger.check_bill()
            })?;
        }
        self.machine.disk.books.check();
        let unfinished = self.machine.disk.unfinished_erasures().await;
        ensure(unfinished.is_empty(), || {
            format!("sessions are deleted in part: {unfinished:?}")
        })?;
        self.broken()
    }

    /// Waits until a session can be looked at. One that was given up is restarted by an operator.
    async fn reach(&self, session: SessionId) -> Result<(), String> {
        let directory = &self.server.directory;
        for _ in 0..LOOKS_MAX {
            match directory.view(session, &Caller::Operator).await {
                Ok(view) => {
                    let disk = &self.machine.disk;
                    return disk.look(session, &self.fate, |ledger, rows| ledger.check_view(rows, &view));
                }
                Err(Refused::Rejected(error)) if error.code == ErrorCode::SessionRestartLimit => {
                    self.fate.count("session was given up");
                    let restart = Restart {
                        from_stage: None,
                        reason: "it was given up".to_owned(),
                    };
                    if let Err(refused) = directory.restart(session, restart).await {
                        self.fate.count(format!("not restarted: {refused}"));
                        tokio::time::sleep(SECOND).await;
                    }
                }
                Err(_) => tokio::time::sleep(SECOND).await,
            }
        }
        Err(format!("{session} never comes back"))
    }

    fn history(&self) -> History {
        let sessions = self.machine.disk.sessions();
        let mut digest = Sha256::new();
        let mut facts = 0;
        for session in &sessions {
            self.machine.disk.rows.with_rows(*session, |rows| {
                facts += rows.len() as u64;
                for row in rows {
                    digest.update(row.frame.bytes());
                    digest.update(serde_json::to_vec(&row.fact.private).unwrap());
                }
            });
        }
        let counts = self.fate.counts();
        digest.update(serde_json::to_vec(&counts).unwrap());
        History {
            seed: self.seed,
            sessions: sessions.len(),
            steps: self.steps,
            facts,
            counts,
            digest: format!("{:x}", digest.finalize()),
        }
    }
}
