//! The command line.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use tokio::net::TcpListener;

use crate::provider::{self, FaultRule, ProviderConfig};

#[derive(Debug, Parser)]
#[command(
    name = "loadtest",
    version,
    about = "The provider simulator and the checker of Greenroom"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve as a simulated AI provider that speaks OpenAI's protocol.
    Provider(ProviderArgs),
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

/// Runs the command that the arguments (the program's name first) ask for.
pub async fn main_with(args: impl IntoIterator<Item = OsString>) -> anyhow::Result<()> {
    match Cli::parse_from(args).command {
        Command::Provider(args) => serve_provider(args).await,
    }
}

/// Like [`main_with`], with a failure printed and turned into an exit status.
pub async fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
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
