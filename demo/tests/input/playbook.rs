//! What a page is told of a session's playbook, when the server's own has become another one.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use greenroom_demo::session_play::{Stage, StageSpec};
use greenroom_protocol::SessionId;
use loadtest::client::CreateSession;
use serde_json::Value;

use super::wire::Wire;

/// A word of the playbook, and what takes its place.
const BEFORE: &str = "The week";
const AFTER: &str = "Seven days";

/// Copies a folder with those within it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

async fn new_session(stage: &Stage) -> Result<SessionId> {
    let client = stage.client()?;
    let created = client.create_session(&CreateSession::default()).await?;
    Ok(created.session.session_id)
}

/// The playbook's hash, and what it calls the week.
async fn told(stage: &Stage, session: SessionId) -> Result<(String, String)> {
    let path = format!("/api/chat/session/{session}/playbook?locale=en");
    let playbook = Wire::to(stage)?.get(&path).await?.ok()?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let told = Option::zip(text(&playbook["hash"]), text(&playbook["fields"]["weekly_plan"]));
    told.with_context(|| playbook.to_string())
}

#[tokio::test]
async fn a_session_keeps_the_playbook_that_it_began_with() -> Result<()> {
    let spec = StageSpec::new()?;
    let books = spec.folder().join("playbooks");
    let launch = books.join("launch");
    copy(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../playbooks/launch"),
        &launch,
    )?;
    let books = books.to_str().context("the folder's name is text")?.to_owned();
    let scene = async |stage: &mut Stage| {
        let old = new_session(stage).await?;
        let began_with = told(stage, old).await?;
        ensure!(began_with.1 == BEFORE, "{began_with:?}");

        let phrases = launch.join("phrases.en.toml");
        let text = std::fs::read_to_string(&phrases)?;
        std::fs::write(&phrases, text.replace(BEFORE, AFTER))?;
        stage.world.server.terminate().await?;
        stage.world.restart_server().await?;

        ensure!(
            told(stage, old).await? == began_with,
            "it is pinned to the old one"
        );
        let new = told(stage, new_session(stage).await?).await?;
        ensure!(new.1 == AFTER && new.0 != began_with.0, "{new:?}");
        Ok(())
    };
    spec.env("GREENROOM_PLAYBOOK__DIR", &books).play(scene).await
}
