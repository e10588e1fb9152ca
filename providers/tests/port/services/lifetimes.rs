//! Calls that take too long, are cancelled, or are suspended.

use std::time::Duration;

use greenroom_protocol::Millis;
use greenroom_providers::CircuitPhase;
use greenroom_session::CallCost;
use tokio::time::Instant;

use super::{KINDS, Kind, succeed};
use crate::scripted_server::{ScriptedServer, assert_waited};

#[tokio::test]
async fn a_server_that_hangs_is_given_up() {
    let check = async |kind: Kind, answer: &str| {
        let server = ScriptedServer::start();
        let service = kind.service(&server);
        let started = Instant::now();
        let (outcome, exchange) = tokio::join!(service.call(), async {
            let mut exchange = server.next().await;
            exchange.write(answer).await;
            tokio::time::pause();
            exchange
        });
        assert_waited(started, Duration::from_mins(1));
        let failure = outcome.unwrap_err();
        assert_eq!((failure.code, failure.retryable), (kind.timed_out(), true));
        assert_eq!(failure.reason, "the call took longer than 60000 ms");
        tokio::time::resume();
        exchange.closed_by_client().await;
    };
    for kind in KINDS {
        check(kind, "").await;
        let (headers, _) = kind.answer();
        check(
            kind,
            &format!("HTTP/1.1 200 OK\r\n{headers}content-length: 900\r\n\r\n{{\"te"),
        )
        .await;
    }
}

#[tokio::test]
async fn a_server_that_drips_meets_the_deadline() {
    for kind in KINDS {
        let server = ScriptedServer::start();
        let service = kind.service(&server);
        let (headers, _) = kind.answer();
        let (outcome, drips) = tokio::join!(service.call(), async {
            let mut exchange = server.next().await;
            let head = format!("HTTP/1.1 200 OK\r\n{headers}content-length: 900\r\n\r\n");
            exchange.write(head).await;
            tokio::time::pause();
            let mut drips = 0;
            while exchange.try_write(" ").await && drips < 100 {
                tokio::time::advance(Duration::from_secs(20)).await;
                drips += 1;
            }
            tokio::time::resume();
            drips
        });
        let failure = outcome.unwrap_err();
        assert_eq!(
            (failure.code, failure.reason.as_str()),
            (kind.timed_out(), "the call took longer than 60000 ms")
        );
        assert!(drips < 100, "{drips}");
    }
}

#[tokio::test]
async fn the_circuit_opens_and_closes_for_each_provider_alone() {
    for kind in KINDS {
        let server = ScriptedServer::start();
        let (service, other) = (
            kind.touchy(&server, Duration::from_secs(15)),
            kind.service(&server),
        );
        let (outcome, ()) = tokio::join!(service.call(), async {
            let mut exchange = server.next().await;
            exchange.answer("503 Gone", "retry-after: 40\r\n", "").await;
        });
        assert_eq!(outcome.unwrap_err().code, kind.failed());
        let suspended = service.call().await.unwrap_err();
        assert_eq!((suspended.code, suspended.retryable), (kind.failed(), true));
        assert!(
            suspended.reason.starts_with("calls are suspended"),
            "{}",
            suspended.reason
        );
        let Millis(retry_after_ms) = suspended.retry_after.unwrap();
        assert!((30_000..=40_000).contains(&retry_after_ms), "{retry_after_ms}");
        assert_eq!(suspended.receipt.unwrap().cost, CallCost::Known(0));
        assert!(!server.has_visitor());
        let circuit = service.status().circuit;
        assert_eq!(
            (circuit.phase, circuit.last_error),
            (CircuitPhase::Open, Some(kind.failed()))
        );
        assert_eq!(other.status().circuit.phase, CircuitPhase::Closed);

        let recovering = kind.touchy(&server, Duration::ZERO);
        let (outcome, ()) = tokio::join!(recovering.call(), async { drop(server.next().await) });
        outcome.unwrap_err();
        assert_eq!(recovering.status().circuit.phase, CircuitPhase::HalfOpen);
        succeed(kind, &recovering, &server).await;
        let circuit = recovering.status().circuit;
        assert_eq!((circuit.phase, circuit.last_error), (CircuitPhase::Closed, None));
    }
}

#[tokio::test]
async fn our_own_faults_leave_the_circuit_closed() {
    for kind in KINDS {
        let server = ScriptedServer::start();
        let service = kind.touchy(&server, Duration::from_secs(15));
        for status in ["400 Bad Request", "401 Unauthorized", "404 Not Found"] {
            let (outcome, ()) = tokio::join!(service.call(), async {
                server.next().await.answer(status, "", "").await;
            });
            outcome.unwrap_err();
            let circuit = service.status().circuit;
            assert_eq!(
                (circuit.phase, circuit.last_error),
                (CircuitPhase::Closed, Some(kind.failed()))
            );
        }
    }
}

#[tokio::test]
async fn dropping_a_call_closes_its_connection_and_says_nothing_of_the_provider() {
    for kind in KINDS {
        let (headers, _) = kind.answer();
        for answer in [
            String::new(),
            format!("HTTP/1.1 200 OK\r\n{headers}content-length: 900\r\n\r\n{{\"te"),
        ] {
            let server = ScriptedServer::start();
            let service = kind.service(&server);
            let exchange = tokio::select! {
                outcome = service.call() => panic!("nobody answered: {outcome:?}"),
                exchange = async {
                    let mut exchange = server.next().await;
                    exchange.write(&answer).await;
                    exchange
                } => exchange,
            };
            exchange.closed_by_client().await;
            assert_eq!(service.status().circuit.calls, 0);
        }
    }
}
