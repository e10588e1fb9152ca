//! What a process has used, as Linux tells it in `/proc`.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, ensure};

/// Places of `/proc/PID/stat`, counted from the state, which follows the name in brackets.
const USER_TICKS: usize = 11;
const SYSTEM_TICKS: usize = 12;
const THREADS: usize = 17;

/// A process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Process {
    /// This one.
    Own,
    /// The one with this id.
    Other(u32),
}

/// What a process has used up to now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Processor time, its own and the system's for it.
    pub(crate) cpu: Duration,
    /// Memory that it holds, in KiB.
    pub(crate) resident_kib: u64,
    /// Its threads.
    pub(crate) threads: u64,
}

impl Process {
    /// What it has used.
    pub(crate) fn usage(self) -> anyhow::Result<Usage> {
        let (name, folder) = match self {
            Self::Own => ("this process".to_owned(), "/proc/self".to_owned()),
            Self::Other(pid) => (format!("process {pid}"), format!("/proc/{pid}")),
        };
        let read = |file: &str| {
            let path = format!("{folder}/{file}");
            fs::read_to_string(&path).with_context(|| format!("cannot tell what {name} uses: {path}"))
        };
        usage(
            &read("stat")?,
            &read("status")?,
            rustix::param::clock_ticks_per_second(),
        )
        .with_context(|| format!("cannot tell what {name} uses"))
    }
}

fn usage(stat: &str, status: &str, ticks_per_second: u64) -> anyhow::Result<Usage> {
    // The name may have spaces and brackets in it.
    let (_, fields) = stat.rsplit_once(") ").context("no name in its stat")?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    let number = |place: usize| -> anyhow::Result<u64> {
        let field = fields.get(place).context("its stat is too short")?;
        Ok(field.parse()?)
    };
    ensure!(ticks_per_second > 0, "a second has no ticks");
    let ticks = number(USER_TICKS)? + number(SYSTEM_TICKS)?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident = resident.context("it has no memory, so it has ended")?;
    Ok(Usage {
        cpu: Duration::from_secs_f64(ticks as f64 / ticks_per_second as f64),
        resident_kib: resident.trim().trim_end_matches(" kB").parse()?,
        threads: number(THREADS)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_ticks_and_names_may_be_anything() {
        let stat = "4242 (a (bad) name) S 1 4242 4242 0 -1 4194304 9 0 0 0 250 50 7 8 20 0 5 0 1234 99 88";
        let status = "Name:\ta (bad) name\nVmPeak:\t  999 kB\nVmRSS:\t   20480 kB\nThreads:\t5\n";
        let expected = Usage {
            cpu: Duration::from_secs(3),
            resident_kib: 20_480,
            threads: 5,
        };
        assert_eq!(usage(stat, status, 100).unwrap(), expected);
        assert!(usage(stat, "Name:\tzombie\n", 100).is_err());
        assert!(usage("4242 (short) S 1", status, 100).is_err());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_uses_something() {
        let usage = Process::Own.usage().unwrap();
        assert!(usage.resident_kib > 0 && usage.threads > 0);
    }
}
