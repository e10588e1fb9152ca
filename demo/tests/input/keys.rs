//! Idempotency keys: the same key does a thing once, whoever sends it again and however, and means one thing only.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use futures_util::future::try_join_all;
use greenroom_demo::session_play::{BRIEF, Stage, StageSpec, fill_brief, ready_session, until_event};
use greenroom_protocol::{JobStatus, SessionId};
use loadtest::client::{Client, CreateSession, SocketOptions};
use serde_json::{Value, json};

use crate::wire::{Answer, RawSocket, Wire, answer};

/// As many as come at once.
const AT_ONCE: usize = 10;

async fn new_session(client: &Client) -> Result<SessionId> {
    Ok(client
        .create_session(&CreateSession::default())
        .await?
        .session
        .session_id)
}

async fn count(stage: &Stage, session: SessionId, event_type: &str) -> Result<usize> {
    let journal = stage.journal(session).await?;
    Ok(journal
        .iter()
        .filter(|event| event.event_type == event_type)
        .count())
}

async fn post(wire: &Wire, path: &str, body: &Value, headers: &[(&str, &str)]) -> Result<Answer> {
    let mut request = wire.request("POST", path)?.json(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(request).await
}

#[tokio::test]
async fn a_message_that_comes_ten_times_at_once_is_one_turn_with_one_answer() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = new_session(&client).await?;
        let turns = try_join_all((0..AT_ONCE).map(|_| client.message(session, BRIEF, Some("once")))).await?;
        ensure!(
            turns.iter().all(|turn| *turn == turns[0]),
            "all get the same answer: {turns:?}"
        );
        ensure!(
            !turns[0].slot_updates.is_empty() && turns[0].gate.ready,
            "{:?}",
            turns[0]
        );
        ensure!(count(stage, session, "turn.started").await? == 1);

        let again = client.message(session, BRIEF, Some("once")).await?;
        ensure!(again == turns[0], "nor does it begin one later: {again:?}");
        let mut stream = client.message_stream(session, BRIEF, Some("once")).await?;
        let mut last = None;
        while let Some(event) = stream.next().await? {
            last = Some(event);
        }
        ensure!(
            last.is_some_and(|event| event.event_type == "turn.completed"),
            "a stream shows the same turn"
        );
        ensure!(count(stage, session, "turn.started").await? == 1);
        ensure!(stage.bill().await?.calls.len() == 1, "it was paid for once");
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn a_key_means_one_thing_over_rest_and_socket_alike() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = new_session(&client).await?;
        let wire = Wire::to(stage)?;
        let path = format!("/api/chat/session/{session}/message");
        let hello = json!({ "message": "안녕하세요" });
        post(&wire, &path, &hello, &[("x-idempotency-key", "k")])
            .await?
            .ok()?;
        let other = json!({ "message": "안녕하십니까" });
        post(&wire, &path, &other, &[("idempotency-key", "k")])
            .await?
            .refused(422, "INPUT_ID_REUSED")?;
        for route in ["generate", "generate/async"] {
            let path = format!("/api/runs/{session}/{route}");
            post(&wire, &path, &json!({}), &[("idempotency-key", "k")])
                .await?
                .refused(422, "INPUT_ID_REUSED")?;
        }
        let edits = json!([{ "path": "product.name", "value": "x" }]);
        let request = wire
            .request("PATCH", &format!("/api/chat/session/{session}/slots"))?
            .json(&edits);
        answer(request.header("idempotency-key", "k"))
            .await?
            .refused(422, "INPUT_ID_REUSED")?;

        let mut socket = RawSocket::enter(stage, session).await?;
        let frame = |text: &str| json!({ "type": "user.message", "text": text, "id": "k" }).to_string();
        socket.send_text(frame("안녕하십니까")).await?;
        let rejected = socket.signal("rejected").await?;
        ensure!(
            rejected["id"] == "k" && rejected["error"]["code"] == "INPUT_ID_REUSED",
            "{rejected}"
        );
        socket.send_text(frame("안녕하세요")).await?;
        let accepted = socket.signal("accepted").await?;
        ensure!(
            accepted["id"] == "k" && accepted["duplicate"] == true,
            "{accepted}"
        );
        ensure!(count(stage, session, "turn.started").await? == 1);
        // Keys are each session's own.
        let elsewhere = new_session(&client).await?;
        let path = format!("/api/chat/session/{elsewhere}/message");
        post(&wire, &path, &other, &[("idempotency-key", "k")])
            .await?
            .ok()?;
        Ok(())
    };
    StageSpec::without_model()?.play(scene).await
}

#[tokio::test]
async fn a_message_over_the_socket_is_accepted_once_and_then_known() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = new_session(&client).await?;
        let mut sockets = Vec::new();
        for _ in 0..AT_ONCE {
            sockets.push(RawSocket::enter(stage, session).await?);
        }
        let frame = json!({ "type": "user.message", "text": BRIEF, "id": "once" }).to_string();
        try_join_all(sockets.iter_mut().map(|socket| socket.send_text(frame.clone()))).await?;
        let accepted = try_join_all(sockets.iter_mut().map(|socket| socket.signal("accepted"))).await?;
        let fresh = accepted
            .iter()
            .filter(|signal| signal["duplicate"] == false)
            .count();
        ensure!(fresh == 1, "exactly one began the turn: {accepted:?}");
        let told: BTreeSet<String> = accepted
            .iter()
            .map(|signal| format!("{} {} {}", signal["id"], signal["turn_id"], signal["seq"]))
            .collect();
        ensure!(told.len() == 1, "all are told of the same turn: {told:?}");

        let began = accepted[0]["seq"].as_u64().unwrap_or_default();
        let journal = stage.journal(session).await?;
        let first = journal.iter().find(|event| event.seq.0 == began);
        ensure!(
            first.is_some_and(|event| event.event_type == "turn.started"),
            "seq is the turn's first event"
        );
        ensure!(count(stage, session, "turn.started").await? == 1);
        Ok(())
    };
    StageSpec::without_model()?.play(scene).await
}

#[tokio::test]
async fn a_run_that_is_asked_for_ten_times_at_once_is_one_run() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        let turns_paid = stage.bill().await?.calls.len();
        let runs = try_join_all((0..AT_ONCE).map(|_| client.generate(session, false, Some("run")))).await?;
        ensure!(
            runs.iter().all(|run| *run == runs[0]),
            "all get the same answer: {runs:?}"
        );
        ensure!(runs[0].state == "DONE", "{:?}", runs[0]);
        ensure!(count(stage, session, "run.started").await? == 1);
        ensure!(
            stage.bill().await?.calls.len() == turns_paid + 4,
            "each stage was paid for once"
        );

        // A key that is known answers as before, although the gate is closed by now.
        let wire = Wire::to(stage)?;
        let clear = json!([{ "path": "product.name", "value": null }]);
        let request = wire
            .request("PATCH", &format!("/api/chat/session/{session}/slots"))?
            .json(&clear);
        let gate = &answer(request).await?.ok()?["gate"];
        ensure!(gate["ready"] == false, "{gate}");
        let again = client.generate(session, false, Some("run")).await?;
        ensure!(again == runs[0], "{again:?} is not as before: {:?}", runs[0]);
        let path = format!("/api/runs/{session}/generate");
        post(&wire, &path, &json!({}), &[("idempotency-key", "other")])
            .await?
            .refused(409, "GATE_NOT_READY")?;
        let draft = json!({ "draft": true });
        post(&wire, &path, &draft, &[("idempotency-key", "run")])
            .await?
            .refused(422, "INPUT_ID_REUSED")?;
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn a_run_in_the_background_is_one_job_whatever_comes_again() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        let mut socket = client.connect(session, SocketOptions::default()).await?;
        let jobs =
            try_join_all((0..AT_ONCE).map(|_| client.generate_async(session, false, Some("job")))).await?;
        let ids: BTreeSet<String> = jobs.iter().map(|job| job.job_id.to_string()).collect();
        ensure!(ids.len() == 1, "all are told of the same job: {jobs:?}");
        until_event(&mut socket, "run.completed").await?;
        until_event(&mut socket, "stage.changed").await?;
        ensure!(count(stage, session, "run.started").await? == 1);

        let again = client.generate_async(session, false, Some("job")).await?;
        ensure!(
            again.job_id == jobs[0].job_id && again.status == JobStatus::Completed,
            "{again:?}"
        );
        let job = client.job(again.job_id).await?;
        ensure!(
            job["status"] == "completed" && job["progress"] == 100 && job["error"].is_null(),
            "{job}"
        );
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn a_run_asked_for_over_the_socket_is_known_to_rest_and_to_the_next_socket() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = new_session(&client).await?;
        fill_brief(&client, session).await?;
        let frame = json!({ "type": "run.generate", "id": "run" }).to_string();
        let mut socket = RawSocket::enter(stage, session).await?;
        socket.send_text(frame.clone()).await?;
        socket.send_text(frame.clone()).await?;
        let first = socket.signal("accepted").await?;
        let second = socket.signal("accepted").await?;
        ensure!(
            first["duplicate"] == false && second["duplicate"] == true,
            "{first} {second}"
        );
        ensure!(
            first["run_id"] == second["run_id"] && first["run_id"].is_string(),
            "{first} {second}"
        );
        let run = client.generate(session, false, Some("run")).await?;
        ensure!(
            first["run_id"] == run.run_id.to_string() && run.state == "DONE",
            "{run:?}"
        );
        let mut later = RawSocket::enter(stage, session).await?;
        later.send_text(frame).await?;
        let third = later.signal("accepted").await?;
        ensure!(
            third["run_id"] == first["run_id"] && third["duplicate"] == true,
            "{third}"
        );
        ensure!(third["seq"] == first["seq"], "{third}");
        ensure!(count(stage, session, "run.started").await? == 1);
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn what_is_no_key_is_refused() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = new_session(&client).await?;
        let wire = Wire::to(stage)?;
        let path = format!("/api/chat/session/{session}/message");
        let hello = json!({ "message": "안녕하세요" });
        let too_long = "k".repeat(129);
        for key in ["", "a b", "키", &too_long] {
            post(&wire, &path, &hello, &[("idempotency-key", key)])
                .await?
                .refused(422, "INPUT_INVALID")?;
        }
        let both = [("idempotency-key", "a"), ("x-idempotency-key", "b")];
        post(&wire, &path, &hello, &both)
            .await?
            .refused(422, "INPUT_INVALID")?;

        let mut socket = RawSocket::enter(stage, session).await?;
        for id in [json!(""), json!("a b"), json!("키"), json!(too_long), json!(7)] {
            socket
                .send_text(json!({ "type": "user.message", "text": "x", "id": id }).to_string())
                .await?;
            let rejected = socket.signal("rejected").await?;
            ensure!(rejected["error"]["code"] == "INPUT_INVALID", "{rejected}");
        }
        ensure!(count(stage, session, "turn.started").await? == 0);
        let longest = "k".repeat(128);
        post(&wire, &path, &hello, &[("idempotency-key", &longest)])
            .await?
            .ok()?;
        Ok(())
    };
    StageSpec::without_model()?.play(scene).await
}
