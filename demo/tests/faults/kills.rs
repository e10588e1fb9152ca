//! `kill -9`, anywhere: the client comes back with its last event and misses nothing, the run ends by itself, and what
//! was finished is not paid for again.

use anyhow::{Context as _, ensure};
use greenroom_demo::session_play::{Stage, StageSpec, ready_session};
use greenroom_protocol::{CallPurpose, ClientMessage, Event, StageId, TurnOutcome};

use crate::rules;
use crate::sightings::{Bill, Log, STAGES, until_done_unseen};
use crate::viewer::Viewer;

const GENERATE: ClientMessage = ClientMessage::RunGenerate { draft: false };

#[tokio::test]
async fn a_kill_in_the_middle_of_each_stage_costs_one_attempt_of_it() -> anyhow::Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        // Each stage stands still in the middle of its first reply, so that the kill cannot miss it.
        rules::set(
            stage,
            &STAGES.map(|name| rules::once(name, rules::hang_after(250))),
        )
        .await?;
        let mut viewer = Viewer::open(&client, session).await?;
        viewer.command(GENERATE, "run").await?;
        for name in STAGES {
            viewer.until_delta(name).await?;
            restart(stage, &mut viewer).await?;
        }
        viewer.until_done().await?;
        let log = Log::of(stage, session).await?;
        for name in STAGES {
            ensure!(log.attempts(name) == [1, 2], "{name}");
        }
        ensure!(log.completed_names() == STAGES && log.errors().is_empty());
        ensure!(Bill::of(stage).await?.stages() == [2; 4]);
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn a_kill_in_the_middle_of_a_turn_does_not_lose_the_reply() -> anyhow::Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        rules::set(stage, &[rules::once("planner", rules::hang_after(30))]).await?;
        let mut viewer = Viewer::open(&client, session).await?;
        let question = ClientMessage::UserMessage {
            text: "이건 누구에게 어울릴까요?".to_owned(),
        };
        let turn = viewer
            .command(question.clone(), "question")
            .await?
            .turn_id
            .context("a turn")?;
        viewer
            .until("the first words", |event| match event {
                Event::PlannerDelta(delta) if delta.turn_id == turn => Some(()),
                _ => None,
            })
            .await?;
        restart(stage, &mut viewer).await?;
        ensure!(viewer.until_turn_ends(turn).await? == TurnOutcome::Ok);
        let again = viewer.command(question, "question").await?;
        ensure!(again.duplicate && again.turn_id == Some(turn), "{again:?}");
        let log = Log::of(stage, session).await?;
        ensure!(
            log.calls("planner")
                .ends_with(&[(CallPurpose::Plan, 1), (CallPurpose::Plan, 2)])
        );
        let replies = log.replies(turn);
        let first = replies.first().context("there is a reply")?;
        ensure!(
            first.text == log.reply_shown(turn, 2)? && !first.truncated,
            "{replies:?}"
        );
        ensure!(log.turns().len() == 2);
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn a_kill_right_after_accepted_loses_nothing_that_was_accepted() -> anyhow::Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        let mut viewer = Viewer::open(&client, session).await?;
        let message = ClientMessage::UserMessage {
            text: "고마워요".to_owned(),
        };
        let taken = viewer.command(message.clone(), "message").await?;
        restart(stage, &mut viewer).await?;
        let again = viewer.command(message, "message").await?;
        ensure!(
            again.duplicate && again.turn_id == taken.turn_id,
            "{again:?} after {taken:?}"
        );

        let taken = viewer.command(GENERATE, "run").await?;
        restart(stage, &mut viewer).await?;
        let again = viewer.command(GENERATE, "run").await?;
        ensure!(
            again.duplicate && again.run_id == taken.run_id,
            "{again:?} after {taken:?}"
        );
        viewer.until_done().await?;
        let log = Log::of(stage, session).await?;
        ensure!(log.turns().len() == 2);
        ensure!(log.completed_names() == STAGES, "one run, once");
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn a_run_that_was_killed_ends_by_itself_with_nobody_there() -> anyhow::Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        rules::set(stage, &[rules::once("creative", rules::hang_after(250))]).await?;
        let mut viewer = Viewer::open(&client, session).await?;
        let run = viewer.command(GENERATE, "run").await?.run_id.context("a run")?;
        viewer.until_delta("creative").await?;
        stage.world.server.kill().await?;
        viewer.drain().await?;
        stage.world.restart_server().await?;
        until_done_unseen(&client, run).await?;
        ensure!(Bill::of(stage).await?.stages() == [1, 1, 2, 1]);
        // Whoever comes late gets all of it.
        viewer.resume().await?;
        viewer.until_done().await
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn five_kills_at_arbitrary_points_of_one_run() -> anyhow::Result<()> {
    /// Other seeds are other points; any must do.
    const SEED: u64 = 20_260_219;
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        let mut viewer = Viewer::open(&client, session).await?;
        viewer.command(GENERATE, "run").await?;
        for point in points::<5>(SEED) {
            reach(&mut viewer, point).await?;
            restart(stage, &mut viewer).await?;
        }
        viewer.until_done().await?;
        let log = Log::of(stage, session).await?;
        ensure!(
            log.completed_names() == STAGES && log.errors().is_empty(),
            "{:?}",
            log.errors()
        );
        Ok(())
    };
    StageSpec::new()?
        .simulator(&["--first-token-ms", "20", "--tokens-per-second", "1500"])
        .play(scene)
        .await
}

/// A point of a run: some way into a stage, or right after it.
#[derive(Debug, Clone, Copy)]
struct Point {
    stage: usize,
    deltas: usize,
}

/// Arbitrary points in the order of the run. A stage survives three interruptions in a row; none gets more than two.
fn points<const N: usize>(seed: u64) -> [Point; N] {
    const INTO_A_STAGE: usize = 12;
    let mut chance = seed;
    let mut draw = |below: usize| {
        // The multiplier and the increment are Knuth's; the upper bits are the better ones.
        chance = chance
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::from((chance >> 56) as u8) % below
    };
    let mut left: Vec<usize> = (0..STAGES.len()).chain(0..STAGES.len()).collect();
    let mut points = [Point { stage: 0, deltas: 0 }; N];
    for point in &mut points {
        let stage = left.swap_remove(draw(left.len()));
        *point = Point {
            stage,
            deltas: draw(INTO_A_STAGE),
        };
    }
    points.sort_by_key(|point| point.stage);
    points
}

/// Reads up to a point, or to the first thing that lies behind it.
async fn reach(viewer: &mut Viewer, Point { stage, deltas }: Point) -> anyhow::Result<()> {
    let place = |name: &StageId| STAGES.iter().position(|stage| *stage == name.as_str());
    let mut seen = 0_usize;
    viewer
        .until(&format!("{deltas} deltas of {}", STAGES[stage]), |event| {
            let (at, counts) = match event {
                Event::StageStarted(started) => (place(&started.stage)?, 0),
                Event::StageDelta(delta) => (place(&delta.stage)?, 1),
                Event::StageCompleted(completed) => (place(&completed.stage)?, usize::MAX),
                Event::RunCompleted(_) => return Some(()),
                _ => return None,
            };
            seen = if at == stage {
                seen.saturating_add(counts)
            } else {
                0
            };
            (at > stage || (at == stage && seen >= deltas)).then_some(())
        })
        .await
}

/// Kills the server, reads what had been sent, starts it again and comes back.
async fn restart(stage: &mut Stage, viewer: &mut Viewer) -> anyhow::Result<()> {
    stage.world.server.kill().await?;
    viewer.drain().await?;
    stage.world.restart_server().await?;
    viewer.resume().await
}
