//! Plays simulated worlds, one seed after the other, and says how many sessions that were in a minute and what they met.
//!
//! `cargo run --profile faults -p greenroom-actors --example simulate -- --sessions 5000 --seed 1 [--threads 2] [--json]`: the
//! panics are provoked by hooks that builds without debug assertions lack. Ends with status
//! 1 at the first rule that is broken, and says how to play that world again.

#![allow(clippy::unwrap_used, reason = "shared with tests, which fail by panicking")]

#[path = "../tests/sessions/journal.rs"]
#[allow(dead_code, reason = "shared with the tests of sessions")]
mod journal;
#[path = "../tests/sessions/model.rs"]
#[allow(dead_code, reason = "shared with the tests of sessions")]
mod model;
#[path = "../tests/sessions/moderator.rs"]
#[allow(dead_code, reason = "shared with the tests of sessions")]
mod moderator;
#[path = "../tests/sessions/outputs.rs"]
mod outputs;
#[path = "../tests/simulation/universe/mod.rs"]
mod universe;
#[path = "../tests/sessions/world.rs"]
#[allow(dead_code, reason = "shared with the tests of sessions")]
mod world;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use serde::Serialize;
use sha2::{Digest, Sha256};

use self::universe::{Broken, History, faults};

/// What is asked for on the command line.
struct Options {
    /// Worlds are played until they had so many sessions.
    sessions: usize,
    /// The seed of the first world.
    seed: u64,
    threads: usize,
    json: bool,
}

/// What came of it.
#[derive(Debug, Serialize)]
struct Report {
    seed: u64,
    worlds: usize,
    sessions: usize,
    steps: u64,
    facts: u64,
    seconds: f64,
    sessions_per_minute: f64,
    faults: BTreeMap<String, u64>,
    /// What else happened, and how often.
    events: BTreeMap<String, u64>,
    /// Of all histories in the order of their seeds: the same for the same seeds, on every machine.
    digest: String,
    broken: Option<Broken>,
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(fault) => {
            eprintln!("{fault}\nusage: simulate [--sessions N] [--seed S] [--threads T] [--json]");
            return ExitCode::from(2);
        }
    };
    let report = simulate(&options);
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report).unwrap());
    } else {
        print(&report);
    }
    if report.broken.is_some() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        sessions: 1_000,
        seed: 0,
        threads: 1,
        json: false,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let mut number = || {
            let value = arguments.next().ok_or_else(|| format!("{name} wants a number"))?;
            value
                .parse::<u64>()
                .map_err(|error| format!("{name} {value}: {error}"))
        };
        match name.as_str() {
            "--sessions" => options.sessions = usize::try_from(number()?).unwrap(),
            "--seed" => options.seed = number()?,
            "--threads" => options.threads = usize::try_from(number()?.max(1)).unwrap(),
            "--json" => options.json = true,
            _ => return Err(format!("there is no option {name}")),
        }
    }
    Ok(options)
}

/// Each thread plays worlds of its own; no world has more than one.
fn simulate(options: &Options) -> Report {
    let began = Instant::now();
    let next_seed = AtomicU64::new(options.seed);
    let sessions_left = AtomicUsize::new(options.sessions);
    let histories = Mutex::new(BTreeMap::<u64, History>::new());
    let broken = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..options.threads {
            scope.spawn(|| {
                while sessions_left.load(Ordering::Relaxed) > 0 && broken.lock().unwrap().is_none() {
                    let seed = next_seed.fetch_add(1, Ordering::Relaxed);
                    match universe::play(seed) {
                        Ok(history) => {
                            let take = |left: usize| Some(left.saturating_sub(history.sessions));
                            let _always =
                                sessions_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
                            histories.lock().unwrap().insert(seed, history);
                        }
                        Err(found) => *broken.lock().unwrap() = Some(*found),
                    }
                }
            });
        }
    });
    let seconds = began.elapsed().as_secs_f64();
    summed(
        options.seed,
        seconds,
        &histories.into_inner().unwrap(),
        broken.into_inner().unwrap(),
    )
}

fn summed(seed: u64, seconds: f64, histories: &BTreeMap<u64, History>, broken: Option<Broken>) -> Report {
    let sessions: usize = histories.values().map(|history| history.sessions).sum();
    let mut counts = BTreeMap::new();
    let mut digest = Sha256::new();
    for history in histories.values() {
        digest.update(&history.digest);
        for (what, times) in &history.counts {
            *counts.entry(what.clone()).or_insert(0) += times;
        }
    }
    let faults = faults().map(|fault| {
        let times = counts.remove(&fault).unwrap_or_default();
        (fault, times)
    });
    #[expect(clippy::cast_precision_loss, reason = "nobody simulates 2^52 sessions")]
    let sessions_per_minute = sessions as f64 * 60.0 / seconds;
    Report {
        seed,
        worlds: histories.len(),
        sessions,
        steps: histories.values().map(|history| history.steps).sum(),
        facts: histories.values().map(|history| history.facts).sum(),
        seconds,
        sessions_per_minute,
        faults: faults.collect(),
        events: counts,
        digest: format!("{:x}", digest.finalize()),
        broken,
    }
}

fn print(report: &Report) {
    let Report {
        seed,
        worlds,
        sessions,
        steps,
        facts,
        seconds,
        sessions_per_minute,
        faults,
        events,
        digest,
        broken,
    } = report;
    println!("{worlds} worlds from seed {seed}: {sessions} sessions, {steps} steps, {facts} facts");
    println!(
        "{seconds:.1} s, {sessions_per_minute:.0} sessions a minute, digest {}",
        &digest[..16]
    );
    println!("\nfaults");
    for (fault, times) in faults {
        println!("{times:>8}  {fault}");
    }
    println!("\nwhat else happened");
    for (what, times) in events {
        println!("{times:>8}  {what}");
    }
    match broken {
        None => println!("\nno rule was broken"),
        Some(Broken { seed, step, rule }) => {
            println!("\nBROKEN in the world of seed {seed}, step {step}: {rule}");
            println!(
                "play it again: GREENROOM_SIMULATION_SEED={seed} cargo test -p greenroom-actors --test simulation"
            );
        }
    }
}
