//! The operator's socket and its client.

use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::process::Output;

use anyhow::{Context as _, Result, ensure};
use greenroom_demo::built;
use greenroom_demo::session_play::{Stage, StageSpec, ready_session, until_state};
use loadtest::client::{CreateSession, SocketOptions};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::wire::answer;

/// Runs `greenroom admin …` against the server.
pub async fn admin(stage: &Stage, args: &[&str]) -> Result<Output> {
    let mut command = Command::new(built::programs().server.path);
    command
        .args(["admin", "--socket"])
        .arg(stage.admin_socket())
        .args(args);
    Ok(command
        .current_dir(stage.world.data_dir())
        .kill_on_drop(true)
        .output()
        .await?)
}

pub async fn table(stage: &Stage, args: &[&str]) -> Result<String> {
    let output = admin(stage, args).await?;
    ensure!(
        output.status.success(),
        "{args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

pub async fn json_of(stage: &Stage, args: &[&str]) -> Result<Value> {
    let with_json: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
    Ok(serde_json::from_str(&table(stage, &with_json).await?)?)
}

/// A session that is done, and one that has just begun, of a user with a key.
async fn two_sessions(stage: &Stage) -> Result<(String, String)> {
    let alice = stage.client()?.with_user_key("alice-4711-secret");
    let done = ready_session(&alice).await?;
    alice.generate(done, false, None).await?;
    let fresh = alice
        .create_session(&CreateSession::default())
        .await?
        .session
        .session_id;
    Ok((done.to_string(), fresh.to_string()))
}

#[tokio::test]
async fn the_socket_is_the_operators_alone_and_shows_sessions_and_events() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let socket = std::fs::metadata(stage.admin_socket())?;
        ensure!(
            socket.file_type().is_socket() && socket.permissions().mode() & 0o777 == 0o600,
            "{socket:?}"
        );
        let (done, _) = two_sessions(stage).await?;
        let (status, list): (u16, Value) = stage.admin("/sessions").await?;
        ensure!(status == 200 && list["total"] == 2, "{list}");
        let (_, filtered): (u16, Value) = stage.admin("/sessions?state=DONE").await?;
        ensure!(
            filtered["total"] == 1 && filtered["items"][0]["session_id"] == done,
            "{filtered}"
        );
        let item = &filtered["items"][0];
        ensure!(
            item["title"] == "런치부스터" && item["user"] == "alice-47…" && item["state"] == "DONE",
            "{item}"
        );

        let (status, shown): (u16, Value) = stage.admin(&format!("/sessions/{done}")).await?;
        ensure!(status == 200 && shown["state"] == "DONE", "{shown}");
        let actor = &shown["actor"];
        ensure!(actor["state"] == "DONE" && actor["run_id"].is_string(), "{actor}");
        for field in ["commands_waiting", "facts_waiting", "restarts"] {
            ensure!(actor[field] == 0, "{field}: {actor}");
        }
        for field in ["stages", "children"] {
            ensure!(actor[field] == json!([]), "{field}: {actor}");
        }
        ensure!(
            actor["epoch"].as_u64() >= Some(1) && actor["head"] == actor["committed"],
            "{actor}"
        );
        ensure!(shown["cost"]["calls"] == 5, "a turn and four stages: {shown}");

        let (status, page): (u16, Value) = stage.admin(&format!("/sessions/{done}/events?limit=3")).await?;
        ensure!(
            status == 200 && page["events"].as_array().is_some_and(|events| events.len() == 3),
            "{page}"
        );
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn the_socket_says_what_is_no_question() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        for path in [
            "/sessions/sess_00000000000000000000000001",
            "/sessions/sess_00000000000000000000000001/events",
            "/sessions/nonsense",
        ] {
            let (status, error): (u16, Value) = stage.admin(path).await?;
            ensure!(
                status == 404 && error["error"]["code"] == "SESSION_NOT_FOUND",
                "{path}: {error}"
            );
        }
        let (status, error): (u16, Value) = stage.admin("/nonsense").await?;
        ensure!(
            status == 404 && error["error"]["code"] == "INPUT_INVALID",
            "{error}"
        );

        let unix = reqwest::Client::builder()
            .no_proxy()
            .unix_socket(stage.admin_socket())
            .build()?;
        for (path, status) in [("sessions", 405), ("nonsense", 404)] {
            let answered = answer(unix.post(format!("http://admin/{path}"))).await?;
            answered
                .refused(status, "INPUT_INVALID")
                .context("the socket only answers questions")?;
        }
        Ok(())
    };
    StageSpec::without_model()?.play(scene).await
}

#[tokio::test]
async fn the_operators_client_prints_tables_for_people_and_json_for_machines() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let (done, fresh) = two_sessions(stage).await?;
        let listed = table(stage, &["sessions"]).await?;
        ensure!(
            listed.starts_with("SESSION") && listed.contains(&done) && listed.contains(&fresh),
            "{listed}"
        );
        ensure!(
            listed.contains("런치부스터") && !listed.contains("alice-4711-secret"),
            "{listed}"
        );
        let listed = table(stage, &["sessions", "--state", "DONE"]).await?;
        ensure!(listed.contains(&done) && !listed.contains(&fresh), "{listed}");
        ensure!(json_of(stage, &["sessions", "--state", "DONE"]).await?["items"][0]["session_id"] == done);

        let shown = table(stage, &["show", &done]).await?;
        ensure!(
            shown.contains("actor.state") && shown.contains("cost.calls"),
            "{shown}"
        );
        ensure!(json_of(stage, &["show", &done]).await?["session_id"] == done);

        let events = table(stage, &["events", &done, "--after", "evt_00003", "--limit", "2"]).await?;
        ensure!(
            events.contains("evt_00004") && events.contains("evt_00005") && !events.contains("evt_00006"),
            "{events}"
        );
        let page = json_of(stage, &["events", &done]).await?;
        let journal = stage.journal(done.parse()?).await?;
        ensure!(
            page["events"].as_array().map(Vec::len) == Some(journal.len()),
            "the whole log"
        );
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn an_operator_sees_what_is_under_way() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        stage
            .simulate(&json!([{ "match": { "purpose": "creative" }, "fault": { "kind": "hang" } }]))
            .await?;
        let mut socket = client.connect(session, SocketOptions::default()).await?;
        let job = client.generate_async(session, false, None).await?;
        until_state(&mut socket, "GEN_CREATIVES").await?;
        let (_, shown): (u16, Value) = stage.admin(&format!("/sessions/{session}")).await?;
        let actor = &shown["actor"];
        ensure!(
            actor["stages"] == json!([{ "stage": "creative", "attempt": 1 }]),
            "{actor}"
        );
        let child = &actor["children"][0];
        ensure!(
            child["stage"] == "creative" && child["purpose"] == "stage",
            "{actor}"
        );
        ensure!(
            child["call_id"]
                .as_str()
                .is_some_and(|id| id.starts_with("call_")),
            "{actor}"
        );
        ensure!(actor["connections"].as_u64() >= Some(1), "{actor}");
        let run = client.job(job.job_id).await?["run_id"]
            .as_str()
            .context("a run")?
            .parse()?;
        client.cancel(run).await?;
        let (_, shown): (u16, Value) = stage.admin(&format!("/sessions/{session}")).await?;
        ensure!(
            shown["actor"]["children"] == json!([]) && shown["actor"]["stages"] == json!([]),
            "{shown}"
        );
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn the_operators_client_says_plainly_what_is_wrong() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let check = async |args: &[&str], expected: &str| -> Result<()> {
            let output = admin(stage, args).await?;
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            ensure!(!output.status.success(), "{args:?} succeeds");
            ensure!(told.contains(expected), "{args:?}: {told}");
            Ok(())
        };
        check(&["show", "sess_00000000000000000000000001"], "SESSION_NOT_FOUND").await?;
        check(&["show", "nonsense"], "sess_").await?;
        check(&["events"], "SESSION").await?;
        check(
            &["sessions", "--socket", "/nonexistent/admin.sock"],
            "/nonexistent/admin.sock",
        )
        .await?;
        check(&["nonsense"], "nonsense").await
    };
    StageSpec::without_model()?.play(scene).await
}
