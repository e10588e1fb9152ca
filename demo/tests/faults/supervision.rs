//! Panics that strike at any moment while the server runs: each costs what PRODUCT.md says, and nothing else.
#![cfg(debug_assertions)]

use anyhow::{Context as _, ensure};
use greenroom_demo::session_play::{Stage, StageSpec, ready_session};
use greenroom_protocol::{CallOutcome, ClientMessage, ErrorCode, Seq, SessionId};
use reqwest::Method;
use serde_json::{Value, json};

use crate::rules;
use crate::sightings::{Bill, Log, STAGES};
use crate::viewer::Viewer;

const POISON: &str = "이 말은 소화할 수 없어요";
/// Restarts that a session may need within a minute.
const RESTARTS_MAX: u64 = 3;

/// Makes somebody panic.
async fn panic(stage: &Stage, fault: &str, session: Option<SessionId>) -> anyhow::Result<()> {
    let mut body = json!({ "fault": fault });
    if let Some(session) = session {
        body["session_id"] = json!(session);
    }
    let (status, answer): (_, Value) = stage.world.operate(Method::POST, "/faults", Some(&body)).await?;
    ensure!(
        status == 200 && answer["provoked"] == true,
        "{fault}: {status}: {answer}"
    );
    Ok(())
}

#[tokio::test]
async fn an_agent_that_panics_in_mid_reply_costs_its_attempt_and_its_call() -> anyhow::Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        let mut viewer = Viewer::open(&client, session).await?;
        rules::set(stage, &[rules::once("strategy", rules::hang_after(200))]).await?;
        let job = client.generate_async(session, false, None).await?;
        viewer.until_delta("strategy").await?;
        panic(stage, "agent_panic", Some(session)).await?;
        viewer.until_done().await?;
        let log = Log::of(stage, session).await?;
        ensure!(log.attempts("strategy") == [1, 2] && log.completed_names() == STAGES);
        let unknown = log
            .settlements()
            .iter()
            .filter(|outcome| **outcome == CallOutcome::Unknown)
            .count();
        ensure!(
            unknown == 1,
            "what the provider made of it nobody knows: {:?}",
            log.settlements()
        );
        ensure!(Bill::of(stage).await?.stages() == [1, 2, 1, 1]);
        ensure!(
            client.job(job.job_id).await?["status"] == "completed",
            "the job goes on"
        );
        let (_, shown): (_, Value) = stage.admin(&format!("/sessions/{session}")).await?;
        ensure!(
            shown["actor"]["restarts"] == 0,
            "its session did not even notice: {shown}"
        );
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn a_journal_whose_writer_panics_amid_a_run_loses_nothing_and_stops_nobody() -> anyhow::Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let mut viewers = Vec::new();
        for _ in 0..4 {
            let session = ready_session(&client).await?;
            let mut viewer = Viewer::open(&client, session).await?;
            viewer
                .command(ClientMessage::RunGenerate { draft: false }, "run")
                .await?;
            viewers.push((session, viewer));
        }
        for of in STAGES {
            let (_, viewer) = viewers.first_mut().context("somebody looks")?;
            viewer.until_delta(of).await?;
            panic(stage, "writer_panic", None).await?;
        }
        for (session, viewer) in &mut viewers {
            viewer.until_done().await?;
            let log = Log::of(stage, *session).await?;
            ensure!(
                log.completed_names() == STAGES && log.errors().is_empty(),
                "{:?}",
                log.errors()
            );
        }
        let health = client.get("/health/detailed").await?;
        ensure!(health["status"] == "ok", "{health}");
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn a_session_whose_log_makes_it_panic_ends_failed_stays_readable_and_costs_nothing_more()
-> anyhow::Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let neighbour = ready_session(&client).await?;
        let session = ready_session(&client).await?;
        let mut viewer = Viewer::open(&client, session).await?;
        rules::set(stage, &[rules::once("strategy", rules::hang_after(200))]).await?;
        let job = client.generate_async(session, false, None).await?;
        viewer.until_delta("strategy").await?;
        viewer
            .command(
                ClientMessage::UserMessage {
                    text: POISON.to_owned(),
                },
                "poison",
            )
            .await?;
        panic(stage, "session_panic", Some(session)).await?;
        let end = viewer.until_run_ends().await?;
        ensure!(end.state == "FAILED", "{end:?}");
        ensure!(client.job(job.job_id).await?["status"] == "failed");

        let (_, shown): (_, Value) = stage.admin(&format!("/sessions/{session}")).await?;
        ensure!(
            shown["state"] == "FAILED" && shown["wake_at"].is_null(),
            "{shown}"
        );
        ensure!(shown["actor_error"]["code"] == "SESSION_RESTART_LIMIT", "{shown}");
        let restarts = restarts_of_all(stage).await?;
        ensure!(restarts == RESTARTS_MAX, "{restarts}");

        let (events, calls) = (client.journal(session).await?.len(), Bill::of(stage).await?.len());
        stage.world.kill_and_restart_server().await?;
        let refused = client.message(session, "들려요?", None).await;
        ensure!(refused.is_err_and(|error| error.code() == Some(ErrorCode::SessionRestartLimit)));
        client.message(neighbour, "고마워요", None).await?;
        ensure!(
            client.journal(session).await?.len() == events,
            "it is read, and nothing was added"
        );
        ensure!(
            Bill::of(stage).await?.len() <= calls + 1,
            "only the neighbour asked the provider"
        );
        let mut late = Viewer::after(&client, session, Seq::ZERO).await?;
        late.until("the reason", |event| match event {
            greenroom_protocol::Event::Error(error) if error.error.code == ErrorCode::SessionRestartLimit => {
                Some(())
            }
            _ => None,
        })
        .await?;
        let restarts = restarts_of_all(stage).await?;
        ensure!(restarts == 0, "the new server does not even try: {restarts}");
        Ok(())
    };
    StageSpec::new()?
        .env("GREENROOM_FAULTS__PANIC_FOLD_ON", POISON)
        .play(scene)
        .await
}

/// Restarts of sessions since the server started, as its metrics count them.
async fn restarts_of_all(stage: &Stage) -> anyhow::Result<u64> {
    let url = format!("{}/metrics", stage.world.server_url());
    let text = reqwest::get(url).await?.error_for_status()?.text().await?;
    let counted = text
        .lines()
        .find_map(|line| line.strip_prefix("greenroom_session_restarts_total "));
    Ok(counted.map_or(Ok(0), str::parse)?)
}
