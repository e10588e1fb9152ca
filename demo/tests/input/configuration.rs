//! Configurations that the server refuses to start with, and how it says so.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use greenroom_demo::built;
use greenroom_demo::session_play::{Stage, StageSpec, within};
use loadtest::client::CreateSession;
use loadtest::world::{free_address, inherited_env};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::process::Command;

use crate::wire::Wire;

/// A server that refuses to start does so within this, on a busy machine too.
const REFUSAL: Duration = Duration::from_secs(20);

/// A server that is to be started in a folder of its own.
struct Attempt<'a> {
    folder: &'a Path,
    args: Vec<OsString>,
    env: Vec<(&'a str, &'a str)>,
}

impl<'a> Attempt<'a> {
    fn with(folder: &'a Path, config: &str) -> Result<Self> {
        std::fs::write(folder.join("greenroom.toml"), config)?;
        let args = vec![
            "serve".into(),
            "--listen".into(),
            free_address()?.to_string().into(),
        ];
        Ok(Self {
            folder,
            args,
            env: Vec::new(),
        })
    }

    fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(Into::into));
        self
    }

    fn env(mut self, name: &'a str, value: &'a str) -> Self {
        self.env.push((name, value));
        self
    }

    /// What it says when it refuses to start; fails if it starts.
    async fn refusal(self) -> Result<String> {
        let mut command = Command::new(built::programs().server.path);
        command
            .args(self.args)
            .current_dir(self.folder)
            .env_clear()
            .envs(inherited_env())
            .envs(self.env)
            .kill_on_drop(true);
        let output = within(REFUSAL, async { Ok(command.output().await?) });
        let output = output
            .await
            .context("the server starts, or neither starts nor ends")?;
        let told = String::from_utf8(output.stderr)?;
        if output.status.success() {
            bail!("it ends with success: {told}");
        }
        ensure!(!told.contains("panicked"), "{told}");
        Ok(told)
    }
}

fn ensure_tells(told: &str, parts: &[&str]) -> Result<()> {
    for part in parts {
        ensure!(told.contains(part), "`{part}` is missing in: {told}");
    }
    Ok(())
}

#[tokio::test]
async fn every_fault_is_told_at_once_with_its_place_and_the_nearest_name() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let config = "[server]\nlisten_on = \"127.0.0.1:1\"\ndrain_seconds = -1\nallowed_origins = [\"nonsense\"]\n\n\
                  [limits]\nrequests_per_minutes = 5\n\n[log]\nformat = \"xml\"\n";
    let attempt = Attempt::with(folder.path(), config)?
        .env("GREENROOM_SERVER__DATADIR", "x")
        .env("GREENROOM_LLM__API", "telepathy");
    let told = attempt.refusal().await?;
    ensure_tells(
        &told,
        &[
            "7 faults",
            "server.listen_on",
            "did you mean `server.listen`",
            "greenroom.toml:2",
            "server.drain_seconds",
            "`nonsense` is not an origin",
            "limits.requests_per_minutes",
            "did you mean `limits.requests_per_minute`",
            "log.format",
            "GREENROOM_SERVER__DATADIR",
            "did you mean `GREENROOM_SERVER__DATA_DIR`",
            "GREENROOM_LLM__API",
            "telepathy",
        ],
    )?;
    ensure!(
        !folder.path().join("data").exists(),
        "a refused configuration touches nothing"
    );

    let told = Attempt::with(folder.path(), "[server\nlisten")?.refusal().await?;
    ensure_tells(&told, &["greenroom.toml"])?;
    let told = Attempt::with(folder.path(), "")?
        .args(&["--config", "missing.toml"])
        .refusal()
        .await?;
    ensure_tells(&told, &["missing.toml"])?;
    let told = Attempt::with(folder.path(), "")?
        .args(&["--listne", "x"])
        .refusal()
        .await?;
    ensure_tells(&told, &["--listne", "--listen"])
}

#[tokio::test]
async fn what_would_be_unsafe_is_refused() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut beyond = Attempt::with(folder.path(), "")?;
    beyond.args = ["serve", "--listen", "0.0.0.0:0"].map(Into::into).to_vec();
    let told = beyond.refusal().await?;
    ensure_tells(
        &told,
        &["server.listen", "0.0.0.0", "GREENROOM_SERVER__TOKEN", "127.0.0.1"],
    )?;

    let told = Attempt::with(folder.path(), "[llm]\napi_key = \"sk-committed\"\n")?
        .refusal()
        .await?;
    ensure_tells(&told, &["llm.api_key", "greenroom.toml:2"])?;
    ensure!(!told.contains("sk-committed"), "a key is not repeated: {told}");

    let told = Attempt::with(folder.path(), "[server]\nrequire = [\"llm\"]\n")?
        .refusal()
        .await?;
    ensure_tells(&told, &["server.require", "llm", "OPENAI_API_KEY"])?;
    let told = Attempt::with(folder.path(), "[playbook]\ndefault = \"nonsense\"\n")?
        .refusal()
        .await?;
    ensure_tells(&told, &["nonsense"])
}

#[tokio::test]
async fn a_second_server_takes_neither_the_data_nor_the_address_of_the_first() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = client
            .create_session(&CreateSession::default())
            .await?
            .session
            .session_id;
        let folder = tempfile::tempdir()?;
        let data_dir = stage.world.data_dir();
        let data_dir = data_dir.to_str().context("a path of letters")?;
        let told = Attempt::with(folder.path(), "")?
            .args(&["--data-dir", data_dir])
            .refusal()
            .await?;
        ensure_tells(&told, &[data_dir, "another"])?;

        let address = stage.world.server.address().to_string();
        let mut same_address = Attempt::with(folder.path(), "")?;
        same_address.args = ["serve", "--listen", &address].map(Into::into).to_vec();
        let told = same_address.refusal().await?;
        ensure_tells(&told, &[&address, "--listen"])?;
        ensure!(
            !folder.path().join("data").exists(),
            "nothing is touched before the address is had"
        );

        client.message(session, "제품명은 런치부스터", None).await?;
        ensure!(
            stage.sessions().await? == [session],
            "the first one goes on, its admin socket too"
        );
        Wire::to(stage)?.get("/ready").await?.ok()?;
        Ok(())
    };
    StageSpec::without_model()?.play(scene).await
}

#[tokio::test]
async fn what_is_stored_is_for_the_servers_own_user_alone() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        stage.client()?.create_session(&CreateSession::default()).await?;
        let mut folders = vec![stage.world.data_dir()];
        let mut files = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder)? {
                let path = entry?.path();
                let metadata = std::fs::symlink_metadata(&path)?;
                let mode = metadata.permissions().mode();
                ensure!(mode.trailing_zeros() >= 6, "{} has mode {mode:o}", path.display());
                if metadata.is_dir() {
                    folders.push(path);
                } else {
                    files += 1;
                }
            }
        }
        ensure!(files >= 2, "a database and a socket at least");
        Ok(())
    };
    StageSpec::without_model()?.play(scene).await
}

#[tokio::test]
async fn a_database_from_the_future_is_refused_and_left_as_it_is() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let client = stage.client()?;
        let session = client
            .create_session(&CreateSession::default())
            .await?
            .session
            .session_id;
        ensure!(
            stage.world.server.terminate().await?.success(),
            "a server that is asked to stop ends well"
        );
        let database = std::fs::read_dir(stage.world.data_dir())?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "db" || extension == "sqlite")
            })
            .context("the database lies in the data directory")?;
        let mut connection =
            SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(&database)).await?;
        let insert = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                      VALUES (4711, 'from the future', 1, x'00', 0)";
        sqlx::query(insert).execute(&mut connection).await?;
        connection.close().await?;

        let folder = tempfile::tempdir()?;
        let data_dir = stage.world.data_dir();
        let data_dir = data_dir.to_str().context("a path of letters")?;
        let told = Attempt::with(folder.path(), "")?
            .args(&["--data-dir", data_dir])
            .refusal()
            .await?;
        ensure_tells(&told, &["4711", "newer"])?;

        let mut connection =
            SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(&database)).await?;
        sqlx::query("DELETE FROM _sqlx_migrations WHERE version = 4711")
            .execute(&mut connection)
            .await?;
        connection.close().await?;
        stage.world.restart_server().await?;
        ensure!(
            client.session(session).await?.session_id == session,
            "nothing was lost by it"
        );
        Ok(())
    };
    StageSpec::without_model()?.play(scene).await
}
