//! The door: who comes in from which page, with which token, as whom, and how often.

use anyhow::{Context as _, Result, ensure};
use greenroom_demo::session_play::{Stage, StageSpec, ready_session};
use greenroom_protocol::SessionId;
use loadtest::client::{Client, CreateSession};
use serde_json::{Value, json};

use crate::wire::{RawSocket, Wire, answer, get, send};

const TOKEN: &str = "t0ken-that-only-friends-know";

async fn new_session(client: &Client) -> Result<SessionId> {
    Ok(client
        .create_session(&CreateSession::default())
        .await?
        .session
        .session_id)
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
    StageSpec::without_model()?.play(scene).await
}

#[tokio::test]
async fn a_page_that_is_allowed_uses_the_server_from_elsewhere() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let session = new_session(&stage.client()?).await?;
        let wire = Wire::to(stage)?;
        let path = format!("/api/chat/session/{session}");
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
        ensure!(list(alices, "?state=BRIEF_READY").await?.0 == std::slice::from_ref(&second));
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
        Ok(())
    };
    StageSpec::without_model()?
        .env("GREENROOM_SERVER__TOKEN", TOKEN)
        .play(scene)
        .await
}

#[tokio::test]
async fn the_token_comes_as_a_header_or_as_a_subprotocol_that_is_not_echoed() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let session = new_session(&stage.client()?.with_token(TOKEN)).await?;
        let wire = Wire::to(stage)?;
        let path = format!("/api/chat/session/{session}");
        let bearer = format!("Bearer {TOKEN}");
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
