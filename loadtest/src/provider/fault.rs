//! What goes wrong on purpose: rules that are set at the start or while the simulator runs.

use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::api::Api;
use super::moderation::Category;

/// Rules that may be set at once.
pub(crate) const RULES_MAX: usize = 1_000;

/// One rule: which calls go wrong, how, and how often. The first rule that applies to a call is used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// Which calls; every call if nothing is said.
    #[serde(rename = "match", default)]
    pub matching: FaultMatch,
    /// What goes wrong.
    pub fault: Fault,
    /// How often; once if nothing is said.
    #[serde(default)]
    pub times: Times,
}

/// Which calls a rule is for. What is not said matches everything.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultMatch {
    /// The model asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// `planner`, the name of an output schema, or `text`; else `transcription`, `speech`, `moderation` or `image`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// Which of the calls that match otherwise, counted from 1 since the rule was set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth: Option<Nth>,
    /// Which API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<Api>,
}

/// A range of counts, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nth {
    /// The first.
    pub from: u64,
    /// The last; open if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
}

/// How often a rule applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Times {
    /// So many times.
    Count(u64),
    /// Always: `"forever"`.
    Forever(Forever),
}

/// The word `forever`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forever {
    /// Always.
    Forever,
}

impl Default for Times {
    fn default() -> Self {
        Self::Count(1)
    }
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// The request is answered with this status.
    Status {
        /// 400 to 599.
        code: u16,
        /// Seconds in `Retry-After`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u32>,
    },
    /// Nothing more is sent, and the connection stays open.
    Hang {
        /// Characters of the text, or bytes of the speech, that are still sent; none means not even the headers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after_chars: Option<usize>,
    },
    /// The connection is broken in mid-stream.
    Cut {
        /// Characters of the text, or bytes of the speech, that are still sent.
        after_chars: usize,
    },
    /// What is sent ceases to be JSON, and ends as if nothing were wrong.
    Malformed {
        /// Characters of the text that are still sent whole.
        #[serde(default)]
        after_chars: usize,
    },
    /// The model refuses to write what it was asked for.
    Refusal,
    /// A text is flagged that has nothing wrong with it.
    Flag {
        /// As what.
        #[serde(default)]
        category: Category,
    },
    /// A recording is taken for words that nobody said, in a language that nobody spoke (Japanese).
    Mishear,
    /// The reply is complete and breaks its schema.
    Breach {
        /// How.
        mode: BreachMode,
    },
    /// The first token takes this long, whatever the speed.
    Slow {
        /// Milliseconds.
        first_token_ms: u64,
    },
    /// The connection is closed before anything is answered.
    DisconnectBeforeHeaders,
    /// What was committed cannot be transcribed, and the connection goes on. Realtime only.
    FailTranscription,
    /// The connection ends amid an utterance. Realtime only.
    Close {
        /// Milliseconds of the utterance that are still heard.
        after_ms: u64,
        /// The code of the close frame; none ends the connection without one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<u16>,
    },
}

/// Where in its work the simulator asks whether something goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultPoint {
    /// A request over HTTP.
    Request,
    /// The upgrade of a connection that serves many utterances.
    Upgrade,
    /// One utterance on such a connection.
    Utterance,
}

/// How a reply breaks its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BreachMode {
    /// The last property is left out.
    MissingField,
    /// Prose and something like JSON.
    NotJson,
    /// No text at all.
    Empty,
    /// The first property has another type.
    WrongType,
    /// The first address is one that no search returned.
    InventedUrl,
}

impl Fault {
    /// The fault's name in the bill.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Status { .. } => "status",
            Self::Hang { .. } => "hang",
            Self::Cut { .. } => "cut",
            Self::Malformed { .. } => "malformed",
            Self::Refusal => "refusal",
            Self::Flag { .. } => "flag",
            Self::Mishear => "mishear",
            Self::Breach { .. } => "breach",
            Self::Slow { .. } => "slow",
            Self::DisconnectBeforeHeaders => "disconnect_before_headers",
            Self::FailTranscription => "fail_transcription",
            Self::Close { .. } => "close",
        }
    }

    /// Whether the reply still arrives whole.
    pub(crate) const fn lets_reply_through(self) -> bool {
        match self {
            Self::Breach { .. } | Self::Slow { .. } | Self::Refusal | Self::Flag { .. } | Self::Mishear => {
                true
            }
            Self::Status { .. }
            | Self::Hang { .. }
            | Self::Cut { .. }
            | Self::Malformed { .. }
            | Self::DisconnectBeforeHeaders
            | Self::FailTranscription
            | Self::Close { .. } => false,
        }
    }

    /// Whether it can go wrong at this point.
    const fn happens_at(self, point: FaultPoint) -> bool {
        match point {
            FaultPoint::Request => !matches!(self, Self::FailTranscription | Self::Close { .. }),
            FaultPoint::Upgrade => matches!(self, Self::Status { .. } | Self::DisconnectBeforeHeaders),
            FaultPoint::Utterance => !matches!(self, Self::Status { .. } | Self::DisconnectBeforeHeaders),
        }
    }
}

impl FaultRule {
    /// What is wrong with the rule, if anything is.
    pub(crate) fn flaw(&self) -> Option<&'static str> {
        match self.fault {
            Fault::Status { code, .. } if !(400..=599).contains(&code) => {
                Some("a status fault has a code from 400 to 599")
            }
            Fault::Close { code: Some(code), .. }
                if !(3_000..=4_999).contains(&code) && !matches!(code, 1_000 | 1_001 | 1_011..=1_013) =>
            {
                Some("a close fault has a code that a server may send")
            }
            _ if self.matching.nth.is_some_and(|nth| nth.from == 0) => Some("nth counts from 1"),
            _ => None,
        }
    }
}

impl FromStr for FaultRule {
    type Err = String;

    /// Reads a rule from JSON.
    fn from_str(text: &str) -> Result<Self, String> {
        let rule: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        rule.flaw().map_or(Ok(rule), |flaw| Err(flaw.to_owned()))
    }
}

/// A rule with what it has seen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ArmedRule {
    #[serde(flatten)]
    rule: FaultRule,
    /// Calls that matched, `nth` aside.
    seen: u64,
    /// Calls that were made to fail.
    used: u64,
}

/// The rules that are set.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Mutex<Vec<ArmedRule>>,
}

impl Faults {
    /// Replaces all rules and forgets their counts.
    pub(crate) fn set(&self, rules: Vec<FaultRule>) {
        *self.lock() = rules
            .into_iter()
            .map(|rule| ArmedRule {
                rule,
                seen: 0,
                used: 0,
            })
            .collect();
    }

    pub(crate) fn list(&self) -> Vec<ArmedRule> {
        self.lock().clone()
    }

    /// The fault for a call, which counts as used by it.
    pub(crate) fn take(&self, point: FaultPoint, api: Api, model: &str, purpose: &str) -> Option<Fault> {
        let mut taken = None;
        for armed in self.lock().iter_mut().filter(|armed| {
            armed.rule.fault.happens_at(point) && armed.rule.matching.matches(api, model, purpose)
        }) {
            armed.seen += 1;
            if taken.is_none() && armed.applies() {
                armed.used += 1;
                taken = Some(armed.rule.fault);
            }
        }
        taken
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<ArmedRule>> {
        // The rules are plain data: a panic elsewhere cannot leave them half changed.
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ArmedRule {
    fn applies(&self) -> bool {
        let in_range = self
            .rule
            .matching
            .nth
            .is_none_or(|nth| self.seen >= nth.from && nth.to.is_none_or(|last| self.seen <= last));
        let is_left = match self.rule.times {
            Times::Count(times) => self.used < times,
            Times::Forever(Forever::Forever) => true,
        };
        in_range && is_left
    }
}

impl FaultMatch {
    fn matches(&self, api: Api, model: &str, purpose: &str) -> bool {
        self.api.is_none_or(|wanted| wanted == api)
            && self.model.as_deref().is_none_or(|wanted| wanted == model)
            && self.purpose.as_deref().is_none_or(|wanted| wanted == purpose)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rules: &[&str], calls: &[(&str, Option<&str>)]) {
        let faults = Faults::default();
        faults.set(rules.iter().map(|rule| rule.parse().unwrap()).collect());
        for (index, (purpose, expected)) in calls.iter().enumerate() {
            let taken = faults
                .take(FaultPoint::Request, Api::Responses, "sim-large", purpose)
                .map(Fault::name);
            assert_eq!(taken, *expected, "call {index}");
        }
    }

    #[test]
    fn a_rule_applies_once_unless_it_says_otherwise() {
        check(
            &[r#"{"fault":{"kind":"cut","after_chars":3}}"#],
            &[("a", Some("cut")), ("a", None)],
        );
        check(
            &[r#"{"fault":{"kind":"hang"},"times":"forever"}"#],
            &[("a", Some("hang")), ("b", Some("hang")), ("a", Some("hang"))],
        );
    }

    #[test]
    fn a_rule_is_for_the_calls_that_it_names() {
        check(
            &[
                r#"{"match":{"purpose":"research","nth":{"from":2,"to":2}},"fault":{"kind":"status","code":500}}"#,
                r#"{"match":{"purpose":"planner"},"fault":{"kind":"slow","first_token_ms":9},"times":2}"#,
            ],
            &[
                ("planner", Some("slow")),
                ("research", None),
                ("research", Some("status")),
                ("research", None),
                ("planner", Some("slow")),
                ("planner", None),
            ],
        );
    }

    #[test]
    fn what_goes_wrong_with_a_connection_or_an_utterance_leaves_the_others_alone() {
        let faults = Faults::default();
        let rules = [
            r#"{"fault":{"kind":"close","after_ms":5}}"#,
            r#"{"fault":{"kind":"fail_transcription"}}"#,
            r#"{"fault":{"kind":"status","code":500},"match":{"api":"realtime"}}"#,
        ];
        faults.set(rules.iter().map(|rule| rule.parse().unwrap()).collect());
        let take = |point, api| faults.take(point, api, "", "").map(Fault::name);
        assert_eq!(take(FaultPoint::Request, Api::Chat), None);
        assert_eq!(take(FaultPoint::Utterance, Api::Realtime), Some("close"));
        assert_eq!(take(FaultPoint::Upgrade, Api::Realtime), Some("status"));
        assert_eq!(
            take(FaultPoint::Utterance, Api::Realtime),
            Some("fail_transcription")
        );
        assert_eq!(take(FaultPoint::Utterance, Api::Realtime), None);
    }

    #[test]
    fn a_rule_that_makes_no_sense_is_refused() {
        for rule in [
            r#"{"fault":{"kind":"status","code":200}}"#,
            r#"{"fault":{"kind":"close","after_ms":1,"code":1006}}"#,
            r#"{"fault":{"kind":"explode"}}"#,
            r#"{"match":{"purpos":"planner"},"fault":{"kind":"hang"}}"#,
            r#"{"match":{"nth":{"from":0}},"fault":{"kind":"hang"}}"#,
            r#"{"fault":{"kind":"hang"},"times":"often"}"#,
        ] {
            assert!(rule.parse::<FaultRule>().is_err(), "{rule}");
        }
    }
}
