//! The executor's process: its arguments, its signals, how it ends.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use countersign_shared::telemetry::{self, LogFormat};
use tokio::signal::unix::{SignalKind, signal};

use crate::config::Config;
use crate::run::run;

/// Checks every rule, acts once, verifies by reading back and answers with a
/// receipt.
///
/// Holds the credentials; planners call it over mutual TLS. `countersign init DIR`
/// writes a configuration to start from, `countersign doctor` says what is wrong
/// with one.
#[derive(Parser)]
#[command(name = "executor", version)]
struct Args {
    /// The configuration, usually executor.yaml.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Write the addresses it listens on into this file, as JSON.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

/// Runs the executor as the command line says, until it is told to stop.
pub async fn main() -> ExitCode {
    let args = Args::parse();
    match start(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn start(args: Args) -> anyhow::Result<()> {
    telemetry::init(LogFormat::Json)?;
    let config = Config::load(&args.config)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    run(config, args.ready_file.as_deref(), stop).await
}
