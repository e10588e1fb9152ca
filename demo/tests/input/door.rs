//! The door: pages, tokens, users, paths, languages, limits, and what every answer carries.

use anyhow::{Context as _, Result, ensure};
use greenroom_demo::session_play::{Stage, StageSpec, ready_session};
use greenroom_protocol::SessionId;
use loadtest::client::{Client, CreateSession};
use serde_json::{Value, json};

use crate::wire::{Answer, RawSocket, Wire, answer};

const TOKEN: &str = "t0ken-that-only-friends-know";

async fn new_session(client: &Client) -> Result<SessionId> {
    Ok(client
        .create_session(&CreateSession::default())
        .await?
        .session
        .session_id)
}

async fn get(wire: &Wire, path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
    send(wire, "GET", path, headers).await
}

async fn send(wire: &Wire, method: &str, path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
    let mut request = wire.request(method, path)?;
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(request).await
}

#[tokio::test]
async fn no_foreign_page_uses_the_server_and_its_own_does() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let session = new_session(&stage.client()?).await?;
        let wire = Wire::to(stage)?;
        let port = stage.world.server.address().port();
        let path = format!("/api/chat/session/{session}");
        let other_port = format!("http://127.0.0.1:{}", port ^ 1);
        let foreign = [
            "https://evil.example",
            "http://localhost",
            "null",
            "file://",
            "chrome-extension://x",
            &other_port,
        ];
        for origin in foreign {
            let headers = [("origin", origin)];
            for (method, path) in [
                ("GET", path.as_str()),
                ("POST", "/api/chat/session"),
                ("GET", "/health"),
                ("GET", "/"),
            ] {
                let refused = send(&wire, method, path, &headers)
                    .await?
                    .refused(403, "AUTH_ORIGIN");
                refused.with_context(|| format!("{method} {path} from {origin}"))?;
            }
            let opened = RawSocket::open(stage, session, "", &headers).await?;
            opened
                .err()
                .context("a foreign page opens no socket")?
                .refused(403, "AUTH_ORIGIN")?;
        }
        let own = format!("http://127.0.0.1:{port}");
        let headers = [("origin", own.as_str())];
        let shown = get(&wire, &path, &headers).await?;
        shown.ok()?;
        ensure!(
            shown.header("access-control-allow-origin") == own,
            "{:?}",
            shown.headers
        );
        let opened = RawSocket::open(stage, session, "", &headers).await?;
        ensure!(opened.is_ok(), "the server's own page opens a socket");

        let friend = "https://app.example";
        let headers = [("origin", friend), ("access-control-request-method", "POST")];
        let preflight = send(&wire, "OPTIONS", &path, &headers).await?;
        ensure!(preflight.status == 204, "{}", preflight.status);
        ensure!(
            preflight.header("access-control-allow-origin") == friend,
            "{:?}",
            preflight.headers
        );
        ensure!(
            preflight
                .header("access-control-allow-headers")
                .contains("idempotency-key")
        );
        get(&wire, &path, &[("origin", friend)]).await?.ok()?;
        ensure!(
            RawSocket::open(stage, session, "", &[("origin", friend)])
                .await?
                .is_ok()
        );
        let headers = [
            ("origin", "https://evil.example"),
            ("access-control-request-method", "POST"),
        ];
        send(&wire, "OPTIONS", &path, &headers)
            .await?
            .refused(403, "AUTH_ORIGIN")?;

        // A name of somebody else that was made to point here would make their page our own.
        get(&wire, &path, &[("host", "evil.example")])
            .await?
            .refused(403, "AUTH_ORIGIN")?;
        ensure!(
            stage.sessions().await?.len() == 1,
            "no foreign page made a session"
        );
        Ok(())
    };
    let spec = StageSpec::without_model()?.config("[server]\nallowed_origins = [\"https://app.example\"]\n");
    spec.play(scene).await
}

#[tokio::test]
async fn a_session_is_its_owners_and_does_not_exist_for_others() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let alice = stage.client()?.with_user_key("alice-0001");
        let session = ready_session(&alice).await?;
        let run = alice.generate(session, false, None).await?.run_id;
        let wire = Wire::to(stage)?;
        let mut strangers = vec![vec![("x-user-key", "bob-0001")], vec![]];
        for stranger in &mut strangers {
            let path = format!("/api/chat/session/{session}");
            let events = format!("{path}/events");
            for path in [&path, &events] {
                get(&wire, path, stranger)
                    .await?
                    .refused(404, "SESSION_NOT_FOUND")?;
            }
            stranger.push(("accept", "application/json"));
            get(&wire, &events, stranger)
                .await?
                .refused(404, "SESSION_NOT_FOUND")?;
            get(&wire, &format!("/api/runs/{run}"), stranger)
                .await?
                .refused(404, "RUN_NOT_FOUND")?;
            get(&wire, &format!("/api/runs?session_id={session}"), stranger)
                .await?
                .refused(404, "SESSION_NOT_FOUND")?;
            for method in ["cancel", "retry"] {
                let refused = send(&wire, "POST", &format!("/api/runs/{run}/{method}"), stranger).await?;
                refused.refused(404, "RUN_NOT_FOUND")?;
            }
            let post = async |path: String, body: Value| -> Result<()> {
                let mut request = wire.request("POST", &path)?.json(&body);
                for (name, value) in &*stranger {
                    request = request.header(*name, *value);
                }
                answer(request).await?.refused(404, "SESSION_NOT_FOUND").map(drop)
            };
            post(format!("{path}/message"), json!({ "message": "hello" })).await?;
            post(format!("/api/runs/{session}/generate"), json!({})).await?;
            post(format!("/api/runs/{session}/generate/async"), json!({})).await?;
        }
        for headers in [
            vec![("x-user-key", "bob-0001")],
            vec![("sec-websocket-protocol", "greenroom.v1, user.bob-0001")],
        ] {
            match RawSocket::open(stage, session, "", &headers).await? {
                Ok(mut socket) => ensure!(socket.closed().await? == 4004),
                Err(answer) => drop(answer.refused(404, "SESSION_NOT_FOUND")?),
            }
        }
        for headers in [
            vec![("x-user-key", "alice-0001")],
            vec![("sec-websocket-protocol", "greenroom.v1, user.alice-0001")],
        ] {
            let opened = RawSocket::open(stage, session, "", &headers).await?;
            let mut socket = opened.map_err(|answer| anyhow::anyhow!("{}", answer.text()))?;
            ensure!(
                socket.next().await?["session_id"] == session.to_string(),
                "its owner comes in"
            );
        }
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn a_list_shows_ones_own_sessions_only() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let alice = stage.client()?.with_user_key("alice-0001");
        let bob = stage.client()?.with_user_key("bob-0001");
        let nobody = stage.client()?;
        let first = new_session(&alice).await?;
        let second = ready_session(&alice).await?;
        let bobs = new_session(&bob).await?;
        let open = new_session(&nobody).await?;
        ensure!(
            bob.session(open).await?.session_id == open,
            "who knows its id may use a session without an owner"
        );

        let wire = Wire::to(stage)?;
        let list = async |user: Option<&str>, query: &str| -> Result<(Vec<String>, Value)> {
            let headers: Vec<_> = user.map(|user| ("x-user-key", user)).into_iter().collect();
            let page = get(&wire, &format!("/api/chat/sessions{query}"), &headers)
                .await?
                .ok()?;
            let items = page["items"].as_array().context("a list has items")?;
            let ids = items
                .iter()
                .map(|item| item["session_id"].as_str().unwrap_or_default().to_owned());
            Ok((ids.collect(), page["total"].clone()))
        };
        let (first, second) = (first.to_string(), second.to_string());
        let alices = Some("alice-0001");
        ensure!(
            list(alices, "").await? == (vec![second.clone(), first.clone()], json!(2)),
            "newest change first"
        );
        ensure!(list(Some("bob-0001"), "").await? == (vec![bobs.to_string()], json!(1)));
        ensure!(list(Some("carol"), "").await?.1 == 0 && list(None, "").await?.1 == 0);
        ensure!(list(alices, "?limit=1&offset=1").await? == (vec![first.clone()], json!(2)));
        ensure!(list(alices, "?state=BRIEF_READY").await?.0 == [second.clone()]);
        ensure!(list(alices, "?state=CHAT_COLLECTING").await?.0 == [first]);
        ensure!(
            list(alices, "?q=%EB%9F%B0%EC%B9%98").await?.0 == [second],
            "by its title"
        );
        ensure!(
            list(alices, "?q=%25").await?.1 == 0,
            "a wildcard is a letter like any other"
        );
        get(&wire, "/api/chat/sessions?limit=x", &[])
            .await?
            .refused(422, "INPUT_INVALID")?;
        for key in ["", "two words", &"k".repeat(257)] {
            get(&wire, "/api/chat/sessions", &[("x-user-key", key)])
                .await?
                .refused(422, "INPUT_INVALID")?;
        }
        Ok(())
    };
    StageSpec::without_model()?.play(scene).await
}

#[tokio::test]
async fn with_a_token_nobody_comes_in_without_it() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let friend = stage.client()?.with_token(TOKEN);
        let session = new_session(&friend).await?;
        let wire = Wire::to(stage)?;
        let path = format!("/api/chat/session/{session}");
        let bearer = format!("Bearer {TOKEN}");
        let wrong = format!("Bearer {TOKEN}x");
        for headers in [
            vec![],
            vec![("authorization", wrong.as_str())],
            vec![("authorization", TOKEN)],
        ] {
            for path in [
                &path,
                "/openapi.json",
                "/metrics",
                "/health/detailed",
                "/no/such/path",
            ] {
                let refused = get(&wire, path, &headers).await?;
                refused
                    .refused(401, "AUTH_REQUIRED")
                    .with_context(|| format!("{path} {headers:?}"))?;
                ensure!(
                    refused.header("www-authenticate") == "Bearer",
                    "{:?}",
                    refused.headers
                );
            }
            let opened = RawSocket::open(stage, session, "", &headers).await?;
            opened
                .err()
                .context("no socket without the token")?
                .refused(401, "AUTH_REQUIRED")?;
        }
        for path in ["/health", "/ready", "/"] {
            ensure!(get(&wire, path, &[]).await?.status == 200, "{path} is open");
        }
        get(&wire, &path, &[("authorization", &bearer)]).await?.ok()?;
        for (headers, chosen) in [
            (vec![("authorization", bearer.clone())], None),
            (
                vec![("sec-websocket-protocol", format!("greenroom.v1, token.{TOKEN}"))],
                Some("greenroom.v1"),
            ),
            (
                vec![(
                    "sec-websocket-protocol",
                    format!("token.{TOKEN}, user.u, greenroom.v1"),
                )],
                Some("greenroom.v1"),
            ),
        ] {
            let headers: Vec<_> = headers
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            let opened = RawSocket::open(stage, session, "", &headers).await?;
            let mut socket = opened.map_err(|answer| anyhow::anyhow!("{headers:?}: {}", answer.text()))?;
            ensure!(
                socket.subprotocol.as_deref() == chosen,
                "the token is never echoed: {:?}",
                socket.subprotocol
            );
            ensure!(socket.next().await?["type"] == "session.snapshot");
        }
        for offered in [
            "greenroom.v1",
            "greenroom.v1, token.wrong",
            "greenroom.v1, token.",
        ] {
            let opened = RawSocket::open(stage, session, "", &[("sec-websocket-protocol", offered)]).await?;
            opened
                .err()
                .with_context(|| offered.to_owned())?
                .refused(401, "AUTH_REQUIRED")?;
        }
        Ok(())
    };
    StageSpec::without_model()?
        .env("GREENROOM_SERVER__TOKEN", TOKEN)
        .play(scene)
        .await
}

#[tokio::test]
async fn what_is_no_route_is_an_error_of_the_same_form() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let wire = Wire::to(stage)?;
        for path in [
            "/nothing",
            "/api",
            "/api/chat/session/",
            "/api/chat/session/x/y",
            "//",
            "/%00",
            "/static/assets/x",
        ] {
            get(&wire, path, &[])
                .await?
                .refused(404, "INPUT_INVALID")
                .with_context(|| path.to_owned())?;
        }
        for (method, path) in [
            ("PUT", "/api/chat/session"),
            ("GET", "/api/chat/session"),
            ("POST", "/health"),
            ("BREW", "/health"),
        ] {
            let refused = send(&wire, method, path, &[]).await?;
            refused
                .refused(405, "INPUT_INVALID")
                .with_context(|| format!("{method} {path}"))?;
        }
        let client = stage.client()?;
        let session = new_session(&client).await?;
        let path = format!("/api/chat/session/{session}");
        send(&wire, "DELETE", &path, &[])
            .await?
            .refused(405, "INPUT_INVALID")?;
        ensure!(
            client.session(session).await?.session_id == session,
            "what is not taken deletes nothing"
        );
        let plain = get(&wire, &format!("/api/chat/session/{session}/ws"), &[]).await?;
        ensure!(
            (400..500).contains(&plain.status),
            "a plain GET of the socket: {}",
            plain.status
        );
        plain.refused(plain.status, "INPUT_INVALID")?;
        Ok(())
    };
    StageSpec::without_model()?.play(scene).await
}

#[tokio::test]
async fn errors_speak_the_clients_language_and_a_sessions_own_the_sessions() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let wire = Wire::to(stage)?;
        let ko = "대화를 찾을 수 없습니다.";
        let en = "There is no such session.";
        let path = "/api/chat/session/sess_00000000000000000000000001";
        for (language, expected) in [
            (None, ko),
            (Some("ko"), ko),
            (Some("ko-KR,ko;q=0.9,en;q=0.8"), ko),
            (Some("en"), en),
            (Some("en-GB"), en),
            (Some("fr-CH, de;q=0.9, en-US;q=0.8, ko;q=0.5"), en),
            (Some("xx"), ko),
            (Some(";;,,"), ko),
        ] {
            let headers: Vec<_> = language
                .map(|language| ("accept-language", language))
                .into_iter()
                .collect();
            let error = get(&wire, path, &headers)
                .await?
                .refused(404, "SESSION_NOT_FOUND")?;
            ensure!(error.message == expected, "{language:?}: {error:?}");
        }
        let create = async |body: Value, language: &str| -> Result<Value> {
            let request = wire
                .request("POST", "/api/chat/session")?
                .json(&body)
                .header("accept-language", language);
            answer(request).await?.ok()
        };
        let created = create(json!({}), "en-US,en;q=0.9").await?;
        ensure!(
            created["locale"] == "en",
            "a session begins in the client's language: {created}"
        );
        let created = create(json!({ "locale": "ko" }), "en").await?;
        ensure!(
            created["locale"] == "ko" && created["mode"] == "standard",
            "unless it says otherwise: {created}"
        );
        let session = created["session_id"].as_str().context("an id")?;
        let request = wire
            .request("POST", &format!("/api/runs/{session}/generate"))?
            .header("accept-language", "en");
        let error = answer(request).await?.refused(409, "GATE_NOT_READY")?;
        ensure!(
            error.message.starts_with("아직 시작할 수 없습니다"),
            "in the session's language: {error:?}"
        );

        for body in [
            json!({ "locale": "fr" }),
            json!({ "mode": "slow" }),
            json!({ "playbook": "nonsense" }),
            json!([]),
        ] {
            wire.post("/api/chat/session", &body)
                .await?
                .refused(422, "INPUT_INVALID")
                .with_context(|| body.to_string())?;
        }
        Ok(())
    };
    StageSpec::without_model()?.play(scene).await
}

#[tokio::test]
async fn every_answer_carries_its_request_id_and_the_security_headers() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let session = new_session(&stage.client()?).await?;
        let wire = Wire::to(stage)?;
        let missing = "/api/chat/session/sess_00000000000000000000000001".to_owned();
        let paths = [
            "/",
            "/app.js",
            "/docs",
            "/openapi.json",
            "/health",
            "/metrics",
            "/nothing",
        ]
        .map(str::to_owned);
        for path in paths
            .into_iter()
            .chain([missing, format!("/api/chat/session/{session}")])
        {
            let answer = get(&wire, &path, &[("x-request-id", "my-request.7")]).await?;
            ensure!(
                answer.header("x-request-id") == "my-request.7",
                "{path}: {:?}",
                answer.headers
            );
            let policy = answer.header("content-security-policy");
            ensure!(
                policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
                "{path}"
            );
            ensure!(!policy.contains("unsafe"), "{path}: {policy}");
            for (name, value) in [
                ("x-content-type-options", "nosniff"),
                ("x-frame-options", "DENY"),
                ("referrer-policy", "no-referrer"),
                ("cross-origin-opener-policy", "same-origin"),
            ] {
                ensure!(
                    answer.header(name) == value,
                    "{path}: {name}: {}",
                    answer.header(name)
                );
            }
            ensure!(
                ["no-store", "no-cache"].contains(&answer.header("cache-control")),
                "{path}: {:?}",
                answer.headers
            );
            ensure!(answer.header("server").is_empty(), "{path}: {:?}", answer.headers);
        }
        let mut ids = Vec::new();
        for insane in ["", "two words", "ünïcode", &"x".repeat(129)] {
            let id = get(&wire, "/health", &[("x-request-id", insane)])
                .await?
                .header("x-request-id")
                .to_owned();
            ensure!(
                id.len() == 26 && id != insane && !ids.contains(&id),
                "a fresh one for `{insane}`: {id}"
            );
            ids.push(id);
        }
        let zipped = get(&wire, "/openapi.json", &[("accept-encoding", "gzip")]).await?;
        ensure!(zipped.header("content-encoding") == "gzip" && zipped.body.starts_with(&[0x1f, 0x8b]));
        let stream = wire.request("GET", &format!("/api/chat/session/{session}/events"))?;
        let stream = stream.header("accept-encoding", "gzip").send().await?;
        ensure!(
            stream.headers().get("content-encoding").is_none(),
            "a stream is not held back to be compressed"
        );
        ensure!(stream.headers().get("x-content-type-options").is_some());
        Ok(())
    };
    StageSpec::without_model()?.play(scene).await
}

#[tokio::test]
async fn who_asks_too_much_is_told_when_to_come_back_and_others_are_not() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let wire = Wire::to(stage)?;
        let path = "/api/chat/sessions";
        let mut limited = None;
        for _ in 0..40 {
            let answer = get(&wire, path, &[("x-user-key", "greedy-01")]).await?;
            if answer.status != 200 {
                limited = Some(answer);
                break;
            }
        }
        let limited = limited.context("a limit of 60 a minute is felt within 40 requests at once")?;
        let error = limited.refused(429, "SYS_RATE_LIMIT")?;
        let seconds = error.retry_after.context("it says when to come back")?;
        ensure!(error.retryable && (1..=60).contains(&seconds), "{error:?}");
        ensure!(
            limited.header("retry-after") == seconds.to_string(),
            "{:?}",
            limited.headers
        );
        get(&wire, path, &[("x-user-key", "modest-01")]).await?.ok()?;
        for path in ["/health", "/ready", "/metrics"] {
            for _ in 0..20 {
                let status = get(&wire, path, &[("x-user-key", "greedy-01")]).await?.status;
                ensure!(status == 200, "{path} is counted against no rate: {status}");
            }
        }
        Ok(())
    };
    StageSpec::without_model()?
        .config("[limits]\nrequests_per_minute = 60\n")
        .play(scene)
        .await
}

#[tokio::test]
async fn beyond_the_limit_of_connections_newcomers_are_turned_away_at_once() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        // This request's own connection is kept open for the next one, so it is one of the four.
        let session = new_session(&stage.client()?).await?;
        let mut sockets = Vec::new();
        let turned_away = loop {
            match RawSocket::open(stage, session, "", &[]).await {
                Ok(Ok(socket)) => sockets.push(socket),
                Ok(Err(answer)) => anyhow::bail!("it costs an answer: {}", answer.text()),
                Err(error) => break error,
            }
            ensure!(sockets.len() <= 4, "more come in than may");
        };
        ensure!(!sockets.is_empty(), "{turned_away}");
        for socket in &mut sockets {
            socket.answers().await.context("who is in is served")?;
        }
        Ok(())
    };
    StageSpec::without_model()?
        .config("[limits]\nconnections = 4\n")
        .play(scene)
        .await
}
