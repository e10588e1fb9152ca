//! The circuit breaker: suspends calls to a provider that keeps failing, and finds out when it is back.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use greenroom_protocol::{ErrorCode, Millis};
use serde::Serialize;
use tokio::time::Instant;

/// Calls that are remembered for the error rate, however many there are in the window.
const REMEMBERED_MAX: usize = 256;
/// A provider is tried again after this, however long a pause was configured or asked for.
const PAUSE_MAX: Duration = Duration::from_mins(5);
/// When to ask again while another call is finding out whether the provider is back.
const PROBE_RETRY_AFTER: Millis = Millis(1_000);

/// When calls to a provider are suspended, and for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CircuitLimits {
    /// Failures in a row that open the circuit.
    pub consecutive_failures_max: u32,
    /// Share of failed calls in the window, 0 to 1, that opens it.
    pub error_rate_max: f64,
    /// Calls in the window below which the error rate means nothing.
    pub calls_min: usize,
    /// How long a call is remembered.
    pub window: Duration,
    /// How long the circuit stays open, at most 5 minutes, before one call may find out whether the provider is back.
    pub cool_down: Duration,
}

impl Default for CircuitLimits {
    fn default() -> Self {
        Self {
            consecutive_failures_max: 5,
            error_rate_max: 0.5,
            calls_min: 20,
            window: Duration::from_mins(1),
            cool_down: Duration::from_secs(15),
        }
    }
}

/// Whether calls go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CircuitPhase {
    /// All do.
    Closed,
    /// None does.
    Open,
    /// One does, to find out whether the provider is back.
    HalfOpen,
}

/// What an operator sees of a circuit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CircuitStatus {
    /// Whether calls go through.
    pub phase: CircuitPhase,
    /// Calls of the last window that ended by themselves.
    pub calls: usize,
    /// Share of them that failed by the provider's fault, 0 to 1.
    pub error_rate: f64,
    /// The last failure, whoever's fault it was; none once a call has succeeded since. With a closed circuit and an
    /// error rate of zero it is the request's, or the key, the account or the model's name is refused.
    pub last_error: Option<ErrorCode>,
    /// Mean time to the first text or sound in the last window, in milliseconds; none where replies are not streamed.
    pub first_token_ms: Option<Millis>,
    /// When an open circuit may let a call through.
    pub retry_after: Option<Millis>,
}

/// What a call says of the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It works. The call may have failed all the same, by the request's fault.
    Healthy {
        error: Option<ErrorCode>,
        first_token: Option<Duration>,
    },
    /// It does not, and asks for this pause.
    Faulty {
        error: ErrorCode,
        retry_after: Option<Millis>,
    },
    /// It answers, and takes no call as long as the key, the account and the model's name are what they are. To wait
    /// would change nothing, so the circuit stays closed and every call is told why.
    Refused { error: ErrorCode },
    /// Nothing: the call was cancelled.
    Cancelled,
}

/// The right to make one call.
#[derive(Debug, Clone, Copy)]
struct Ticket {
    /// How often the circuit had opened or was reset by then: what an older call says does not count against a newer
    /// phase.
    openings: u64,
}

#[derive(Debug)]
enum State {
    Closed { failures_in_a_row: u32 },
    Open { until: Instant },
    HalfOpen { probing: bool },
}

#[derive(Debug)]
struct Remembered {
    at: Instant,
    faulty: bool,
    first_token: Option<Duration>,
}

/// The state machine. It is told the time.
#[derive(Debug)]
struct Circuit {
    limits: CircuitLimits,
    state: State,
    openings: u64,
    calls: VecDeque<Remembered>,
    last_error: Option<ErrorCode>,
}

impl Circuit {
    fn new(limits: CircuitLimits) -> Self {
        let state = State::Closed { failures_in_a_row: 0 };
        Self {
            limits,
            state,
            openings: 0,
            calls: VecDeque::new(),
            last_error: None,
        }
    }

    /// Lets a call through, or says when to ask again.
    fn admit(&mut self, now: Instant) -> Result<Ticket, Millis> {
        match self.state {
            State::Closed { .. } => {}
            State::Open { until } if now < until => return Err(millis(until - now)),
            State::HalfOpen { probing: true } => return Err(PROBE_RETRY_AFTER),
            State::Open { .. } | State::HalfOpen { probing: false } => {
                self.state = State::HalfOpen { probing: true };
            }
        }
        Ok(Ticket {
            openings: self.openings,
        })
    }

    /// Hears what became of a call.
    fn settle(&mut self, now: Instant, ticket: Ticket, verdict: Verdict) {
        let is_old = ticket.openings != self.openings;
        self.remember(now, verdict, is_old);
        if is_old {
            return;
        }
        match (&mut self.state, verdict) {
            (State::Closed { failures_in_a_row }, Verdict::Healthy { .. }) => *failures_in_a_row = 0,
            (State::Closed { failures_in_a_row }, Verdict::Faulty { retry_after, .. }) => {
                *failures_in_a_row += 1;
                if *failures_in_a_row >= self.limits.consecutive_failures_max || self.error_rate_is_too_high()
                {
                    self.open(now, retry_after);
                }
            }
            (State::HalfOpen { .. }, Verdict::Healthy { .. } | Verdict::Refused { .. }) => {
                self.state = State::Closed { failures_in_a_row: 0 };
                // What happened before must not open it again at the first slip.
                self.calls.retain(|call| !call.faulty);
            }
            (State::HalfOpen { .. }, Verdict::Faulty { retry_after, .. }) => self.open(now, retry_after),
            (State::HalfOpen { probing }, Verdict::Cancelled) => *probing = false,
            // A refusal does not speak for the provider either: what failed in a row before it still counts.
            (State::Closed { .. }, Verdict::Refused { .. } | Verdict::Cancelled)
            // Opening makes every ticket an old one.
            | (State::Open { .. }, _) => {}
        }
    }

    /// Lets calls through again because somebody knows better. What failed until now no longer counts, and what calls
    /// that are under way say does not count against the closed circuit.
    fn reset(&mut self) {
        self.state = State::Closed { failures_in_a_row: 0 };
        self.openings += 1;
        self.calls.retain(|call| !call.faulty);
        self.last_error = None;
    }

    fn status(&mut self, now: Instant) -> CircuitStatus {
        self.forget(now);
        let (phase, retry_after) = match self.state {
            State::Closed { .. } => (CircuitPhase::Closed, None),
            State::Open { until } if now < until => (CircuitPhase::Open, Some(millis(until - now))),
            State::Open { .. } | State::HalfOpen { .. } => (CircuitPhase::HalfOpen, None),
        };
        let first_tokens: Vec<Duration> = self.calls.iter().filter_map(|call| call.first_token).collect();
        let count = u32::try_from(first_tokens.len()).expect("at most REMEMBERED_MAX calls are remembered");
        CircuitStatus {
            phase,
            calls: self.calls.len(),
            error_rate: self.error_rate(),
            last_error: self.last_error,
            first_token_ms: first_tokens
                .iter()
                .sum::<Duration>()
                .checked_div(count)
                .map(millis),
            retry_after,
        }
    }

    fn open(&mut self, now: Instant, retry_after: Option<Millis>) {
        let asked = retry_after.map_or(Duration::ZERO, Duration::from);
        self.state = State::Open {
            until: now + self.limits.cool_down.max(asked).min(PAUSE_MAX),
        };
        self.openings += 1;
    }

    fn remember(&mut self, now: Instant, verdict: Verdict, is_old: bool) {
        let (error, faulty, first_token) = match verdict {
            Verdict::Cancelled => return,
            Verdict::Healthy { error, first_token } => (error, false, first_token),
            Verdict::Refused { error } => (Some(error), false, None),
            Verdict::Faulty { error, .. } => (Some(error), true, None),
        };
        // The success of a call from before the circuit opened does not take away the reason why it is open.
        if error.is_some() || !is_old {
            self.last_error = error;
        }
        self.forget(now);
        if self.calls.len() == REMEMBERED_MAX {
            self.calls.pop_front();
        }
        self.calls.push_back(Remembered {
            at: now,
            faulty,
            first_token,
        });
    }

    fn forget(&mut self, now: Instant) {
        while self
            .calls
            .front()
            .is_some_and(|call| now.duration_since(call.at) > self.limits.window)
        {
            self.calls.pop_front();
        }
    }

    fn error_rate_is_too_high(&self) -> bool {
        self.calls.len() >= self.limits.calls_min && self.error_rate() >= self.limits.error_rate_max
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "at most REMEMBERED_MAX calls are remembered"
    )]
    fn error_rate(&self) -> f64 {
        let faulty = self.calls.iter().filter(|call| call.faulty).count();
        faulty as f64 / self.calls.len().max(1) as f64
    }
}

/// Whole milliseconds, rounded up: never zero for a wait that is not over.
fn millis(length: Duration) -> Millis {
    Millis(u64::try_from(length.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX))
}

/// The circuit of one provider, shared by its calls.
#[derive(Debug)]
pub(crate) struct Breaker {
    circuit: Mutex<Circuit>,
}

/// The right to make one call. Dropped without a verdict, it counts as cancelled.
#[derive(Debug)]
pub(crate) struct Permit {
    breaker: Arc<Breaker>,
    ticket: Ticket,
    verdict: Verdict,
}

impl Breaker {
    pub(crate) fn new(limits: CircuitLimits) -> Self {
        Self {
            circuit: Mutex::new(Circuit::new(limits)),
        }
    }

    /// Lets a call through, or says when to ask again.
    pub(crate) fn admit(self: &Arc<Self>) -> Result<Permit, Millis> {
        let ticket = self.circuit().admit(Instant::now())?;
        Ok(Permit {
            breaker: Arc::clone(self),
            ticket,
            verdict: Verdict::Cancelled,
        })
    }

    pub(crate) fn status(&self) -> CircuitStatus {
        self.circuit().status(Instant::now())
    }

    pub(crate) fn reset(&self) {
        self.circuit().reset();
    }

    /// A panic while it was locked leaves a circuit that is at worst a call off.
    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// The call ended by itself.
    pub(crate) fn settle(mut self, verdict: Verdict) {
        self.verdict = verdict;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.breaker
            .circuit()
            .settle(Instant::now(), self.ticket, self.verdict);
    }
}

#[cfg(test)]
mod tests;
