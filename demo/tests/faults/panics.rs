//! Panics, provoked by hooks that only builds with debug assertions have: in an agent, in a session, again and again.
#![cfg(debug_assertions)]

use anyhow::{Context as _, ensure};
use greenroom_demo::session_play::{Stage, StageSpec, ready_session};
use greenroom_protocol::{
    CallOutcome, CallPurpose, ClientMessage, ErrorCode, Provenance, SessionId, TurnOutcome,
};
use loadtest::client::{Client, CreateSession};
use serde_json::Value;

use crate::rules;
use crate::sightings::{Bill, Log, STAGES};
use crate::viewer::Viewer;

const AGENT_PANICS: &str = "무대 뒤에서 넘어졌어요";
const SESSION_PANICS: &str = "정전입니다";
/// Restarts that a session may need within a minute.
const RESTARTS_MAX: usize = 3;

fn spec() -> anyhow::Result<StageSpec> {
    let spec = StageSpec::new()?.env("GREENROOM_FAULTS__PANIC_AGENT_ON", AGENT_PANICS);
    Ok(spec.env("GREENROOM_FAULTS__PANIC_SESSION_ON", SESSION_PANICS))
}

#[tokio::test]
async fn a_panic_in_an_agent_costs_one_attempt() -> anyhow::Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        let before = Bill::of(stage).await?.len();
        client
            .message(session, &format!("{AGENT_PANICS}. 들려요?"), None)
            .await?;
        let log = Log::of(stage, session).await?;
        let errors: Vec<_> = log
            .errors()
            .iter()
            .map(|error| (error.error.code, error.will_retry))
            .collect();
        ensure!(errors == [(ErrorCode::SysInternal, true)], "{errors:?}");
        let turn = log.last_turn()?;
        ensure!(
            log.calls("planner")
                .ends_with(&[(CallPurpose::Plan, 1), (CallPurpose::Plan, 2)])
        );
        ensure!(
            log.settlements()
                .ends_with(&[CallOutcome::Unknown, CallOutcome::Ok])
        );
        ensure!(log.outcome(turn) == Some(TurnOutcome::Ok));
        let replies = log.replies(turn);
        ensure!(
            replies
                .iter()
                .any(|reply| matches!(reply.provenance, Provenance::Model { .. })),
            "{replies:?}"
        );
        ensure!(
            Bill::of(stage).await?.len() == before + 1,
            "the agent panicked before its request left"
        );
        ensure!(
            restarts(stage, session).await? == 0,
            "its session did not even notice"
        );
        Ok(())
    };
    spec()?.play(scene).await
}

#[tokio::test]
async fn a_panic_in_the_agent_of_a_stage_costs_one_attempt_of_it() -> anyhow::Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        let run = client.generate(session, false, None).await?;
        ensure!(run.state == "DONE", "{run:?}");
        let log = Log::of(stage, session).await?;
        let errors = log.errors();
        let [error] = errors.as_slice() else {
            anyhow::bail!("one error: {errors:?}")
        };
        ensure!(
            error.error.code == ErrorCode::SysInternal && error.will_retry,
            "{error:?}"
        );
        ensure!(
            error
                .stage
                .as_ref()
                .is_some_and(|stage| stage.as_str() == "creative")
        );
        ensure!(log.attempts("creative") == [1, 2] && log.completed_names() == STAGES);
        ensure!(
            Bill::of(stage).await?.stages() == [1; 4],
            "the agent panicked before its request left"
        );
        ensure!(restarts(stage, session).await? == 0);
        Ok(())
    };
    spec()?
        .env("GREENROOM_FAULTS__PANIC_STAGE", "creative")
        .play(scene)
        .await
}

#[tokio::test]
async fn a_panic_in_a_session_restarts_it_from_its_log_and_what_it_did_goes_on() -> anyhow::Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        let mut viewer = Viewer::open(&client, session).await?;
        rules::set(stage, &[rules::once("strategy", rules::hang_after(200))]).await?;
        viewer
            .command(ClientMessage::RunGenerate { draft: false }, "run")
            .await?;
        viewer.until_delta("strategy").await?;
        panicked(&client, session).await?;
        viewer.until_done().await?;
        ensure!(restarts(stage, session).await? == 1);
        client.message(session, "고마워요", None).await?;
        let log = Log::of(stage, session).await?;
        ensure!(
            log.turns().len() == 2,
            "what made it panic was never committed: {:?}",
            log.turns()
        );
        ensure!(log.attempts("strategy") == [1, 2] && log.errors().is_empty());
        ensure!(Bill::of(stage).await?.stages() == [1, 2, 1, 1]);
        Ok(())
    };
    spec()?.play(scene).await
}

#[tokio::test]
async fn a_session_that_panics_too_often_is_given_up_and_others_are_unaffected() -> anyhow::Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = client
            .create_session(&CreateSession::default())
            .await?
            .session
            .session_id;
        let neighbour = ready_session(&client).await?;
        client.message(session, "제품명은 런치부스터", None).await?;
        let mut viewer = Viewer::open(&client, session).await?;
        let mut watching = Viewer::open(&client, neighbour).await?;
        watching
            .command(ClientMessage::RunGenerate { draft: false }, "run")
            .await?;
        for _ in 0..=RESTARTS_MAX {
            panicked(&client, session).await?;
        }
        let end = viewer.until_run_ends().await?;
        ensure!(end.state == "FAILED", "{end:?}");
        watching.until_done().await?;

        let refused = client.message(session, "들려요?", None).await;
        ensure!(refused.is_err_and(|error| error.code() == Some(ErrorCode::SessionRestartLimit)));
        let log = Log::of(stage, session).await?;
        let codes: Vec<_> = log.errors().iter().map(|error| error.error.code).collect();
        ensure!(codes == [ErrorCode::SessionRestartLimit], "{codes:?}");
        ensure!(log.state() == "FAILED");
        ensure!(
            client.journal(session).await?.len() > 5,
            "what it said and did can be read"
        );
        let (status, shown): (u16, Value) = stage.admin(&format!("/sessions/{session}")).await?;
        ensure!(status == 200 && shown["state"] == "FAILED", "{shown}");
        ensure!(shown["actor_error"]["code"] == "SESSION_RESTART_LIMIT", "{shown}");
        ensure!(
            !client
                .message(neighbour, "고마워요", None)
                .await?
                .assistant_message
                .is_empty()
        );

        // It stays given up across a restart of the server.
        stage.world.kill_and_restart_server().await?;
        let refused = client.message(session, "들려요?", None).await;
        ensure!(refused.is_err_and(|error| error.code() == Some(ErrorCode::SessionRestartLimit)));
        Ok(())
    };
    spec()?.play(scene).await
}

/// Makes a session panic, and waits until its caller is told that the answer is lost.
async fn panicked(client: &Client, session: SessionId) -> anyhow::Result<()> {
    let lost = client.message(session, SESSION_PANICS, None).await;
    let code = lost
        .err()
        .and_then(|error| error.code())
        .context("no answer can come")?;
    ensure!(
        [ErrorCode::SysInternal, ErrorCode::SessionRestartLimit].contains(&code),
        "{code}"
    );
    Ok(())
}

async fn restarts(stage: &Stage, session: SessionId) -> anyhow::Result<u64> {
    let (_, shown): (u16, Value) = stage.admin(&format!("/sessions/{session}")).await?;
    shown["actor"]["restarts"]
        .as_u64()
        .with_context(|| shown.to_string())
}
