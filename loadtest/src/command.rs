//! The command line.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::{Args, Parser, Subcommand};
use greenroom_protocol::SessionId;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::checker::{self, ClientRecord, Evidence, Expectation};
use crate::client::Client;
use crate::faults::arguments::{self as faults, FaultsArgs, RollingArgs};
use crate::load::arguments::{self as load, DetectorArgs, FloorArgs, VoiceArgs};
use crate::provider::{self, FaultRule, ProviderConfig};

#[derive(Debug, Parser)]
#[command(
    name = "loadtest",
    version,
    about = "The load tester, the provider simulator and the checker of Greenroom"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve as a simulated AI provider that speaks OpenAI's protocol.
    Provider(ProviderArgs),
    /// Hold clients' records, a server's journals and a simulator's bill against each other.
    Check(CheckArgs),
    /// Talk to a server in many sessions at once, check its answers, and measure.
    Voice(VoiceArgs),
    /// Let everything go wrong that can, and look for what must never be.
    Faults(FaultsArgs),
    /// Restart a server again and again while people are at work.
    Rolling(RollingArgs),
    /// Serve a bare WebSocket that only reads, to see what the sockets alone cost.
    Floor(FloorArgs),
    /// Run the speech detector alone, to see what it costs.
    Detector(DetectorArgs),
}

#[derive(Debug, Args)]
struct ProviderArgs {
    /// Where to listen; port 0 takes a free one. The address is printed once it is bound.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// Divides the time to the first token and multiplies the token rate.
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    speed: f64,
    /// Milliseconds until the first token.
    #[arg(long, value_name = "MS", default_value_t = 120)]
    first_token_ms: u64,
    /// Tokens written in a second.
    #[arg(long, value_name = "N", default_value_t = 80.0)]
    tokens_per_second: f64,
    /// The only API key that is let in.
    #[arg(long, value_name = "KEY")]
    require_key: Option<String>,
    /// Seed of everything that looks arbitrary.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// A fault rule as JSON; may be given more than once.
    #[arg(long, value_name = "JSON")]
    fault: Vec<FaultRule>,
    /// File that the bill is written to.
    #[arg(long, value_name = "FILE")]
    bill: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// The server, such as `http://127.0.0.1:8080`.
    #[arg(long, value_name = "URL")]
    url: String,
    /// The simulator's bill; without it no call is held against one.
    #[arg(long, value_name = "FILE")]
    bill: Option<PathBuf>,
    /// Folder with a record (*.jsonl) for each client.
    #[arg(long, value_name = "DIR")]
    records: Option<PathBuf>,
    /// A session to check, beside those that the records name; may be given more than once.
    #[arg(long = "session", value_name = "ID")]
    sessions: Vec<SessionId>,
    /// Whose sessions they are.
    #[arg(long, value_name = "KEY")]
    user_key: Option<String>,
    /// The server's token.
    #[arg(
        long,
        value_name = "TOKEN",
        env = "GREENROOM_SERVER__TOKEN",
        hide_env_values = true
    )]
    token: Option<String>,
    /// Let turns, runs and calls be under way.
    #[arg(long)]
    under_way: bool,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command that the arguments (the program's name first) ask for.
pub async fn main_with(args: impl IntoIterator<Item = OsString>) -> anyhow::Result<()> {
    match Cli::parse_from(args).command {
        Command::Provider(args) => serve_provider(args).await,
        Command::Check(args) => check(args).await,
        Command::Voice(args) => load::run_voice(args, interrupted()).await,
        Command::Faults(args) => faults::run_faults(args, interrupted()).await,
        Command::Rolling(args) => faults::run_rolling(args, interrupted()).await,
        Command::Floor(args) => load::run_floor(args, interrupted()).await,
        Command::Detector(args) => load::run_detector(&args),
    }
}

/// Like [`main_with`], with logs on standard error, and a failure printed and turned into an exit status.
pub async fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::WARN.into())
        .from_env_lossy();
    // Whoever calls this from within a larger program may log already.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init();
    match main_with(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("loadtest: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn serve_provider(args: ProviderArgs) -> anyhow::Result<()> {
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("cannot listen on {}", args.listen))?;
    println!(
        "simulated provider listening on http://{}",
        listener.local_addr()?
    );
    let config = ProviderConfig {
        first_token: Duration::from_millis(args.first_token_ms),
        tokens_per_second: args.tokens_per_second,
        speed: args.speed,
        require_key: args.require_key,
        seed: args.seed,
        faults: args.fault,
        bill: args.bill,
    };
    provider::serve(config, listener, interrupted()).await
}

async fn check(args: CheckArgs) -> anyhow::Result<()> {
    let mut client = Client::new(&args.url)?;
    if let Some(key) = args.user_key {
        client = client.with_user_key(key);
    }
    if let Some(token) = args.token {
        client = client.with_token(token);
    }
    let records = args
        .records
        .as_deref()
        .map_or(Ok(Vec::new()), checker::read_records)?;
    let bill = args.bill.as_deref().map(provider::read_bill).transpose()?;
    let named = records.iter().flat_map(ClientRecord::sessions);
    let sessions: BTreeSet<SessionId> = args.sessions.into_iter().chain(named).collect();
    ensure!(
        !sessions.is_empty(),
        "there is no session to check: give --session or --records"
    );
    let mut evidence = Evidence {
        records,
        bill,
        ..Evidence::default()
    };
    for session in sessions {
        let journal = client
            .journal(session)
            .await
            .with_context(|| format!("cannot read the journal of {session}"))?;
        evidence.journals.insert(session, journal);
    }
    let expectation = if args.under_way {
        Expectation::UnderWay
    } else {
        Expectation::AtRest
    };
    let report = checker::check(&evidence, expectation);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{report}");
    }
    ensure!(report.is_clean(), "{} violations", report.violations.len());
    Ok(())
}

/// Ready on Ctrl-C, or when asked to terminate.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signals) => {
                signals.recv().await;
            }
            // Without the handler the signal ends the process anyway.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}
