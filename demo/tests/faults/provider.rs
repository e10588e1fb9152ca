//! A provider that refuses, stalls, breaks off or is gone: what is tried again, what is not, and what the user is told.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use greenroom_demo::session_play::{BRIEF, Stage, StageSpec, ready_session};
use greenroom_protocol::{CallOutcome, CallPurpose, ErrorCode, Provenance, RunId, SessionId, TurnOutcome};
use loadtest::client::{Client, ClientError, CreateSession};
use loadtest::provider::{BillOutcome, Fault};
use serde_json::Value;

use crate::rules;
use crate::sightings::{Bill, Log};
use crate::viewer::Viewer;

/// A provider that says nothing for so long has stalled. Long enough for a busy machine.
const STALL_MS: u32 = 1_500;

#[tokio::test]
async fn a_refused_key_is_not_tried_again_and_the_conversation_goes_on() -> anyhow::Result<()> {
    let scene = async |stage: &mut Stage| {
        rules::set(stage, &[rules::everything(rules::status(401))]).await?;
        let client = stage.client()?;
        let session = client
            .create_session(&CreateSession::default())
            .await?
            .session
            .session_id;
        let turn = client.message(session, "안녕하세요", None).await?;
        let log = Log::of(stage, session).await?;
        let errors: Vec<_> = log
            .errors()
            .iter()
            .map(|error| (error.error.code, error.will_retry))
            .collect();
        ensure!(errors == [(ErrorCode::LlmUpstream, false)], "{errors:?}");
        ensure!(log.calls("planner") == [(CallPurpose::Plan, 1)]);
        ensure!(
            log.settlements() == [CallOutcome::Failed],
            "nobody is charged for a request that was refused"
        );
        let turn_id = log.last_turn()?;
        ensure!(log.outcome(turn_id) == Some(TurnOutcome::Ok));
        let replies = log.replies(turn_id);
        let [question] = replies.as_slice() else {
            anyhow::bail!("one question: {replies:?}")
        };
        ensure!(
            matches!(&question.provenance, Provenance::Playbook { key, .. } if key == "question.product.name")
        );
        ensure!(question.text == turn.assistant_message);

        // The extractor needs no provider.
        let turn = client.message(session, BRIEF, None).await?;
        ensure!(turn.gate.ready && turn.slot_updates.len() == 9, "{turn:?}");
        let refusal = client.generate(session, false, None).await;
        let run = failed_run(refusal, ErrorCode::LlmUpstream, 502)?;
        let log = Log::of(stage, session).await?;
        ensure!(log.state() == "FAILED" && log.completed().is_empty());
        ensure!(log.attempts("research") == [1]);
        ensure!(
            Bill::of(stage).await?.len() == 3,
            "one call each: two turns and the stage"
        );

        rules::lift(stage).await?;
        retried_to_done(&client, session, run).await
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn retry_after_is_waited_for() -> anyhow::Result<()> {
    // More than the longest pause that we would make by ourselves before the first retry.
    const RETRY_AFTER_S: u32 = 3;
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        let fault = Fault::Status {
            code: 429,
            retry_after: Some(RETRY_AFTER_S),
        };
        rules::set(stage, &[rules::once("research", fault)]).await?;
        let run = client.generate(session, false, None).await?;
        ensure!(run.state == "DONE", "{run:?}");
        let log = Log::of(stage, session).await?;
        let errors = log.errors();
        let [error] = errors.as_slice() else {
            anyhow::bail!("one error: {errors:?}")
        };
        ensure!(error.error.code == ErrorCode::LlmUpstream && error.will_retry);
        ensure!(error.error.retry_after == Some(RETRY_AFTER_S));
        ensure!(log.attempts("research") == [1, 2]);
        let bill = Bill::of(stage).await?;
        let calls = bill.calls("research");
        let [first, second] = calls.as_slice() else {
            anyhow::bail!("two calls: {calls:?}")
        };
        let waited = second.started_at.since(first.ended_at.context("it ended")?);
        ensure!(
            Duration::from(waited) >= Duration::from_secs(RETRY_AFTER_S.into()),
            "{waited:?}"
        );
        ensure!(bill.stages() == [2, 1, 1, 1]);
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn a_failing_server_is_asked_again_after_a_pause() -> anyhow::Result<()> {
    /// 80 % of two seconds: the shortest first pause.
    const PAUSE_MIN: Duration = Duration::from_millis(1_600);
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        let rules = [
            rules::once("planner", rules::status(500)),
            rules::once("research", rules::status(503)),
        ];
        rules::set(stage, &rules).await?;
        // While the run waits for its retry, the turn waits for its own.
        let (run, turn) = tokio::join!(
            client.generate(session, false, None),
            client.message(session, "얼마나 걸려요?", None)
        );
        ensure!(run?.state == "DONE" && !turn?.assistant_message.is_empty());
        let log = Log::of(stage, session).await?;
        ensure!(
            log.errors()
                .iter()
                .all(|error| error.error.code == ErrorCode::LlmUpstream && error.will_retry)
        );
        ensure!(log.errors().len() == 2);
        let replies = log.replies(log.last_turn()?);
        ensure!(
            replies
                .iter()
                .any(|reply| matches!(reply.provenance, Provenance::Model { .. })),
            "{replies:?}"
        );
        ensure!(log.attempts("research") == [1, 2]);
        let bill = Bill::of(stage).await?;
        for purpose in ["planner", "research"] {
            let calls = bill.calls(purpose);
            let (first, second) = (calls[calls.len() - 2], calls[calls.len() - 1]);
            ensure!(first.outcome == Some(BillOutcome::Faulted), "{first:?}");
            let waited = second.started_at.since(first.ended_at.context("it ended")?);
            ensure!(Duration::from(waited) >= PAUSE_MIN, "{purpose}: {waited:?}");
        }
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn a_provider_that_hangs_times_out() -> anyhow::Result<()> {
    let numbers = [
        ("planner.retries", 0),
        ("planner.stall_timeout_ms", STALL_MS),
        ("stages.retries", 0),
        ("stages.stall_timeout_ms", STALL_MS),
    ];
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        // One that never answers, and one that falls silent in the middle.
        let rules = [
            rules::once("planner", Fault::Hang { after_chars: None }),
            rules::once("research", rules::hang_after(300)),
        ];
        rules::set(stage, &rules).await?;
        let (turn, run) = tokio::join!(
            client.message(session, "고마워요", None),
            client.generate(session, false, None)
        );
        turn?;
        let run = failed_run(run, ErrorCode::LlmTimeout, 504)?;
        let log = Log::of(stage, session).await?;
        let codes: Vec<_> = log.errors().iter().map(|error| error.error.code).collect();
        ensure!(codes == [ErrorCode::LlmTimeout; 2], "{codes:?}");
        let replies = log.replies(log.last_turn()?);
        ensure!(
            matches!(replies[..], [reply] if matches!(reply.provenance, Provenance::Playbook { .. })),
            "{replies:?}"
        );
        ensure!(
            !log.deltas("research", 1).is_empty(),
            "what came before it fell silent was shown"
        );
        ensure!(log.completed().is_empty());
        let package = client.run(run).await?;
        ensure!(
            package.get("research_snapshot").is_none_or(Value::is_null),
            "{package}"
        );
        // The connections were closed: the bill is only given out once no call is under way.
        let bill = Bill::of(stage).await?;
        ensure!(bill.stages() == [1, 0, 0, 0]);

        retried_to_done(&client, session, run).await?;
        let log = Log::of(stage, session).await?;
        ensure!(log.attempts("research") == [1, 2]);
        ensure!(Bill::of(stage).await?.stages() == [2, 1, 1, 1]);
        Ok(())
    };
    rules::with_numbers(&numbers)?.play(scene).await
}

#[tokio::test]
async fn a_stage_that_writes_on_beyond_its_budget_times_out() -> anyhow::Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        let run = failed_run(
            client.generate(session, false, None).await,
            ErrorCode::LlmTimeout,
            504,
        )?;
        let log = Log::of(stage, session).await?;
        // A budget is for all attempts: nothing of it is left for another one.
        ensure!(log.attempts("research") == [1] && log.errors().iter().all(|error| !error.will_retry));
        ensure!(!log.deltas("research", 1).is_empty() && log.completed().is_empty());
        ensure!(client.run(run).await?["state"] == "FAILED");
        let bill = Bill::of(stage).await?;
        let calls = bill.calls("research");
        ensure!(
            matches!(calls[..], [call] if call.outcome == Some(BillOutcome::ClientGone)),
            "{calls:?}"
        );
        Ok(())
    };
    let spec = rules::with_numbers(&[("stages.budget_ms", 1_500), ("stages.stall_timeout_ms", 1_000)])?;
    spec.simulator(&["--first-token-ms", "20", "--tokens-per-second", "150"])
        .play(scene)
        .await
}

#[tokio::test]
async fn a_stream_that_is_cut_in_mid_word_is_never_spliced_into_the_next_attempt() -> anyhow::Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        let rules = [
            rules::once("planner", Fault::Cut { after_chars: 24 }),
            rules::once("strategy", Fault::Cut { after_chars: 501 }),
        ];
        rules::set(stage, &rules).await?;
        let (turn, run) = tokio::join!(
            client.message(session, "이건 어떤 제품에 어울릴까요?", None),
            client.generate(session, false, None)
        );
        let (turn, run) = (turn?, run?);
        ensure!(run.state == "DONE", "{run:?}");
        let log = Log::of(stage, session).await?;
        ensure!(
            log.errors()
                .iter()
                .all(|error| error.error.code == ErrorCode::LlmUpstream && error.will_retry)
        );

        let turn_id = log.last_turn()?;
        ensure!(
            log.calls("planner")
                .ends_with(&[(CallPurpose::Plan, 1), (CallPurpose::Plan, 2)])
        );
        ensure!(
            !log.reply_shown(turn_id, 1)?.is_empty(),
            "something was shown before the cut"
        );
        let shown = log.reply_shown(turn_id, 2)?;
        ensure!(
            !shown.is_empty() && turn.assistant_message.starts_with(&shown),
            "{shown:?} of {turn:?}"
        );

        ensure!(log.attempts("strategy") == [1, 2]);
        let completed = log.completion("strategy")?;
        ensure!(completed.attempt == 2);
        ensure!(
            log.shown("strategy", 2)? == completed.output,
            "what the second attempt showed is the output"
        );
        ensure!(log.shown("strategy", 1)? != completed.output);
        ensure!(
            Bill::of(stage).await?.stages() == [1, 2, 1, 1],
            "research is not paid for again"
        );
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn a_provider_that_keeps_failing_is_left_alone_until_it_may_be_back() -> anyhow::Result<()> {
    /// Failures in a row after which calls are suspended.
    const FAILURES: usize = 5;
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        let before = Bill::of(stage).await?.len();
        rules::set(stage, &[rules::everything(rules::status(500))]).await?;
        for _ in 0..FAILURES {
            client.message(session, "안녕하세요", None).await?;
        }
        let turn = client.message(session, "계세요?", None).await?;
        let log = Log::of(stage, session).await?;
        let codes: Vec<_> = log.errors().iter().map(|error| error.error.code).collect();
        let (suspended, failed) = codes.split_last().context("there are errors")?;
        ensure!(failed == [ErrorCode::LlmUpstream; FAILURES], "{codes:?}");
        ensure!(*suspended == ErrorCode::LlmCircuitOpen, "{codes:?}");
        ensure!(!turn.assistant_message.is_empty(), "the conversation goes on");
        ensure!(
            Bill::of(stage).await?.len() == before + FAILURES,
            "nothing was sent to the provider any more"
        );
        ensure!(
            log.settlements().last() == Some(&CallOutcome::Failed),
            "and nothing can have been charged"
        );
        let health = client.get("/health/detailed").await?;
        ensure!(
            health["llm"] == "failing" && health["status"] == "degraded",
            "{health}"
        );

        // A stage has time to wait until the provider may be asked again, and finds it well.
        rules::lift(stage).await?;
        let run = client.generate(session, false, None).await?;
        ensure!(run.state == "DONE", "{run:?}");
        let log = Log::of(stage, session).await?;
        let error = *log.errors().last().context("the stage's first attempt failed")?;
        ensure!(
            error.error.code == ErrorCode::LlmCircuitOpen && error.will_retry,
            "{error:?}"
        );
        ensure!(log.attempts("research") == [1, 2]);
        ensure!(Bill::of(stage).await?.stages() == [1; 4]);
        ensure!(client.get("/health/detailed").await?["llm"] == "ok");
        Ok(())
    };
    rules::with_numbers(&[("planner.retries", 0)])?.play(scene).await
}

/// The run that a refusal tells of.
pub fn failed_run<T: std::fmt::Debug>(
    answer: Result<T, ClientError>,
    code: ErrorCode,
    status: u16,
) -> anyhow::Result<RunId> {
    match answer {
        Err(ClientError::Refused { status: found, error }) => {
            ensure!((found, error.code) == (status, code), "{found}: {error:?}");
            let run = error.details["run_id"]
                .as_str()
                .context("the error names the run")?;
            Ok(run.parse()?)
        }
        other => anyhow::bail!("the run is to fail with {code}: {other:?}"),
    }
}

/// Takes a failed run up again, and watches it to its end.
pub async fn retried_to_done(client: &Client, session: SessionId, run: RunId) -> anyhow::Result<()> {
    let mut viewer = Viewer::open(client, session).await?;
    client.retry(run).await?;
    viewer.until_done().await?;
    ensure!(client.run(run).await?["state"] == "DONE");
    viewer.leave().await?;
    Ok(())
}
