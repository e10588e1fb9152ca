//! Calls that fail: each fault of a provider, and the class that it is given.

use greenroom_protocol::Millis;
use greenroom_session::CallCost;

use super::{KINDS, Kind};
use crate::scripted_server::{ScriptedServer, WORDS};

#[tokio::test]
async fn refused_requests_are_classified_and_cost_nothing() {
    let limit = r#"{"error":{"message":"m","type":"tokens","code":"rate_limit_exceeded"}}"#;
    let key = r#"{"error":{"message":"Incorrect API key: hunter2_key","code":"invalid_api_key"}}"#;
    for kind in KINDS {
        let check = async |status, headers, body, retryable, retry_after: Option<u64>, reason: &str| {
            let failure = kind.answered(status, headers, body).await;
            assert_eq!(failure.code, kind.failed(), "{status}");
            assert_eq!(
                (failure.retryable, failure.retry_after, failure.reason.as_str()),
                (retryable, retry_after.map(Millis), reason),
                "{kind:?}"
            );
            assert_eq!(failure.receipt.unwrap().cost, CallCost::Known(0));
        };
        check(
            "400 Bad Request",
            "",
            "<html>",
            false,
            None,
            "the provider answered 400",
        )
        .await;
        check(
            "401 Unauthorized",
            "",
            key,
            false,
            None,
            "the provider answered 401 (invalid_api_key)",
        )
        .await;
        check("403 Forbidden", "", "", false, None, "the provider answered 403").await;
        check(
            "404 Not Found",
            "",
            "{}",
            false,
            None,
            "the provider answered 404",
        )
        .await;
        let reason = "the provider answered 429 (tokens, rate_limit_exceeded)";
        check(
            "429 Slow Down",
            "retry-after: 7\r\n",
            limit,
            true,
            Some(7_000),
            reason,
        )
        .await;
    }
}

#[tokio::test]
async fn a_broken_server_is_retryable_and_nobody_knows_what_it_charges() {
    for kind in KINDS {
        for status in ["500 Oops", "503 Gone"] {
            let failure = kind.answered(status, "x-request-id: req_9\r\n", "boom").await;
            assert_eq!((failure.code, failure.retryable), (kind.failed(), true));
            let receipt = failure.receipt.unwrap();
            assert_eq!(receipt.request_id.as_deref(), Some("req_9"));
            assert_eq!(receipt.cost, CallCost::Unknown);
        }
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_retryable_and_costs_nothing() {
    for kind in KINDS {
        let server = ScriptedServer::start();
        let service = kind.service(&server);
        drop(server);
        let failure = service.call().await.unwrap_err();
        assert_eq!((failure.code, failure.retryable), (kind.failed(), true));
        assert!(
            failure.reason.starts_with("could not connect: "),
            "{}",
            failure.reason
        );
        assert_eq!(failure.receipt.unwrap().cost, CallCost::Known(0));
    }
}

#[tokio::test]
async fn one_call_is_one_request_even_when_the_connection_is_closed_on_it() {
    for kind in KINDS {
        let server = ScriptedServer::start();
        let service = kind.service(&server);
        let (outcome, ()) = tokio::join!(service.call(), async { drop(server.next().await) });
        let failure = outcome.unwrap_err();
        assert_eq!((failure.code, failure.retryable), (kind.failed(), true));
        assert!(
            failure.reason.starts_with("the connection broke: "),
            "{}",
            failure.reason
        );
        assert!(!server.has_visitor());
    }
}

#[tokio::test]
async fn an_answer_cut_in_mid_body_fails() {
    for kind in KINDS {
        let (headers, body) = kind.answer();
        let short_of_its_length = kind
            .fails(async |exchange| {
                let length = body.len() + 1;
                let head = format!("HTTP/1.1 200 OK\r\n{headers}content-length: {length}\r\n\r\n{body}");
                exchange.write(head).await;
            })
            .await;
        let short_of_its_last_chunk = kind
            .fails(async |exchange| {
                exchange
                    .begin_chunks(headers.trim_end().trim_start_matches("content-type: "))
                    .await;
                exchange.send(body).await;
            })
            .await;
        for failure in [short_of_its_length, short_of_its_last_chunk] {
            assert_eq!(
                (failure.code, failure.retryable),
                (kind.failed(), true),
                "{kind:?}"
            );
            assert!(
                failure.reason.starts_with("the connection broke: "),
                "{}",
                failure.reason
            );
            assert_eq!(failure.receipt.unwrap().cost, CallCost::Unknown);
        }
    }
}

#[tokio::test]
async fn an_answer_of_another_type_is_not_worth_a_retry() {
    for kind in KINDS {
        let (headers, _) = kind.answer();
        let other = if headers.contains("json") {
            "audio/mpeg"
        } else {
            "application/json"
        };
        for content_type in ["text/html; charset=utf-8", other] {
            let body = format!(r#"{{"error":{{"message":"{WORDS}"}}}}"#);
            let failure = kind
                .answered("200 OK", &format!("content-type: {content_type}\r\n"), &body)
                .await;
            assert_eq!((failure.code, failure.retryable), (kind.failed(), false));
            assert!(
                failure.reason.contains("something else than"),
                "{}",
                failure.reason
            );
            assert_eq!(failure.receipt.unwrap().cost, CallCost::Unknown);
        }
    }
}

#[tokio::test]
async fn an_empty_answer_fails() {
    for kind in KINDS {
        let (headers, _) = kind.answer();
        for headers in [headers, ""] {
            let failure = kind.answered("200 OK", headers, "").await;
            assert_eq!(
                (failure.code, failure.retryable),
                (kind.failed(), true),
                "{kind:?}"
            );
        }
        let no_content = kind.answered("204 No Content", headers, "").await;
        assert_eq!(
            (no_content.code, no_content.retryable),
            (kind.failed(), false),
            "{kind:?}"
        );
    }
}

#[tokio::test]
async fn a_document_that_says_something_else_fails_without_being_quoted() {
    let check = async |kind: Kind, body: &str, retryable| {
        let failure = kind
            .answered("200 OK", "content-type: application/json\r\n", body)
            .await;
        assert_eq!(
            (failure.code, failure.retryable),
            (kind.failed(), retryable),
            "{body}"
        );
        assert!(!format!("{failure:?}").contains("비밀"), "{failure:?}");
    };
    for body in [
        "{",
        "7",
        "[]",
        "비밀",
        "{}",
        r#"{"text":7}"#,
        r#"{"text":null,"비밀":1}"#,
        r#"{"text":["비밀"]}"#,
    ] {
        check(Kind::Ear, body, true).await;
    }
    let judged = |result: &str| format!(r#"{{"results":[{result}]}}"#);
    for body in [
        "<html>비밀",
        "{}",
        r#"{"results":{}}"#,
        &judged(r#""비밀""#),
        &judged(r#"{"flagged":"비밀"}"#),
    ] {
        check(Kind::Judge, body, true).await;
    }
    // Which text is which? It would judge the same way again.
    for results in ["", r#"{"flagged":false},{"flagged":false}"#] {
        check(Kind::Judge, &judged(results), false).await;
    }
    for kind in [Kind::Ear, Kind::Judge] {
        check(
            kind,
            r#"{"text":"a","results":[],"error":{"code":"server_error","message":"비밀"}}"#,
            true,
        )
        .await;
        check(kind, r#"{"error":"비밀"}"#, true).await;
        check(
            kind,
            r#"{"error":{"code":"invalid_api_key","type":"authentication_error"}}"#,
            false,
        )
        .await;
    }
}

#[tokio::test]
async fn a_document_without_end_is_not_read_without_end() {
    for (kind, limit) in [(Kind::Ear, 262_144), (Kind::Judge, 1_048_576)] {
        let failure = kind
            .fails(async |exchange| {
                exchange.begin_chunks("application/json").await;
                let piece = " ".repeat(16 * 1024);
                for _ in 0..=limit / piece.len() {
                    exchange.send(&piece).await;
                }
            })
            .await;
        assert_eq!((failure.code, failure.retryable), (kind.failed(), false));
        assert_eq!(failure.reason, format!("the answer is larger than {limit} bytes"));
    }
}
