//! The `loadtest` command.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    loadtest::run(std::env::args_os()).await
}
