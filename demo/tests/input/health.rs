//! What the server says of itself: health, metrics, its description, and what it never says in its log.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use greenroom_demo::session_play::{Stage, StageSpec, ready_session};
use greenroom_protocol::ClientMessage;
use loadtest::client::{CreateSession, SocketOptions};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::wire::{RawSocket, Wire, answer};

#[tokio::test]
async fn without_a_model_health_says_so_and_how_everything_else_fares() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let wire = Wire::to(stage)?;
        ensure!(wire.get("/health").await?.ok()? == json!({ "status": "ok" }));
        ensure!(wire.get("/ready").await?.status == 200);
        let detailed = wire.get("/health/detailed").await?.ok()?;
        ensure!(
            detailed["llm"] == "not_configured" && detailed["search"] == "not_configured",
            "{detailed}"
        );
        ensure!(
            detailed["journal"] == "ok" && detailed["dependencies"]["journal"]["writable"] == true,
            "{detailed}"
        );
        ensure!(
            detailed["version"]
                .as_str()
                .is_some_and(|version| version.split('.').count() == 3),
            "{detailed}"
        );
        ensure!(
            detailed["time"].as_str().is_some_and(|time| time.ends_with('Z')),
            "{detailed}"
        );
        let log = std::fs::read_to_string(stage.world.server_log())?;
        for part in [
            "llm         not configured",
            "works: ",
            "does not: ",
            "OPENAI_API_KEY",
        ] {
            ensure!(log.contains(part), "at its start it says `{part}`:\n{log}");
        }
        Ok(())
    };
    StageSpec::without_model()?.play(scene).await
}

#[tokio::test]
async fn with_a_model_health_names_it_and_says_that_it_is_simulated() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let session = ready_session(&stage.client()?).await?;
        stage.client()?.generate(session, false, None).await?;
        let detailed = Wire::to(stage)?.get("/health/detailed").await?.ok()?;
        ensure!(
            detailed["status"] == "ok" && detailed["llm"] == "ok" && detailed["search"] == "ok",
            "{detailed}"
        );
        let provider = &detailed["dependencies"]["llm"]["provider"];
        ensure!(
            provider["model"] == "sim-large" && provider["small_model"] == "sim-small",
            "{provider}"
        );
        ensure!(provider["simulated"] == true, "{provider}");
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

/// The samples of Prometheus's text format by name, with the sum over their labels; fails on what is none.
fn parse_metrics(text: &str) -> Result<BTreeMap<String, f64>> {
    let mut samples = BTreeMap::new();
    for line in text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let (series, value) = line.rsplit_once(' ').with_context(|| line.to_owned())?;
        let name = series.split('{').next().unwrap_or_default();
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        ensure!(!name.is_empty() && name.chars().all(is_name), "{line}");
        ensure!(series.len() == name.len() || series.ends_with('}'), "{line}");
        let value: f64 = value.parse().with_context(|| line.to_owned())?;
        *samples.entry(name.to_owned()).or_default() += value;
    }
    Ok(samples)
}

#[tokio::test]
async fn metrics_can_be_scraped_and_tell_of_turns_stages_and_appends() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        client.generate(session, false, None).await?;
        let mut socket = RawSocket::enter(stage, session).await?;
        socket.send_text("nonsense").await?;
        socket.signal("rejected").await?;
        let scraped = Wire::to(stage)?.get("/metrics").await?;
        ensure!(
            scraped.header("content-type").starts_with("text/plain"),
            "{:?}",
            scraped.headers
        );
        let text = scraped.text();
        let samples = parse_metrics(&text)?;
        for histogram in [
            "greenroom_http_request_duration_seconds",
            "greenroom_turn_seconds",
            "greenroom_turn_segment_seconds",
            "greenroom_stage_seconds",
            "greenroom_append_seconds",
            "greenroom_journal_append_seconds",
            "greenroom_journal_batch_events",
        ] {
            ensure!(
                text.contains(&format!("# TYPE {histogram} histogram")),
                "{histogram} is a histogram"
            );
            let count = samples
                .get(&format!("{histogram}_count"))
                .copied()
                .unwrap_or_default();
            ensure!(count >= 1.0, "{histogram} has counted something");
            for part in ["bucket", "sum"] {
                ensure!(
                    samples.contains_key(&format!("{histogram}_{part}")),
                    "{histogram}_{part}"
                );
            }
        }
        for name in [
            "greenroom_http_requests_total",
            "greenroom_socket_rejects_total",
            "greenroom_sessions_live",
        ] {
            ensure!(
                samples.get(name).is_some_and(|value| *value >= 1.0),
                "{name}: {:?}",
                samples.get(name)
            );
        }
        ensure!(
            samples["greenroom_stage_seconds_count"].to_string() == "4",
            "one for each stage"
        );
        for gauge in ["greenroom_journal_writable", "greenroom_sockets"] {
            ensure!(samples[gauge].to_string() == "1", "{gauge}: {}", samples[gauge]);
        }
        // Labels stay few, whatever is asked for.
        for number in 0..50 {
            Wire::to(stage)?.get(&format!("/made/up/{number}")).await?;
        }
        let after = Wire::to(stage)?.get("/metrics").await?.text();
        ensure!(
            !after.contains("made") && !after.contains(&session.to_string()),
            "paths and ids are no labels"
        );
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

/// The contract's calls of this release.
const CALLS: [(&str, &str); 21] = [
    ("post", "/api/chat/session"),
    ("get", "/api/chat/session/{session_id}"),
    ("get", "/api/chat/sessions"),
    ("post", "/api/chat/session/{session_id}/message"),
    ("post", "/api/chat/session/{session_id}/message/stream"),
    ("patch", "/api/chat/session/{session_id}/slots"),
    ("get", "/api/chat/session/{session_id}/events"),
    ("get", "/api/chat/session/{session_id}/ws"),
    ("post", "/api/runs/{session_id}/generate"),
    ("post", "/api/runs/{session_id}/generate/async"),
    ("get", "/api/runs/{run_id}"),
    ("get", "/api/runs"),
    ("post", "/api/runs/{run_id}/cancel"),
    ("post", "/api/runs/{run_id}/retry"),
    ("get", "/api/jobs/{job_id}"),
    ("get", "/api/jobs"),
    ("get", "/health"),
    ("get", "/ready"),
    ("get", "/health/detailed"),
    ("get", "/metrics"),
    ("get", "/openapi.json"),
];

#[tokio::test]
async fn the_description_is_openapi_3_1_and_true() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let wire = Wire::to(stage)?;
        let description = wire.get("/openapi.json").await?.ok()?;
        ensure!(
            description["openapi"]
                .as_str()
                .is_some_and(|version| version.starts_with("3.1.")),
            "{description}"
        );
        for (method, path) in CALLS {
            ensure!(
                description["paths"][path][method].is_object(),
                "{method} {path} is not described"
            );
        }
        let mut operation_ids = BTreeSet::new();
        for (path, item) in description["paths"].as_object().context("paths")? {
            for (method, operation) in item.as_object().context("a path item")? {
                if !["get", "post", "put", "patch", "delete"].contains(&method.as_str()) {
                    continue;
                }
                let id = operation["operationId"]
                    .as_str()
                    .with_context(|| format!("{method} {path}"))?;
                ensure!(
                    operation_ids.insert(id.to_owned()),
                    "{id} stands for two operations"
                );
                let path = path.replace(['{', '}'], "");
                let answered = answer(wire.request(&method.to_uppercase(), &path)?).await?;
                ensure!(
                    answered.status != 405 && !answered.text().contains("there is no such path"),
                    "{method} {path}"
                );
                ensure!(answered.status < 500, "{method} {path}: {}", answered.text());
            }
        }
        for reference in references(&description) {
            let target = description.pointer(reference.trim_start_matches('#'));
            ensure!(target.is_some(), "{reference} leads nowhere");
        }
        for (path, title) in [("/docs", "Greenroom API"), ("/", "Greenroom")] {
            let page = wire.get(path).await?;
            ensure!(
                page.status == 200 && page.header("content-type").starts_with("text/html"),
                "{path}"
            );
            ensure!(page.text().contains(title), "{path}");
        }
        Ok(())
    };
    StageSpec::without_model()?.play(scene).await
}

fn references(document: &Value) -> Vec<&str> {
    match document {
        Value::Object(fields) => {
            let own = fields.get("$ref").and_then(Value::as_str);
            own.into_iter()
                .chain(fields.values().flat_map(references))
                .collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// What nobody but the server and its clients may know; each stands nowhere else.
const SPOKEN: &str = "보랏빛고래가춤춘다";
const USER_KEY: &str = "user-key-4711-of-a-person";
const TOKEN: &str = "token-0815-of-the-server";
const API_KEY: &str = "sk-greenroom-secret-2342";

#[tokio::test]
async fn the_log_tells_what_happened_and_never_what_was_said_or_any_key() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?.with_user_key(USER_KEY).with_token(TOKEN);
        let session = client
            .create_session(&CreateSession::default())
            .await?
            .session
            .session_id;
        client
            .message(session, &format!("제품명은 {SPOKEN}"), Some(SPOKEN_KEY))
            .await?;
        client
            .message(session, greenroom_demo::session_play::BRIEF, None)
            .await?;
        let mut socket = client.connect(session, SocketOptions::default()).await?;
        let edit = ClientMessage::SlotSet {
            path: "product.category".parse()?,
            value: json!(SPOKEN),
        };
        socket.send(&edit, Some("edit")).await?;
        socket
            .send_text(format!("{{\"type\":\"{SPOKEN}\",\"id\":\"n\"}}"))
            .await?;
        socket.send_text(format!("{SPOKEN} is no JSON")).await?;
        client.generate(session, false, None).await?;
        refused_requests(stage, &session.to_string()).await?;
        let journal = stage.journal(session).await?;
        ensure!(
            journal.iter().any(|event| event.data.contains(SPOKEN)),
            "it was said"
        );

        let log = std::fs::read_to_string(stage.world.server_log())?;
        ensure!(
            log.contains(&session.to_string()) && log.contains("request_id"),
            "the log speaks of the session"
        );
        for secret in [SPOKEN, USER_KEY, TOKEN, API_KEY, "트러블 진정", "런치부스터"] {
            let line = log.lines().find(|line| line.contains(secret));
            ensure!(line.is_none(), "`{secret}` stands in the log: {line:?}");
        }
        ensure!(log.contains("user-key…"), "a user's key is masked");
        for event in journal {
            for secret in [USER_KEY, TOKEN, API_KEY] {
                ensure!(
                    !event.data.contains(secret),
                    "`{secret}` stands in an event: {event:?}"
                );
            }
        }
        Ok(())
    };
    let spec = StageSpec::new()?
        .env("GREENROOM_SERVER__TOKEN", TOKEN)
        .env("OPENAI_API_KEY", API_KEY)
        .env("RUST_LOG", "debug,greenroom=trace");
    spec.play(scene).await
}

/// An idempotency key, which clients may derive from what was said.
const SPOKEN_KEY: &str = "idempotency-of-the-purple-whale";

/// Requests that are refused, with secrets in all places where they do not belong.
async fn refused_requests(stage: &Stage, session: &str) -> Result<()> {
    let wire = Wire::to(stage)?;
    let authorization = format!("Bearer {TOKEN}");
    let path = format!("/api/chat/session/{session}/message");
    for body in [
        format!("{{\"message\":\"{SPOKEN}"),
        format!("{{\"message\":[\"{SPOKEN}\"]}}"),
        json!({ "message": SPOKEN.repeat(400) }).to_string(),
    ] {
        let request = wire
            .request("POST", &path)?
            .header("authorization", &authorization)
            .body(body);
        let refused = answer(
            request
                .header("content-type", "application/json")
                .header("x-user-key", USER_KEY),
        )
        .await?;
        ensure!(refused.status == 422, "{}", refused.text());
    }
    for path in [
        format!("/api/{SPOKEN}"),
        format!("/api/chat/sessions?q={SPOKEN}&token={TOKEN}"),
    ] {
        answer(
            wire.request("GET", &path)?
                .header("authorization", &authorization),
        )
        .await?;
    }
    answer(
        wire.request("GET", "/metrics")?
            .header("authorization", format!("Bearer {API_KEY}")),
    )
    .await?;
    let offered = format!("greenroom.v1, token.{TOKEN}, user.{USER_KEY}");
    let opened = RawSocket::open(stage, session, "", &[("sec-websocket-protocol", &offered)]).await?;
    let mut socket = opened.map_err(|answer| anyhow::anyhow!("{}", answer.text()))?;
    socket.send(Message::binary(SPOKEN.as_bytes().to_vec())).await?;
    socket.signal("rejected").await?;
    Ok(())
}
