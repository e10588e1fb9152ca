//! The routes and the edge, from request to answer, without a network.

mod pages;
mod playbook;

use axum::body::Body;
use axum::http::{HeaderMap, Request, header};
use greenroom_protocol::{ErrorCode, Locale};
use serde_json::{Value, json};

use super::router;
use crate::lifecycle::Phase;
use crate::testing::{TestServer, WHOLE_BRIEF};

fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let builder = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost");
    let builder = headers
        .iter()
        .fold(builder, |builder, (name, value)| builder.header(*name, *value));
    builder.body(Body::empty()).unwrap()
}

async fn status_of(server: &TestServer, method: &str, path: &str, headers: &[(&str, &str)]) -> u16 {
    server
        .send(request(method, path, headers))
        .await
        .status()
        .as_u16()
}

async fn error_of(server: &TestServer, method: &str, path: &str, body: Option<Value>) -> (u16, String) {
    let (status, answer) = server.ask(method, path, body).await;
    (
        status,
        answer["error"]["code"].as_str().unwrap_or_default().to_owned(),
    )
}

#[tokio::test]
async fn every_described_route_is_served() {
    let server = TestServer::new().await;
    let openapi = serde_json::to_value(router::routes().into_openapi()).unwrap();
    for (path, item) in openapi["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let filled = path
                .replace("{session_id}", "x")
                .replace("{run_id}", "x")
                .replace("{job_id}", "x");
            let (status, answer) = server.ask(&method.to_uppercase(), &filled, None).await;
            let unrouted = answer["error"]["details"]
                .as_str()
                .is_some_and(|details| details.contains("see /docs"));
            assert!(!unrouted && status != 405, "{method} {path}: {status} {answer}");
        }
    }
}

#[tokio::test]
async fn who_has_no_room_for_new_work_says_so_before_it_is_sent() {
    let server = TestServer::without_room().await;
    let (status, code) = error_of(&server, "GET", "/ready", None).await;
    assert_eq!((status, code.as_str()), (503, "DB_UNAVAILABLE"));
    let (_, health) = server.ask("GET", "/health/detailed", None).await;
    assert_eq!(health["dependencies"]["journal"]["has_room"], false, "{health}");
    assert!(
        health["journal"] == "failing" && health["dependencies"]["journal"]["writable"] == true,
        "{health}"
    );
    let created = error_of(&server, "POST", "/api/chat/session", Some(json!({}))).await;
    assert_eq!(created, (503, "DB_UNAVAILABLE".to_owned()));
}

#[tokio::test]
async fn a_whole_brief_in_one_message_opens_the_gate_without_a_model() {
    let server = TestServer::new().await;
    let session = server.session().await;
    let message = format!("/api/chat/session/{session}/message");
    let (status, turn) = server
        .ask("POST", &message, Some(json!({ "message": WHOLE_BRIEF })))
        .await;
    assert_eq!(status, 200, "{turn}");
    assert_eq!(
        (turn["state"].as_str(), turn["gate"]["ready"].as_bool()),
        (Some("BRIEF_READY"), Some(true))
    );
    assert_eq!(turn["brief_slots"]["product"]["name"], "런치부스터");
    assert_eq!(turn["slot_updates"].as_array().unwrap().len(), 9);
    assert!(!turn["assistant_message"].as_str().unwrap().is_empty());
    let generate = format!("/api/runs/{session}/generate");
    assert_eq!(
        error_of(&server, "POST", &generate, None).await,
        (503, "LLM_NOT_CONFIGURED".to_owned())
    );
}

#[tokio::test]
async fn the_same_key_answers_as_before_and_says_nothing_twice() {
    let server = TestServer::new().await;
    let session = server.session().await;
    let say = async |text: &str| {
        let headers = [("content-type", "application/json"), ("idempotency-key", "k1")];
        let mut request = request("POST", &format!("/api/chat/session/{session}/message"), &headers);
        *request.body_mut() = Body::from(json!({ "message": text }).to_string());
        let response = server.send(request).await;
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(response.into_body(), 100_000).await.unwrap();
        (status, serde_json::from_slice::<Value>(&bytes).unwrap())
    };
    let (first, again, other) = (say("루미세럼").await, say("루미세럼").await, say("다른 말").await);
    assert_eq!(first.0, 200);
    assert_eq!(first, again);
    assert_eq!(
        (other.0, other.1["error"]["code"].as_str()),
        (422, Some("INPUT_ID_REUSED"))
    );
    let log = server
        .ask("GET", &format!("/api/chat/session/{session}"), None)
        .await;
    assert_eq!(log.1["brief_slots"]["product"]["name"], "루미세럼");
}

#[tokio::test]
async fn a_streamed_turn_ends_with_its_end() {
    let server = TestServer::new().await;
    let session = server.session().await;
    let headers = [("content-type", "application/json")];
    let mut request = request(
        "POST",
        &format!("/api/chat/session/{session}/message/stream"),
        &headers,
    );
    *request.body_mut() = Body::from(r#"{"message":"루미세럼"}"#);
    let response = server.send(request).await;
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    let bytes = axum::body::to_bytes(response.into_body(), 100_000).await.unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let types: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("event: "))
        .collect();
    assert_eq!(
        (types.first(), types.last()),
        (Some(&"turn.started"), Some(&"turn.completed")),
        "{types:?}"
    );
}

#[tokio::test]
async fn the_log_is_read_in_pages_that_join() {
    let server = TestServer::new().await;
    let session = server.session().await;
    let mut seqs = Vec::new();
    let mut after = 0;
    loop {
        let path = format!("/api/chat/session/{session}/events?after={after}&limit=3");
        let response = server
            .send(request("GET", &path, &[("accept", "application/json")]))
            .await;
        let bytes = axum::body::to_bytes(response.into_body(), 100_000).await.unwrap();
        let page: Value = serde_json::from_slice(&bytes).unwrap();
        seqs.extend(
            page["events"]
                .as_array()
                .unwrap()
                .iter()
                .map(|event| event["seq"].as_u64().unwrap()),
        );
        after = page["next_after"].as_u64().unwrap();
        if after == page["head"].as_u64().unwrap() {
            break;
        }
    }
    assert_eq!(seqs, (1..=after).collect::<Vec<_>>());
    let ahead = format!("/api/chat/session/{session}/events?after={}", after + 1);
    assert_eq!(
        status_of(&server, "GET", &ahead, &[("accept", "application/json")]).await,
        409
    );
    assert_eq!(status_of(&server, "GET", &ahead, &[]).await, 409);
    let asked = [("accept", "application/json"), ("accept-language", "en")];
    let response = server.send(request("GET", &ahead, &asked)).await;
    let bytes = axum::body::to_bytes(response.into_body(), 100_000).await.unwrap();
    let error = &serde_json::from_slice::<Value>(&bytes).unwrap()["error"];
    assert_eq!(error["details"], json!({ "head": after }));
    assert_eq!(
        error["message"],
        ErrorCode::SessionEventAhead.user_message(Locale::Ko),
        "in the session's language"
    );
}

#[tokio::test]
async fn a_client_that_names_the_stream_gets_it_from_the_beginning_if_it_has_seen_nothing() {
    let server = TestServer::new().await;
    let events = format!("/api/chat/session/{}/events", server.session().await);
    let type_of = async |path: &str, headers: &[(&str, &str)]| {
        let response = server.send(request("GET", path, headers)).await;
        response.headers()[header::CONTENT_TYPE].clone()
    };
    let both = [("accept", "text/event-stream, application/json")];
    assert_eq!(type_of(&events, &both).await, "text/event-stream");
    assert_eq!(
        type_of(&events, &[("last-event-id", "")]).await,
        "text/event-stream"
    );
    let empty = format!("{events}?last_event_id=&after=");
    assert_eq!(type_of(&empty, &[]).await, "text/event-stream");
}

#[tokio::test]
async fn what_is_null_or_empty_counts_as_left_out_and_a_list_is_no_object() {
    let server = TestServer::new().await;
    let ask = async |path: &str, body: Value| server.ask("POST", path, Some(body)).await;
    let (status, created) = ask("/api/chat/session", json!({ "mode": null, "locale": null })).await;
    assert_eq!(status, 200, "{created}");
    let session = created["session_id"].as_str().unwrap();
    let (_, refused) = ask(&format!("/api/runs/{session}/generate"), json!({ "draft": null })).await;
    assert_eq!(refused["error"]["code"], "GATE_NOT_READY");
    for (path, list) in [
        ("/api/chat/session".to_owned(), json!(["ko"])),
        (format!("/api/chat/session/{session}/message"), json!(["hi"])),
        (format!("/api/runs/{session}/generate"), json!([true])),
    ] {
        assert_eq!(ask(&path, list).await.0, 422, "{path}");
    }
    let slots = format!("/api/chat/session/{session}/slots");
    let listed = Some(json!([["product.name", "Lumi"]]));
    assert_eq!(server.ask("PATCH", &slots, listed).await.0, 422);
    let jobs = format!("/api/jobs?session_id={session}&run_id=&status=&limit=");
    assert_eq!(server.ask("GET", &jobs, None).await.0, 200);
    assert_eq!(server.ask("GET", "/api/runs?session_id=", None).await.0, 422);
}

/// A server whose model takes every call and answers none, and where that happens.
async fn with_a_silent_model() -> (TestServer, tokio::net::TcpListener) {
    let model = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/v1", model.local_addr().unwrap());
    (TestServer::with(&[("OPENAI_BASE_URL", &address)]).await, model)
}

#[tokio::test]
async fn whoever_waits_when_the_server_closes_is_told_to_come_back() {
    for (path, body) in [
        ("/api/chat/session/{}/message", json!({ "message": "루미세럼" })),
        ("/api/runs/{}/generate", json!({ "draft": true })),
    ] {
        let (server, model) = with_a_silent_model().await;
        let path = path.replace("{}", &server.session().await);
        let close = async {
            let call = model.accept().await.unwrap();
            server.app.lifecycle.advance(Phase::Closing);
            call
        };
        let ((status, answer), _call) = tokio::join!(server.ask("POST", &path, Some(body)), close);
        assert_eq!(status, 503, "{path}: {answer}");
        assert_eq!(answer["error"]["code"], "SYS_DRAINING");
        assert_eq!(answer["error"]["retryable"], true);
    }
}

#[tokio::test]
async fn what_does_not_exist_has_its_own_code() {
    let server = TestServer::new().await;
    let check = async |method: &str, path: &str, status: u16, code: &str| {
        assert_eq!(
            error_of(&server, method, path, None).await,
            (status, code.to_owned()),
            "{method} {path}"
        );
    };
    let ulid = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    check(
        "GET",
        &format!("/api/chat/session/sess_{ulid}"),
        404,
        "SESSION_NOT_FOUND",
    )
    .await;
    check("GET", "/api/chat/session/nonsense", 404, "SESSION_NOT_FOUND").await;
    check("GET", &format!("/api/runs/run_{ulid}"), 404, "RUN_NOT_FOUND").await;
    check("GET", &format!("/api/jobs/job_{ulid}"), 404, "JOB_NOT_FOUND").await;
    check(
        "GET",
        &format!("/api/jobs?session_id=sess_{ulid}"),
        404,
        "SESSION_NOT_FOUND",
    )
    .await;
    check("GET", "/api/runs", 422, "INPUT_INVALID").await;
    check("GET", "/nowhere", 404, "INPUT_INVALID").await;
    check("DELETE", "/health", 405, "INPUT_INVALID").await;
    check(
        "GET",
        &format!("/api/chat/session/sess_{ulid}/ws"),
        400,
        "INPUT_INVALID",
    )
    .await;
}

#[tokio::test]
async fn a_session_is_only_its_owners() {
    let server = TestServer::new().await;
    let response = server
        .send(request("POST", "/api/chat/session", &[("x-user-key", "alice")]))
        .await;
    let bytes = axum::body::to_bytes(response.into_body(), 100_000).await.unwrap();
    let created: Value = serde_json::from_slice(&bytes).unwrap();
    let path = format!("/api/chat/session/{}", created["session_id"].as_str().unwrap());
    let events = format!("{path}/events");
    let page = ("accept", "application/json");
    for (path, headers) in [(&path, vec![]), (&events, vec![page])] {
        let with = |user| [headers.clone(), vec![("x-user-key", user)]].concat();
        assert_eq!(status_of(&server, "GET", path, &with("alice")).await, 200);
        assert_eq!(status_of(&server, "GET", path, &with("bob")).await, 404);
        assert_eq!(status_of(&server, "GET", path, &headers).await, 404);
    }
    let list = async |headers: &[(&str, &str)]| {
        let response = server.send(request("GET", "/api/chat/sessions", headers)).await;
        let bytes = axum::body::to_bytes(response.into_body(), 100_000).await.unwrap();
        serde_json::from_slice::<Value>(&bytes).unwrap()["total"].as_u64()
    };
    assert_eq!(list(&[("x-user-key", "alice")]).await, Some(1));
    assert_eq!(list(&[("x-user-key", "bob")]).await, Some(0));
    assert_eq!(list(&[]).await, Some(0));
}

#[tokio::test]
async fn a_foreign_page_drives_nothing_and_an_allowed_one_may() {
    let server = TestServer::with(&[("GREENROOM_SERVER__ALLOWED_ORIGINS", "https://app.example")]).await;
    let post = async |origin: &str| {
        server
            .send(request("POST", "/api/chat/session", &[("origin", origin)]))
            .await
    };
    let refused = post("https://evil.example").await;
    assert_eq!(refused.status(), 403);
    assert!(
        !refused
            .headers()
            .contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN)
    );
    let allowed = post("https://app.example").await;
    assert_eq!(allowed.status(), 200);
    assert_eq!(
        allowed.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN],
        "https://app.example"
    );
    // Without it a page could not tell what an export is called.
    assert_eq!(
        allowed.headers()[header::ACCESS_CONTROL_EXPOSE_HEADERS],
        "content-disposition, retry-after, x-request-id"
    );
    let preflight = [
        ("origin", "https://app.example"),
        ("access-control-request-method", "POST"),
    ];
    assert_eq!(
        status_of(&server, "OPTIONS", "/api/chat/session", &preflight).await,
        204
    );
    let foreign = [
        ("origin", "https://evil.example"),
        ("access-control-request-method", "POST"),
    ];
    assert_eq!(
        status_of(&server, "OPTIONS", "/api/chat/session", &foreign).await,
        403
    );
    // The page is loaded all the same, and tells of the refusal; a page from elsewhere may not read it.
    let part = request("GET", "/web/app/main.js", &[("origin", "https://evil.example")]);
    let part = server.send(part).await;
    assert_eq!(part.status(), 200);
    assert!(!part.headers().contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
}

#[tokio::test]
async fn the_token_is_asked_for_everywhere_but_by_probes_and_the_page() {
    let server = TestServer::with(&[("GREENROOM_SERVER__TOKEN", "s3cret")]).await;
    for open in [
        "/health",
        "/ready",
        "/",
        "/web/app/main.js",
        "/docs",
        "/docs/protocol",
        "/docs/errors",
    ] {
        assert_eq!(status_of(&server, "GET", open, &[]).await, 200, "{open}");
    }
    for closed in [
        "/metrics",
        "/health/detailed",
        "/openapi.json",
        "/docs/protocol.schema.json",
        "/api/jobs",
        "/nowhere",
    ] {
        assert_eq!(status_of(&server, "GET", closed, &[]).await, 401, "{closed}");
    }
    assert_eq!(
        status_of(&server, "GET", "/api/jobs", &[("authorization", "Bearer s3cret")]).await,
        200
    );
}

#[tokio::test]
async fn one_client_is_held_back_and_another_is_not() {
    let server = TestServer::with(&[
        ("GREENROOM_LIMITS__REQUESTS_PER_MINUTE", "4"),
        ("GREENROOM_SERVER__TRUSTED_PROXIES", "127.0.0.1"),
    ])
    .await;
    let as_alice = [("x-user-key", "alice"), ("x-forwarded-for", "10.0.0.1")];
    assert_eq!(status_of(&server, "GET", "/api/jobs", &as_alice).await, 200);
    let refused = server.send(request("GET", "/api/jobs", &as_alice)).await;
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key(header::RETRY_AFTER));
    let mut invented = 0;
    while status_of(
        &server,
        "GET",
        "/api/jobs",
        &[
            ("x-user-key", format!("invented-{invented}").as_str()),
            ("x-forwarded-for", "10.0.0.1"),
        ],
    )
    .await
        == 200
    {
        invented += 1;
    }
    assert!(invented <= 10, "{invented} keys from one address were let in");
    let as_bob = [("x-user-key", "bob"), ("x-forwarded-for", "10.0.0.2")];
    assert_eq!(status_of(&server, "GET", "/api/jobs", &as_bob).await, 200);
    assert_eq!(status_of(&server, "GET", "/health", &as_alice).await, 200);
}

#[tokio::test]
async fn every_answer_is_guarded_and_carries_its_request_id() {
    let server = TestServer::new().await;
    let headers = async |path: &str, id: &str| -> HeaderMap {
        server
            .send(request("GET", path, &[("x-request-id", id)]))
            .await
            .headers()
            .clone()
    };
    for path in ["/", "/web/vendor/lit-html/lit-html.js", "/health", "/nowhere"] {
        let headers = headers(path, "mine-1").await;
        assert_eq!(headers["x-request-id"], "mine-1");
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(
            policy.contains("script-src 'self'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    }
    let fresh = headers("/health", "not sane").await;
    assert_eq!(fresh["x-request-id"].len(), 26);
}

#[tokio::test]
async fn large_answers_are_compressed_and_streams_are_not() {
    let server = TestServer::new().await;
    let gzip = ("accept-encoding", "gzip");
    let encoding = async |path: &str| {
        let response = server.send(request("GET", path, &[gzip])).await;
        response.headers().get(header::CONTENT_ENCODING).cloned()
    };
    assert_eq!(encoding("/openapi.json").await.unwrap(), "gzip");
    assert_eq!(encoding("/health").await, None);
    let session = server.session().await;
    assert_eq!(
        encoding(&format!("/api/chat/session/{session}/events")).await,
        None
    );
}

#[tokio::test]
async fn health_tells_what_is_missing_and_readiness_ends_with_draining() {
    let server = TestServer::new().await;
    let (_, detailed) = server.ask("GET", "/health/detailed", None).await;
    assert_eq!(
        (detailed["llm"].as_str(), detailed["journal"].as_str()),
        (Some("not_configured"), Some("ok"))
    );
    assert_eq!(status_of(&server, "GET", "/ready", &[]).await, 200);
    server.app.lifecycle.advance(Phase::Draining);
    assert_eq!(
        error_of(&server, "GET", "/ready", None).await,
        (503, "SYS_DRAINING".to_owned())
    );
    assert_eq!(status_of(&server, "GET", "/health", &[]).await, 200);
}

#[tokio::test]
async fn slots_are_edited_all_or_none() {
    let server = TestServer::new().await;
    let session = server.session().await;
    let path = format!("/api/chat/session/{session}/slots");
    let edits =
        json!([{ "path": "product.name", "value": "Lumi" }, { "path": "goal.video_seconds", "value": 15 }]);
    let (status, document) = server.ask("PATCH", &path, Some(edits)).await;
    assert_eq!(status, 200, "{document}");
    assert_eq!(document["brief_slots"]["goal"]["video_seconds"], 15);
    let half_wrong =
        json!([{ "path": "product.name", "value": "Other" }, { "path": "goal.video_seconds", "value": 16 }]);
    assert_eq!(server.ask("PATCH", &path, Some(half_wrong)).await.0, 422);
    let (_, document) = server
        .ask("GET", &format!("/api/chat/session/{session}"), None)
        .await;
    assert_eq!(document["brief_slots"]["product"]["name"], "Lumi");
    assert_eq!(server.ask("PATCH", &path, Some(json!([]))).await.0, 422);
}
