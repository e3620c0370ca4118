//! The planner's process.

use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use countersign_planner::config::Config;
use countersign_planner::confine::{Confined, Needs, confine};
use countersign_planner::run::{Opened, run};
use countersign_shared::telemetry::{self, LogFormat};
use tokio::signal::unix::{SignalKind, signal};

/// A turn is thousands of small values that live for a moment: a seventh of its time went there.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Turns conversations into plans and asks the executor; holds no credential of
/// any backend.
///
/// Frontends call it over mutual TLS (countersign.v1.Planner). It connects to the
/// executor and, if one is configured, to a model server; where the kernel has
/// Landlock it cannot connect anywhere else, nor read files that are not its own.
///
/// A configuration looks like this:
///
///   listen: 127.0.0.1:7444
///   admin: 127.0.0.1:7445            # /healthz and /readyz, plain HTTP
///   tls: { cert: tls.crt, key: tls.key, ca: ca.crt }
///   callers: [ "spiffe://example.org/frontend" ]
///   executor: { address: "127.0.0.1:7443", id: "spiffe://example.org/executor" }
///   state: state                     # the executor's history, as far as this planner saw it
///   log: { keys: log.pub, cosign: { name: example.org/planner, key: cosign.key } }
///   # chat: …                        # OpenAI's Chat Completions over HTTP, see planner.yaml of `countersign init`
///   model: { kind: offline }         # or: { kind: openai, url: "http://127.0.0.1:8000/v1", name: my-model }
///
/// RUST_LOG chooses what is logged, such as RUST_LOG=debug.
#[derive(Parser)]
#[command(name = "planner", version, verbatim_doc_comment)]
struct Args {
    /// The configuration, usually planner.yaml.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Write the addresses it listens on into this file, as JSON.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

fn main() -> ExitCode {
    match start(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Threads that serve. One core is left to the thread that has the file, where there is one: a
/// turn is many small steps, and handing them from thread to thread costs more than the steps.
fn workers(config: &Config) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let with_a_file = config.store.is_none() && config.state.is_some();
    if with_a_file { cores.saturating_sub(1).max(1) } else { cores }
}

/// Confines itself while there is one thread, then starts the others.
fn start(args: &Args) -> anyhow::Result<()> {
    telemetry::init(LogFormat::Json)?;
    let config = Config::load(&args.config)?;
    let opened = Opened::of(&config)?;
    // Looked up before: afterwards what a control group allows cannot be read.
    let workers = workers(&config);
    match confine(&Needs::of(&config, args.ready_file.as_deref()))? {
        Confined::Fully => tracing::info!(confined = "fully", "own files and own peers only"),
        Confined::Partly => {
            tracing::warn!(confined = "partly", "this kernel enforces only part of the confinement")
        }
        Confined::Not => tracing::warn!(
            confined = "not",
            "this kernel has no Landlock: rely on file permissions and network policy"
        ),
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(workers).enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let stop = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        run(config, opened, args.ready_file.as_deref(), stop).await
    })
}
