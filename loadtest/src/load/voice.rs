//! `loadtest voice`: everybody comes, talks while it is measured, finishes and goes.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};

use super::options::VoiceOptions;
use super::process::{Process, Usage};
use super::recordings::Recordings;
use super::report::{Cost, Evidence, VoiceReport};
use super::session::{Outcome, Shared, Stage, talk};
use crate::client::Client;

/// How often memory is looked at.
const SAMPLE_EVERY: Duration = Duration::from_millis(500);

/// Runs the test; ends it early, and reports, when `interrupted` is ready.
pub async fn voice(
    options: VoiceOptions,
    interrupted: impl Future<Output = ()>,
) -> anyhow::Result<VoiceReport> {
    options.check()?;
    let shape = options.input;
    let recordings = tokio::task::spawn_blocking(move || Recordings::shipped(shape))
        .await
        .context("the recordings were not encoded")??;
    let mut client = Client::new(&options.url)?;
    if let Some(token) = &options.token {
        client = client.with_token(token.clone());
    }
    let (stage, stage_seen) = watch::channel(Stage::Talking);
    let shared = Arc::new(Shared::new(options, client, Arc::new(recordings), stage_seen));
    Test {
        meters: Meters::new(shared.options.server_pid)?,
        shared,
        stage,
        sessions: JoinSet::new(),
    }
    .run(interrupted)
    .await
}

struct Test {
    shared: Arc<Shared>,
    stage: watch::Sender<Stage>,
    sessions: JoinSet<Outcome>,
    meters: Meters,
}

impl Test {
    async fn run(mut self, interrupted: impl Future<Output = ()>) -> anyhow::Result<VoiceReport> {
        let mut interrupted = std::pin::pin!(interrupted);
        let mut outcomes = Vec::new();
        let mut was_interrupted = tokio::select! {
            () = self.everybody_comes() => false,
            () = interrupted.as_mut() => true,
        };
        let measured_from = self.shared.epoch.elapsed();
        self.meters.begin()?;
        if !was_interrupted {
            let mut measured = std::pin::pin!(self.meters.watch(self.shared.options.duration));
            loop {
                tokio::select! {
                    measured = measured.as_mut() => break measured?,
                    joined = self.sessions.join_next() => match joined {
                        Some(outcome) => outcomes.push(came_back(outcome)?),
                        // Nobody is left to be measured.
                        None => break,
                    },
                    () = interrupted.as_mut() => {
                        was_interrupted = true;
                        break;
                    }
                }
            }
        }
        let cost = self.meters.end()?;
        let measured_until = self.shared.epoch.elapsed();
        let is_aborted = was_interrupted || self.shared.options.floor;
        self.stage.send_replace(if is_aborted {
            Stage::Aborted
        } else {
            Stage::Closing
        });
        loop {
            // Each session bounds what it waits for; whoever cannot wait for that interrupts now.
            tokio::select! {
                joined = self.sessions.join_next() => match joined {
                    Some(outcome) => outcomes.push(came_back(outcome)?),
                    None => break,
                },
                () = interrupted.as_mut(), if !was_interrupted => {
                    was_interrupted = true;
                    self.stage.send_replace(Stage::Aborted);
                }
            }
        }
        Ok(VoiceReport::of(Evidence {
            options: &self.shared.options,
            outcomes,
            lag: self.shared.lag.distribution(),
            measured: measured_from..measured_until,
            cost,
            was_interrupted,
        }))
    }

    /// Lets the sessions begin, spread over the ramp, and waits until each is connected or has failed.
    async fn everybody_comes(&mut self) {
        let sessions = self.shared.options.sessions;
        let (is_there, mut arrivals) = mpsc::channel(sessions);
        let step = self.shared.options.ramp / sessions as u32;
        for number in 0..sessions {
            sleep_until(self.shared.epoch + step * number as u32).await;
            self.sessions
                .spawn(talk(Arc::clone(&self.shared), number, is_there.clone()));
        }
        drop(is_there);
        // It ends once everybody has come or never will.
        while arrivals.recv().await.is_some() {}
    }
}

fn came_back(outcome: Result<Outcome, JoinError>) -> anyhow::Result<Outcome> {
    outcome.context("a session of the test broke down")
}

/// What the server and this process use.
struct Meters {
    server: Option<Process>,
    /// What the server used before anybody came.
    before: Option<Usage>,
    began: Option<Began>,
    resident_kib: Vec<u64>,
}

#[derive(Clone, Copy)]
struct Began {
    server: Option<Usage>,
    own: Usage,
}

impl Meters {
    fn new(server_pid: Option<u32>) -> anyhow::Result<Self> {
        let server = server_pid.map(Process::Other);
        Ok(Self {
            server,
            before: server.map(Process::usage).transpose()?,
            began: None,
            resident_kib: Vec::new(),
        })
    }

    fn begin(&mut self) -> anyhow::Result<()> {
        self.began = Some(Began {
            server: self.server.map(Process::usage).transpose()?,
            own: Process::Own.usage()?,
        });
        Ok(())
    }

    /// Looks at the server's memory for so long.
    async fn watch(&mut self, duration: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + duration;
        while Instant::now() < until {
            if let Some(server) = self.server {
                self.resident_kib.push(server.usage()?.resident_kib);
            }
            sleep(SAMPLE_EVERY.min(until.saturating_duration_since(Instant::now()))).await;
        }
        Ok(())
    }

    fn end(&self) -> anyhow::Result<Cost> {
        let began = self.began.context("nothing was measured")?;
        let own = Process::Own.usage()?;
        let server = self.server.map(Process::usage).transpose()?;
        Ok(Cost {
            server_before: self.before,
            server_cpu: server
                .zip(began.server)
                .map(|(now, then)| now.cpu.saturating_sub(then.cpu)),
            server_threads: server.map(|usage| usage.threads),
            resident_kib: self.resident_kib.clone(),
            own_cpu: own.cpu.saturating_sub(began.own.cpu),
            own,
        })
    }
}
