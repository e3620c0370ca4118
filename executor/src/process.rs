//! The executor's process: its arguments, its signals, how it ends.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

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

/// How long what holds a thread may take to end after everything else.
const PATIENCE: Duration = Duration::from_secs(1);

/// Runs the executor as the command line says, until it is told to stop.
#[must_use]
pub fn main() -> ExitCode {
    match serve(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(args: Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(start(args));
    // A store that is being opened ends with the process: what it began and did not commit is
    // undone by the next.
    runtime.shutdown_timeout(PATIENCE);
    ended
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
