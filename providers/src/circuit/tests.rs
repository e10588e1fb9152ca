//! The state machine by tables of steps, with the time told.

use super::*;

const LIMITS: CircuitLimits = CircuitLimits {
    consecutive_failures_max: 3,
    error_rate_max: 0.5,
    calls_min: 10,
    window: Duration::from_mins(1),
    cool_down: Duration::from_secs(15),
};

const HEALTHY: Verdict = Verdict::Healthy {
    error: None,
    first_token: Some(Duration::from_millis(200)),
};
const FAULTY: Verdict = Verdict::Faulty {
    error: ErrorCode::LlmTimeout,
    retry_after: None,
};

const REFUSED: Verdict = Verdict::Refused {
    error: ErrorCode::LlmUpstream,
};

/// A circuit with a clock that the test turns.
struct Bench {
    circuit: Circuit,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        Self {
            circuit: Circuit::new(LIMITS),
            now: Instant::now(),
        }
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn admit(&mut self) -> Result<Ticket, Millis> {
        self.circuit.admit(self.now)
    }

    fn settle(&mut self, ticket: Ticket, verdict: Verdict) {
        self.circuit.settle(self.now, ticket, verdict);
    }

    fn call(&mut self, verdict: Verdict) {
        let ticket = self.admit().unwrap();
        self.settle(ticket, verdict);
    }

    fn calls(&mut self, count: usize, verdict: Verdict) {
        for _ in 0..count {
            self.call(verdict);
        }
    }

    fn phase(&mut self) -> CircuitPhase {
        self.circuit.status(self.now).phase
    }

    fn opened() -> Self {
        let mut bench = Self::new();
        bench.calls(3, FAULTY);
        assert_eq!(bench.phase(), CircuitPhase::Open);
        bench
    }
}

#[test]
fn failures_in_a_row_open_it() {
    let mut bench = Bench::new();
    bench.call(FAULTY);
    bench.call(FAULTY);
    bench.call(HEALTHY);
    bench.call(FAULTY);
    bench.call(FAULTY);
    assert_eq!(bench.phase(), CircuitPhase::Closed);
    bench.call(FAULTY);
    assert_eq!(bench.phase(), CircuitPhase::Open);
    assert_eq!(bench.admit().unwrap_err(), Millis(15_000));
}

#[test]
fn a_high_error_rate_opens_it_once_there_are_enough_calls() {
    let mut bench = Bench::new();
    for _ in 0..4 {
        bench.call(HEALTHY);
        bench.call(FAULTY);
    }
    bench.call(HEALTHY);
    assert_eq!(bench.phase(), CircuitPhase::Closed);
    bench.call(FAULTY);
    assert_eq!(bench.phase(), CircuitPhase::Open);
}

#[test]
fn calls_outside_the_window_are_forgotten() {
    let mut bench = Bench::new();
    for _ in 0..4 {
        bench.call(HEALTHY);
        bench.call(FAULTY);
    }
    bench.call(HEALTHY);
    bench.pass(61);
    bench.call(FAULTY);
    assert_eq!(bench.phase(), CircuitPhase::Closed);
    assert_eq!(bench.circuit.status(bench.now).calls, 1);
}

#[test]
fn what_is_not_the_providers_fault_does_not_open_it() {
    let mut bench = Bench::new();
    for error in [
        ErrorCode::LlmUpstream,
        ErrorCode::SafetyOutput,
        ErrorCode::LlmJsonInvalid,
    ] {
        bench.calls(
            50,
            Verdict::Healthy {
                error: Some(error),
                first_token: None,
            },
        );
        assert_eq!(bench.circuit.status(bench.now).last_error, Some(error));
    }
    bench.calls(50, Verdict::Cancelled);
    assert_eq!(bench.phase(), CircuitPhase::Closed);
    assert!(bench.circuit.status(bench.now).error_rate < f64::EPSILON);
}

#[test]
fn a_refusal_is_told_until_a_call_succeeds_and_opens_nothing() {
    let mut bench = Bench::new();
    bench.calls(50, REFUSED);
    bench.call(Verdict::Cancelled);
    let status = bench.circuit.status(bench.now);
    assert_eq!(
        (status.phase, status.error_rate, status.last_error),
        (CircuitPhase::Closed, 0.0, Some(ErrorCode::LlmUpstream))
    );
    bench.pass(3_600);
    assert_eq!(
        bench.circuit.status(bench.now).last_error,
        Some(ErrorCode::LlmUpstream),
        "it outlives the window"
    );
    bench.call(HEALTHY);
    assert_eq!(bench.circuit.status(bench.now).last_error, None);
}

#[test]
fn a_refusal_does_not_speak_for_the_provider() {
    let mut bench = Bench::new();
    for verdict in [FAULTY, REFUSED, FAULTY, REFUSED] {
        bench.call(verdict);
        assert_eq!(bench.phase(), CircuitPhase::Closed);
    }
    bench.call(FAULTY);
    assert_eq!(bench.phase(), CircuitPhase::Open);
    bench.pass(15);
    bench.call(REFUSED);
    assert_eq!(
        bench.phase(),
        CircuitPhase::Closed,
        "waiting would change nothing"
    );
}

#[test]
fn a_success_clears_the_last_error_of_any_kind() {
    let unsafe_request = Verdict::Healthy {
        error: Some(ErrorCode::SafetyOutput),
        first_token: None,
    };
    for failure in [FAULTY, REFUSED, unsafe_request] {
        let mut bench = Bench::new();
        bench.call(failure);
        assert!(
            bench.circuit.status(bench.now).last_error.is_some(),
            "{failure:?}"
        );
        bench.call(HEALTHY);
        assert_eq!(bench.circuit.status(bench.now).last_error, None, "{failure:?}");
    }
}

#[test]
fn one_probe_at_a_time_finds_out_whether_the_provider_is_back() {
    let mut bench = Bench::opened();
    bench.pass(14);
    assert_eq!(bench.admit().unwrap_err(), Millis(1_000));
    bench.pass(1);
    assert_eq!(bench.phase(), CircuitPhase::HalfOpen);
    let probe = bench.admit().unwrap();
    assert_eq!(bench.admit().unwrap_err(), PROBE_RETRY_AFTER);
    bench.settle(probe, HEALTHY);
    assert_eq!(bench.phase(), CircuitPhase::Closed);
    bench.call(FAULTY);
    assert_eq!(bench.phase(), CircuitPhase::Closed, "the past is forgiven");
}

#[test]
fn a_failed_probe_opens_it_again() {
    let mut bench = Bench::opened();
    bench.pass(15);
    bench.call(FAULTY);
    assert_eq!(bench.phase(), CircuitPhase::Open);
    assert_eq!(bench.admit().unwrap_err(), Millis(15_000));
}

#[test]
fn a_cancelled_probe_makes_room_for_the_next() {
    let mut bench = Bench::opened();
    bench.pass(15);
    bench.call(Verdict::Cancelled);
    assert_eq!(bench.phase(), CircuitPhase::HalfOpen);
    bench.call(HEALTHY);
    assert_eq!(bench.phase(), CircuitPhase::Closed);
}

#[test]
fn calls_from_before_it_opened_change_nothing() {
    let mut bench = Bench::new();
    let [slow, slower, slowest] = [(); 3].map(|()| bench.admit().unwrap());
    bench.calls(3, FAULTY);
    bench.settle(slow, HEALTHY);
    let status = bench.circuit.status(bench.now);
    assert_eq!(
        (status.phase, status.last_error),
        (CircuitPhase::Open, Some(ErrorCode::LlmTimeout))
    );
    bench.pass(15);
    let probe = bench.admit().unwrap();
    bench.settle(slower, FAULTY);
    bench.settle(slowest, Verdict::Cancelled);
    assert_eq!(bench.admit().unwrap_err(), PROBE_RETRY_AFTER);
    bench.settle(probe, HEALTHY);
    assert_eq!(bench.phase(), CircuitPhase::Closed);
}

#[test]
fn the_provider_may_ask_for_a_longer_pause_within_reason() {
    let check = |asked_ms: u64, expected_ms: u64| {
        let mut bench = Bench::new();
        let retry_after = Some(Millis(asked_ms));
        bench.calls(
            3,
            Verdict::Faulty {
                error: ErrorCode::LlmUpstream,
                retry_after,
            },
        );
        assert_eq!(bench.admit().unwrap_err(), Millis(expected_ms), "{asked_ms}");
    };
    check(1_000, 15_000);
    check(40_000, 40_000);
    check(u64::MAX, 300_000);
}

#[test]
fn the_status_tells_rate_error_and_latency() {
    let mut bench = Bench::new();
    let after = |first_token_ms| {
        let first_token = Some(Duration::from_millis(first_token_ms));
        Verdict::Healthy {
            error: None,
            first_token,
        }
    };
    assert_eq!(bench.circuit.status(bench.now).first_token_ms, None);
    bench.call(after(100));
    bench.call(after(300));
    bench.call(Verdict::Healthy {
        error: None,
        first_token: None,
    });
    bench.call(FAULTY);
    let expected = CircuitStatus {
        phase: CircuitPhase::Closed,
        calls: 4,
        error_rate: 0.25,
        last_error: Some(ErrorCode::LlmTimeout),
        first_token_ms: Some(Millis(200)),
        retry_after: None,
    };
    assert_eq!(bench.circuit.status(bench.now), expected);
}

#[test]
fn a_reset_lets_calls_through_and_forgets_what_failed() {
    let mut bench = Bench::new();
    bench.call(HEALTHY);
    let under_way = bench.admit().unwrap();
    bench.calls(3, FAULTY);
    assert!(bench.admit().is_err());
    bench.circuit.reset();
    let status = bench.circuit.status(bench.now);
    assert_eq!((status.phase, status.calls), (CircuitPhase::Closed, 1));
    assert_eq!((status.error_rate, status.last_error), (0.0, None));

    bench.settle(under_way, FAULTY);
    bench.calls(2, FAULTY);
    assert!(
        bench.admit().is_ok(),
        "what began before the reset is not one of three in a row"
    );
    bench.call(FAULTY);
    assert!(bench.admit().is_err(), "and the circuit works as before");
}

#[test]
fn a_reset_takes_the_place_of_a_probe() {
    let mut bench = Bench::new();
    bench.calls(3, FAULTY);
    bench.pass(15);
    let probe = bench.admit().unwrap();
    bench.circuit.reset();
    assert!(bench.admit().is_ok(), "nobody waits for the probe");
    bench.settle(probe, FAULTY);
    assert!(bench.admit().is_ok(), "nor hears of its end");
}

#[test]
fn memory_is_limited() {
    let mut bench = Bench::new();
    bench.calls(REMEMBERED_MAX * 2, HEALTHY);
    assert_eq!(bench.circuit.status(bench.now).calls, REMEMBERED_MAX);
}

#[test]
fn a_dropped_permit_is_a_cancelled_call() {
    let breaker = Arc::new(Breaker::new(CircuitLimits {
        cool_down: Duration::ZERO,
        ..LIMITS
    }));
    for _ in 0..3 {
        breaker.admit().unwrap().settle(FAULTY);
    }
    let probe = breaker.admit().unwrap();
    assert_eq!(breaker.admit().unwrap_err(), PROBE_RETRY_AFTER);
    drop(probe);
    breaker.admit().unwrap().settle(HEALTHY);
    assert_eq!(breaker.status().phase, CircuitPhase::Closed);
}
