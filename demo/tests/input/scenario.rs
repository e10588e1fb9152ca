//! Sessions of the real server become scenarios, over the admin socket, and replay.

use std::path::Path;
use std::process::Output;

use anyhow::{Result, ensure};
use greenroom_demo::built;
use greenroom_demo::session_play::{Stage, StageSpec, ready_session};
use loadtest::client::CreateSession;
use serde_json::{Value, json};
use tokio::process::Command;

/// Runs `greenroom scenario …`.
async fn scenario(stage: &Stage, args: &[&str]) -> Result<Output> {
    let mut command = Command::new(built::programs().server.path);
    command
        .arg("scenario")
        .args(args)
        .current_dir(stage.world.data_dir());
    Ok(command.kill_on_drop(true).output().await?)
}

/// What the command prints; one that fails is an error with all that it said.
async fn printed(stage: &Stage, args: &[&str]) -> Result<String> {
    let output = scenario(stage, args).await?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let failed = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{args:?}: {failed}\n{told}");
    Ok(told)
}

/// Records a session and plays what was recorded.
async fn record_and_replay(stage: &Stage, session: &str) -> Result<String> {
    let socket = stage.admin_socket().display().to_string();
    let recorded = printed(stage, &["record", session, "--socket", &socket]).await?;
    replay(stage, &format!("{session}.toml"), &recorded).await?;
    Ok(recorded)
}

async fn replay(stage: &Stage, name: &str, recorded: &str) -> Result<()> {
    let file = stage.world.data_dir().join(name);
    std::fs::write(&file, recorded)?;
    let played = printed(stage, &["run", path(&file)]).await;
    let told = played.map_err(|failed| failed.context(recorded.to_owned()))?;
    ensure!(told.ends_with("1 scenarios, 0 failed\n"), "{told}");
    Ok(())
}

fn path(file: &Path) -> &str {
    file.to_str().unwrap_or_default()
}

#[tokio::test]
async fn a_conversation_that_was_held_replays_from_its_log() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = client
            .create_session(&CreateSession::default())
            .await?
            .session
            .session_id;
        for words in [
            "안녕하세요",
            "제품명은 루미세럼이고 가격은 29000원이에요",
            "인스타 광고가 요즘도 효과 있어요?",
            "아니, 제품명은 루미앰플이야",
            "Sorry, can we do this in English?",
        ] {
            client.message(session, words, None).await?;
        }
        let session = session.to_string();
        let recorded = record_and_replay(stage, &session).await?;
        ensure!(
            recorded.contains("루미앰플") && recorded.contains("locale = \"en\""),
            "{recorded}"
        );

        // The same from a file of events.
        let (_, page): (u16, Value) = stage
            .admin(&format!("/sessions/{session}/events?limit=1000"))
            .await?;
        std::fs::write(stage.world.data_dir().join("events.json"), page.to_string())?;
        let from_file = printed(stage, &["record", "--events", "events.json"]).await?;
        ensure!(from_file == recorded, "{from_file}");
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn a_run_and_a_failing_model_replay_from_their_log() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        client.generate(session, false, None).await?;
        client.message(session, "제품명은 루미앰플이에요", None).await?;
        stage
            .simulate(
                &json!([{ "match": { "purpose": "planner" }, "fault": { "kind": "status", "code": 400 } }]),
            )
            .await?;
        client.message(session, "카테고리는 앰플이에요", None).await?;
        let recorded = record_and_replay(stage, &session.to_string()).await?;
        ensure!(
            recorded.contains("stage = \"voice\"") && recorded.contains("fail = "),
            "{recorded}"
        );
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn without_a_model_the_recording_says_so_and_faults_name_their_line() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = client
            .create_session(&CreateSession::default())
            .await?
            .session
            .session_id;
        client.message(session, "제품명은 루미세럼이에요", None).await?;
        let recorded = record_and_replay(stage, &session.to_string()).await?;
        ensure!(recorded.contains("model = false"), "{recorded}");

        let wrong = recorded.replace(
            "\"product.name\" = \"루미세럼\"",
            "\"product.name\" = \"다른이름\"",
        );
        ensure!(wrong != recorded, "{recorded}");
        std::fs::write(stage.world.data_dir().join("wrong.toml"), &wrong)?;
        let output = scenario(stage, &["run", "wrong.toml"]).await?;
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(
            !output.status.success() && told.contains("FAILED  wrong.toml:") && told.contains("다른이름"),
            "{told}"
        );
        std::fs::write(
            stage.world.data_dir().join("faulty.toml"),
            "[[scenario]]\nname = 1\n",
        )?;
        let output = scenario(stage, &["run", "faulty.toml"]).await?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(
            !output.status.success() && told.contains("faulty.toml:2: "),
            "{told}"
        );
        Ok(())
    };
    StageSpec::without_model()?.play(scene).await
}
