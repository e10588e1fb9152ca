//! Failures, classified: which code, whether another attempt may succeed, and a reason that repeats nobody's words.

use std::error::Error as _;
use std::time::{Duration, SystemTime};

use greenroom_protocol::Millis;
use greenroom_session::CallCost;
use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// Characters of a provider's own error code that are repeated.
const WORD_CHARS_MAX: usize = 64;
/// Characters of what the operating system, TLS or HTTP says of a broken connection.
const CAUSE_CHARS_MAX: usize = 160;

/// Codes that say that the account, not the moment, is out of money.
const SPENT: &[&str] = &["insufficient_quota", "billing_hard_limit_reached"];

/// Codes inside a stream with which the provider blames the request. Every other one is its own fault, and passes.
const CALLERS_FAULT: &[&str] = &[
    "authentication_error",
    "content_policy_violation",
    "context_length_exceeded",
    "invalid_prompt",
    "invalid_request_error",
    "model_not_found",
    "permission_error",
];

/// Codes with which the provider says that no call will do until somebody sees to the key, the account or the model.
const CONFIGURATIONS_FAULT: &[&str] = &[
    "authentication_error",
    "invalid_api_key",
    "model_not_found",
    "permission_error",
];

/// A failure that does not know yet which call it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) failing: Failing,
    pub(crate) retryable: bool,
    pub(crate) retry_after: Option<Millis>,
    pub(crate) reason: String,
    /// What the call cost, unless the provider told what it used.
    pub(crate) cost: CallCost,
    /// The status of the answer, if it says what is wrong.
    pub(crate) status: Option<StatusCode>,
    blame: Blame,
}

/// What went wrong, whatever was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failing {
    /// The provider failed, or refused the request.
    Upstream,
    /// It took too long.
    Timeout,
    /// Nothing was sent: the circuit is open.
    Suspended,
    /// The model, or the provider's filter, would not write.
    Refused,
    /// The reply reached a limit on its length before its end.
    Overlong,
    /// A reply that was to be taken up will not come.
    Lost,
}

/// What has to change for another call to do better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The provider's health.
    Provider,
    /// The key, the account or the name of the model: an operator has to see to it.
    Configuration,
    /// This request.
    Request,
    /// Nothing: what happened says nothing of the provider, nor of the request.
    Nothing,
}

impl Fault {
    fn new(failing: Failing, retryable: bool, reason: impl Into<String>) -> Self {
        let is_the_providers = retryable && matches!(failing, Failing::Timeout | Failing::Upstream);
        Self {
            failing,
            retryable,
            retry_after: None,
            reason: reason.into(),
            cost: CallCost::Unknown,
            status: None,
            blame: if is_the_providers {
                Blame::Provider
            } else {
                Blame::Request
            },
        }
    }

    /// Something took too long.
    pub(crate) fn timeout(reason: impl Into<String>) -> Self {
        Self::new(Failing::Timeout, true, reason)
    }

    /// The provider failed.
    pub(crate) fn upstream(retryable: bool, reason: impl Into<String>) -> Self {
        Self::new(Failing::Upstream, retryable, reason)
    }

    /// The provider keeps failing, so it was not asked.
    pub(crate) fn suspended(retry_after: Millis) -> Self {
        let reason = "calls are suspended: the provider keeps failing";
        Self {
            retry_after: Some(retry_after),
            ..Self::new(Failing::Suspended, true, reason).for_free()
        }
    }

    /// The request is one that no provider takes, so it was not sent.
    pub(crate) fn unsendable(reason: impl Into<String>) -> Self {
        Self::upstream(false, reason).for_free()
    }

    /// The stream ended before the reply did.
    pub(crate) fn cut() -> Self {
        Self::upstream(true, "the stream was cut before the reply was complete")
    }

    /// The connection broke, as the system or the protocol below says; never a body.
    pub(crate) fn broken(cause: &dyn std::fmt::Display) -> Self {
        Self::upstream(
            true,
            format!("the connection broke: {}", bounded(&cause.to_string())),
        )
    }

    /// What came is not what the protocol says. The position is told, the content is not.
    pub(crate) fn malformed(what: &str, error: &serde_json::Error) -> Self {
        let (category, column) = (error.classify(), error.column());
        Self::upstream(
            true,
            format!("{what} is malformed ({category:?} error at column {column})"),
        )
    }

    /// The model, or the provider's filter, refused.
    pub(crate) fn refused(reason: &str) -> Self {
        Self::new(Failing::Refused, false, reason)
    }

    /// The reply reached a limit on its length before its end.
    pub(crate) fn overlong(reason: &str) -> Self {
        Self::new(Failing::Overlong, true, reason)
    }

    /// A reply that was to be taken up will not come. The provider is well: it says so itself.
    pub(crate) fn lost(reason: impl Into<String>) -> Self {
        Self::new(Failing::Lost, false, reason)
    }

    /// The call was made before: whatever became of asking for its reply again, nobody knows what it cost.
    pub(crate) fn of_call_made_before(self) -> Self {
        Self {
            cost: CallCost::Unknown,
            ..self
        }
    }

    /// The request could not be sent, or the connection broke.
    pub(crate) fn transport(error: &reqwest::Error) -> Self {
        let cause = root_cause(error);
        match (error.is_connect(), error.is_timeout()) {
            (true, true) => Self::timeout("connecting took too long").for_free(),
            (true, false) => Self::upstream(true, format!("could not connect: {cause}")).for_free(),
            (false, true) => Self::timeout("the connection timed out"),
            (false, false) => Self::upstream(true, format!("the connection broke: {cause}")),
        }
    }

    /// An answer that is not a success. `now` serves to read a `Retry-After` that is a date, if the provider does not
    /// say what time it has itself.
    pub(crate) fn status(status: StatusCode, headers: &HeaderMap, body: &[u8], now: SystemTime) -> Self {
        let said = serde_json::from_slice(body).map_or_else(|_| Said::default(), |body| Said::of(&body));
        let retryable = match status.as_u16() {
            429 => !said.is_any_of(SPENT),
            408 | 409 | 500..=599 => true,
            _ => false,
        };
        let reason = format!("the provider answered {}{said}", status.as_u16());
        let refused = matches!(status.as_u16(), 401..=404);
        let fault = Self {
            retry_after: retry_after(headers, now),
            status: Some(status),
            ..Self::upstream(retryable, reason).blamed_by(refused, &said)
        };
        // Nobody is charged for a request that was refused; what a broken server did with it, nobody knows.
        if status.is_client_error() {
            fault.for_free()
        } else {
            fault
        }
    }

    /// A failure that the provider reports in the body of an answer that is a success by its status.
    pub(crate) fn reported(said: &Said) -> Self {
        let retryable = !said.is_any_of(CALLERS_FAULT) && !said.is_any_of(SPENT);
        Self::upstream(retryable, format!("the provider reported a failure{said}")).blamed_by(false, said)
    }

    /// Whether a reply that was to be taken up will not come.
    pub(crate) fn is_loss(&self) -> bool {
        self.failing == Failing::Lost
    }

    /// What has to change for another call to do better.
    pub(crate) fn blame(&self) -> Blame {
        self.blame
    }

    /// Nobody's fault, such as the end that every stream has.
    pub(crate) fn blameless(self) -> Self {
        Self {
            blame: Blame::Nothing,
            ..self
        }
    }

    /// Nobody is charged for it.
    fn for_free(self) -> Self {
        Self {
            cost: CallCost::Known(0),
            ..self
        }
    }

    /// Blames the configuration if the status or the provider's words do. What passes by itself does not need anybody.
    fn blamed_by(mut self, refused: bool, said: &Said) -> Self {
        if !self.retryable && (refused || said.is_any_of(CONFIGURATIONS_FAULT) || said.is_any_of(SPENT)) {
            self.blame = Blame::Configuration;
        }
        self
    }
}

/// What a provider says of an error, as far as it can be repeated: its `type` and `code`. Its `message` is not
/// even read, since it may quote the input or part of the key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Said {
    #[serde(default, rename = "type", deserialize_with = "word")]
    kind: Option<String>,
    #[serde(default, deserialize_with = "word")]
    code: Option<String>,
}

impl Said {
    /// Reads `{"error": {…}}`, or the inner object alone.
    pub(crate) fn of(body: &Value) -> Self {
        let inner = body
            .get("error")
            .filter(|error| error.is_object())
            .unwrap_or(body);
        Self::deserialize(inner).unwrap_or_default()
    }

    pub(crate) fn is_any_of(&self, words: &[&str]) -> bool {
        [&self.kind, &self.code]
            .into_iter()
            .flatten()
            .any(|said| words.contains(&said.as_str()))
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.kind, &self.code) {
            (None, None) => Ok(()),
            (Some(word), None) | (None, Some(word)) => write!(f, " ({word})"),
            (Some(kind), Some(code)) => write!(f, " ({kind}, {code})"),
        }
    }
}

/// A code made of one word of the kind that programmers choose; anything else may be somebody's words.
fn word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let is_plain = |text: &String| {
        (1..=WORD_CHARS_MAX).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => Some(text).filter(is_plain),
        Value::Number(number) => Some(number.to_string()).filter(is_plain),
        _ => None,
    })
}

/// How long the provider asks to wait: `retry-after-ms`, or `Retry-After` in seconds or as a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Millis> {
    let text = |name: &HeaderName| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::trim)
    };
    if let Some(wait) = text(&RETRY_AFTER_MS).and_then(|millis| length(millis, 1e-3)) {
        return Some(wait);
    }
    let after = text(&RETRY_AFTER)?;
    length(after, 1.0).or_else(|| {
        let until = httpdate::parse_http_date(after).ok()?;
        let sent_at = text(&DATE)
            .and_then(|date| httpdate::parse_http_date(date).ok())
            .unwrap_or(now);
        Some(millis(until.duration_since(sent_at).unwrap_or_default()))
    })
}

/// A length of time as a decimal number of units.
fn length(text: &str, unit_seconds: f64) -> Option<Millis> {
    let seconds = text.parse::<f64>().ok()? * unit_seconds;
    Duration::try_from_secs_f64(seconds).ok().map(millis)
}

/// Whole milliseconds, rounded up so that nobody comes back too early.
fn millis(length: Duration) -> Millis {
    Millis(u64::try_from(length.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX))
}

/// What lies at the bottom of a failed request: the words of the operating system or of TLS, never a body.
pub(crate) fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    match error.source() {
        // The error itself would repeat the address.
        None => "no further cause is known".to_owned(),
        Some(_) => bounded(&cause.to_string()),
    }
}

/// As much of a cause as one line of a log has room for.
fn bounded(cause: &str) -> String {
    let plain = cause.chars().filter(|char| !char.is_control());
    plain.take(CAUSE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;
    use serde_json::json;

    use super::*;

    /// 2026-11-20T12:00:00Z.
    const NOW: &str = "Fri, 20 Nov 2026 12:00:00 GMT";

    fn fault(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Fault {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let status = StatusCode::from_u16(status).unwrap();
        Fault::status(
            status,
            &headers,
            body.as_bytes(),
            httpdate::parse_http_date(NOW).unwrap(),
        )
    }

    #[test]
    fn a_status_says_whether_another_attempt_may_succeed() {
        let check = |statuses: &[u16], retryable| {
            for status in statuses {
                let fault = fault(*status, &[], "");
                assert_eq!(
                    (fault.failing, fault.retryable),
                    (Failing::Upstream, retryable),
                    "{status}"
                );
                assert_eq!(fault.blame() == Blame::Provider, retryable, "{status}");
            }
        };
        check(&[408, 409, 429, 500, 502, 503, 504, 529], true);
        check(&[301, 400, 401, 402, 403, 404, 405, 413, 415, 422], false);
    }

    #[test]
    fn the_configuration_is_blamed_for_the_key_the_account_and_the_model() {
        let check = |status: u16, word: &str, expected| {
            let body = json!({ "error": { "code": word } });
            let blamed = fault(status, &[], &body.to_string()).blame();
            assert_eq!(blamed, expected, "{status} {word}");
        };
        for status in [401, 402, 403, 404] {
            check(status, "", Blame::Configuration);
        }
        check(400, "model_not_found", Blame::Configuration);
        check(429, "insufficient_quota", Blame::Configuration);
        check(400, "context_length_exceeded", Blame::Request);
        for status in [405, 422] {
            check(status, "", Blame::Request);
        }
        // A proxy that cannot reach its own source of keys comes round.
        check(503, "authentication_error", Blame::Provider);

        let reported = |word: &str| Fault::reported(&Said::of(&json!({ "code": word }))).blame();
        assert_eq!(reported("model_not_found"), Blame::Configuration);
        assert_eq!(reported("invalid_prompt"), Blame::Request);
        assert_eq!(reported("server_error"), Blame::Provider);
        assert_eq!(Fault::refused("no").blame(), Blame::Request);
        assert_eq!(Fault::timeout("late").blame(), Blame::Provider);
    }

    #[test]
    fn a_spent_account_is_not_worth_a_retry() {
        for body in [
            r#"{"error":{"message":"m","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#,
            r#"{"error":{"message":"m","type":"requests","code":"insufficient_quota"}}"#,
            r#"{"error":{"code":"billing_hard_limit_reached"}}"#,
        ] {
            assert!(!fault(429, &[], body).retryable, "{body}");
        }
        assert!(
            fault(
                429,
                &[],
                r#"{"error":{"type":"tokens","code":"rate_limit_exceeded"}}"#
            )
            .retryable
        );
    }

    #[test]
    fn retry_after_is_read_in_every_form() {
        let check = |headers: &[(&'static str, &'static str)], expected: Option<u64>| {
            assert_eq!(
                fault(429, headers, "").retry_after,
                expected.map(Millis),
                "{headers:?}"
            );
        };
        check(&[], None);
        check(&[("retry-after", "7")], Some(7_000));
        check(&[("retry-after", " 0.25 ")], Some(250));
        check(&[("retry-after-ms", "1500"), ("retry-after", "7")], Some(1_500));
        check(&[("retry-after-ms", "soon"), ("retry-after", "7")], Some(7_000));
        check(&[("retry-after", "Fri, 20 Nov 2026 12:00:30 GMT")], Some(30_000));
        check(&[("retry-after", "Fri, 20 Nov 2026 11:00:00 GMT")], Some(0));
        // A provider whose clock goes differently is asked for its own time.
        let date = ("date", "Fri, 20 Nov 2026 12:00:25 GMT");
        check(
            &[("retry-after", "Fri, 20 Nov 2026 12:00:30 GMT"), date],
            Some(5_000),
        );
        for nonsense in ["", "-1", "NaN", "inf", "1e300", "tomorrow"] {
            check(&[("retry-after", nonsense)], None);
        }
    }

    #[test]
    fn the_reason_repeats_codes_and_nothing_else() {
        let check = |body: &str, expected: &str| assert_eq!(fault(400, &[], body).reason, expected, "{body}");
        check(
            r#"{"error":{"message":"Invalid: 내 비밀 제품 sk-abc","type":"invalid_request_error","code":"bad_schema"}}"#,
            "the provider answered 400 (invalid_request_error, bad_schema)",
        );
        check(
            r#"{"error":{"message":"m","code":400}}"#,
            "the provider answered 400 (400)",
        );
        check(
            r#"{"error":{"type":"my secret words","code":"sk-live-1"}}"#,
            "the provider answered 400",
        );
        check(r#"{"error":"the model said: 비밀"}"#, "the provider answered 400");
        check("<html>비밀</html>", "the provider answered 400");
        let long = "a".repeat(WORD_CHARS_MAX + 1);
        check(
            &json!({"error": {"code": long}}).to_string(),
            "the provider answered 400",
        );
    }

    #[test]
    fn a_failure_inside_a_stream_is_the_providers_unless_it_blames_the_request() {
        let check = |body: Value, retryable| {
            assert_eq!(Fault::reported(&Said::of(&body)).retryable, retryable, "{body}");
        };
        check(json!({"code": "rate_limit_exceeded"}), true);
        check(json!({"code": "server_error"}), true);
        check(json!({"type": "error", "code": null}), true);
        check(json!({"error": {"type": "overloaded_error"}}), true);
        check(json!({"code": "invalid_prompt"}), false);
        check(json!({"error": {"type": "insufficient_quota"}}), false);
    }

    #[test]
    fn what_is_malformed_is_not_quoted() {
        let error = serde_json::from_str::<Value>("{\"delta\": 비밀").unwrap_err();
        assert!(!Fault::malformed("the answer", &error).reason.contains('비'));
    }
}
