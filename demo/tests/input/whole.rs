//! Whole sessions, from the first question to the package, by each way in.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use greenroom_demo::session_play::{Stage, StageSpec, until_event, until_state};
use greenroom_protocol::{ClientMessage, Delta, Event, Provenance, Role, SessionId};
use loadtest::client::{Client, CreateSession, SeenEvent, Socket, SocketOptions};
use loadtest::provider::BilledCall;
use serde_json::Value;

use crate::wire::Wire;

/// A brief as somebody types it, a bit at a time, with a question and a correction.
const TALK: [&str; 6] = [
    "안녕하세요, 제품을 하나 알리고 싶어요",
    "제품명은 런치부스터, 카테고리는 스킨케어예요. 이런 것도 도와줄 수 있나요?",
    "특징은 저자극, 빠른흡수, 비건",
    "가격은 29000원이고 타겟은 20대 여성, 이유는 트러블 진정",
    "채널은 인스타와 네이버, 목표는 구매, 영상 길이는 10초",
    "아니요, 제품명은 런치부스터프로로 바꿔주세요",
];
/// The stages in their order, with the package's key of each.
const STAGES: [(&str, &str); 4] = [
    ("research", "research_snapshot"),
    ("strategy", "strategy_plan"),
    ("creative", "creative_assets"),
    ("voice", "voice_assets"),
];

async fn say(socket: &mut Socket, text: &str) -> Result<()> {
    socket
        .send(
            &ClientMessage::UserMessage {
                text: text.to_owned(),
            },
            None,
        )
        .await?;
    let completed = until_event(socket, "turn.completed")
        .await
        .with_context(|| text.to_owned())?;
    ensure!(completed["outcome"] == "ok", "{text}: {completed}");
    Ok(())
}

#[tokio::test]
async fn a_typed_session_reaches_done_over_the_socket() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = client
            .create_session(&CreateSession::default())
            .await?
            .session
            .session_id;
        let mut socket = client.connect(session, SocketOptions::default()).await?;
        for text in TALK {
            say(&mut socket, text).await?;
        }
        socket
            .send(&ClientMessage::RunGenerate { draft: false }, Some("go"))
            .await?;
        let started = until_event(&mut socket, "run.started").await?;
        let run = started["run_id"].as_str().context("a run has an id")?.parse()?;
        for state in ["RUN_RESEARCH", "GEN_STRATEGY", "GEN_CREATIVES", "DONE"] {
            until_state(&mut socket, state).await?;
        }
        let journal = stage.journal(session).await?;
        let outputs = check_log(&journal)?;
        let package = client.run(run).await?;
        check_package(&package, session, &outputs)?;
        check_evidence(&package, &stage.bill().await?.calls)?;
        ensure!(
            package["brief_summary"]
                .as_str()
                .is_some_and(|text| text.contains("런치부스터프로")),
            "{package}"
        );

        // Afterwards the brief may change, and another run may follow.
        say(&mut socket, "제품명은 런치부스터맥스로 바꿔주세요").await?;
        let second = client.generate(session, false, None).await?;
        ensure!(second.state == "DONE" && second.run_id != run, "{second:?}");
        let again = client.run(run).await?;
        ensure!(
            again["brief_summary"] == package["brief_summary"],
            "a run keeps the brief that it was started with"
        );
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn a_typed_session_reaches_done_over_plain_rest() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let created = client.create_session(&CreateSession::default()).await?;
        let session = created.session.session_id;
        ensure!(
            !created.assistant_message.is_empty() && created.session.state == "CHAT_COLLECTING",
            "{created:?}"
        );
        ensure!(
            !created.session.gate.ready && created.session.gate.completeness == 0.0,
            "{created:?}"
        );
        let mut completeness = 0.0;
        for text in TALK {
            let turn = client.message(session, text, None).await?;
            ensure!(!turn.assistant_message.is_empty(), "{turn:?}");
            ensure!(turn.gate.completeness >= completeness, "{turn:?}");
            completeness = turn.gate.completeness;
        }
        let ready = client.session(session).await?;
        ensure!(
            ready.state == "BRIEF_READY" && ready.gate.ready && completeness >= 1.0,
            "{ready:?}"
        );
        ensure!(
            ready.brief_slots["product"]["name"] == "런치부스터프로",
            "{ready:?}"
        );
        ensure!(
            ready.brief_slots["channel"]["channels"] == serde_json::json!(["인스타", "네이버"]),
            "{ready:?}"
        );

        let run = client.generate(session, false, None).await?;
        ensure!(run.state == "DONE" && run.session_id == session, "{run:?}");
        let outputs = check_log(&client.journal(session).await?)?;
        let package = client.run(run.run_id).await?;
        check_package(&package, session, &outputs)?;
        check_evidence(&package, &stage.bill().await?.calls)?;
        let listed = Wire::to(stage)?
            .get(&format!("/api/runs?session_id={session}"))
            .await?
            .ok()?;
        ensure!(
            listed["items"][0]["run_id"] == run.run_id.to_string() && listed["total"] == 1,
            "{listed}"
        );
        ensure!(listed["items"][0]["status"] == "completed", "{listed}");
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn a_session_in_english_and_in_a_hurry_reaches_done_too() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client: Client = stage.client()?;
        let body = serde_json::json!({ "locale": "en", "mode": "fast" });
        let created = Wire::to(stage)?.post("/api/chat/session", &body).await?.ok()?;
        ensure!(
            created["mode"] == "fast" && created["locale"] == "en",
            "{created}"
        );
        let session: SessionId = created["session_id"].as_str().context("an id")?.parse()?;
        let brief = "The product name is Lunch Booster, the category is skincare, the features are gentle, fast absorbing, \
                     vegan, the price is $25, the target is women in their 20s, the reason is calming breakouts, the \
                     channels are Instagram and TikTok, the goal is purchase, video length is 10 seconds";
        let turn = client.message(session, brief, None).await?;
        ensure!(turn.gate.ready, "{turn:?}");
        ensure!(turn.brief_slots["product"]["price_band"] == "mid", "{turn:?}");
        let run = client.generate(session, false, None).await?;
        ensure!(run.state == "DONE", "{run:?}");
        let calls = stage.bill().await?.calls;
        ensure!(
            calls.iter().all(|call| call.model == "sim-small"),
            "in a hurry the small model does everything"
        );
        let package = client.run(run.run_id).await?;
        ensure!(
            package["locale"] == "en" && package["mode"] == "fast",
            "{package}"
        );
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

/// What was shown while it grew is what stands at the end; answers with the stages' outputs.
fn check_log(journal: &[SeenEvent]) -> Result<BTreeMap<String, Value>> {
    let mut growing: BTreeMap<(String, u32), Value> = BTreeMap::new();
    let mut replies: BTreeMap<String, Value> = BTreeMap::new();
    let mut outputs = BTreeMap::new();
    for seen in journal {
        match seen.event()? {
            Event::PlannerDelta(planner) => {
                grow(
                    replies.entry(planner.turn_id.to_string()).or_default(),
                    &planner.delta,
                )?;
            }
            Event::MessageAdded(message) if matches!(message.provenance, Provenance::Model { .. }) => {
                ensure!(
                    message.role == Role::Assistant && !message.truncated,
                    "{message:?}"
                );
                let turn = message.turn_id.context("a reply belongs to a turn")?.to_string();
                let shown = replies
                    .remove(&turn)
                    .with_context(|| format!("{turn} was not shown as it grew"))?;
                ensure!(
                    shown["reply"] == message.text,
                    "shown: {shown}, said: {}",
                    message.text
                );
            }
            Event::StageDelta(delta) => {
                grow(
                    growing
                        .entry((delta.stage.to_string(), delta.attempt))
                        .or_default(),
                    &delta.delta,
                )?;
            }
            Event::StageCompleted(completed) => {
                let stage = completed.stage.to_string();
                let shown = growing.remove(&(stage.clone(), completed.attempt));
                ensure!(
                    completed.dropped == 0 && completed.notes.is_empty(),
                    "nothing had to be dropped"
                );
                ensure!(
                    shown.as_ref() == Some(&completed.output),
                    "{stage} was shown otherwise than it came out"
                );
                ensure!(
                    outputs.insert(stage, completed.output).is_none(),
                    "each stage is completed once"
                );
            }
            _ => {}
        }
    }
    ensure!(outputs.len() == STAGES.len(), "{:?}", outputs.keys());
    Ok(outputs)
}

fn grow(document: &mut Value, delta: &Delta) -> Result<()> {
    Ok(delta.apply(document)?)
}

/// The package has what each stage produced, and says where it comes from.
fn check_package(package: &Value, session: SessionId, outputs: &BTreeMap<String, Value>) -> Result<()> {
    ensure!(
        package["state"] == "DONE" && package["status"] == "completed",
        "{package}"
    );
    ensure!(
        package["session_id"] == session.to_string() && package["draft"] == false,
        "{package}"
    );
    ensure!(
        package["failures"] == serde_json::json!([]) && package.get("waiver").is_none(),
        "{package}"
    );
    for (stage, key) in STAGES {
        ensure!(package[key] == outputs[stage], "{key} is the output of {stage}");
        let from = &package["provenance"][key];
        ensure!(from["stage"] == stage && from["attempt"] == 1, "{from}");
        let source = &from["source"];
        ensure!(
            source["kind"] == "model" && source["simulated"] == true,
            "{source}"
        );
        ensure!(
            source["provider"] == "simulator" && source["model"] == "sim-large",
            "{source}"
        );
        ensure!(
            source["call_id"]
                .as_str()
                .is_some_and(|id| id.starts_with("call_")),
            "{source}"
        );
    }
    check_contents(package)
}

/// The contents keep the contract's numbers, and speak of the brief.
fn check_contents(package: &Value) -> Result<()> {
    let summary = package["brief_summary"]
        .as_str()
        .context("a package has a summary of its brief")?;
    for part in [
        "런치부스터",
        "스킨케어",
        "저자극, 빠른흡수, 비건",
        "mid",
        "20대 여성",
        "인스타, 네이버",
        "purchase",
    ] {
        ensure!(summary.contains(part), "`{part}` is missing in: {summary}");
    }
    let count = |pointer: &str| {
        package
            .pointer(pointer)
            .and_then(Value::as_array)
            .map_or(0, Vec::len)
    };
    for (pointer, at_least) in [
        ("/kpi_next_actions", 1),
        ("/research_snapshot/market_signals", 1),
        ("/research_snapshot/competitor_notes", 1),
        ("/research_snapshot/channel_observations", 1),
        ("/research_snapshot/evidence", 1),
        ("/strategy_plan/positioning_options", 2),
        ("/strategy_plan/weekly_plan", 3),
        ("/strategy_plan/required_assets", 4),
        ("/creative_assets/ad_copies", 10),
        ("/creative_assets/poster_specs", 1),
        ("/voice_assets/timing_map", 3),
        ("/voice_assets/subtitle_lines", 1),
    ] {
        ensure!(
            count(pointer) >= at_least,
            "{pointer} has {} of {at_least}",
            count(pointer)
        );
    }
    ensure!(
        package["kpi_next_actions"] == package["strategy_plan"]["kpi_next_actions"],
        "lifted, not made anew"
    );
    let video = &package["creative_assets"]["video_prompt_package"];
    ensure!(
        video["duration_sec"] == 10,
        "as long as the brief asks for: {video}"
    );
    ensure!(
        package["voice_assets"]["timing_map"][0]["start"] == 0.0,
        "{}",
        package["voice_assets"]["timing_map"]
    );
    Ok(())
}

/// Every address of the evidence was really found by a search of this run.
fn check_evidence(package: &Value, calls: &[BilledCall]) -> Result<()> {
    let found: Vec<&String> = calls.iter().flat_map(|call| &call.search_urls).collect();
    for evidence in package["research_snapshot"]["evidence"]
        .as_array()
        .context("evidence")?
    {
        let url = evidence["url"].as_str().context("evidence has an address")?;
        ensure!(found.iter().any(|found| *found == url), "nobody found {url}");
    }
    Ok(())
}
