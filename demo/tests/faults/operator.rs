//! What an operator can do when something has gone wrong: take up what was given up, rebuild what is under way, and be told
//! why not.

use anyhow::{Context as _, ensure};
use greenroom_demo::session_play::{Stage, StageSpec, ready_session};
use greenroom_protocol::{ErrorCode, SessionId};
use loadtest::client::CreateSession;
use reqwest::Method;
use serde_json::{Value, json};

use crate::rules;
use crate::sightings::{Bill, Log, STAGES, until_done_unseen};
use crate::viewer::Viewer;

/// A session that nobody has.
const UNKNOWN: &str = "sess_00000000000000000000000001";
/// Sessions that are restarted at once.
const CROWD: usize = 6;

async fn operate(stage: &Stage, session: &str, deed: &str) -> anyhow::Result<(u16, Value)> {
    let (path, body) = (
        format!("/sessions/{session}/{deed}"),
        json!({ "reason": "somebody called" }),
    );
    stage.world.operate(Method::POST, &path, Some(&body)).await
}

async fn restart(stage: &Stage, session: SessionId) -> anyhow::Result<(u16, Value)> {
    operate(stage, &session.to_string(), "restart").await
}

fn ensure_refused((status, answer): &(u16, Value), code: ErrorCode) -> anyhow::Result<()> {
    ensure!(
        *status == code.status() && answer["error"]["code"] == code.as_str(),
        "{status}: {answer}"
    );
    Ok(())
}

#[cfg(debug_assertions)]
#[tokio::test]
async fn a_session_that_poisons_its_server_is_taken_up_by_the_release_that_can_fold_it() -> anyhow::Result<()>
{
    use greenroom_protocol::{ClientMessage, Event, Seq};

    const POISON: &str = "이 말은 소화할 수 없어요";
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        let mut viewer = Viewer::open(&client, session).await?;
        rules::set(stage, &[rules::once("strategy", rules::hang_after(200))]).await?;
        let job = client.generate_async(session, false, None).await?;
        viewer.until_delta("strategy").await?;
        let poison = ClientMessage::UserMessage {
            text: POISON.to_owned(),
        };
        viewer.command(poison, "poison").await?;
        let fault = json!({ "fault": "session_panic", "session_id": session });
        let (status, answer): (_, Value) = stage.world.operate(Method::POST, "/faults", Some(&fault)).await?;
        ensure!(status == 200 && answer["provoked"] == true, "{status}: {answer}");
        ensure!(viewer.until_run_ends().await?.state == "FAILED");

        // The same release cannot do better: it is told so, and the session costs nothing more.
        let calls = Bill::of(stage).await?.len();
        ensure_refused(&restart(stage, session).await?, ErrorCode::SessionRestartLimit)?;
        let refused = client.message(session, "들려요?", None).await;
        ensure!(refused.is_err_and(|error| error.code() == Some(ErrorCode::SessionRestartLimit)));
        ensure!(Bill::of(stage).await?.len() == calls, "nobody asked the provider");

        stage.world.reconfigure("")?;
        stage.world.kill_and_restart_server().await?;
        let (status, answer) = restart(stage, session).await?;
        ensure!(status == 200, "{status}: {answer}");
        let run = client.job(job.job_id).await?["run_id"].clone();
        until_done_unseen(&client, run.as_str().context("a run")?.parse()?).await?;
        ensure!(
            client.job(job.job_id).await?["status"] == "completed",
            "its job goes on too"
        );
        let log = Log::of(stage, session).await?;
        ensure!(log.completed_names() == STAGES, "{:?}", log.completed_names());
        ensure!(
            Bill::of(stage).await?.calls("research").len() == 1,
            "what was complete is not paid for again"
        );
        let mut late = Viewer::after(&client, session, Seq::ZERO).await?;
        late.until("DONE", |event| match event {
            Event::StageChanged(changed) if changed.state == "DONE" => Some(()),
            _ => None,
        })
        .await?;
        Ok(())
    };
    StageSpec::new()?
        .config(&format!("[faults]\npanic_fold_on = \"{POISON}\""))
        .play(scene)
        .await
}

#[tokio::test]
async fn sessions_that_are_rebuilt_in_mid_run_go_on_and_lose_nothing_though_the_server_is_killed_after_it()
-> anyhow::Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        rules::set(stage, &[rules::always("strategy", rules::hang_after(200))]).await?;
        let mut viewers = Vec::new();
        for _ in 0..CROWD {
            let session = ready_session(&client).await?;
            let mut viewer = Viewer::open(&client, session).await?;
            client.generate_async(session, false, None).await?;
            viewer.until_delta("strategy").await?;
            viewers.push((session, viewer));
        }
        rules::lift(stage).await?;
        for answer in
            futures_util::future::try_join_all(viewers.iter().map(|(session, _)| restart(stage, *session)))
                .await?
        {
            ensure!(answer.0 == 200 && answer.1["run_id"].is_null(), "{answer:?}");
        }
        stage.world.kill_and_restart_server().await?;
        for (session, viewer) in &mut viewers {
            viewer.drain().await?;
            viewer.resume().await?;
            viewer.until_done().await?;
            let log = Log::of(stage, *session).await?;
            ensure!(log.completed_names() == STAGES, "{:?}", log.completed_names());
            ensure!(log.attempts("research") == [1], "{:?}", log.attempts("research"));
        }
        let bill = Bill::of(stage).await?;
        ensure!(
            bill.calls("research").len() == CROWD,
            "what was complete is not paid for again"
        );
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn what_is_not_there_any_more_is_neither_restarted_nor_stopped() -> anyhow::Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let created = client.create_session(&CreateSession::default()).await?;
        let session = created.session.session_id;
        client.delete_session(session).await?;
        for deed in ["restart", "stop"] {
            let gone = operate(stage, &session.to_string(), deed).await?;
            ensure_refused(&gone, ErrorCode::SessionGone)?;
            let unknown = operate(stage, UNKNOWN, deed).await?;
            ensure_refused(&unknown, ErrorCode::SessionNotFound)?;
        }
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}
