//! The commands that are asked before and beside the server: `check`, `health` and `playbook validate`.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use greenroom_demo::built;
use greenroom_demo::session_play::{Stage, StageSpec, within};
use loadtest::world::{free_address, inherited_env};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::process::Command;

/// Every command answers within this, on a busy machine too.
const ANSWER: Duration = Duration::from_secs(30);

/// Runs the server's program in a folder, with no setting in its environment but this.
async fn run(folder: &Path, args: &[&str], env: &[(&str, &str)]) -> Result<Output> {
    let mut command = Command::new(built::programs().server.path);
    command
        .args(args)
        .current_dir(folder)
        .env_clear()
        .envs(inherited_env())
        .envs(env.iter().copied())
        .kill_on_drop(true);
    within(ANSWER, async { Ok(command.output().await?) }).await
}

/// What `check --json` answers, with its exit code.
async fn check(env: &[(&str, &str)]) -> Result<(i32, Value)> {
    let folder = tempfile::tempdir()?;
    let output = run(folder.path(), &["check", "--json"], env).await?;
    ensure!(
        std::fs::read_dir(folder.path())?.next().is_none(),
        "a check leaves nothing behind"
    );
    let report = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    Ok((output.status.code().context("it ended by itself")?, report))
}

fn row<'a>(report: &'a Value, subject: &str) -> Result<&'a Value> {
    let rows = report["rows"].as_array().context("a report has rows")?;
    let row = rows.iter().find(|row| row["subject"] == subject);
    row.with_context(|| format!("{subject} is not in {report}"))
}

fn detail(row: &Value) -> &str {
    row["detail"].as_str().unwrap_or_default()
}

/// Answers every connection with this, or never if it is empty.
async fn answering(answer: &'static str) -> Result<(String, tokio::task::JoinHandle<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/v1", listener.local_addr()?);
    let serving = tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            if !answer.is_empty() {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
            open.push(stream);
        }
    });
    Ok((url, serving))
}

#[tokio::test]
async fn what_is_optional_and_missing_is_a_note_and_what_is_required_a_fault() -> Result<()> {
    let (code, report) = check(&[]).await?;
    ensure!(code == 0 && report["status"] == "ok", "{report}");
    for subject in ["configuration", "data", "playbook launch"] {
        ensure!(row(&report, subject)?["state"] == "ok", "{report}");
    }
    for subject in ["llm", "search", "stt", "tts"] {
        let row = row(&report, subject)?;
        ensure!(
            row["state"] == "note" && detail(row).contains("OPENAI_API_KEY"),
            "{report}"
        );
    }
    let (code, report) = check(&[("GREENROOM_SERVER__REQUIRE", "llm")]).await?;
    ensure!(code == 1 && report["status"] == "fault", "{report}");
    let llm = row(&report, "llm")?;
    ensure!(
        llm["state"] == "fault" && detail(llm).contains("server.require"),
        "{report}"
    );
    ensure!(
        llm["where"] == "environment variable GREENROOM_SERVER__REQUIRE",
        "{report}"
    );

    let faulty = [
        ("GREENROOM_SERVER__DATADIR", "x"),
        ("GREENROOM_LLM__API", "telepathy"),
    ];
    let (code, report) = check(&faulty).await?;
    ensure!(
        code == 1 && report["rows"].as_array().is_some_and(|rows| rows.len() == 2),
        "{report}"
    );
    ensure!(
        report
            .to_string()
            .contains("did you mean `GREENROOM_SERVER__DATA_DIR`?"),
        "{report}"
    );
    Ok(())
}

#[tokio::test]
async fn a_provider_that_answers_is_shown_and_a_running_server_is_seen_and_left_alone() -> Result<()> {
    let scene = async |stage: &mut Stage| {
        let url = format!("{}/v1", stage.world.simulator_url());
        let data_dir = stage.world.data_dir();
        let env = [
            ("OPENAI_BASE_URL", url.as_str()),
            ("OPENAI_API_KEY", "sk-secret-of-the-check"),
            ("GREENROOM_LLM__MODEL", "sim-large"),
            ("GREENROOM_LLM__SMALL_MODEL", "sim-small"),
            (
                "GREENROOM_SERVER__DATA_DIR",
                data_dir.to_str().context("a path of letters")?,
            ),
        ];
        let (code, report) = check(&env).await?;
        ensure!(code == 0, "{report}");
        let llm = row(&report, "llm")?;
        ensure!(llm["state"] == "ok" && llm["simulated"] == true, "{report}");
        ensure!(
            llm["where"] == url && llm["model"] == "sim-large, sim-small",
            "{report}"
        );
        ensure!(llm["latency_ms"].is_u64(), "{report}");
        ensure!(
            detail(row(&report, "data")?).contains("a server is running"),
            "{report}"
        );
        ensure!(
            !report.to_string().contains("sk-secret"),
            "a key is never told: {report}"
        );

        let folder = tempfile::tempdir()?;
        let table = run(folder.path(), &["check"], &env).await?;
        let table = String::from_utf8(table.stdout)?;
        ensure!(
            table.contains("SIMULATED") && table.contains("no faults"),
            "{table}"
        );

        let server = stage.world.server_url();
        let healthy = run(folder.path(), &["health", "--url", &server], &[]).await?;
        ensure!(healthy.status.success(), "{healthy:?}");
        let listen = stage.world.server.address().to_string();
        let by_configuration = run(
            folder.path(),
            &["health"],
            &[("GREENROOM_SERVER__LISTEN", &listen)],
        )
        .await?;
        ensure!(by_configuration.status.success(), "{by_configuration:?}");
        Ok(())
    };
    StageSpec::new()?.play(scene).await
}

#[tokio::test]
async fn a_provider_that_does_not_do_is_a_fault_that_says_why() -> Result<()> {
    let dead = format!("http://{}/v1", free_address()?);
    let (hanging, _hanging) = answering("").await?;
    let refusal = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let (refusing, _refusing) = answering(refusal).await?;
    for (url, says) in [
        (dead.as_str(), "llm.base_url"),
        (hanging.as_str(), "no answer within"),
        (refusing.as_str(), "401"),
    ] {
        let env = [
            ("OPENAI_BASE_URL", url),
            ("OPENAI_API_KEY", "sk-secret-of-the-check"),
        ];
        let (code, report) = check(&env).await?;
        let llm = row(&report, "llm")?;
        ensure!(
            code == 1 && llm["state"] == "fault" && detail(llm).contains(says),
            "{url}: {report}"
        );
        ensure!(
            !report.to_string().contains("sk-secret"),
            "a key is never told: {report}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn health_fails_where_nobody_or_somebody_else_answers() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let dead = format!("http://{}", free_address()?);
    let (hanging, _hanging) = answering("").await?;
    let (other, _other) =
        answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}").await?;
    for (url, says) in [
        (dead.as_str(), "does not answer"),
        (hanging.as_str(), "nothing came within 3 s"),
        (other.as_str(), "answers 200, and not that it is well"),
        ("nonsense", "is not an address"),
    ] {
        let output = run(folder.path(), &["health", "--url", url], &[]).await?;
        let told = String::from_utf8(output.stderr)?;
        ensure!(
            output.status.code() == Some(1) && told.contains(says),
            "{url}: {told}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_playbook_is_validated_to_the_line() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("the workspace")?;
    let launch = root.join("playbooks/launch");
    let launch = launch.to_str().context("a path of letters")?;
    let valid = run(folder.path(), &["playbook", "validate", launch], &[]).await?;
    let told = String::from_utf8(valid.stdout)?;
    ensure!(
        valid.status.success() && told.ends_with("launch: 0 errors, 0 warnings\n"),
        "{told}"
    );

    std::fs::create_dir(folder.path().join("mine"))?;
    std::fs::write(
        folder.path().join("mine/playbook.toml"),
        "name = \"mine\"\nstaets = 1\n",
    )?;
    let invalid = run(folder.path(), &["playbook", "validate", "mine"], &[]).await?;
    let told = String::from_utf8(invalid.stdout)?;
    ensure!(invalid.status.code() == Some(1), "{told}");
    let line = "mine/playbook.toml:2:1: unknown key `staets`; did you mean `states`?\n";
    ensure!(told.contains(line), "{told}");
    let json = run(folder.path(), &["playbook", "validate", "--json", "mine"], &[]).await?;
    let json: Value = serde_json::from_slice(&json.stdout)?;
    ensure!(json["valid"] == false, "{json}");
    let faults = json["faults"].as_array().context("faults are a list")?;
    ensure!(
        faults
            .iter()
            .any(|fault| fault["line"] == 2 && fault["instead"] == "did you mean `states`?"),
        "{json}"
    );

    let none = run(folder.path(), &["playbook", "validate", "nowhere"], &[]).await?;
    ensure!(none.status.code() == Some(2), "{none:?}");
    ensure!(String::from_utf8(none.stderr)?.contains("nowhere"));
    Ok(())
}
