//! The executor.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    countersign_executor::process::main().await
}
