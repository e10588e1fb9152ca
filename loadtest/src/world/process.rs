//! Processes of their own for the server and the simulator: started, waited for, signalled, and ended with their owner.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::client::Client;

/// How long a process may take until it answers. A cold start on a loaded machine takes a second.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// How often it is asked meanwhile.
const READY_INTERVAL: Duration = Duration::from_millis(20);

/// A program with the arguments that make it play its part.
#[derive(Debug, Clone)]
pub struct Program {
    /// The executable.
    pub path: PathBuf,
    /// Arguments before all others.
    pub args: Vec<OsString>,
}

/// How a process is started.
#[derive(Debug, Clone)]
pub struct Launch {
    /// What runs.
    pub program: Program,
    /// Arguments.
    pub args: Vec<OsString>,
    /// Environment, beside `PATH` and `HOME`: nothing of the developer's own configuration leaks in.
    pub env: Vec<(String, String)>,
    /// The folder that it runs in.
    pub folder: PathBuf,
    /// Where its standard output and error go, appended.
    pub log: PathBuf,
}

/// What a started program keeps of this one's environment: what it takes to run, and where an instrumented one counts
/// which lines ran. Settings of the server are none of it.
pub fn inherited_env() -> impl Iterator<Item = (&'static str, OsString)> {
    let names = ["PATH", "HOME", "LD_LIBRARY_PATH", "LLVM_PROFILE_FILE"];
    names
        .into_iter()
        .filter_map(|name| std::env::var_os(name).map(|value| (name, value)))
}

/// A running process. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Process {
    /// Starts a process and waits until `GET path` at its address answers with success.
    pub async fn start(launch: &Launch, address: SocketAddr, path: &str) -> anyhow::Result<Self> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&launch.log)
            .with_context(|| format!("cannot write {}", launch.log.display()))?;
        let child = Command::new(&launch.program.path)
            .args(&launch.program.args)
            .args(&launch.args)
            .env_clear()
            .envs(inherited_env())
            .envs(launch.env.iter().cloned())
            .current_dir(&launch.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", launch.program.path.display()))?;
        let mut process = Self {
            child,
            address,
            log: launch.log.clone(),
        };
        process.wait_until_ready(path).await?;
        Ok(process)
    }

    async fn wait_until_ready(&mut self, path: &str) -> anyhow::Result<()> {
        let client = Client::new(&format!("http://{}", self.address))?;
        let ready = async {
            loop {
                if let Some(status) = self.child.try_wait()? {
                    bail!("the process ended with {status}: {}", self.last_words());
                }
                if client.get(path).await.is_ok() {
                    return Ok(());
                }
                tokio::time::sleep(READY_INTERVAL).await;
            }
        };
        match tokio::time::timeout(READY_TIMEOUT, ready).await {
            Ok(outcome) => outcome,
            Err(_) => bail!(
                "{}{path} did not answer within {READY_TIMEOUT:?}: {}",
                self.address,
                self.last_words()
            ),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Kills it, as `kill -9` does, and waits until it is gone.
    pub async fn kill(&mut self) -> anyhow::Result<ExitStatus> {
        self.child.start_kill().context("cannot kill the process")?;
        Ok(self.child.wait().await?)
    }

    /// Sends SIGTERM and waits until it has ended by itself.
    pub async fn terminate(&mut self) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        Ok(self.child.wait().await?)
    }

    /// Sends SIGTERM and does not wait.
    pub fn ask_to_end(&self) -> anyhow::Result<()> {
        self.signal(Signal::TERM)
    }

    /// Waits until it has ended by itself.
    pub async fn end(&mut self) -> anyhow::Result<ExitStatus> {
        Ok(self.child.wait().await?)
    }

    /// How it ended, if it has.
    pub fn has_ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Asks it to read its configuration again (SIGHUP).
    pub fn reload(&self) -> anyhow::Result<()> {
        self.signal(Signal::HUP)
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let raw = self
            .child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .context("the process has ended")?;
        let pid = Pid::from_raw(raw).context("the process has no id")?;
        kill_process(pid, signal).context("cannot signal the process")
    }

    /// The end of its log, for a report.
    pub fn last_words(&self) -> String {
        last_lines(&self.log, 20)
    }
}

/// A loopback address with a port that was free a moment ago.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on loopback")?;
    Ok(listener.local_addr()?)
}

fn last_lines(path: &Path, count: usize) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
