//! Who goes while something is under way: a client, which changes nothing; a user who cancels or speaks again; a server
//! that is told to stop.

use anyhow::{Context as _, ensure};
use greenroom_demo::session_play::{Stage, StageSpec, ready_session};
use greenroom_protocol::{CallOutcome, ClientMessage, ErrorCode, Event, Signal, TurnOutcome};
use loadtest::provider::{BillOutcome, Fault};

use crate::rules;
use crate::sightings::{Bill, Log, STAGES, until_done_unseen};
use crate::viewer::Viewer;

const GENERATE: ClientMessage = ClientMessage::RunGenerate { draft: false };
/// Slow enough that a stage takes seconds.
const SLOWLY: [&str; 4] = ["--first-token-ms", "20", "--tokens-per-second", "150"];

#[tokio::test]
async fn a_client_that_goes_cancels_nothing() -> anyhow::Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        let mut viewer = Viewer::open(&client, session).await?;
        let run = viewer.command(GENERATE, "run").await?.run_id.context("a run")?;
        viewer.until_delta("research").await?;
        let last_seen = viewer.leave().await?;
        until_done_unseen(&client, run).await?;

        let mut viewer = Viewer::after(&client, session, last_seen).await?;
        viewer.until_done().await?;
        let log = Log::of(stage, session).await?;
        ensure!(STAGES.iter().all(|name| log.attempts(name) == [1]));
        let bill = Bill::of(stage).await?;
        let whole = |name: &str| {
            bill.calls(name)
                .iter()
                .all(|call| call.outcome == Some(BillOutcome::Completed))
        };
        ensure!(STAGES.iter().all(|name| whole(name)), "{bill:?}");
        Ok(())
    };
    StageSpec::new()?
        .simulator(&["--first-token-ms", "50", "--tokens-per-second", "3000"])
        .play(scene)
        .await
}

#[tokio::test]
async fn a_cancelled_run_closes_the_connection_to_the_provider_and_leaves_the_state_to_the_gate()
-> anyhow::Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        let mut viewer = Viewer::open(&client, session).await?;
        let run = viewer.command(GENERATE, "run").await?.run_id.context("a run")?;
        viewer.until_delta("research").await?;
        let cancelled = viewer.command(ClientMessage::RunCancel {}, "cancel").await?;
        ensure!(cancelled.run_id == Some(run));
        let state = viewer.until("the state after it", |event| match event {
            Event::StageChanged(changed) if changed.state != "RUN_RESEARCH" => Some(changed.state.clone()),
            _ => None,
        });
        ensure!(state.await? == "BRIEF_READY");
        let bill = Bill::of(stage).await?;
        let calls = bill.calls("research");
        ensure!(
            matches!(calls[..], [call] if call.outcome == Some(BillOutcome::ClientGone)),
            "{calls:?}"
        );
        ensure!(bill.stages() == [1, 0, 0, 0]);
        let log = Log::of(stage, session).await?;
        ensure!(
            log.settlements().last() == Some(&CallOutcome::Unknown),
            "nobody knows what it cost"
        );
        ensure!(log.completed().is_empty() && log.errors().is_empty());
        ensure!(client.run(run).await?["status"] == "cancelled");

        // The gate judges again: what is cleared closes it.
        let cleared = ClientMessage::SlotSet {
            path: "product.name".parse()?,
            value: serde_json::Value::Null,
        };
        viewer.command(cleared, "clear").await?;
        ensure!(client.session(session).await?.state == "CHAT_COLLECTING");
        Ok(())
    };
    StageSpec::new()?.simulator(&SLOWLY).play(scene).await
}

#[tokio::test]
async fn a_new_turn_interrupts_the_one_under_way() -> anyhow::Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        let mut viewer = Viewer::open(&client, session).await?;
        let hang = rules::once("planner", rules::hang_after(40));
        for (number, ends_it) in [
            ClientMessage::UserMessage {
                text: "아니, 됐어요".to_owned(),
            },
            ClientMessage::ResponseCancel {},
        ]
        .into_iter()
        .enumerate()
        {
            rules::set(stage, std::slice::from_ref(&hang)).await?;
            let question = ClientMessage::UserMessage {
                text: "이건 누구에게 어울릴까요?".to_owned(),
            };
            let turn = viewer
                .command(question, &format!("question-{number}"))
                .await?
                .turn_id
                .context("a turn")?;
            viewer
                .until("the first words", |event| match event {
                    Event::PlannerDelta(delta) if delta.turn_id == turn => Some(()),
                    _ => None,
                })
                .await?;
            let next = viewer
                .command(ends_it, &format!("end-{number}"))
                .await?
                .turn_id
                .context("a turn")?;
            ensure!(viewer.until_turn_ends(turn).await? == TurnOutcome::Interrupted);
            if next != turn {
                ensure!(viewer.until_turn_ends(next).await? == TurnOutcome::Ok);
            }
            let log = Log::of(stage, session).await?;
            let replies = log.replies(turn);
            let [cut] = replies.as_slice() else {
                anyhow::bail!("one reply: {replies:?}")
            };
            ensure!(
                cut.truncated && !cut.text.is_empty() && cut.text == log.reply_shown(turn, 1)?,
                "{cut:?}"
            );
            ensure!(log.errors().is_empty());
        }
        // Both connections were closed.
        Bill::of(stage).await?;
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_lets_a_turn_finish() -> anyhow::Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        let mut viewer = Viewer::open(&client, session).await?;
        rules::set(
            stage,
            &[rules::once(
                "planner",
                Fault::Slow {
                    first_token_ms: 1_500,
                },
            )],
        )
        .await?;
        let question = ClientMessage::UserMessage {
            text: "얼마나 걸려요?".to_owned(),
        };
        let turn = viewer
            .command(question, "question")
            .await?
            .turn_id
            .context("a turn")?;
        let watching = async {
            until_draining(&mut viewer).await?;
            let late = ClientMessage::UserMessage {
                text: "하나만 더요".to_owned(),
            };
            let late = viewer
                .ask(late, "late")
                .await?
                .err()
                .context("no new work is taken")?;
            ensure!(late.code == ErrorCode::SysDraining && late.retryable, "{late:?}");
            ensure!(viewer.until_turn_ends(turn).await? == TurnOutcome::Ok);
            viewer.drain().await
        };
        let (ended, code) = tokio::join!(stage.world.server.terminate(), watching);
        ensure!(code? == Some(1012));
        ensure!(ended?.success(), "it ended well");
        stage.world.restart_server().await?;
        viewer.resume().await?;
        let log = Log::of(stage, session).await?;
        ensure!(log.turns().len() == 2 && log.calls("planner").len() == 2);
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_leaves_a_run_to_the_next_start() -> anyhow::Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        rules::set(stage, &[rules::once("strategy", rules::hang_after(250))]).await?;
        let mut viewer = Viewer::open(&client, session).await?;
        viewer.command(GENERATE, "run").await?;
        viewer.until_delta("strategy").await?;
        let watching = async {
            until_draining(&mut viewer).await?;
            viewer.drain().await
        };
        let (ended, code) = tokio::join!(stage.world.server.terminate(), watching);
        ensure!(code? == Some(1012));
        ensure!(ended?.success(), "it ended well");
        stage.world.restart_server().await?;
        viewer.resume().await?;
        viewer.until_done().await?;
        let log = Log::of(stage, session).await?;
        ensure!(log.attempts("strategy") == [1, 2] && log.errors().is_empty());
        ensure!(Bill::of(stage).await?.stages() == [1, 2, 1, 1]);
        Ok(())
    };
    StageSpec::new()?
        .config("[server]\ndrain_seconds = 1\n")
        .play(scene)
        .await
}

async fn until_draining(viewer: &mut Viewer) -> anyhow::Result<()> {
    viewer
        .until_signal("the warning", |signal| {
            matches!(signal, Signal::ServerDraining { .. }).then_some(())
        })
        .await
}
