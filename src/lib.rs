//! The server: configuration, HTTP, WebSocket and the operator's socket around the session actors.
//!
//! It converts between the words on the wire and the domain, wires the parts together, and decides nothing.

mod admin;
mod app;
mod backup;
mod check;
mod cli;
mod config;
mod engine;
mod export;
mod health_probe;
mod http;
mod lifecycle;
mod limits;
mod panic_hook;
mod playbooks;
mod providers;
mod rate;
mod scenario;
mod server;
mod signals;
mod startup;
mod system;
mod telemetry;
#[cfg(test)]
mod testing;
mod validate;
mod verify;
mod voice;
mod ws;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;
use rustix::fs::Mode;

use cli::{Cli, Command, PlaybookTask};

/// Does what a command line says: what `main` does, and what the demo does to be the server. The first argument is
/// the program's name. Tells a failure on the standard error, and by the exit code.
pub async fn main_with(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // If even this cannot be printed, the exit code still says it.
            error.print().ok();
            return if error.use_stderr() {
                ExitCode::from(2)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    // What people said is for nobody else's eyes, whatever folder it is kept in.
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let done = match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(args) => server::run(&args).await.map_err(|error| error.to_string()),
        Command::Admin(args) => admin::ask(&args).await.map_err(|error| error.to_string()),
        Command::Check(args) => return check::run(&args).await,
        Command::Verify(args) => return verify::run(&args).await,
        Command::Backup(args) => backup::run(&args).await.map_err(|error| error.to_string()),
        Command::Restore(args) => backup::restore(&args).await.map_err(|error| error.to_string()),
        Command::Health(args) => health_probe::ask(&args).await.map_err(|error| error.to_string()),
        Command::Playbook(PlaybookTask::Validate { dir, json }) => return validate::run(&dir, json),
        Command::Scenario(args) => scenario::run(&args).await.map_err(|error| error.to_string()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("greenroom: {reason}");
            ExitCode::FAILURE
        }
    }
}
