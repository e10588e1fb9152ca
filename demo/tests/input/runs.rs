//! Runs that may not start, edits that may not be made, and things that do not exist.

use anyhow::{Context as _, Result, ensure};
use greenroom_demo::session_play::{
    BRIEF, Stage, StageSpec, ready_session, until_event, until_signal, until_state,
};
use greenroom_protocol::{ClientMessage, ErrorCode, SessionId, Signal, limits};
use loadtest::client::{Client, CreateSession, Socket, SocketOptions};
use serde_json::{Value, json};

use crate::wire::{RawSocket, Wire, answer};

const NO_RUN: &str = "run_00000000000000000000000001";
const NO_JOB: &str = "job_00000000000000000000000001";
/// The required slots, in the playbook's order.
const REQUIRED: [&str; 8] = [
    "product.name",
    "product.category",
    "product.features",
    "product.price_band",
    "target.who",
    "target.why",
    "channel.channels",
    "goal.weekly_goal",
];

async fn new_session(client: &Client) -> Result<SessionId> {
    Ok(client
        .create_session(&CreateSession::default())
        .await?
        .session
        .session_id)
}

async fn patch(wire: &Wire, session: SessionId, edits: &Value) -> Result<crate::wire::Answer> {
    answer(
        wire.request("PATCH", &format!("/api/chat/session/{session}/slots"))?
            .json(edits),
    )
    .await
}

#[tokio::test]
async fn a_run_before_the_gate_is_refused_with_what_is_missing() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = new_session(&client).await?;
        let wire = Wire::to(stage)?;
        for route in ["generate", "generate/async"] {
            let path = format!("/api/runs/{session}/{route}");
            let error = wire
                .post(&path, &json!({}))
                .await?
                .refused(409, "GATE_NOT_READY")?;
            ensure!(error.details["missing_required"] == json!(REQUIRED), "{error:?}");
            // A body may be left out altogether.
            answer(wire.request("POST", &path)?)
                .await?
                .refused(409, "GATE_NOT_READY")?;
        }
        client
            .message(session, "제품명은 런치부스터, 카테고리는 스킨케어", None)
            .await?;
        let path = format!("/api/runs/{session}/generate");
        let error = wire
            .post(&path, &json!({ "draft": false }))
            .await?
            .refused(409, "GATE_NOT_READY")?;
        ensure!(
            error.details["missing_required"] == json!(REQUIRED[2..]),
            "{error:?}"
        );
        ensure!(!error.retryable, "sending it again does not help: {error:?}");

        let mut socket = RawSocket::enter(stage, session).await?;
        socket.send_text(r#"{"type":"run.generate","id":"g"}"#).await?;
        let rejected = socket.signal("rejected").await?;
        ensure!(
            rejected["id"] == "g" && rejected["error"]["code"] == "GATE_NOT_READY",
            "{rejected}"
        );
        ensure!(
            rejected["error"]["details"]["missing_required"] == json!(REQUIRED[2..]),
            "{rejected}"
        );
        let runs = wire.get(&format!("/api/runs?session_id={session}")).await?.ok()?;
        ensure!(runs["total"] == 0, "{runs}");
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn without_a_model_turns_fill_slots_and_a_run_past_the_gate_says_what_is_missing() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = new_session(&client).await?;
        let named = client.message(session, "런치부스터", None).await?;
        ensure!(
            named.slot_updates.len() == 1,
            "a bare answer fills the slot that was asked for: {named:?}"
        );
        ensure!(named.brief_slots["product"]["name"] == "런치부스터", "{named:?}");
        ensure!(
            !named.assistant_message.is_empty() && named.state == "CHAT_COLLECTING",
            "{named:?}"
        );
        let wire = Wire::to(stage)?;
        let generate = format!("/api/runs/{session}/generate");
        wire.post(&generate, &json!({}))
            .await?
            .refused(409, "GATE_NOT_READY")?;

        let turn = client.message(session, BRIEF, None).await?;
        ensure!(turn.gate.ready && turn.state == "BRIEF_READY", "{turn:?}");
        ensure!(turn.brief_slots["product"]["price_band"] == "mid", "{turn:?}");
        ensure!(
            turn.brief_slots["goal"] == json!({ "weekly_goal": "purchase", "video_seconds": 10 }),
            "{turn:?}"
        );
        for path in [generate.clone(), format!("{generate}/async")] {
            for body in [json!({}), json!({ "draft": true })] {
                wire.post(&path, &body)
                    .await?
                    .refused(503, "LLM_NOT_CONFIGURED")?;
            }
        }
        let mut socket = RawSocket::enter(stage, session).await?;
        socket.send_text(r#"{"type":"run.generate","id":"g"}"#).await?;
        let rejected = socket.signal("rejected").await?;
        ensure!(rejected["error"]["code"] == "LLM_NOT_CONFIGURED", "{rejected}");
        let state = client.session(session).await?.state;
        ensure!(state == "BRIEF_READY", "nothing was begun: {state}");

        let phrases_only = stage.journal(session).await?.into_iter().all(|event| {
            event.event_type != "message.added"
                || event.data.contains("\"kind\":\"playbook\"")
                || event.data.contains("\"kind\":\"user\"")
        });
        ensure!(
            phrases_only,
            "without a model nobody but the playbook and the user says anything"
        );
        Ok(())
    };
    StageSpec::without_model()?.play(scene).await
}

#[tokio::test]
async fn an_edit_that_cannot_be_is_refused_and_none_beside_it_is_made() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = new_session(&client).await?;
        let wire = Wire::to(stage)?;
        let fine = json!({ "path": "product.name", "value": "런치부스터" });
        let edit = |path: &str, value: Value| json!({ "path": path, "value": value });
        let wrong = [
            edit("product.colour", json!("red")),
            edit("nonsense", json!("x")),
            edit("", json!("x")),
            edit("product.name", json!(7)),
            edit("product.name", json!("")),
            edit("product.name", json!({ "a": 1 })),
            edit(
                "product.name",
                json!("가".repeat(limits::SLOT_VALUE_CHARS_MAX + 1)),
            ),
            edit("product.features", json!("not a list")),
            edit("product.features", json!(["저자극", 7])),
            edit("product.features", json!(vec!["x"; limits::SLOT_ITEMS_MAX + 1])),
            edit("channel.channels", json!(["a", "b", "c"])),
            edit("product.price_band", json!("dear")),
            edit("goal.weekly_goal", json!("fame")),
            edit("goal.video_seconds", json!(12)),
            edit("goal.video_seconds", json!("long")),
        ];
        for wrong in wrong {
            let refused = patch(&wire, session, &json!([fine, wrong])).await?;
            refused
                .refused(422, "INPUT_INVALID")
                .with_context(|| wrong.to_string())?;
        }
        patch(&wire, session, &json!([]))
            .await?
            .refused(422, "INPUT_INVALID")?;
        patch(&wire, session, &json!(vec![&fine; limits::SLOT_EDITS_MAX + 1]))
            .await?
            .refused(422, "INPUT_INVALID")?;
        patch(&wire, session, &fine)
            .await?
            .refused(422, "INPUT_INVALID")?;
        let slots = client.session(session).await?.brief_slots;
        ensure!(slots["product"]["name"].is_null(), "all or none: {slots:?}");

        let mut socket = RawSocket::enter(stage, session).await?;
        socket
            .send_text(r#"{"type":"slot.set","path":"product.colour","value":"red","id":"s"}"#)
            .await?;
        let rejected = socket.signal("rejected").await?;
        ensure!(
            rejected["id"] == "s" && rejected["error"]["code"] == "INPUT_INVALID",
            "{rejected}"
        );

        let edited = patch(&wire, session, &json!([fine])).await?.ok()?;
        ensure!(
            edited["brief_slots"]["product"]["name"] == "런치부스터",
            "{edited}"
        );
        socket
            .send_text(r#"{"type":"slot.set","path":"product.name","value":null,"id":"c"}"#)
            .await?;
        socket.signal("accepted").await?;
        let slots = client.session(session).await?.brief_slots;
        ensure!(slots["product"]["name"].is_null(), "null clears: {slots:?}");
        Ok(())
    };
    StageSpec::without_model()?.play(scene).await
}

/// While a run is under way nobody changes the brief or starts another run, and turns are answered all the same.
async fn check_frozen(stage: &Stage, client: &Client, session: SessionId, socket: &mut Socket) -> Result<()> {
    let wire = Wire::to(stage)?;
    let edits = json!([{ "path": "product.name", "value": "다른 이름" }]);
    let error = patch(&wire, session, &edits)
        .await?
        .refused(409, "GATE_RUN_ACTIVE")?;
    ensure!(
        error.retryable,
        "it may be edited once the run has ended: {error:?}"
    );
    let edit = ClientMessage::SlotSet {
        path: "product.name".parse()?,
        value: json!("다른 이름"),
    };
    socket.send(&edit, Some("edit")).await?;
    let code = until_signal(socket, |signal| match signal {
        Signal::Rejected { id, error } if id.as_deref() == Some("edit") => Some(error.code),
        _ => None,
    });
    ensure!(code.await? == ErrorCode::GateRunActive);
    let generate = format!("/api/runs/{session}/generate");
    wire.post(&generate, &json!({}))
        .await?
        .refused(409, "RUN_ACTIVE")?;
    wire.post(&format!("{generate}/async"), &json!({}))
        .await?
        .refused(409, "RUN_ACTIVE")?;
    let turn = client
        .message(session, "제품명은 다른이름, 얼마나 걸려요?", None)
        .await?;
    ensure!(
        turn.brief_slots["product"]["name"] == "런치부스터",
        "turns are answered, slots are not: {turn:?}"
    );
    Ok(())
}

#[tokio::test]
async fn while_a_run_is_under_way_slots_are_frozen_no_other_begins_and_it_can_be_cancelled() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        stage
            .simulate(&json!([{ "match": { "purpose": "strategy" }, "fault": { "kind": "hang" } }]))
            .await?;
        let mut socket = client.connect(session, SocketOptions::default()).await?;
        let job = client.generate_async(session, false, Some("first")).await?;
        until_state(&mut socket, "GEN_STRATEGY").await?;

        check_frozen(stage, &client, session, &mut socket).await?;

        let wire = Wire::to(stage)?;
        let running = client.job(job.job_id).await?;
        ensure!(running["status"] == "running", "{running}");
        let run = running["run_id"]
            .as_str()
            .context("a job names its run")?
            .parse()?;
        let unfinished = client.run(run).await?;
        ensure!(
            unfinished["status"] == "running" && unfinished["state"] == "GEN_STRATEGY",
            "{unfinished}"
        );
        ensure!(
            unfinished["research_snapshot"].is_object(),
            "what is complete can be read: {unfinished}"
        );
        wire.post(&format!("/api/runs/{run}/retry"), &json!({}))
            .await?
            .refused(409, "RUN_ACTIVE")?;
        let cancelled = client.cancel(run).await?;
        ensure!(
            cancelled.run_id == run && cancelled.state == "BRIEF_READY",
            "{cancelled:?}"
        );
        until_event(&mut socket, "run.cancelled").await?;
        ensure!(client.job(job.job_id).await?["status"] == "failed");
        let again = client.cancel(run).await?;
        ensure!(
            again == cancelled,
            "one that has ended is left as it is: {again:?}"
        );
        ensure!(client.run(run).await?["status"] == "cancelled");

        let edits = json!([{ "path": "product.name", "value": "다른 이름" }]);
        let freed = patch(&wire, session, &edits).await?.ok()?;
        ensure!(freed["brief_slots"]["product"]["name"] == "다른 이름", "{freed}");
        let done = client.generate(session, false, Some("second")).await?;
        ensure!(done.state == "DONE" && done.run_id != run, "{done:?}");
        let runs = wire.get(&format!("/api/runs?session_id={session}")).await?.ok()?;
        let listed: Vec<&Value> = runs["items"]
            .as_array()
            .context("runs")?
            .iter()
            .map(|run| &run["status"])
            .collect();
        ensure!(listed == ["completed", "cancelled"], "newest first: {runs}");
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn a_draft_names_its_gaps_and_goes_through() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = new_session(&client).await?;
        client
            .message(session, "제품명은 런치부스터, 카테고리는 스킨케어", None)
            .await?;
        let run = client.generate(session, true, None).await?;
        ensure!(run.state == "DONE", "{run:?}");
        let package = client.run(run.run_id).await?;
        ensure!(package["draft"] == true, "{package}");
        ensure!(
            package["waiver"]["missing_required"] == json!(REQUIRED[2..]),
            "{package}"
        );
        Wire::to(stage)?
            .post(&format!("/api/runs/{session}/generate"), &json!({}))
            .await?
            .refused(409, "GATE_NOT_READY")?;
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn runs_and_jobs_that_do_not_exist_are_not_found() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = new_session(&client).await?;
        let wire = Wire::to(stage)?;
        let session_id = session.to_string();
        for run in [NO_RUN, "run_x", &session_id, "%ff"] {
            wire.get(&format!("/api/runs/{run}"))
                .await?
                .refused(404, "RUN_NOT_FOUND")?;
            wire.post(&format!("/api/runs/{run}/cancel"), &json!({}))
                .await?
                .refused(404, "RUN_NOT_FOUND")?;
            wire.post(&format!("/api/runs/{run}/retry"), &json!({}))
                .await?
                .refused(404, "RUN_NOT_FOUND")?;
        }
        for job in [NO_JOB, "job_x", NO_RUN] {
            wire.get(&format!("/api/jobs/{job}"))
                .await?
                .refused(404, "JOB_NOT_FOUND")?;
        }
        wire.get("/api/runs?session_id=sess_00000000000000000000000001")
            .await?
            .refused(404, "SESSION_NOT_FOUND")?;
        wire.get(&format!("/api/jobs?run_id={NO_RUN}"))
            .await?
            .refused(404, "RUN_NOT_FOUND")?;
        wire.get("/api/runs?session_id=nonsense")
            .await?
            .refused(422, "INPUT_INVALID")?;
        wire.get("/api/runs").await?.refused(422, "INPUT_INVALID")?;
        wire.get("/api/jobs?status=lost")
            .await?
            .refused(422, "INPUT_INVALID")?;

        let mut socket = RawSocket::enter(stage, session).await?;
        for message in ["run.cancel", "run.retry"] {
            socket
                .send_text(json!({ "type": message, "id": message }).to_string())
                .await?;
            let rejected = socket.signal("rejected").await?;
            ensure!(
                rejected["id"] == message && rejected["error"]["code"] == "RUN_NOT_FOUND",
                "{rejected}"
            );
        }
        Ok(())
    };
    StageSpec::without_model()?.play(scene).await
}

#[tokio::test]
async fn jobs_are_listed_by_session_run_status_and_owner() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?.with_user_key("alice");
        let wire = Wire::to(stage)?;
        let session = ready_session(&client).await?;
        let mut jobs = Vec::new();
        for key in ["one", "two"] {
            let mut socket = client.connect(session, SocketOptions::default()).await?;
            jobs.push(client.generate_async(session, false, Some(key)).await?);
            until_state(&mut socket, "DONE").await?;
        }
        let list = async |query: &str| -> Result<Vec<String>> {
            let request = wire
                .request("GET", &format!("/api/jobs{query}"))?
                .header("x-user-key", "alice");
            let page = answer(request).await?.ok()?;
            let items = page["items"].as_array().context("a list has items")?;
            Ok(items
                .iter()
                .map(|job| job["job_id"].as_str().unwrap_or_default().to_owned())
                .collect())
        };
        let newest_first = [jobs[1].job_id.to_string(), jobs[0].job_id.to_string()];
        ensure!(list("").await? == newest_first);
        ensure!(list(&format!("?session_id={session}")).await? == newest_first);
        ensure!(list("?status=completed").await? == newest_first);
        ensure!(list("?status=failed").await?.is_empty());
        ensure!(list("?limit=1").await? == newest_first[..1]);
        ensure!(list("?limit=1&offset=1").await? == newest_first[1..]);
        let job = client.job(jobs[0].job_id).await?;
        let run = job["run_id"].as_str().context("a job names its run")?;
        ensure!(list(&format!("?run_id={run}")).await? == newest_first[1..]);
        ensure!(
            job["type"] == "run" && job["session_id"] == session.to_string(),
            "{job}"
        );
        for field in ["created_at", "updated_at"] {
            ensure!(job[field].as_str().is_some_and(|at| at.ends_with('Z')), "{job}");
        }

        wire.get(&format!("/api/jobs/{}", jobs[0].job_id))
            .await?
            .refused(404, "JOB_NOT_FOUND")?;
        wire.get(&format!("/api/runs/{run}"))
            .await?
            .refused(404, "RUN_NOT_FOUND")?;
        wire.get(&format!("/api/jobs?session_id={session}"))
            .await?
            .refused(404, "SESSION_NOT_FOUND")?;
        ensure!(
            wire.get("/api/jobs").await?.ok()?["total"] == 0,
            "nobody's list is empty"
        );
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}
