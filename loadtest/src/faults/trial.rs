//! One trial from its beginning to its report: a world, people, a plan, rest, and a look at everything.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use super::finding::Finding;
use super::options::FaultsOptions;
use super::people::Crowd;
use super::plan::{Happening, Plan};
use super::report::{Ends, FaultsReport, Memory, Returns, losses, milliseconds};
use super::stagehand::{CONFIG, Deeds, Stagehand, end_server};
use super::{inspection, rest};
use crate::checker::{self, Expectation, Promise};
use crate::load::Distribution;
use crate::load::process::Process;
use crate::world::{Programs, World, WorldSpec};

/// A simulator that takes a second or two for a stage, so that troubles find work under way.
const SIMULATOR: [&str; 4] = ["--first-token-ms", "60", "--tokens-per-second", "900"];
/// Who hears, speaks and checks, beside the language model.
const SERVICES: [(&str, &str); 5] = [
    ("GREENROOM_STT__MODEL", "sim-transcribe"),
    ("GREENROOM_STT__REALTIME", "on"),
    ("GREENROOM_STT__REALTIME_MODEL", "sim-live-transcribe"),
    ("GREENROOM_TTS__MODEL", "sim-tts"),
    ("GREENROOM_MODERATION__MODEL", "sim-moderation"),
];
/// Where the records of all people lie in the folder of the trial.
const RECORDS: &str = "records";
/// The plan, for whoever wants to know afterwards.
const PLAN: &str = "plan.json";
/// The report.
const REPORT: &str = "report.json";
/// How long a server may take that is told to end when nobody is there any more.
const LAST_END_WITHIN: Duration = Duration::from_secs(20);

/// Runs a trial by its seed's own plan; ends the troubles early when `interrupted` is ready.
pub async fn faults(
    options: &FaultsOptions,
    replay: String,
    interrupted: impl Future<Output = ()>,
) -> anyhow::Result<FaultsReport> {
    let plan = Plan::drawn(options.seed, options.duration, options.with_hooks);
    perform(options, &plan, replay, interrupted).await
}

/// Runs a trial by a plan.
pub(super) async fn perform(
    options: &FaultsOptions,
    plan: &Plan,
    replay: String,
    interrupted: impl Future<Output = ()>,
) -> anyhow::Result<FaultsReport> {
    options.check()?;
    let mut world = begin(options).await?;
    let text = serde_json::to_string_pretty(plan)?;
    std::fs::write(options.folder.join(PLAN), text).context("the plan cannot be written")?;
    eprintln!("{plan}in {}; again: {replay}", options.folder.display());
    let before_kib = resident_kib(&world)?;
    let mut lived = live_through(options, plan, &mut world, interrupted).await?;
    let erased = lived.deeds.erased.len();
    let checker = look(options, &world, &mut lived).await?;
    let memory = Memory {
        before_kib,
        after_kib: resident_kib(&world)?,
    };
    let Lived {
        mut deeds, returns, ..
    } = lived;
    deeds.findings.extend(memory.finding());
    deeds
        .findings
        .extend(end_server(&mut world, LAST_END_WITHIN).await?);
    let after = look_at_what_is_left(options, &world).await?;
    deeds.findings.extend(after.findings);

    let report = FaultsReport {
        schema: "greenroom.loadtest.faults/1",
        seed: options.seed,
        replay,
        folder: options.folder.display().to_string(),
        people: options.people,
        duration_s: options.duration.as_secs_f64(),
        ends: ends(&deeds),
        troubles: deeds.tried,
        panics: after.panics,
        losses: losses(&checker.violations),
        returns,
        memory,
        was_verified: after.was_verified,
        erased,
        findings: deeds.findings,
        checker,
    };
    let text = serde_json::to_string_pretty(&report)?;
    std::fs::write(options.folder.join(REPORT), text).context("the report cannot be written")?;
    Ok(report)
}

/// What is known when everybody has gone.
struct Lived {
    deeds: Deeds,
    returns: Returns,
    promises: Vec<Promise>,
}

/// Lets people come, lets the plan happen to them, and lets them go.
async fn live_through(
    options: &FaultsOptions,
    plan: &Plan,
    world: &mut World,
    interrupted: impl Future<Output = ()>,
) -> anyhow::Result<Lived> {
    let needs_hooks = |happening: &Happening| happening.trouble.needs_hooks();
    if plan.happenings.iter().any(needs_hooks) {
        Stagehand::has_hooks(world).await?;
    }
    let records = options.folder.join(RECORDS);
    let mut crowd = Crowd::gather(&world.server_url(), records, options.people, options.seed).await?;
    let commons = Arc::clone(&crowd.commons);
    let mut stagehand = Stagehand::new(world, &commons);
    stagehand.follow(plan, interrupted).await?;
    let mut deeds = std::mem::take(&mut stagehand.deeds);
    let casualties = crowd.disperse(options.rest).await.into_iter();
    deeds
        .findings
        .extend(casualties.map(|casualty| Finding::Stranded {
            number: casualty.number,
            role: format!("{:?}", casualty.role).to_lowercase(),
            reason: casualty.reason,
        }));
    Ok(Lived {
        deeds,
        returns: Returns::of(&commons.returns()),
        promises: commons.promises(),
    })
}

/// Waits until the server is at rest, and holds everything against each other.
async fn look(options: &FaultsOptions, world: &World, lived: &mut Lived) -> anyhow::Result<checker::Report> {
    let findings = &mut lived.deeds.findings;
    findings.extend(rest::at_rest(world, options.rest).await?);
    let promises = std::mem::take(&mut lived.promises);
    let erased = std::mem::take(&mut lived.deeds.erased);
    let evidence = inspection::evidence(world, &options.folder.join(RECORDS), promises, erased).await?;
    findings.extend(inspection::erased_are_gone(world, &evidence).await?);
    let report = checker::check(&evidence, Expectation::AtRest);
    findings.extend(rest::nobody_left(world).await?);
    Ok(report)
}

/// What is found when no server runs.
struct AfterTheEnd {
    findings: Vec<Finding>,
    panics: usize,
    was_verified: bool,
}

async fn look_at_what_is_left(options: &FaultsOptions, world: &World) -> anyhow::Result<AfterTheEnd> {
    let (panics, mut findings) = inspection::panics(&world.server_log())?;
    findings.extend(inspection::leftovers(&world.data_dir())?);
    let verified = inspection::verified(&options.server, &world.data_dir()).await?;
    let was_verified = verified.is_some();
    findings.extend(verified.into_iter().flatten());
    Ok(AfterTheEnd {
        findings,
        panics,
        was_verified,
    })
}

async fn begin(options: &FaultsOptions) -> anyhow::Result<World> {
    let programs = Programs {
        server: options.server.clone(),
        simulator: options.simulator.clone(),
    };
    let mut spec = WorldSpec::new(programs, &options.folder);
    spec.simulator_args = SIMULATOR.map(str::to_owned).to_vec();
    let seed = ["--seed".to_owned(), options.seed.to_string()];
    spec.simulator_args.extend(seed);
    CONFIG.clone_into(&mut spec.config);
    let services = SERVICES.map(|(name, value)| (name.to_owned(), value.to_owned()));
    spec.server_env.extend(services);
    World::start(spec).await
}

fn ends(deeds: &Deeds) -> Ends {
    let distribution =
        |times: &[Duration]| Distribution::of(times.iter().copied().map(milliseconds).collect());
    let done = |names: &[&str]| {
        let tried = names.iter().filter_map(|name| deeds.tried.get(name));
        tried.map(|tried| tried.done).sum()
    };
    Ends {
        kills: done(&["kill"]),
        terminations: done(&["terminate", "terminate_twice"]),
        ending_ms: distribution(&deeds.ends),
        starting_ms: distribution(&deeds.starts),
    }
}

fn resident_kib(world: &World) -> anyhow::Result<u64> {
    let pid = world.server.id().context("the server runs")?;
    Ok(Process::Other(pid).usage()?.resident_kib)
}
