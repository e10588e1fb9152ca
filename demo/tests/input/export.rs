//! The export of a run, over the wire: whole, safe to keep, and refused of what is not complete or not one's own.

use anyhow::{Context as _, Result, ensure};
use greenroom_demo::session_play::{Stage, StageSpec, ready_session, until_state};
use loadtest::client::SocketOptions;
use serde_json::json;

use crate::wire::{Wire, get, send};

const NO_RUN: &str = "run_00000000000000000000000001";

#[tokio::test]
async fn a_completed_run_is_exported_by_get_and_by_post_and_always_the_same() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?.with_user_key("alice");
        let session = ready_session(&client).await?;
        let mut socket = client.connect(session, SocketOptions::default()).await?;
        let job = client.generate_async(session, false, None).await?;
        until_state(&mut socket, "DONE").await?;
        let job = client.job(job.job_id).await?;
        let run = job["run_id"].as_str().context("a job names its run")?;
        let wire = Wire::to(stage)?;
        let path = format!("/api/runs/{run}/export");
        let alice = [("x-user-key", "alice"), ("accept-encoding", "gzip")];
        let exported = get(&wire, &path, &alice).await?;
        ensure!(exported.status == 200, "{}: {}", exported.status, exported.text());
        ensure!(exported.header("content-type") == "application/zip");
        ensure!(
            exported.header("content-encoding").is_empty(),
            "an archive is small already"
        );
        let disposition = exported.header("content-disposition");
        // 런치부스터, the product's name.
        let name = "%EB%9F%B0%EC%B9%98%EB%B6%80%EC%8A%A4%ED%84%B0.zip";
        ensure!(
            disposition == format!("attachment; filename=\"{run}.zip\"; filename*=UTF-8''{name}"),
            "{disposition}"
        );
        ensure!(exported.body.starts_with(b"PK\x03\x04"));
        // Names stand uncompressed in the archive's directory.
        let text = exported.text();
        for file in [
            "index.html",
            "package.md",
            "package.json",
            "provenance.json",
            "subtitles.srt",
            "subtitles.vtt",
            "ad_copies.csv",
        ] {
            ensure!(text.contains(file), "{file} is missing");
        }
        let again = send(&wire, "POST", &path, &alice).await?;
        ensure!(
            again.status == 200 && again.body == exported.body,
            "the same run makes the same bytes"
        );

        get(&wire, &path, &[("x-user-key", "mallory")])
            .await?
            .refused(404, "RUN_NOT_FOUND")?;
        get(&wire, &path, &[]).await?.refused(404, "RUN_NOT_FOUND")?;
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn what_is_not_complete_or_not_there_is_refused() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let wire = Wire::to(stage)?;
        let session = ready_session(&client).await?;
        let mut socket = client.connect(session, SocketOptions::default()).await?;
        let job = client.generate_async(session, false, None).await?;
        let job = client.job(job.job_id).await?;
        let run = job["run_id"].as_str().context("a job names its run")?;
        until_state(&mut socket, "RUN_RESEARCH").await?;
        for method in ["GET", "POST"] {
            let path = format!("/api/runs/{run}/export");
            let error = send(&wire, method, &path, &[])
                .await?
                .refused(409, "RUN_NOT_COMPLETED")?;
            ensure!(
                error.details["status"] == "running" && !error.retryable,
                "{error:?}"
            );
        }
        wire.post(&format!("/api/runs/{run}/cancel"), &json!({}))
            .await?
            .ok()?;
        let error = wire
            .get(&format!("/api/runs/{run}/export"))
            .await?
            .refused(409, "RUN_NOT_COMPLETED")?;
        ensure!(error.details["status"] == "cancelled", "{error:?}");

        wire.get(&format!("/api/runs/{NO_RUN}/export"))
            .await?
            .refused(404, "RUN_NOT_FOUND")?;
        wire.get("/api/runs/nonsense/export")
            .await?
            .refused(404, "RUN_NOT_FOUND")?;
        Ok(())
    };
    // Slow enough for the run to be met on its way.
    StageSpec::new()?
        .simulator(&["--first-token-ms", "20", "--tokens-per-second", "40"])
        .play(scene)
        .await
}
