//! The server binary.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    greenroom::main_with(std::env::args_os()).await
}
