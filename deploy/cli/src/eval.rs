//! `countersign eval`: scenarios, played with any model against the real pair and a sandbox shop.
//!
//! ```text
//! history ─trace─▶ files
//! files ─scenario─▶ theatre ─▶ house (an executor, a tenant for each play)   ┐
//!                     │        shop (the sandbox, one a lane)                ├─ play ─▶ judge ─▶ report
//!                     └──────▶ server (script, a real model, a recording)    ┘
//! ```
//! Planner and executor run here as they do anywhere, over mutual TLS; nothing behind them is real.

pub mod guard;
mod names;
pub mod reply;
pub mod scenario;

pub mod face;
mod house;
mod server;
mod shop;

pub mod judge;
pub mod play;
mod report;
pub mod theatre;

mod trace;

use std::io::{self, IsTerminal as _, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use crate::binaries;
use crate::command::{FAILED, OK};
use face::Door;
use play::Model;
use report::{Prices, Report};
pub use server::Upstream;
use theatre::Theatre;

const EXAMPLES: &str = "\
Examples:
  countersign eval deploy/scenarios
  countersign eval deploy/scenarios --model some-model --base-url http://127.0.0.1:11434/v1 --record tapes
  countersign eval deploy/scenarios --replay tapes
  countersign eval my.yaml --repeat 5 --json
  countersign eval from-trace --ticket T-4711 --executor … --tls … --executor-id … --out my.yaml

A scenario with a `model:` of its own shows what the pair makes of a bad model; every other one is
read by the model that is named, or by the built-in reader. How to write one: EVALUATION.md.";

/// What `eval` takes.
#[derive(Debug, clap::Args)]
#[command(
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
pub struct Args {
    #[command(subcommand)]
    make: Option<Make>,
    /// A scenario, or a folder of them.
    #[arg(value_name = "DIR|FILE", required = true)]
    scenarios: Option<PathBuf>,
    /// The model's name on an OpenAI-compatible server. Without it: the built-in reader.
    #[arg(long, value_name = "NAME", requires = "base_url")]
    model: Option<String>,
    /// That server's base URL, such as http://127.0.0.1:11434/v1.
    #[arg(long, value_name = "URL", requires = "model")]
    base_url: Option<String>,
    /// File with that server's API key.
    #[arg(long, value_name = "FILE", requires = "model")]
    key_file: Option<PathBuf>,
    /// Write every answer of the model into this folder.
    #[arg(long, value_name = "DIR", requires = "model")]
    record: Option<PathBuf>,
    /// Play with the answers in this folder; no model is asked.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["model", "record"])]
    replay: Option<PathBuf>,
    /// Play each scenario so often; it passes if every play does.
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    repeat: u16,
    /// Scenarios that are played at once.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
    /// Price of a million tokens read.
    #[arg(long, value_name = "PRICE", default_value_t = 0.0)]
    input_price: f64,
    /// Price of a million tokens written.
    #[arg(long, value_name = "PRICE", default_value_t = 0.0)]
    output_price: f64,
    /// The planner's door that is talked to.
    #[arg(long, value_enum, default_value_t = Door::Grpc)]
    door: Door,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Where scenarios come from.
#[derive(Debug, clap::Subcommand)]
enum Make {
    /// Make a scenario of a conversation that was held: what was said, what came of it, and what
    /// must never be told.
    FromTrace(trace::Args),
}

/// Plays the scenarios and prints how they went, or makes one.
///
/// # Errors
/// When a scenario is not understood, or something does not start.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if let Some(Make::FromTrace(args)) = &args.make {
        return runtime.block_on(trace::run(args));
    }
    let report = runtime.block_on(evaluate(&args));
    runtime.shutdown_background();
    let report = report?;
    let mut out = io::stdout().lock();
    match args.json {
        true => writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?,
        false => writeln!(out, "{report}")?,
    }
    Ok(ExitCode::from(if report.passed() { OK } else { FAILED }))
}

async fn evaluate(args: &Args) -> anyhow::Result<Report> {
    let folder = args.scenarios.as_ref().context("say which: a scenario, or a folder of them")?;
    let scenarios = scenario::read_all(folder)?;
    let model = model(args)?;
    anyhow::ensure!(
        args.repeat == 1 || (args.record.is_none() && args.replay.is_none()),
        "a recording holds one play: leave out --repeat"
    );
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let program = binaries::find(&["sandbox"])?.path("sandbox");
    let (mut shops, mut processes) = (Vec::new(), Vec::new());
    for lane in 0..usize::from(args.jobs).min(scenarios.len()) {
        let (process, url) = shop::start(&program, folder.path(), lane).await?;
        processes.push(process);
        shops.push(url);
    }
    let theatre = Theatre::open(scenarios, &shops, usize::from(args.repeat), args.door).await?;
    let plays = theatre.plays();
    let done = std::sync::atomic::AtomicUsize::new(0);
    let aloud = io::stderr().is_terminal();
    let ran = theatre
        .play_all(&model, |scenario, _ran| {
            let done = done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
            if aloud {
                // A courtesy: the plays go on without it.
                let _unwritten = write!(io::stderr(), "\r\x1b[K{done}/{plays} {}", scenario.name);
            }
        })
        .await?;
    if aloud {
        write!(io::stderr(), "\r\x1b[K")?;
    }
    let prices = Prices { input: args.input_price, output: args.output_price };
    Ok(Report::of(theatre.scenarios(), &ran, prices))
}

fn model(args: &Args) -> anyhow::Result<Model> {
    if let Some(folder) = &args.replay {
        return Ok(Model::Replay(folder.clone()));
    }
    let Some((url, model)) = args.base_url.clone().zip(args.model.clone()) else {
        return Ok(Model::Offline);
    };
    let read = |file: &PathBuf| {
        let text = std::fs::read_to_string(file);
        text.with_context(|| format!("cannot read {}", file.display()))
    };
    let key = args.key_file.as_ref().map(read).transpose()?;
    if let Some(folder) = &args.record {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let to = Upstream { url, model, key: key.map(|key| key.trim().to_owned()) };
    Ok(Model::Server { to, record: args.record.clone() })
}
