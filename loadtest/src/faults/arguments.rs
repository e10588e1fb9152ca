//! The arguments of `loadtest faults` and `loadtest rolling`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Args;

use super::options::FaultsOptions;
use super::report::FaultsReport;
use super::rolling::rolling;
use super::trial::faults;
use crate::load::options::parse_duration;
use crate::wall_clock;
use crate::world::Program;

/// The short form is for every change: people and time such that it takes about two minutes on two cores.
const SHORT_PEOPLE: usize = 40;
const SHORT_DURATION: Duration = Duration::from_secs(40);
const PEOPLE: usize = 200;
const DURATION: Duration = Duration::from_mins(5);
/// A stage may take a minute and be tried twice; a call whose end could not be told is booked after three minutes.
const REST: Duration = Duration::from_mins(4);

#[derive(Debug, Args)]
pub(crate) struct TrialArgs {
    /// The server's program; the one beside this program unless it is given.
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,
    /// People at once; each has one session after another.
    #[arg(long, value_name = "N")]
    sessions: Option<usize>,
    /// What everything that looks arbitrary follows from; one is drawn unless it is given.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// The folder for data, logs, records and the report; a new one unless it is given. It is kept.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// How long everything may take to come to rest afterwards.
    #[arg(long, value_name = "D", value_parser = parse_duration)]
    rest: Option<Duration>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct FaultsArgs {
    #[command(flatten)]
    trial: TrialArgs,
    /// How long things go wrong: `30s`, `60m`.
    #[arg(long, value_name = "D", value_parser = parse_duration)]
    duration: Option<Duration>,
    /// The form for every change: few people, about two minutes.
    #[arg(long)]
    short: bool,
    /// Leave out the panics, which only a server can provoke that was built with debug assertions.
    #[arg(long)]
    without_panics: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RollingArgs {
    #[command(flatten)]
    trial: TrialArgs,
    /// How often the server is restarted.
    #[arg(long, value_name = "N", default_value_t = 20)]
    restarts: u32,
    /// From one restart to the next.
    #[arg(long, value_name = "D", default_value = "8s", value_parser = parse_duration)]
    every: Duration,
}

/// `loadtest faults`
pub(crate) async fn run_faults(
    args: FaultsArgs,
    interrupted: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let (people, duration) = if args.short {
        (SHORT_PEOPLE, SHORT_DURATION)
    } else {
        (PEOPLE, DURATION)
    };
    let duration = args.duration.unwrap_or(duration);
    let options = args
        .trial
        .options("faults", people, duration, !args.without_panics)?;
    let mut again = replay("faults", &options);
    let _ = write!(again, " --duration {}ms", duration.as_millis());
    if args.without_panics {
        again.push_str(" --without-panics");
    }
    tell(&faults(&options, again, interrupted).await?, args.trial.json)
}

/// `loadtest rolling`
pub(crate) async fn run_rolling(
    args: RollingArgs,
    interrupted: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let duration = args.every * args.restarts;
    let options = args.trial.options("rolling", PEOPLE, duration, false)?;
    let mut again = replay("rolling", &options);
    let _ = write!(
        again,
        " --restarts {} --every {}ms",
        args.restarts,
        args.every.as_millis()
    );
    let report = rolling(&options, args.restarts, args.every, again, interrupted).await?;
    tell(&report, args.trial.json)
}

fn tell(report: &FaultsReport, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        println!("{}", serde_json::to_string_pretty(report)?);
    } else {
        println!("{report}");
    }
    ensure!(report.is_clean(), "{} things are wrong", report.fault_count());
    Ok(())
}

impl TrialArgs {
    fn options(
        &self,
        name: &str,
        people: usize,
        duration: Duration,
        with_hooks: bool,
    ) -> anyhow::Result<FaultsOptions> {
        let now = wall_clock::now().unix_ms();
        // Processes run in the folder, so that paths must not depend on where this one runs.
        let folder = std::path::absolute(match &self.dir {
            Some(dir) => dir.clone(),
            None => std::env::temp_dir().join(format!("greenroom-{name}-{now}")),
        })?;
        let is_taken = folder
            .read_dir()
            .is_ok_and(|mut entries| entries.next().is_some());
        ensure!(
            !is_taken,
            "{} holds something already; every trial wants a folder of its own",
            folder.display()
        );
        Ok(FaultsOptions {
            server: program(&self.server()?)?,
            simulator: program(&std::env::current_exe()?)?,
            folder,
            people: self.sessions.unwrap_or(people),
            duration,
            rest: self.rest.unwrap_or(REST),
            seed: self
                .seed
                .unwrap_or_else(|| u64::try_from(now % 1_000_000).unwrap_or_default()),
            with_hooks,
        })
    }

    fn server(&self) -> anyhow::Result<PathBuf> {
        let own = std::env::current_exe()?;
        let beside = || own.with_file_name(format!("greenroom{}", std::env::consts::EXE_SUFFIX));
        Ok(self.server.clone().unwrap_or_else(beside))
    }
}

/// The command that does the same again, in a new folder.
fn replay(name: &str, options: &FaultsOptions) -> String {
    format!(
        "loadtest {name} --server {} --sessions {} --seed {} --rest {}ms",
        options.server.path.display(),
        options.people,
        options.seed,
        options.rest.as_millis()
    )
}

fn program(path: &Path) -> anyhow::Result<Program> {
    let path = path
        .canonicalize()
        .with_context(|| format!("there is no program {}", path.display()))?;
    Ok(Program {
        path,
        args: Vec::new(),
    })
}
