//! Stages that the provider goes on with while the server is away: they are picked up there, not paid for again.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use greenroom_demo::session_play::{Stage, StageSpec, ready_session};
use greenroom_protocol::{CallOutcome, CallPurpose, ClientMessage};
use loadtest::provider::BillOutcome;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::rules;
use crate::sightings::{Bill, Log, STAGES, until_done_unseen};
use crate::viewer::Viewer;

/// How often a response is looked at that the provider is to forget.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
const GENERATE: ClientMessage = ClientMessage::RunGenerate { draft: false };

/// A server whose stages go on in the background, at a provider that takes about a second to write one.
fn spec() -> anyhow::Result<StageSpec> {
    let spec = StageSpec::new()?.env("GREENROOM_LLM__BACKGROUND", "on");
    Ok(spec.simulator(&["--first-token-ms", "20", "--tokens-per-second", "500"]))
}

#[tokio::test]
async fn a_kill_in_the_middle_of_each_stage_costs_an_attempt_and_no_call() -> anyhow::Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        let mut viewer = Viewer::open(&client, session).await?;
        viewer.command(GENERATE, "run").await?;
        for name in STAGES {
            // The second delta: the first, which shows nothing, is committed with the response's id.
            viewer.until_delta(name).await?;
            viewer.until_delta(name).await?;
            stage.world.server.kill().await?;
            viewer.drain().await?;
            stage.world.restart_server().await?;
            viewer.resume().await?;
        }
        viewer.until_done().await?;
        let log = Log::of(stage, session).await?;
        for name in STAGES {
            ensure!(log.attempts(name) == [1, 2], "{name}: {:?}", log.attempts(name));
            ensure!(log.calls(name).len() == 1, "{name}: {:?}", log.calls(name));
            let completed = log.completion(name)?;
            ensure!(completed.attempt == 2);
            // What is checked before it is shown may be shown otherwise than it was written.
            if ["strategy", "voice"].contains(&name) {
                ensure!(
                    log.shown(name, 2)? == completed.output,
                    "{name} is shown from its beginning"
                );
            }
        }
        ensure!(log.completed_names() == STAGES && log.errors().is_empty());
        ensure!(
            log.settlements()
                .iter()
                .all(|outcome| *outcome == CallOutcome::Ok)
        );
        let bill = Bill::of(stage).await?;
        ensure!(bill.stages() == [1; 4], "{:?}", bill.stages());
        for name in STAGES {
            ensure!(
                bill.calls(name)[0].outcome == Some(BillOutcome::Completed),
                "{name}"
            );
            let responses = responses_of(stage, name).await?;
            ensure!(responses.len() == 1, "{name}: {responses:?}");
            until_forgotten(stage, &responses[0]).await?;
        }
        Ok(())
    };
    spec()?.play(scene).await
}

#[tokio::test]
async fn what_was_finished_while_the_server_was_away_is_taken_as_it_is() -> anyhow::Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        let mut viewer = Viewer::open(&client, session).await?;
        let run = viewer.command(GENERATE, "run").await?.run_id.context("a run")?;
        viewer.until_delta("creative").await?;
        viewer.until_delta("creative").await?;
        stage.world.server.kill().await?;
        viewer.drain().await?;
        // Waits until the provider has written all of it.
        let bill = Bill::of(stage).await?;
        ensure!(bill.calls("creative")[0].outcome == Some(BillOutcome::Completed));
        stage.world.restart_server().await?;
        until_done_unseen(&client, run).await?;
        ensure!(Bill::of(stage).await?.stages() == [1; 4]);
        viewer.resume().await?;
        viewer.until_done().await
    };
    spec()?.play(scene).await
}

#[tokio::test]
async fn a_drain_leaves_the_provider_at_work() -> anyhow::Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        let mut viewer = Viewer::open(&client, session).await?;
        viewer.command(GENERATE, "run").await?;
        viewer.until_delta("strategy").await?;
        viewer.until_delta("strategy").await?;
        stage.world.server.terminate().await?;
        viewer.drain().await?;
        stage.world.restart_server().await?;
        viewer.resume().await?;
        viewer.until_done().await?;
        ensure!(Bill::of(stage).await?.stages() == [1; 4]);
        Ok(())
    };
    // Stages are not turns: the drain does not wait for them.
    spec()?
        .env("GREENROOM_SERVER__DRAIN_SECONDS", "1")
        .play(scene)
        .await
}

#[tokio::test]
async fn what_the_provider_forgot_meanwhile_is_asked_for_anew_without_an_error() -> anyhow::Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        let mut viewer = Viewer::open(&client, session).await?;
        viewer.command(GENERATE, "run").await?;
        viewer.until_delta("strategy").await?;
        viewer.until_delta("strategy").await?;
        stage.world.server.kill().await?;
        viewer.drain().await?;
        let responses = responses_of(stage, "strategy").await?;
        let [response] = &responses[..] else {
            anyhow::bail!("one response: {responses:?}")
        };
        forget(stage, response).await?;
        stage.world.restart_server().await?;
        viewer.resume().await?;
        viewer.until_done().await?;
        let log = Log::of(stage, session).await?;
        ensure!(
            log.attempts("strategy") == [1, 2] && log.errors().is_empty(),
            "{:?}",
            log.errors()
        );
        ensure!(log.calls("strategy") == [(CallPurpose::Stage, 1), (CallPurpose::Stage, 2)]);
        ensure!(log.shown("strategy", 2)? == log.completion("strategy")?.output);
        ensure!(Bill::of(stage).await?.stages() == [1, 2, 1, 1]);
        Ok(())
    };
    spec()?.play(scene).await
}

#[tokio::test]
async fn a_run_that_is_cancelled_stops_the_provider_and_the_next_one_is_its_own() -> anyhow::Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        rules::set(stage, &[rules::once("research", rules::hang_after(250))]).await?;
        let mut viewer = Viewer::open(&client, session).await?;
        viewer.command(GENERATE, "run").await?;
        viewer.until_delta("research").await?;
        viewer.command(ClientMessage::RunCancel {}, "cancel").await?;
        // It hangs for ever, unless it is cancelled: the bill would wait in vain for its end.
        let bill = Bill::of(stage).await?;
        let calls = bill.calls("research");
        ensure!(
            matches!(calls[..], [call] if call.outcome == Some(BillOutcome::Faulted)),
            "{calls:?}"
        );
        let log = Log::of(stage, session).await?;
        ensure!(log.settlements().last() == Some(&CallOutcome::Unknown));
        viewer.command(GENERATE, "again").await?;
        viewer.until_done().await
    };
    spec()?.play(scene).await
}

/// The provider's responses that a stage's attempts were, which no client sees.
async fn responses_of(stage: &Stage, name: &str) -> anyhow::Result<Vec<String>> {
    let database = stage.world.data_dir().join("greenroom.sqlite");
    let options = SqliteConnectOptions::new().filename(database).read_only(true);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let begun =
        "SELECT private ->> '$.response_id' FROM events WHERE type = ? AND private IS NOT NULL ORDER BY seq";
    let responses = sqlx::query_scalar(begun)
        .bind(format!("{name}.delta"))
        .fetch_all(&mut connection)
        .await?;
    connection.close().await?;
    Ok(responses)
}

/// Waits until the provider has forgotten a response: it is asked to, and nobody waits for that.
async fn until_forgotten(stage: &Stage, response_id: &str) -> anyhow::Result<()> {
    let url = format!("{}/v1/responses/{response_id}", stage.world.simulator_url());
    let client = reqwest::Client::builder().no_proxy().build()?;
    let mut looks = tokio::time::interval(LOOK_INTERVAL);
    while client.get(&url).send().await?.status().is_success() {
        looks.tick().await;
    }
    Ok(())
}

/// The provider forgets a response.
async fn forget(stage: &Stage, response_id: &str) -> anyhow::Result<()> {
    let url = format!("{}/v1/responses/{response_id}", stage.world.simulator_url());
    let client = reqwest::Client::builder().no_proxy().build()?;
    client.delete(url).send().await?.error_for_status()?;
    Ok(())
}
