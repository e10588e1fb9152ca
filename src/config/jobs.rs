//! `[jobs]`: how long work that nobody waits for may make no progress, and how often it is tried.

use greenroom_protocol::Millis;
use greenroom_session::JobLimits;

use super::reader::Reader;

const MINUTE_MS: u64 = 60 * 1_000;
/// A day: longer than any playbook lets a run take.
const MINUTES_MAX: u64 = 24 * 60;

pub(super) fn read(reader: &mut Reader) -> JobLimits {
    let defaults = JobLimits::default();
    let mut minutes = |name, default| {
        let minutes = reader.number(name, 1..=MINUTES_MAX);
        minutes.map_or(default, |minutes| Millis(minutes * MINUTE_MS))
    };
    let running = minutes("jobs.running_minutes", defaults.running);
    let queued = minutes("jobs.queued_minutes", defaults.queued);
    let tries = reader.number("jobs.tries", 1..=100);
    JobLimits {
        running,
        queued,
        tries_max: tries
            .and_then(|tries| u32::try_from(tries).ok())
            .unwrap_or(defaults.tries_max),
    }
}
