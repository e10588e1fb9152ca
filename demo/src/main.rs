//! `demo`: one whole launch session, shown live over the public protocol, with nothing but this program.
//!
//! It starts itself again as the server and as the provider simulator, in processes of their own.

mod call;
mod caller;
mod screen;
mod script;
mod show;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// The first argument by which the demo is told to play the server.
const AS_SERVER: &str = "__as_server";
/// The first argument by which the demo is told to play the simulator.
const AS_SIMULATOR: &str = "__as_simulator";

/// Plays one launch session to its end, spoken in English, against a simulated AI provider.
#[derive(Debug, Parser)]
#[command(name = "demo", version)]
struct Cli {
    /// Type the brief, in Korean, instead of speaking it in English.
    #[arg(long)]
    typed: bool,
    /// Leave at once when the session is done, instead of keeping the page open until Ctrl-C.
    #[arg(long)]
    exit: bool,
    /// Folder for the data, the logs and the package.
    #[arg(long, value_name = "DIR", default_value = "demo-out")]
    out: PathBuf,
    /// How much faster than a real provider the simulator is.
    #[arg(long, value_name = "X", default_value_t = 4.0)]
    speed: f64,
}

fn main() -> ExitCode {
    let mut args: Vec<OsString> = std::env::args_os().collect();
    let role = args.get(1).and_then(|role| role.to_str()).map(str::to_owned);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("the runtime cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match role.as_deref() {
        Some(AS_SERVER) => {
            args.remove(1);
            runtime.block_on(greenroom::main_with(args))
        }
        Some(AS_SIMULATOR) => {
            args.remove(1);
            runtime.block_on(loadtest::run(args))
        }
        Some(_) | None => {
            let cli = Cli::parse();
            match runtime.block_on(show::show(&cli)) {
                Ok(true) => ExitCode::SUCCESS,
                Ok(false) => ExitCode::FAILURE,
                Err(error) => {
                    eprintln!("\nthe demo failed: {error:#}");
                    ExitCode::FAILURE
                }
            }
        }
    }
}
