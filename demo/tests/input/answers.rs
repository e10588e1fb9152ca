//! What every answer has: one form for errors, a language, a request id, the security headers.

use anyhow::{Context as _, Result, ensure};
use greenroom_demo::session_play::{Stage, StageSpec};
use greenroom_protocol::SessionId;
use loadtest::client::{Client, CreateSession};
use serde_json::{Value, json};

use crate::wire::{Wire, answer, get, send};

async fn new_session(client: &Client) -> Result<SessionId> {
    Ok(client
        .create_session(&CreateSession::default())
        .await?
        .session
        .session_id)
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
        for (method, path) in [("PUT", path.clone()), ("DELETE", format!("{path}/message"))] {
            let refused = send(&wire, method, &path, &[]).await?;
            refused
                .refused(405, "INPUT_INVALID")
                .with_context(|| format!("{method} {path}"))?;
        }
        ensure!(
            client.session(session).await?.session_id == session,
            "what is not taken changes and deletes nothing"
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
            "/web/app/main.js",
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
        Ok(())
    };
    StageSpec::without_model()?.play(scene).await
}

#[tokio::test]
async fn a_request_id_that_is_none_is_replaced() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let wire = Wire::to(stage)?;
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
        Ok(())
    };
    StageSpec::without_model()?.play(scene).await
}

#[tokio::test]
async fn documents_are_compressed_and_streams_are_not() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let session = new_session(&stage.client()?).await?;
        let wire = Wire::to(stage)?;
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
