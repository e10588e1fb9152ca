//! Replies that break their contract: repaired once, refused for good, and never made up for. Evidence that no search
//! returned.

use anyhow::{Context as _, ensure};
use greenroom_demo::session_play::{Stage, StageSpec, ready_session};
use greenroom_protocol::{CallOutcome, CallPurpose, Delta, DeltaChange, ErrorCode, Provenance, TurnOutcome};
use loadtest::provider::{BreachMode, Fault};
use serde_json::Value;

use crate::provider::{failed_run, retried_to_done};
use crate::rules;
use crate::sightings::{Bill, Log, STAGES};

/// The host of the address that the simulator invents when it is told to.
const INVENTED: &str = "invented.invalid";

#[tokio::test]
async fn a_breach_is_repaired_once_and_voids_what_it_showed() -> anyhow::Result<()> {
    let breaches = [
        ("research", BreachMode::MissingField),
        ("strategy", BreachMode::WrongType),
        ("creative", BreachMode::NotJson),
        ("voice", BreachMode::Empty),
    ];
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        rules::set(
            stage,
            &breaches.map(|(purpose, mode)| rules::once(purpose, Fault::Breach { mode })),
        )
        .await?;
        let run = client.generate(session, false, None).await?;
        ensure!(run.state == "DONE", "{run:?}");
        let log = Log::of(stage, session).await?;
        ensure!(log.errors().is_empty(), "{:?}", log.errors());
        let void = Delta {
            path: String::new(),
            change: DeltaChange::Value(Value::Null),
        };
        for name in STAGES {
            ensure!(
                log.calls(name) == [(CallPurpose::Stage, 1), (CallPurpose::Repair, 1)],
                "{name}"
            );
            let voids = log
                .deltas(name, 1)
                .into_iter()
                .filter(|delta| delta.delta == void)
                .count();
            ensure!(voids == 1, "{name}: {voids}");
        }
        // What is shown after the void is the repair alone.
        ensure!(log.shown("strategy", 1)? == log.completion("strategy")?.output);
        ensure!(log.shown("voice", 1)? == log.completion("voice")?.output);
        ensure!(Bill::of(stage).await?.stages() == [2; 4]);
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn a_breach_throughout_fails_the_stage_and_nothing_is_invented() -> anyhow::Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        for (index, name) in STAGES.into_iter().enumerate() {
            let session = ready_session(&client).await?;
            let before = Bill::of(stage).await?.stages();
            let breach = Fault::Breach {
                mode: BreachMode::MissingField,
            };
            rules::set(stage, &[rules::always(name, breach)]).await?;
            let run = failed_run(
                client.generate(session, false, None).await,
                ErrorCode::LlmJsonInvalid,
                502,
            )?;

            let log = Log::of(stage, session).await?;
            let end = log.states().last().copied().context("the state changed")?;
            let failures: Vec<_> = end
                .failures
                .iter()
                .map(|failure| failure.stage.as_str())
                .collect();
            ensure!(end.state == "FAILED" && failures == [name], "{end:?}");
            ensure!(
                end.failures
                    .iter()
                    .all(|failure| failure.error.code == ErrorCode::LlmJsonInvalid)
            );
            ensure!(log.calls(name) == [(CallPurpose::Stage, 1), (CallPurpose::Repair, 1)]);
            ensure!(
                log.completed_names() == STAGES[..index],
                "what came before stands, and nothing else"
            );
            let package = client.run(run).await?;
            for (key, producer) in [
                ("research_snapshot", 0),
                ("strategy_plan", 1),
                ("creative_assets", 2),
                ("voice_assets", 3),
            ] {
                let is_there = package.get(key).is_some_and(|part| !part.is_null());
                ensure!(is_there == (producer < index), "{key} of {package}");
            }

            rules::lift(stage).await?;
            retried_to_done(&client, session, run).await?;
            let log = Log::of(stage, session).await?;
            ensure!(log.completed_names() == STAGES);
            let after = Bill::of(stage).await?.stages();
            for (place, (before, after)) in before.into_iter().zip(after).enumerate() {
                // The one that failed was called, repaired, and called again; what was finished was never called again.
                ensure!(
                    after - before == if place == index { 3 } else { 1 },
                    "{name}: {}",
                    STAGES[place]
                );
            }
        }
        Ok(())
    };
    rules::with_numbers(&[("stages.retries", 0)])?.play(scene).await
}

#[tokio::test]
async fn a_planner_that_breaks_its_contract_leaves_the_turn_to_the_playbook() -> anyhow::Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        rules::set(
            stage,
            &[rules::always(
                "planner",
                Fault::Breach {
                    mode: BreachMode::NotJson,
                },
            )],
        )
        .await?;
        client.message(session, "고마워요", None).await?;
        let log = Log::of(stage, session).await?;
        let errors: Vec<_> = log
            .errors()
            .iter()
            .map(|error| (error.error.code, error.will_retry))
            .collect();
        ensure!(errors == [(ErrorCode::LlmJsonInvalid, false)], "{errors:?}");
        let turn = log.last_turn()?;
        ensure!(log.outcome(turn) == Some(TurnOutcome::Ok));
        let replies = log.replies(turn);
        ensure!(
            matches!(replies[..], [reply] if matches!(reply.provenance, Provenance::Playbook { .. })),
            "{replies:?}"
        );
        ensure!(
            log.settlements().last() == Some(&CallOutcome::Ok),
            "the reply arrived whole, and is paid for"
        );
        Ok(())
    };
    rules::with_numbers(&[("planner.retries", 0)])?.play(scene).await
}

#[tokio::test]
async fn evidence_that_no_search_returned_is_dropped_before_anyone_sees_it() -> anyhow::Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        rules::set(
            stage,
            &[rules::once(
                "research",
                Fault::Breach {
                    mode: BreachMode::InventedUrl,
                },
            )],
        )
        .await?;
        let run = client.generate(session, false, None).await?;
        ensure!(run.state == "DONE", "{run:?}");
        let bill = Bill::of(stage).await?;
        let calls = bill.calls("research");
        let [call] = calls.as_slice() else {
            anyhow::bail!("one call: {calls:?}")
        };
        let log = Log::of(stage, session).await?;
        let research = log.completion("research")?;
        ensure!(research.dropped == 1, "{research:?}");
        let evidence = research.output["evidence"]
            .as_array()
            .context("there is a list")?;
        ensure!(evidence.len() + 1 == call.search_urls.len(), "{evidence:?}");
        for piece in evidence {
            let url = piece["url"]
                .as_str()
                .context("a piece of evidence has an address")?;
            ensure!(call.search_urls.iter().any(|found| found == url), "{url}");
        }
        let [note] = research.notes.as_slice() else {
            anyhow::bail!("one note: {:?}", research.notes)
        };
        ensure!(
            matches!(&note.provenance, Provenance::Playbook { key, .. } if key == "risk.evidence_dropped")
        );
        ensure!(research.output.pointer(&note.path).is_some_and(Value::is_string));
        for seen in stage.journal(session).await? {
            ensure!(
                !seen.data.contains(INVENTED),
                "{}: {}",
                seen.event_type,
                seen.data
            );
        }
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}
