//! A world to play in: the simulator and the server, each a process of its own, over one folder.

mod process;
mod questions;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

pub use process::{Launch, Process, Program, free_address, inherited_env};

/// The programs that play the parts.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The server; it is started with `serve …` after its own arguments.
    pub server: Program,
    /// The load tester; it is started with `provider …` after its own arguments.
    pub simulator: Program,
}

/// What a world is made of.
#[derive(Debug, Clone)]
pub struct WorldSpec {
    /// The programs.
    pub programs: Programs,
    /// Where data, logs and the bill go.
    pub folder: PathBuf,
    /// Arguments of the simulator, such as its speed.
    pub simulator_args: Vec<String>,
    /// Whether the server is told of the simulator; without, it has no language model.
    pub with_model: bool,
    /// `greenroom.toml` for the server.
    pub config: String,
    /// More environment for the server.
    pub server_env: Vec<(String, String)>,
    /// Where the server listens; none takes a free port.
    pub server_address: Option<SocketAddr>,
}

impl WorldSpec {
    /// A world with everything at its defaults.
    pub fn new(programs: Programs, folder: &Path) -> Self {
        Self {
            programs,
            folder: folder.to_owned(),
            simulator_args: Vec::new(),
            with_model: true,
            config: String::new(),
            server_env: Vec::new(),
            server_address: None,
        }
    }
}

/// A running simulator and a running server.
#[derive(Debug)]
pub struct World {
    /// The simulator.
    pub simulator: Process,
    /// The server.
    pub server: Process,
    launch: Launch,
    folder: PathBuf,
}

impl World {
    /// Starts the simulator, then the server.
    pub async fn start(spec: WorldSpec) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&spec.folder)
            .with_context(|| format!("cannot create {}", spec.folder.display()))?;
        let simulator = start_simulator(&spec).await?;
        let address = spec.server_address.map_or_else(free_address, Ok)?;
        let launch = server_launch(&spec, simulator.address(), address)?;
        let server = Process::start(&launch, address, "/ready").await?;
        Ok(Self {
            simulator,
            server,
            launch,
            folder: spec.folder,
        })
    }

    /// Starts the server again after it has ended, on the same port, data and configuration.
    pub async fn restart_server(&mut self) -> anyhow::Result<()> {
        self.restart_server_until("/ready").await
    }

    /// The same, but waits only until `GET path` is answered with success.
    pub async fn restart_server_until(&mut self, path: &str) -> anyhow::Result<()> {
        let address = self.server.address();
        self.server = Process::start(&self.launch, address, path).await?;
        Ok(())
    }

    /// Kills the server as `kill -9` does, and starts it again.
    pub async fn kill_and_restart_server(&mut self) -> anyhow::Result<()> {
        self.server.kill().await?;
        self.restart_server().await
    }

    /// Writes the server's configuration anew and asks it to read it.
    pub fn reconfigure(&self, config: &str) -> anyhow::Result<()> {
        std::fs::write(self.folder.join("greenroom.toml"), config)?;
        self.server.reload()
    }

    /// `http://…` of the server.
    pub fn server_url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// `http://…` of the simulator.
    pub fn simulator_url(&self) -> String {
        format!("http://{}", self.simulator.address())
    }

    /// The server's data.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The server's log.
    pub fn server_log(&self) -> PathBuf {
        self.launch.log.clone()
    }

    /// The simulator's bill.
    pub fn bill(&self) -> PathBuf {
        self.folder.join("bill.jsonl")
    }
}

async fn start_simulator(spec: &WorldSpec) -> anyhow::Result<Process> {
    let address = free_address()?;
    let mut args: Vec<OsString> = vec!["provider".into(), "--listen".into(), address.to_string().into()];
    args.extend(["--bill".into(), spec.folder.join("bill.jsonl").into()]);
    args.extend(spec.simulator_args.iter().map(OsString::from));
    let launch = Launch {
        program: spec.programs.simulator.clone(),
        args,
        env: Vec::new(),
        folder: spec.folder.clone(),
        log: spec.folder.join("simulator.log"),
    };
    Process::start(&launch, address, "/_sim/health").await
}

fn server_launch(spec: &WorldSpec, simulator: SocketAddr, address: SocketAddr) -> anyhow::Result<Launch> {
    let config = spec.folder.join("greenroom.toml");
    std::fs::write(&config, &spec.config).with_context(|| format!("cannot write {}", config.display()))?;
    let mut env = spec.server_env.clone();
    if spec.with_model {
        let model = [
            ("GREENROOM_LLM__PROVIDER", "simulator".to_owned()),
            ("GREENROOM_LLM__BASE_URL", format!("http://{simulator}/v1")),
            ("GREENROOM_LLM__MODEL", "sim-large".to_owned()),
            ("GREENROOM_LLM__SMALL_MODEL", "sim-small".to_owned()),
            ("GREENROOM_LLM__API", "responses".to_owned()),
        ];
        env.extend(model.into_iter().map(|(name, value)| (name.to_owned(), value)));
    }
    let args = ["serve", "--listen", &address.to_string()]
        .map(OsString::from)
        .into_iter();
    let paths: [OsString; 4] = [
        "--data-dir".into(),
        spec.folder.join("data").into(),
        "--config".into(),
        config.into(),
    ];
    Ok(Launch {
        program: spec.programs.server.clone(),
        args: args.chain(paths).collect(),
        env,
        folder: spec.folder.clone(),
        log: spec.folder.join("server.log"),
    })
}
