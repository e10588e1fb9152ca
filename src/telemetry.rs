//! Logs and metrics: structured lines with ids, never with what people said, and a Prometheus recorder.

use std::io::IsTerminal as _;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing::Level;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::{ParseError, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt, reload};

use crate::config::{LogFormat, LogSettings};

/// Upper bounds of the buckets of durations: from a turn without a model to a whole run.
const SECONDS_BUCKETS: &[f64] = &[
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    10.0, 30.0, 60.0, 120.0, 300.0, 600.0,
];
/// Upper bounds of the buckets of counts, such as the size of a batch.
const COUNT_BUCKETS: &[f64] = &[
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0, 4_096.0, 16_384.0, 65_536.0,
];

/// Crates that below this level repeat what passes through them: frames, heads and bodies, statements. Whatever the
/// operator asks for, no line holds what people said.
const WORDY_CRATES: &[&str] = &["tungstenite", "tokio_tungstenite", "hyper", "h2", "sqlx"];
const WORDY_LEVEL_MAX: Level = Level::INFO;

/// Log lines that may wait to be written; further ones are dropped.
const LINES_WAITING_MAX: usize = 16_384;

/// The process's logs and metrics.
pub struct Telemetry {
    filter: reload::Handle<EnvFilter, Registry>,
    metrics: PrometheusHandle,
    /// Dropped last: what waits to be written is written then.
    _writer: WorkerGuard,
}

/// Why logs and metrics cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level is not one.
    #[error("log.level: {0}")]
    Level(#[from] ParseError),
    /// Somebody else in this process logs already.
    #[error("logging is set up already: {0}")]
    Subscriber(#[from] TryInitError),
    /// The metrics' buckets are wrong, or somebody else in this process records them already.
    #[error("metrics: {0}")]
    Metrics(#[from] BuildError),
}

impl Telemetry {
    /// Sets up the logs and metrics of this process; once.
    pub fn install(settings: &LogSettings) -> Result<Self, TelemetryError> {
        let (filter, handle) = reload::Layer::new(EnvFilter::try_new(&settings.level)?);
        let pretty = match settings.format {
            LogFormat::Pretty => true,
            LogFormat::Json => false,
            LogFormat::Auto => std::io::stderr().is_terminal(),
        };
        let (writer, guard) = writer();
        let lines = if pretty {
            let ansi = std::io::stderr().is_terminal();
            fmt::layer().with_writer(writer).with_ansi(ansi).compact().boxed()
        } else {
            let json = fmt::layer().with_writer(writer).json();
            json.flatten_event(true)
                .with_current_span(true)
                .with_span_list(false)
                .boxed()
        };
        let wordless = filter_fn(|line| may_be_written(line.target(), *line.level()));
        tracing_subscriber::registry()
            .with(filter)
            .with(lines.with_filter(wordless))
            .try_init()?;
        crate::panic_hook::install();
        let metrics = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS_BUCKETS)?
            .set_buckets(COUNT_BUCKETS)?
            .install_recorder()?;
        describe();
        Ok(Self {
            filter: handle,
            metrics,
            _writer: guard,
        })
    }

    /// Changes which lines are written.
    pub fn set_level(&self, level: &str) -> Result<(), ParseError> {
        let filter = EnvFilter::try_new(level)?;
        // The handle is dead only if the subscriber is gone, and then there are no lines to write.
        if self.filter.reload(filter).is_err() {
            tracing::debug!("the log's filter is gone");
        }
        Ok(())
    }

    /// A handle that renders all metrics as Prometheus text.
    pub fn metrics(&self) -> PrometheusHandle {
        self.metrics.clone()
    }
}

/// Whether a line of this target and level surely holds nobody's words.
fn may_be_written(target: &str, level: Level) -> bool {
    let is_wordy = WORDY_CRATES.iter().any(|wordy| target.starts_with(wordy));
    !is_wordy || level <= WORDY_LEVEL_MAX
}

/// Lines go to the standard error on a thread of their own: a reader that stands still holds up nobody, and costs lines
/// once so many wait.
fn writer() -> (NonBlocking, WorkerGuard) {
    NonBlockingBuilder::default()
        .buffered_lines_limit(LINES_WAITING_MAX)
        .lossy(true)
        .finish(std::io::stderr())
}

fn describe() {
    metrics::describe_counter!(
        "greenroom_http_requests_total",
        "Requests answered, by method, route and status."
    );
    metrics::describe_histogram!(
        "greenroom_http_request_duration_seconds",
        "Time to the head of the answer."
    );
    metrics::describe_counter!(
        "greenroom_rate_limited_total",
        "Requests and turns refused by a rate limit."
    );
    metrics::describe_gauge!("greenroom_sessions_live", "Sessions in memory.");
    metrics::describe_gauge!("greenroom_connections", "TCP connections.");
    metrics::describe_gauge!("greenroom_sockets", "WebSockets.");
    metrics::describe_counter!(
        "greenroom_socket_rejects_total",
        "Frames rejected on WebSockets, by code."
    );
    metrics::describe_counter!("greenroom_socket_closes_total", "WebSockets ended, by reason.");
    metrics::describe_gauge!(
        "greenroom_journal_writable",
        "Whether appends are being committed."
    );
    describe_providers();
    crate::voice::observe::describe();
    greenroom_actors::voice::describe();
}

/// What each kind of provider counts, each by provider and model.
fn describe_providers() {
    for (calls, seconds) in [
        ("greenroom_llm_calls_total", "greenroom_llm_call_seconds"),
        ("greenroom_stt_calls_total", "greenroom_stt_call_seconds"),
        ("greenroom_tts_calls_total", "greenroom_tts_call_seconds"),
        (
            "greenroom_moderation_calls_total",
            "greenroom_moderation_call_seconds",
        ),
    ] {
        metrics::describe_counter!(calls, "Calls, by provider, model and outcome.");
        metrics::describe_histogram!(seconds, "Time of a call, whatever came of it.");
    }
    metrics::describe_histogram!(
        "greenroom_llm_first_token_seconds",
        "Time to a reply's first words."
    );
    metrics::describe_counter!(
        "greenroom_stt_streams_total",
        "Streams to recognisers that listen along, by provider, model and what came of opening them."
    );
    metrics::describe_histogram!(
        "greenroom_stt_first_words_seconds",
        "Time from the onset of live speech to its first words."
    );
    metrics::describe_histogram!(
        "greenroom_tts_first_byte_seconds",
        "Time to the first sound of a speech."
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_carries_words_is_not_written_below_info() {
        let check = |target: &str, level, expected| {
            assert_eq!(may_be_written(target, level), expected, "{target} {level}");
        };
        check("tungstenite::protocol", Level::TRACE, false);
        check("hyper::proto::h1::io", Level::TRACE, false);
        check("hyper_util::client", Level::DEBUG, false);
        check("sqlx::query", Level::DEBUG, false);
        check("sqlx::query", Level::WARN, true);
        check("tungstenite", Level::INFO, true);
        check("greenroom::ws", Level::TRACE, true);
    }
}
