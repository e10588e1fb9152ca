//! A server that drains: who is there is told when to come back, each at another time; nothing is lost, however short the
//! patience of whoever stops it.

use std::collections::BTreeSet;

use anyhow::{Context as _, ensure};
use greenroom_demo::session_play::{Stage, StageSpec, ready_session, until_signal};
use greenroom_protocol::{ClientMessage, ErrorBody, ErrorCode, Event, Millis, Signal, TurnOutcome};
use loadtest::client::{Client, ClientError, CreateSession, Incoming, SocketOptions};
use loadtest::provider::Fault;
use reqwest::Method;
use serde_json::{Value, json};

use crate::rules;
use crate::sightings::Log;
use crate::viewer::Viewer;

/// When a few clients are to come back, in milliseconds.
const COME_BACK_MS: std::ops::RangeInclusive<u64> = 500..=1_500;

fn question() -> ClientMessage {
    ClientMessage::UserMessage {
        text: "이건 누구에게 어울릴까요?".to_owned(),
    }
}

async fn until_draining(viewer: &mut Viewer) -> anyhow::Result<Millis> {
    let after = |signal: &Signal| match signal {
        Signal::ServerDraining { reconnect_after_ms } => Some(*reconnect_after_ms),
        _ => None,
    };
    viewer.until_signal("the warning", after).await
}

fn is_told_when_to_return(error: &ErrorBody) -> bool {
    let after_s = error.retry_after.unwrap_or_default();
    error.code == ErrorCode::SysDraining && error.retryable && (1..=2).contains(&after_s)
}

#[tokio::test]
async fn an_operator_who_drains_the_server_is_answered_before_it_ends() -> anyhow::Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        let mut viewer = Viewer::open(&client, session).await?;
        let slow = Fault::Slow {
            first_token_ms: 2_000,
        };
        rules::set(stage, &[rules::once("planner", slow)]).await?;
        let turn = viewer
            .command(question(), "question")
            .await?
            .turn_id
            .context("a turn")?;

        let because = json!({ "reason": "a new release" });
        let (status, first): (u16, Value) = stage
            .world
            .operate(Method::POST, "/drain", Some(&because))
            .await?;
        ensure!(
            status == 202 && first["status"] == "draining" && first["asked_before"] == false,
            "{first}"
        );
        let Millis(after_ms) = until_draining(&mut viewer).await?;
        ensure!(COME_BACK_MS.contains(&after_ms), "{after_ms}");
        let (status, second): (u16, Value) = stage.world.operate(Method::POST, "/drain", None).await?;
        ensure!(status == 202 && second["asked_before"] == true, "{second}");
        let late = client.create_session(&CreateSession::default()).await;
        let Err(ClientError::Refused { status: 503, error }) = late else {
            anyhow::bail!("no new session is taken: {late:?}")
        };
        ensure!(is_told_when_to_return(&error), "{error:?}");
        let late = viewer
            .ask(question(), "late")
            .await?
            .err()
            .context("no new turn is taken")?;
        ensure!(is_told_when_to_return(&late), "{late:?}");
        let (_, audit): (u16, Value) = stage.admin("/audit").await?;
        let entries = audit["items"].as_array().context("entries")?;
        ensure!(
            entries.len() == 1 && entries[0]["action"] == "drain" && entries[0]["reason"] == "a new release",
            "who asks again is not who drained it: {audit}"
        );
        ensure!(viewer.until_turn_ends(turn).await? == TurnOutcome::Ok);
        ensure!(viewer.drain().await? == Some(1012));
        ensure!(stage.world.server.end().await?.success(), "it ended well");
        stage.world.restart_server().await?;
        viewer.resume().await
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn an_idle_server_answers_the_operator_who_drains_it_too() -> anyhow::Result<()> {
    let scene = async |stage: &mut Stage| {
        let (status, answer): (u16, Value) = stage.world.operate(Method::POST, "/drain", None).await?;
        ensure!(status == 202 && answer["sessions_live"] == 0, "{answer}");
        ensure!(stage.world.server.end().await?.success(), "it ended well");
        stage.world.restart_server().await
    };
    StageSpec::without_model()?.play(scene).await
}

#[tokio::test]
async fn whoever_asks_twice_does_not_wait_and_loses_nothing() -> anyhow::Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        let mut viewer = Viewer::open(&client, session).await?;
        rules::set(stage, &[rules::once("planner", rules::hang_after(30))]).await?;
        let turn = viewer
            .command(question(), "question")
            .await?
            .turn_id
            .context("a turn")?;
        // The provider has the call, and hangs; the next one will not.
        viewer
            .until("the first words", |event| match event {
                Event::PlannerDelta(delta) if delta.turn_id == turn => Some(()),
                _ => None,
            })
            .await?;
        stage.world.server.ask_to_end()?;
        until_draining(&mut viewer).await?;
        stage.world.server.ask_to_end()?;
        ensure!(
            stage.world.server.end().await?.success(),
            "it ended well, long before the hour"
        );
        viewer.drain().await?;
        let log = std::fs::read_to_string(stage.world.server_log())?;
        ensure!(log.contains("stopped at once"), "{log}");

        stage.world.restart_server().await?;
        viewer.resume().await?;
        ensure!(
            viewer.until_turn_ends(turn).await? == TurnOutcome::Ok,
            "it is taken up again"
        );
        let log = Log::of(stage, session).await?;
        ensure!(log.turns().len() == 2, "{:?}", log.turns());
        ensure!(log.errors().is_empty(), "{:?}", log.errors());
        Ok(())
    };
    StageSpec::new()?
        .config("[server]\ndrain_seconds = 3600\n")
        .play(scene)
        .await
}

async fn told_on_socket(client: Client) -> anyhow::Result<u64> {
    let session = client
        .create_session(&CreateSession::default())
        .await?
        .session
        .session_id;
    let mut socket = client.connect(session, SocketOptions::default()).await?;
    let after = |signal: &Signal| match signal {
        Signal::ServerDraining { reconnect_after_ms } => Some(reconnect_after_ms.0),
        _ => None,
    };
    let told = until_signal(&mut socket, after).await?;
    while !matches!(socket.next().await?, Incoming::Closed { .. }) {}
    Ok(told)
}

#[tokio::test]
async fn clients_are_told_to_come_back_each_at_another_time() -> anyhow::Result<()> {
    const SOCKETS: usize = 40;
    let scene = async |stage: &mut Stage| {
        let mut sockets = tokio::task::JoinSet::new();
        for _ in 0..SOCKETS {
            sockets.spawn(told_on_socket(stage.client()?));
        }
        loop {
            let health = stage.client()?.get("/health/detailed").await?;
            let (_, top): (u16, Value) = stage.admin("/top?window_ms=1&limit=100").await?;
            let rows = top["items"].as_array().context("rows")?;
            let listening = rows.iter().filter(|row| row["connections"] == 1).count();
            if listening == SOCKETS {
                break;
            }
            ensure!(health["status"] != "draining");
        }
        ensure!(stage.world.server.terminate().await?.success());
        let told: Vec<u64> = sockets
            .join_all()
            .await
            .into_iter()
            .collect::<anyhow::Result<_>>()?;
        ensure!(told.iter().all(|after| COME_BACK_MS.contains(after)), "{told:?}");
        let different: BTreeSet<_> = told.iter().collect();
        ensure!(different.len() > SOCKETS / 2, "they are spread: {told:?}");
        stage.world.restart_server().await
    };
    StageSpec::without_model()?.play(scene).await
}

#[tokio::test]
async fn a_stream_of_events_ends_with_when_to_come_back() -> anyhow::Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = client
            .create_session(&CreateSession::default())
            .await?
            .session
            .session_id;
        let url = format!("{}/api/chat/session/{session}/events", stage.world.server_url());
        let http = reqwest::Client::builder().no_proxy().build()?;
        let mut stream = http.get(url).send().await?.error_for_status()?;
        let mut told = String::new();
        // The session's first events are there once its greeting is.
        while !told.contains("message.added") {
            let piece = stream.chunk().await?.context("the log goes on")?;
            told.push_str(std::str::from_utf8(&piece)?);
        }
        let rest = async {
            let mut rest = String::new();
            while let Some(piece) = stream.chunk().await? {
                rest.push_str(std::str::from_utf8(&piece)?);
            }
            Ok(rest)
        };
        let (ended, rest) = tokio::join!(stage.world.server.terminate(), rest);
        ensure!(ended?.success());
        let rest: anyhow::Result<String> = rest;
        let rest = rest?;
        let last = rest
            .lines()
            .rev()
            .find(|line| !line.is_empty())
            .context("a last word")?;
        let after_ms: u64 = last
            .strip_prefix("retry: ")
            .context("when to come back")?
            .parse()?;
        ensure!(COME_BACK_MS.contains(&after_ms), "{rest}");
        stage.world.restart_server().await
    };
    StageSpec::without_model()?.play(scene).await
}
