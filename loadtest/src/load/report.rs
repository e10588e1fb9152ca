//! The report of `loadtest voice`, as JSON and as a table. `docs/loadtest.md` says what each figure means.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

use greenroom_protocol::Segment;
use serde::Serialize;

use super::options::{VoiceOptions, codec_name, segment_name};
use super::process::Usage;
use super::session::Outcome;
use super::statistics::{Distribution, ms};
use super::tally::{Counts, Tally, TurnSample};
use super::violation::Found;

/// What this document is, and which version of it.
const SCHEMA: &str = "greenroom.loadtest.voice/1";
/// Violations that a printed report shows; the JSON has more.
const VIOLATIONS_SHOWN: usize = 20;
/// A sender that is later than this for one frame in a hundred measures itself.
const LAG_P99_MS_MAX: f64 = 10.0;

/// In their order.
const SEGMENTS: [Segment; 6] = [
    Segment::Endpointing,
    Segment::Transcription,
    Segment::PlannerFirstToken,
    Segment::FirstSentence,
    Segment::VoiceFirstByte,
    Segment::Delivery,
];

/// What a load test came to.
#[derive(Debug, Clone, Serialize)]
pub struct VoiceReport {
    schema: &'static str,
    options: VoiceOptions,
    /// Whether it was ended before its time.
    was_interrupted: bool,
    sessions: SessionFigures,
    counts: Counts,
    /// In milliseconds.
    latency_ms: LatencyFigures,
    barge_in: BargeInFigures,
    playback: PlaybackFigures,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<ServerFigures>,
    tester: TesterFigures,
    violations: ViolationFigures,
}

#[derive(Debug, Clone, Serialize)]
struct SessionFigures {
    asked: usize,
    connected: usize,
    measured_s: f64,
    /// How long all sessions together were connected while it was measured.
    session_seconds: f64,
}

#[derive(Debug, Clone, Serialize)]
struct LatencyFigures {
    felt: Distribution,
    added: Distribution,
    total: Distribution,
    segments: BTreeMap<String, Distribution>,
}

#[derive(Debug, Clone, Serialize)]
struct BargeInFigures {
    to_pause_ms: Distribution,
}

#[derive(Debug, Clone, Serialize)]
struct PlaybackFigures {
    ahead_ms_max: f64,
    underrun_ms: Distribution,
}

#[derive(Debug, Clone, Serialize)]
struct ServerFigures {
    cpu_ms_per_session_second: f64,
    resident_kib_before: u64,
    resident_kib_plateau: f64,
    resident_kib_max: u64,
    kib_per_session: f64,
    threads: u64,
}

#[derive(Debug, Clone, Serialize)]
struct TesterFigures {
    cpu_ms_per_session_second: f64,
    resident_kib: u64,
    threads: u64,
    lag_ms: Distribution,
    /// Whether frames left in time, so that the figures are the server's.
    is_on_time: bool,
}

#[derive(Debug, Clone, Serialize)]
struct ViolationFigures {
    count: u64,
    by_kind: BTreeMap<String, u64>,
    listed: Vec<Found>,
}

/// What was used while it was measured.
#[derive(Debug, Clone)]
pub(super) struct Cost {
    pub(super) server_before: Option<Usage>,
    pub(super) server_cpu: Option<Duration>,
    pub(super) server_threads: Option<u64>,
    /// The server's memory, sampled.
    pub(super) resident_kib: Vec<u64>,
    pub(super) own_cpu: Duration,
    pub(super) own: Usage,
}

/// What a report is made of.
pub(super) struct Evidence<'a> {
    pub(super) options: &'a VoiceOptions,
    pub(super) outcomes: Vec<Outcome>,
    pub(super) lag: Distribution,
    pub(super) measured: Range<Duration>,
    pub(super) cost: Cost,
    pub(super) was_interrupted: bool,
}

impl VoiceReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.violations.count == 0
    }

    /// How many violations were found.
    pub fn violation_count(&self) -> u64 {
        self.violations.count
    }

    pub(super) fn of(evidence: Evidence<'_>) -> Self {
        let measured = evidence.measured;
        let connected: Vec<_> = evidence
            .outcomes
            .iter()
            .filter_map(|outcome| outcome.connected)
            .collect();
        let session_seconds: f64 = connected
            .iter()
            .map(|(from, until)| {
                let until = until.min(&measured.end);
                until.saturating_sub(*from.max(&measured.start)).as_secs_f64()
            })
            .sum();
        let mut tally = Tally::default();
        for outcome in evidence.outcomes {
            tally.add(outcome.tally);
        }
        let pauses = tally
            .pauses
            .iter()
            .filter(|pause| measured.contains(&pause.at))
            .map(|pause| pause.after_ms);
        Self {
            schema: SCHEMA,
            was_interrupted: evidence.was_interrupted,
            sessions: SessionFigures {
                asked: evidence.options.sessions,
                connected: connected.len(),
                measured_s: measured.end.saturating_sub(measured.start).as_secs_f64(),
                session_seconds,
            },
            counts: tally.counts,
            latency_ms: LatencyFigures::of(&tally.turns, &measured, evidence.options),
            barge_in: BargeInFigures {
                to_pause_ms: Distribution::of(pauses.collect()),
            },
            playback: PlaybackFigures {
                ahead_ms_max: ms(tally.ahead_max),
                underrun_ms: Distribution::of(std::mem::take(&mut tally.silences_ms)),
            },
            server: ServerFigures::of(&evidence.cost, connected.len(), session_seconds),
            tester: TesterFigures {
                cpu_ms_per_session_second: per(ms(evidence.cost.own_cpu), session_seconds),
                resident_kib: evidence.cost.own.resident_kib,
                threads: evidence.cost.own.threads,
                lag_ms: evidence.lag,
                is_on_time: evidence.lag.p99 <= LAG_P99_MS_MAX,
            },
            violations: ViolationFigures {
                count: tally.violation_count(),
                by_kind: tally.violations_by_kind,
                listed: tally.violations,
            },
            options: evidence.options.clone(),
        }
    }
}

impl LatencyFigures {
    /// Of the turns whose speech ended while it was measured.
    fn of(turns: &[TurnSample], measured: &Range<Duration>, options: &VoiceOptions) -> Self {
        let turns: Vec<&TurnSample> = turns.iter().filter(|turn| measured.contains(&turn.at)).collect();
        let felt = turns.iter().filter_map(|turn| turn.felt_ms).collect();
        let added = turns.iter().filter_map(|turn| {
            let endpointing = turn.segment_ms(Segment::Endpointing)?;
            Some(turn.after_heard_end_ms? - endpointing - options.simulated.total_ms())
        });
        let segments = SEGMENTS.iter().map(|segment| {
            let values = turns.iter().filter_map(|turn| turn.segment_ms(*segment));
            (segment_name(*segment), Distribution::of(values.collect()))
        });
        Self {
            felt: Distribution::of(felt),
            added: Distribution::of(added.collect()),
            total: Distribution::of(turns.iter().map(|turn| turn.total_ms as f64).collect()),
            segments: segments.collect(),
        }
    }
}

impl TurnSample {
    fn segment_ms(&self, segment: Segment) -> Option<f64> {
        let part = self.segments.iter().find(|part| part.segment == segment)?;
        Some(part.ms.0 as f64)
    }
}

impl ServerFigures {
    fn of(cost: &Cost, sessions: usize, session_seconds: f64) -> Option<Self> {
        let before = cost.server_before?;
        // The first half of the measurement may still grow.
        let plateau = &cost.resident_kib[cost.resident_kib.len() / 2..];
        let resident_kib_plateau = per(plateau.iter().sum::<u64>() as f64, plateau.len() as f64);
        Some(Self {
            cpu_ms_per_session_second: per(ms(cost.server_cpu?), session_seconds),
            resident_kib_before: before.resident_kib,
            resident_kib_plateau,
            resident_kib_max: cost.resident_kib.iter().copied().max().unwrap_or_default(),
            kib_per_session: per(resident_kib_plateau - before.resident_kib as f64, sessions as f64),
            threads: cost.server_threads?,
        })
    }
}

/// A share, or nothing of nothing.
fn per(amount: f64, of: f64) -> f64 {
    if of > 0.0 { amount / of } else { 0.0 }
}

impl fmt::Display for VoiceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (options, counts, sessions) = (&self.options, &self.counts, &self.sessions);
        let interrupted = if self.was_interrupted { ", interrupted" } else { "" };
        writeln!(
            f,
            "{} of {} sessions for {:.1} s{interrupted}; microphones {} at {} Hz in frames of {} ms, replies {}",
            sessions.connected,
            sessions.asked,
            sessions.measured_s,
            codec_name(options.input.codec),
            options.input.sample_rate_hz,
            options.input.frame.as_millis(),
            options
                .output
                .map_or_else(|| "not spoken".to_owned(), |output| output.to_string()),
        )?;
        writeln!(
            f,
            "{} utterances: {} turns, {} answered, {} unfinished; {} replies spoken, {} played to their end",
            counts.utterances,
            counts.turns,
            counts.answered,
            counts.unfinished,
            counts.replies_spoken,
            counts.replies_played
        )?;
        writeln!(
            f,
            "{} barge-ins, {} cancelled the reply; {} backchannels, {} left it going on",
            counts.barge_ins, counts.barge_ins_cancelled, counts.backchannels, counts.backchannels_resumed
        )?;
        writeln!(
            f,
            "{} underruns, {} gaps between sentences; audio at most {:.0} ms ahead of playback\n",
            counts.underruns, counts.gaps_between_sentences, self.playback.ahead_ms_max
        )?;
        self.table(f)?;
        self.usage(f)?;
        self.violations(f)
    }
}

impl VoiceReport {
    fn table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<22} {:>9} {:>9} {:>9} {:>9}",
            "milliseconds", "p50", "p95", "p99", "max"
        )?;
        let latency = &self.latency_ms;
        let named = SEGMENTS.iter().filter_map(|segment| {
            let name = segment_name(*segment);
            let distribution = latency.segments.get(&name)?;
            Some((format!("  {}", name.replace('_', " ")), distribution))
        });
        let rows = [
            ("felt".to_owned(), &latency.felt),
            ("added by the server".to_owned(), &latency.added),
            ("total, of which".to_owned(), &latency.total),
        ];
        let after = [
            ("onset to pause".to_owned(), &self.barge_in.to_pause_ms),
            ("underruns".to_owned(), &self.playback.underrun_ms),
            ("frames left late by".to_owned(), &self.tester.lag_ms),
        ];
        let rows = rows.into_iter().chain(named).chain(after);
        for (name, distribution) in rows.filter(|(_, distribution)| distribution.count > 0) {
            writeln!(f, "{name:<22} {distribution}")?;
        }
        Ok(())
    }

    fn usage(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(server) = &self.server {
            writeln!(
                f,
                "\nserver: {:.2} CPU-ms per session-second, {:.0} KiB per session ({} KiB before, {:.0} KiB at the plateau), {} threads",
                server.cpu_ms_per_session_second,
                server.kib_per_session,
                server.resident_kib_before,
                server.resident_kib_plateau,
                server.threads
            )?;
        }
        let tester = &self.tester;
        writeln!(
            f,
            "load tester: {:.2} CPU-ms per session-second, {} threads",
            tester.cpu_ms_per_session_second, tester.threads
        )?;
        if !tester.is_on_time {
            writeln!(
                f,
                "THE LOAD TESTER WAS LATE ITSELF: these figures are not the server's alone"
            )?;
        }
        Ok(())
    }

    fn violations(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let violations = &self.violations;
        if violations.count == 0 {
            return write!(f, "\nnothing is wrong");
        }
        write!(f, "\n{} violations", violations.count)?;
        for (kind, count) in &violations.by_kind {
            write!(f, "\n{count:>7} {kind}")?;
        }
        for found in violations.listed.iter().take(VIOLATIONS_SHOWN) {
            let session = found.session_id.map(|id| id.to_string()).unwrap_or_default();
            write!(
                f,
                "\n  {:.1} s {session} utterance {}: {}",
                found.at_ms / 1_000.0,
                found.utterance.unwrap_or_default(),
                found.violation
            )?;
        }
        match violations.count.saturating_sub(VIOLATIONS_SHOWN as u64) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use greenroom_protocol::{AudioCodec, Millis, SegmentLatency};

    use super::super::recordings::FrameShape;
    use super::super::tally::PauseSample;
    use super::super::violation::{Found, Violation};
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn options() -> VoiceOptions {
        VoiceOptions {
            url: "http://127.0.0.1:1".to_owned(),
            token: Some("secret".to_owned()),
            sessions: 3,
            duration: seconds(10),
            ramp: seconds(1),
            input: FrameShape {
                codec: AudioCodec::PcmS16le,
                sample_rate_hz: 16_000,
                frame: Duration::from_millis(20),
            },
            output: "opus@48000".parse().ok(),
            every: seconds(6),
            barge_in: 0.2,
            backchannel: 0.1,
            lead: Duration::from_millis(400),
            simulated: "planner_first_token=100,voice_first_byte=50"
                .parse()
                .unwrap_or_default(),
            seed: 7,
            server_pid: Some(42),
            floor: false,
        }
    }

    /// A turn that the server says took 700 ms, 500 of them to find its end.
    fn turn(at: Duration, felt_ms: f64) -> TurnSample {
        let part = |segment, ms| SegmentLatency {
            segment,
            ms: Millis(ms),
        };
        TurnSample {
            at,
            felt_ms: Some(felt_ms),
            after_heard_end_ms: Some(felt_ms - 10.0),
            total_ms: 700,
            segments: vec![
                part(Segment::Endpointing, 500),
                part(Segment::PlannerFirstToken, 200),
            ],
        }
    }

    fn usage(resident_kib: u64) -> Usage {
        Usage {
            cpu: seconds(1),
            resident_kib,
            threads: 4,
        }
    }

    /// Measured from 10 to 20 s: one session from 5 to 25 s, one that was lost at 15 s, one that never came.
    fn report() -> VoiceReport {
        let mut first = Tally::default();
        first.counts.utterances = 3;
        first.turns = vec![
            turn(seconds(9), 9_000.0),
            turn(seconds(11), 710.0),
            turn(seconds(19), 640.0),
            turn(seconds(21), 9_000.0),
        ];
        first.pauses = [(12, 110.0), (21, 900.0)]
            .map(|(at, after_ms)| PauseSample {
                at: seconds(at),
                after_ms,
            })
            .to_vec();
        let mut second = Tally::default();
        second.counts.utterances = 1;
        second.book(Found {
            session_id: None,
            at_ms: 15_000.0,
            utterance: Some(1),
            violation: Violation::ConnectionLost { code: Some(1013) },
        });
        let outcome = |tally, connected| Outcome { tally, connected };
        VoiceReport::of(Evidence {
            options: &options(),
            outcomes: vec![
                outcome(first, Some((seconds(5), seconds(25)))),
                outcome(second, Some((seconds(5), seconds(15)))),
                outcome(Tally::default(), None),
            ],
            lag: Distribution::of(vec![1.0, 12.0]),
            measured: seconds(10)..seconds(20),
            cost: Cost {
                server_before: Some(usage(10_000)),
                server_cpu: Some(Duration::from_millis(30)),
                server_threads: Some(4),
                resident_kib: vec![10_100, 10_150, 10_190, 10_210],
                own_cpu: Duration::from_millis(15),
                own: usage(5_000),
            },
            was_interrupted: false,
        })
    }

    #[test]
    fn figures_are_those_of_what_was_measured_and_of_whoever_was_there() {
        let figures = serde_json::to_value(report()).unwrap();
        assert_eq!(figures["sessions"]["connected"], 2);
        assert_eq!(figures["sessions"]["session_seconds"], 15.0);
        assert_eq!(figures["counts"]["utterances"], 4);
        // 700 and 630, less 500 for the end and 150 that the simulator takes; the others ended before or after.
        let added = &figures["latency_ms"]["added"];
        assert_eq!(
            (&added["count"], &added["p50"], &added["max"]),
            (&2.into(), &(-20.0).into(), &50.0.into())
        );
        assert_eq!(figures["latency_ms"]["felt"]["max"], 710.0);
        assert_eq!(figures["latency_ms"]["segments"]["endpointing"]["count"], 2);
        assert_eq!(figures["latency_ms"]["segments"]["delivery"]["count"], 0);
        assert_eq!(figures["barge_in"]["to_pause_ms"]["count"], 1);
        assert_eq!(figures["server"]["cpu_ms_per_session_second"], 2.0);
        assert_eq!(figures["server"]["kib_per_session"], 100.0);
        assert_eq!(figures["tester"]["cpu_ms_per_session_second"], 1.0);
        assert_eq!(figures["tester"]["is_on_time"], false);
        assert_eq!(
            figures["violations"]["by_kind"],
            serde_json::json!({ "connection_lost": 1 })
        );
        assert_eq!(figures["violations"]["listed"][0]["kind"], "connection_lost");
        assert_eq!(figures["options"]["output"], "opus@48000");
        assert!(!figures.to_string().contains("secret"));
    }

    #[test]
    fn a_printed_report_says_what_is_wrong_and_that_the_tester_was_late() {
        let report = report();
        assert!(!report.is_clean());
        let printed = report.to_string();
        for said in [
            "2 of 3 sessions",
            "added by the server",
            "1 violations",
            "the connection ended, with code 1013",
            "THE LOAD TESTER WAS LATE ITSELF",
            "100 KiB per session",
        ] {
            assert!(printed.contains(said), "{said} is not in\n{printed}");
        }
        assert!(
            !printed.contains("  delivery"),
            "rows without a value are left out"
        );
    }
}
