//! Deletion when things go wrong: amid a run, and killed amid itself. A session is there as it was, or it is gone for good.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use futures_util::future::{join_all, select_all};
use greenroom_demo::session_play::{Stage, StageSpec, ready_session};
use greenroom_protocol::{ClientMessage, ErrorCode, SessionId};
use loadtest::client::{Client, ClientError, VoiceFormat};
use serde_json::Value;
use tokio::process::Command;

use crate::rules;
use crate::viewer::Viewer;

/// A server that can speak.
fn voiced() -> Result<StageSpec> {
    Ok(StageSpec::new()?.env("GREENROOM_TTS__MODEL", "sim-tts"))
}

/// A client that keeps no record: what it saw of a deleted session cannot be held against anything.
fn forgetful(stage: &Stage) -> Result<Client> {
    Ok(Client::new(&stage.world.server_url())?)
}

async fn verify(stage: &Stage) -> Result<Value> {
    let program = &greenroom_demo::built::programs().server;
    let output = Command::new(&program.path)
        .args(&program.args)
        .args(["verify", "--json", "--data-dir"])
        .arg(stage.world.data_dir())
        .output()
        .await?;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_slice(&output.stdout).context(told)
}

#[tokio::test]
async fn a_deletion_amid_a_run_ends_it_and_whoever_waits_for_it() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = forgetful(stage)?;
        let session = ready_session(&client).await?;
        rules::set(stage, &[rules::once("strategy", rules::hang_after(250))]).await?;
        let mut viewer = Viewer::open(&client, session).await?;
        let waiting = tokio::spawn({
            let client = client.clone();
            async move { client.generate(session, false, Some("run")).await }
        });
        viewer.until_delta("strategy").await?;
        stage.expect_erased(session).await?;
        client.delete_session(session).await?;
        let refused = waiting.await?.err().context("the run has no end")?;
        ensure!(refused.code() == Some(ErrorCode::SessionGone), "{refused}");
        // The call that hung is let go, or the bill would never close.
        ensure!(stage.bill().await?.totals.open == 0);
        let again = viewer
            .ask(ClientMessage::RunGenerate { draft: false }, "again")
            .await;
        ensure!(again.is_err(), "the socket is closed: {again:?}");
        let report = verify(stage).await?;
        ensure!(
            report["status"] == "ok" && report["counts"]["sessions"] == 0,
            "{report:#}"
        );
        Ok(())
    };
    voiced()?.play(scene).await
}

#[tokio::test]
async fn a_kill_amid_deletions_leaves_each_session_whole_or_gone() -> Result<()> {
    const SESSIONS: usize = 8;
    let scene = async |stage: &mut Stage| {
        let client = forgetful(stage)?;
        let mut sessions = Vec::new();
        for _ in 0..SESSIONS {
            let session = ready_session(&client).await?;
            let voice = client
                .assistant_voice(session, "안녕하세요", None, VoiceFormat::Wav)
                .await?;
            stage.expect_erased(session).await?;
            sessions.push((session, voice.audio_url));
        }
        // The first is answered, the others are anywhere.
        let deletions = sessions.iter().map(|(session, _)| {
            let client = client.clone();
            let session = *session;
            Box::pin(async move { client.delete_session(session).await })
        });
        let (first, answered, others) = select_all(deletions).await;
        first?;
        stage.world.server.kill().await?;
        let others = join_all(others).await;
        stage.world.restart_server().await?;

        let acknowledged = 1 + others.iter().filter(|deleted| deleted.is_ok()).count();
        let mut gone = Vec::new();
        for (session, voice) in &sessions {
            if is_gone(&client, *session).await? {
                gone.push((*session, voice));
            } else {
                ensure!(client.asset(voice).await.is_ok(), "{session} is not whole");
                client.message(*session, "고마워요", None).await?;
            }
        }
        ensure!(gone.len() >= acknowledged, "a deletion that was answered is kept");
        ensure!(gone.iter().any(|(session, _)| *session == sessions[answered].0));
        // What is left of the others is removed without anybody asking.
        let blobs = stage.world.data_dir().join("blobs");
        for (session, voice) in gone {
            let name = voice.rsplit('/').next().context("a name")?;
            until_absent(&blobs.join("assets").join(name)).await;
            until_absent(&blobs.join("speech").join(session.to_string())).await;
        }
        let report = until_finished(stage).await?;
        ensure!(
            report["status"] == "ok" && report["counts"]["orphaned_blobs"] == 0,
            "{report:#}"
        );
        Ok(())
    };
    voiced()?.play(scene).await
}

async fn is_gone(client: &Client, session: SessionId) -> Result<bool, ClientError> {
    match client.session(session).await {
        Ok(_) => Ok(false),
        Err(error) if error.code() == Some(ErrorCode::SessionGone) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Returns once a file is gone; the scene has a limit.
async fn until_absent(path: &Path) {
    while path.exists() {
        tokio::task::yield_now().await;
    }
}

/// What is found once no erasure is left to be finished.
async fn until_finished(stage: &Stage) -> Result<Value> {
    loop {
        let report = verify(stage).await?;
        if report["counts"]["unfinished_erasures"] == 0 {
            return Ok(report);
        }
    }
}
