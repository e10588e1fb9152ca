//! `loadtest rolling`: one restart after another while people are at work, and nobody loses anything by it.

use std::time::Duration;

use super::finding::Finding;
use super::options::FaultsOptions;
use super::plan::{Happening, Plan, Trouble};
use super::report::FaultsReport;
use super::trial::perform;

/// Before the first restart people come, and begin.
const WARM_UP: Duration = Duration::from_secs(5);

/// Restarts the server so often by SIGTERM, each so long after the one before. Beside what every trial checks, no run
/// and no turn fails.
pub async fn rolling(
    options: &FaultsOptions,
    restarts: u32,
    every: Duration,
    replay: String,
    interrupted: impl Future<Output = ()>,
) -> anyhow::Result<FaultsReport> {
    let happenings = (0..restarts).map(|restart| Happening {
        at_ms: u64::try_from((WARM_UP + every * restart).as_millis()).unwrap_or(u64::MAX),
        trouble: Trouble::Terminate,
    });
    let plan = Plan {
        seed: options.seed,
        happenings: happenings.collect(),
    };
    let mut report = perform(options, &plan, replay, interrupted).await?;
    let counts = &report.checker.counts;
    let failed = [
        (counts.runs_failed, "runs failed"),
        (counts.turns_failed, "turns failed"),
        (counts.turns_abandoned, "turns were abandoned"),
    ];
    let failed = failed.into_iter().filter(|(count, _)| *count > 0);
    let findings = failed.map(|(count, what)| Finding::LostInRestart {
        what: format!("{count} {what}"),
    });
    report.findings.extend(findings);
    Ok(report)
}
