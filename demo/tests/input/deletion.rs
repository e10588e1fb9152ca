//! A session is deleted: gone by every way in, for everybody, and nothing of it stays on the disk.

use anyhow::{Context as _, Result, ensure};
use greenroom_demo::session_play::{Stage, StageSpec, fill_brief, ready_session, until};
use greenroom_protocol::{ErrorCode, Seq, SessionId};
use loadtest::client::{Client, CreateSession, Incoming, SocketOptions, VoiceFormat};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::wire::{Wire, get, send};

const OWNER: (&str, &str) = ("x-user-key", "owner");
const STRANGER: (&str, &str) = ("x-user-key", "stranger");

/// A server that can speak.
fn voiced() -> Result<StageSpec> {
    Ok(StageSpec::new()?.env("GREENROOM_TTS__MODEL", "sim-tts"))
}

/// A client that keeps no record: what it saw of a deleted session cannot be held against anything.
fn forgetful(stage: &Stage) -> Result<Client> {
    Ok(Client::new(&stage.world.server_url())?)
}

/// What `greenroom verify --json` says of the stage's data, with its exit status.
async fn verify(stage: &Stage) -> Result<(Option<i32>, Value)> {
    let program = &greenroom_demo::built::programs().server;
    let output = Command::new(&program.path)
        .args(&program.args)
        .args(["verify", "--json", "--data-dir"])
        .arg(stage.world.data_dir())
        .output()
        .await?;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((
        output.status.code(),
        serde_json::from_slice(&output.stdout).context(told)?,
    ))
}

/// Every way to the session answers 410.
async fn check_gone(stage: &Stage, session: SessionId) -> Result<()> {
    let wire = Wire::to(stage)?;
    let at = |rest: &str| format!("/api/chat/session/{session}{rest}");
    for headers in [&[OWNER][..], &[STRANGER], &[]] {
        for path in ["", "/events", "/assets/asset_00000000000000000000000001"] {
            get(&wire, &at(path), headers)
                .await?
                .refused(410, "SESSION_GONE")?;
        }
        let as_page = [headers, &[("accept", "application/json")]].concat();
        get(&wire, &at("/events"), &as_page)
            .await?
            .refused(410, "SESSION_GONE")?;
        send(&wire, "DELETE", &at(""), headers)
            .await?
            .refused(410, "SESSION_GONE")?;
    }
    let asks = [
        ("POST", at("/message"), json!({ "message": "안녕하세요" })),
        ("POST", at("/message/stream"), json!({ "message": "안녕하세요" })),
        (
            "PATCH",
            at("/slots"),
            json!([{ "path": "product.name", "value": "x" }]),
        ),
        ("POST", at("/assistant-voice"), json!({ "text": "안녕하세요" })),
        ("POST", format!("/api/runs/{session}/generate"), json!({})),
        ("POST", format!("/api/runs/{session}/generate/async"), json!({})),
    ];
    for (method, path, body) in asks {
        let request = wire.request(method, &path)?.json(&body);
        crate::wire::answer(request.header(OWNER.0, OWNER.1))
            .await?
            .refused(410, "SESSION_GONE")?;
    }
    for path in [
        format!("/api/runs?session_id={session}"),
        format!("/api/jobs?session_id={session}"),
    ] {
        get(&wire, &path, &[OWNER]).await?.refused(410, "SESSION_GONE")?;
    }
    for last_event_id in [None, Some(Seq(1))] {
        let options = SocketOptions {
            last_event_id,
            ..SocketOptions::default()
        };
        let mut socket = forgetful(stage)?.connect(session, options).await?;
        let first = socket.next().await?;
        ensure!(
            matches!(first, Incoming::Closed { code: Some(4004) }),
            "{first:?}"
        );
    }
    let (status, _) = stage.admin::<Value>(&format!("/sessions/{session}")).await?;
    ensure!(status == 410, "the operator is told the same: {status}");
    Ok(())
}

#[tokio::test]
async fn a_deleted_session_is_gone_by_every_way_in() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let owner = forgetful(stage)?.with_user_key("owner");
        let session = owner
            .create_session(&CreateSession::default())
            .await?
            .session
            .session_id;
        fill_brief(&owner, session).await?;
        let run = owner.generate(session, false, None).await?.run_id;
        let job = owner.generate_async(session, false, None).await?.job_id;
        let voice = owner
            .assistant_voice(session, "안녕하세요", None, VoiceFormat::Wav)
            .await?;
        let neighbour = ready_session(&stage.client()?).await?;
        stage.expect_erased(session).await?;

        let wire = Wire::to(stage)?;
        let path = format!("/api/chat/session/{session}");
        for headers in [&[STRANGER][..], &[]] {
            send(&wire, "DELETE", &path, headers)
                .await?
                .refused(404, "SESSION_NOT_FOUND")?;
        }
        ensure!(owner.session(session).await.is_ok(), "it is not theirs to delete");
        ensure!(owner.asset(&voice.audio_url).await.is_ok(), "its voice is there");
        let deleted = send(&wire, "DELETE", &path, &[OWNER]).await?;
        ensure!(deleted.status == 204 && deleted.body.is_empty(), "{deleted:?}");

        check_gone(stage, session).await?;
        for (path, code) in [
            (format!("/api/runs/{run}"), "RUN_NOT_FOUND"),
            (format!("/api/runs/{run}/export"), "RUN_NOT_FOUND"),
            (format!("/api/jobs/{job}"), "JOB_NOT_FOUND"),
            (voice.audio_url.clone(), "INPUT_INVALID"),
        ] {
            get(&wire, &path, &[OWNER]).await?.refused(404, code)?;
        }
        let listed = get(&wire, "/api/chat/sessions", &[OWNER]).await?.ok()?;
        ensure!(listed["total"] == 0, "{listed}");
        let (status, report) = verify(stage).await?;
        ensure!(status == Some(0) && report["counts"]["erased"] == 1, "{report:#}");
        ensure!(
            report["counts"]["assets"] == 0 && report["counts"]["orphaned_blobs"] == 0,
            "{report:#}"
        );

        stage.world.kill_and_restart_server().await?;
        check_gone(stage, session).await?;
        ensure!(
            owner.session(neighbour).await.is_ok(),
            "its neighbour is as it was"
        );
        Ok(())
    };
    voiced()?.play(scene).await
}

#[tokio::test]
async fn whoever_uses_a_session_is_sent_away_when_it_is_deleted() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = forgetful(stage)?;
        let session = ready_session(&client).await?;
        let mut socket = client.connect(session, SocketOptions::default()).await?;
        let mut stream = client.follow(session, Seq::ZERO).await?;
        stage.expect_erased(session).await?;
        client.delete_session(session).await?;
        let closed = until(&mut socket, |incoming| match incoming {
            Incoming::Closed { code } => Some(*code),
            _ => None,
        });
        ensure!(closed.await? == Some(4004));
        while stream.next().await?.is_some() {}
        let refused = client
            .follow(session, Seq(1))
            .await
            .err()
            .context("it is refused")?;
        ensure!(refused.code() == Some(ErrorCode::SessionGone), "{refused}");
        Ok(())
    };
    voiced()?.play(scene).await
}

#[tokio::test]
async fn what_is_damaged_is_found_by_verify_and_told_without_words() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = ready_session(&client).await?;
        let voice = client
            .assistant_voice(session, "안녕하세요", None, VoiceFormat::Wav)
            .await?;
        client.generate(session, false, None).await?;
        let (status, report) = verify(stage).await?;
        ensure!(status == Some(0) && report["status"] == "ok", "{report:#}");
        let counts = &report["counts"];
        ensure!(counts["sessions"] == 1 && counts["assets"] == 1, "{report:#}");
        ensure!(counts["events"].as_u64() > Some(50), "{report:#}");

        let name = voice.audio_url.rsplit('/').next().context("a name")?;
        let blob = stage.world.data_dir().join("blobs/assets").join(name);
        let bytes = std::fs::read(&blob)?;
        std::fs::write(&blob, &bytes[1..])?;
        let (status, report) = verify(stage).await?;
        ensure!(
            status == Some(1) && report["findings"][0]["kind"] == "blob",
            "{report:#}"
        );
        std::fs::remove_file(&blob)?;
        let (_, report) = verify(stage).await?;
        let told = report["findings"][0]["detail"].as_str().unwrap_or_default();
        ensure!(told.contains("is missing") && told.contains(name), "{report:#}");
        Ok(())
    };
    voiced()?.play(scene).await
}
