//! What goes wrong, and when: a pure function of a seed.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::provider::Chance;

/// Between one happening and the next, in milliseconds; the shorter one in every fourth gap, so that troubles overlap.
const GAP_MS: std::ops::Range<u64> = 700..3_200;
const SHORT_GAP_MS: std::ops::Range<u64> = 20..400;
/// At least so much later than a server was started it is ended again: it must have had the time to take up its work.
const BETWEEN_ENDS: Duration = Duration::from_secs(4);

/// Something that goes wrong, or is done to sessions.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "trouble", rename_all = "snake_case")]
pub enum Trouble {
    /// `kill -9`, and a start after so long.
    Kill {
        /// How long there is no server.
        down_ms: u64,
    },
    /// SIGTERM, and a start once it has ended.
    Terminate,
    /// SIGTERM, and another one so soon that nothing has ended yet.
    TerminateTwice,
    /// An agent of somebody's panics.
    AgentPanic,
    /// A session panics.
    SessionPanic,
    /// A session panics until it is given up.
    Poison,
    /// A line panics.
    LinePanic,
    /// The journal's writer panics.
    WriterPanic,
    /// This share of the sockets breaks, by `RST`.
    Reset {
        /// 0 to 1.
        share: f64,
    },
    /// This share of the sockets is dropped without a word.
    HangUp {
        /// 0 to 1.
        share: f64,
    },
    /// This share of the sockets is not read for a while.
    Stall {
        /// 0 to 1.
        share: f64,
        /// How long.
        for_ms: u64,
    },
    /// The database may not grow.
    Full {
        /// How long.
        for_ms: u64,
    },
    /// Another program holds the database's lock for writing.
    Busy {
        /// How long.
        for_ms: u64,
    },
    /// The provider fails by these rules (`loadtest/src/provider/fault.rs`).
    Provider {
        /// The rules.
        rules: Value,
        /// How long they stand.
        for_ms: u64,
    },
    /// The operator restarts a session.
    OperatorRestart,
    /// The operator stops a session.
    OperatorStop,
    /// Its owner erases a session.
    Delete,
}

/// A trouble and its time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Happening {
    /// Since the beginning.
    pub at_ms: u64,
    /// What.
    #[serde(flatten)]
    pub trouble: Trouble,
}

/// Everything that goes wrong, in order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// What it follows from.
    pub seed: u64,
    /// What happens.
    pub happenings: Vec<Happening>,
}

impl Trouble {
    /// Its name in plans and reports.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Kill { .. } => "kill",
            Self::Terminate => "terminate",
            Self::TerminateTwice => "terminate_twice",
            Self::AgentPanic => "agent_panic",
            Self::SessionPanic => "session_panic",
            Self::Poison => "poison",
            Self::LinePanic => "line_panic",
            Self::WriterPanic => "writer_panic",
            Self::Reset { .. } => "reset",
            Self::HangUp { .. } => "hang_up",
            Self::Stall { .. } => "stall",
            Self::Full { .. } => "full",
            Self::Busy { .. } => "busy",
            Self::Provider { .. } => "provider",
            Self::OperatorRestart => "operator_restart",
            Self::OperatorStop => "operator_stop",
            Self::Delete => "delete",
        }
    }

    /// Whether it needs the hooks that only builds with debug assertions have.
    pub const fn needs_hooks(&self) -> bool {
        matches!(
            self,
            Self::AgentPanic | Self::SessionPanic | Self::Poison | Self::LinePanic | Self::WriterPanic
        )
    }

    const fn ends_the_server(&self) -> bool {
        matches!(self, Self::Kill { .. } | Self::Terminate | Self::TerminateTwice)
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = Duration::from_millis(self.at_ms).as_secs_f64();
        write!(f, "{seconds:7.2} s  {}", self.trouble.name())?;
        match &self.trouble {
            Trouble::Kill { down_ms } => write!(f, ", down for {down_ms} ms"),
            Trouble::Reset { share } | Trouble::HangUp { share } => write!(f, " {share:.2} of the sockets"),
            Trouble::Stall { share, for_ms } => write!(f, " {share:.2} of the sockets for {for_ms} ms"),
            Trouble::Full { for_ms } | Trouble::Busy { for_ms } => write!(f, " for {for_ms} ms"),
            Trouble::Provider { rules, for_ms } => write!(f, " for {for_ms} ms: {rules}"),
            Trouble::Terminate
            | Trouble::TerminateTwice
            | Trouble::AgentPanic
            | Trouble::SessionPanic
            | Trouble::Poison
            | Trouble::LinePanic
            | Trouble::WriterPanic
            | Trouble::OperatorRestart
            | Trouble::OperatorStop
            | Trouble::Delete => Ok(()),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {} happenings", self.seed, self.happenings.len())?;
        self.happenings
            .iter()
            .try_for_each(|happening| writeln!(f, "  {happening}"))
    }
}

impl Plan {
    /// What a seed stands for. Every kind comes before any comes again, in an order of the seed's own, so that a short
    /// script has as many kinds as fit.
    pub fn drawn(seed: u64, duration: Duration, with_hooks: bool) -> Self {
        let chance = Chance::new(seed, "plan");
        let mut happenings: Vec<Happening> = Vec::new();
        let mut kinds: Vec<Kind> = Vec::new();
        let mut server_began = Duration::ZERO;
        let mut at = Duration::ZERO;
        for number in 0.. {
            let draw = Draw(chance.at(&number.to_string()));
            let gap = if draw.within("short", 0..4) == 0 {
                draw.within("gap", SHORT_GAP_MS)
            } else {
                draw.within("gap", GAP_MS)
            };
            at += Duration::from_millis(gap);
            if at >= duration {
                break;
            }
            if kinds.is_empty() {
                kinds = Kind::ALL.to_vec();
            }
            // Below the number of the kinds, which is small.
            let place = usize::try_from(draw.within("kind", 0..kinds.len() as u64)).unwrap_or_default();
            let trouble = kinds.swap_remove(place).drawn(draw);
            if trouble.needs_hooks() && !with_hooks {
                continue;
            }
            if trouble.ends_the_server() {
                at = at.max(server_began + BETWEEN_ENDS);
                server_began = at;
            }
            happenings.push(Happening {
                at_ms: u64::try_from(at.as_millis()).unwrap_or(u64::MAX),
                trouble,
            });
        }
        Self { seed, happenings }
    }
}

/// What a script is drawn from; what stands twice comes twice as often.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Kill,
    LongKill,
    Terminate,
    TerminateTwice,
    AgentPanic,
    SessionPanic,
    Poison,
    LinePanic,
    WriterPanic,
    Reset,
    HangUp,
    Stall,
    Full,
    Busy,
    ProviderFails,
    ProviderStalls,
    ProviderLies,
    OperatorRestart,
    OperatorStop,
    Delete,
}

impl Kind {
    const ALL: [Self; 24] = [
        Self::Kill,
        Self::Kill,
        Self::LongKill,
        Self::Terminate,
        Self::TerminateTwice,
        Self::AgentPanic,
        Self::AgentPanic,
        Self::SessionPanic,
        Self::SessionPanic,
        Self::Poison,
        Self::LinePanic,
        Self::WriterPanic,
        Self::Reset,
        Self::HangUp,
        Self::Stall,
        Self::Full,
        Self::Busy,
        Self::ProviderFails,
        Self::ProviderStalls,
        Self::ProviderLies,
        Self::OperatorRestart,
        Self::OperatorRestart,
        Self::OperatorStop,
        Self::Delete,
    ];

    fn drawn(self, draw: Draw) -> Trouble {
        match self {
            Self::Kill => Trouble::Kill { down_ms: 0 },
            Self::LongKill => Trouble::Kill {
                down_ms: draw.within("down", 500..3_000),
            },
            Self::Terminate => Trouble::Terminate,
            Self::TerminateTwice => Trouble::TerminateTwice,
            Self::AgentPanic => Trouble::AgentPanic,
            Self::SessionPanic => Trouble::SessionPanic,
            Self::Poison => Trouble::Poison,
            Self::LinePanic => Trouble::LinePanic,
            Self::WriterPanic => Trouble::WriterPanic,
            Self::Reset => Trouble::Reset { share: draw.share() },
            Self::HangUp => Trouble::HangUp { share: draw.share() },
            Self::Stall => Trouble::Stall {
                share: draw.share(),
                for_ms: draw.within("for", 500..6_000),
            },
            // The server holds what it has to append for 5 s: sometimes that is enough, and sometimes it is not.
            Self::Full => Trouble::Full {
                for_ms: draw.within("for", 1_000..8_000),
            },
            Self::Busy => Trouble::Busy {
                for_ms: draw.within("for", 300..8_000),
            },
            Self::ProviderFails => draw.provider(&[
                json!({"kind": "status", "code": 500}),
                json!({"kind": "status", "code": 429, "retry_after": 1}),
                json!({"kind": "cut", "after_chars": draw.within("after", 0..600)}),
                json!({"kind": "disconnect_before_headers"}),
            ]),
            Self::ProviderStalls => draw.provider(&[
                json!({"kind": "slow", "first_token_ms": draw.within("slow", 500..4_000)}),
                json!({"kind": "hang", "after_chars": draw.within("after", 0..300)}),
            ]),
            Self::ProviderLies => draw.provider(&[
                json!({"kind": "malformed", "after_chars": draw.within("after", 0..300)}),
                json!({"kind": "breach", "mode": "missing_field"}),
                json!({"kind": "breach", "mode": "not_json"}),
                json!({"kind": "breach", "mode": "invented_url"}),
                json!({"kind": "refusal"}),
                json!({"kind": "flag"}),
            ]),
            Self::OperatorRestart => Trouble::OperatorRestart,
            Self::OperatorStop => Trouble::OperatorStop,
            Self::Delete => Trouble::Delete,
        }
    }
}

/// The choices about one happening.
#[derive(Debug, Clone, Copy)]
struct Draw(Chance);

impl Draw {
    fn within(self, what: &str, range: std::ops::Range<u64>) -> u64 {
        let width = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        range.start + self.0.at(what).below(width) as u64
    }

    fn share(self) -> f64 {
        [0.1, 0.3, 0.6, 1.0][self.0.at("share").below(4)]
    }

    /// One of these faults for a while: for some of the calls, or, every third time, for all of them.
    fn provider(self, faults: &[Value]) -> Trouble {
        let fault = &faults[self.0.at("fault").below(faults.len())];
        let times = if self.within("all", 0..3) == 0 {
            json!("forever")
        } else {
            json!(self.within("times", 1..9))
        };
        Trouble::Provider {
            rules: json!([{ "fault": fault, "times": times }]),
            for_ms: self.within("for", 500..5_000),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::provider::FaultRule;

    const LONG: Duration = Duration::from_mins(10);

    #[test]
    fn the_same_seed_makes_the_same_plan_and_others_make_others() {
        assert_eq!(Plan::drawn(7, LONG, true), Plan::drawn(7, LONG, true));
        assert_ne!(
            Plan::drawn(7, LONG, true).happenings,
            Plan::drawn(8, LONG, true).happenings
        );
    }

    #[test]
    fn every_kind_comes_in_order_and_in_time_and_what_needs_hooks_can_be_left_out() {
        let plan = Plan::drawn(1, LONG, true);
        let names: BTreeSet<&str> = plan
            .happenings
            .iter()
            .map(|happening| happening.trouble.name())
            .collect();
        assert_eq!(names.len(), 17, "{names:?}");
        assert!(plan.happenings.is_sorted_by_key(|happening| happening.at_ms));
        let ends = plan
            .happenings
            .iter()
            .filter(|happening| happening.trouble.ends_the_server());
        let times: Vec<u64> = ends.map(|happening| happening.at_ms).collect();
        assert!(
            times.windows(2).all(|pair| pair[1] - pair[0] >= 4_000),
            "{times:?}"
        );

        let without = Plan::drawn(1, LONG, false);
        assert!(!without.happenings.is_empty());
        assert!(
            !without
                .happenings
                .iter()
                .any(|happening| happening.trouble.needs_hooks())
        );
    }

    #[test]
    fn every_rule_for_the_provider_is_one_that_it_takes() {
        for seed in 0..50 {
            for happening in Plan::drawn(seed, LONG, true).happenings {
                if let Trouble::Provider { rules, .. } = happening.trouble {
                    let rules: Vec<FaultRule> = serde_json::from_value(rules).unwrap();
                    assert!(rules.iter().all(|rule| rule.flaw().is_none()), "{rules:?}");
                }
            }
        }
    }
}
