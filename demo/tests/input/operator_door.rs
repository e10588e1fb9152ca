//! Who gets through the operator's door, and what others are told.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Output, Stdio};

use anyhow::{Context as _, Result, ensure};
use greenroom_demo::built;
use greenroom_demo::session_play::{Stage, StageSpec};
use loadtest::world::free_address;
use serde_json::Value;
use tokio::process::Command;

use crate::admin::{admin, json_of};

/// Nobody's user, on every system that this is tried on.
const NOBODY: u32 = 65_534;

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn a_server_that_has_ended_is_told_from_one_that_never_was() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        stage.world.server.kill().await?;
        ensure!(stage.admin_socket().exists(), "nobody took it away");
        let stale = told(&admin(stage, &["limits"]).await?);
        ensure!(
            stale.contains("a server that has ended left it behind"),
            "{stale}"
        );
        stage.world.restart_server().await?;
        ensure!(
            json_of(stage, &["limits"]).await?.is_object(),
            "its place was taken"
        );
        ensure!(stage.world.server.terminate().await?.success());
        ensure!(!stage.admin_socket().exists(), "it was taken away");
        let missing = told(&admin(stage, &["limits"]).await?);
        ensure!(
            missing.contains("there is no such socket") && missing.contains("--socket"),
            "{missing}"
        );
        stage.world.restart_server().await
    };
    StageSpec::without_model()?.play(scene).await
}

#[tokio::test]
async fn a_second_server_on_the_same_data_says_so_and_leaves_the_first_alone() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let second = Command::new(built::programs().server.path)
            .args(["serve", "--listen"])
            .arg(free_address()?.to_string())
            .arg("--data-dir")
            .arg(stage.world.data_dir())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await?;
        ensure!(!second.status.success(), "it does not start");
        let told = told(&second);
        ensure!(
            told.contains("in use by another process") && told.contains("--data-dir"),
            "{told}"
        );
        ensure!(
            json_of(stage, &["limits"]).await?.is_object(),
            "the first one's socket is there"
        );
        stage
            .client()?
            .create_session(&loadtest::client::CreateSession::default())
            .await?;
        Ok(())
    };
    StageSpec::without_model()?.play(scene).await
}

/// Lets everybody pass through a folder, and all above it that are ours.
fn open_up(folder: &Path) -> Result<()> {
    for folder in folder.ancestors() {
        let mode = std::fs::metadata(folder)?.permissions().mode();
        if mode & 0o001 == 0 {
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode | 0o011))?;
        }
    }
    Ok(())
}

/// Runs the operator's client as another user.
async fn admin_as(stage: &Stage, uid: u32, program: &Path, args: &[&str]) -> Result<Output> {
    let output = Command::new(program)
        .args(["admin", "--socket"])
        .arg(stage.admin_socket())
        .args(args)
        .uid(uid)
        .gid(uid)
        .current_dir("/")
        .kill_on_drop(true)
        .output();
    output.await.context("it cannot be run as another user")
}

#[tokio::test]
#[ignore = "needs root, to act as another user"]
async fn another_user_gets_no_answer_even_where_the_permissions_let_them_in() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let program = stage.world.data_dir().with_file_name("greenroom");
        std::fs::copy(built::programs().server.path, &program)?;
        open_up(program.parent().context("a folder")?)?;

        let shut_out = told(&admin_as(stage, NOBODY, &program, &["limits"]).await?);
        ensure!(
            shut_out.contains("the server's own user and for root"),
            "{shut_out}"
        );

        open_up(&stage.world.data_dir())?;
        let everybody = std::fs::Permissions::from_mode(0o666);
        std::fs::set_permissions(stage.admin_socket(), everybody)?;
        for question in ["limits", "drain", "sessions"] {
            let output = admin_as(stage, NOBODY, &program, &[question]).await?;
            let told = told(&output);
            ensure!(
                !output.status.success() && told.contains("AUTH_FORBIDDEN"),
                "{question}: {told}"
            );
        }
        let (status, ready): (u16, Value) = stage.admin("/limits").await?;
        ensure!(status == 200, "the server did not drain: {ready}");
        let audit = json_of(stage, &["audit"]).await?;
        let entries = audit["items"].as_array().context("entries")?;
        ensure!(
            entries.len() == 1 && entries[0]["action"] == "refused" && entries[0]["uid"] == NOBODY,
            "three refusals within a minute are one entry: {audit}"
        );
        Ok(())
    };
    StageSpec::without_model()?.play(scene).await
}
