//! `countersign report`: what receipts show when many are looked at together.

mod confidence;
mod outcomes;
mod page;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Subcommand;

use crate::command::OK;
use crate::receipts::Filter;
use crate::receipts::source::{Source, SourceArgs};
use confidence::Reliability;
use outcomes::Outcomes;

/// Reports over many receipts.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Hold the planner's confidence against how its plans ended.
    #[command(after_help = CONFIDENCE_HELP)]
    Confidence(Args),
}

const CONFIDENCE_HELP: &str = "\
A plan's confidence is right about as often as it says, or it means nothing. What it is held against
is the newest receipt of each action: applied, which the executor verified by reading back, or not.
Left out are actions whose end is not known, plans that their low score itself has stopped, and
receipts of what no planner proposed. Nothing is told from fewer than 200 outcomes.

Each bin shows what was predicted (the mean confidence), the share that was applied, and the 95 %
Wilson interval of that share: a bin is off where the prediction lies outside. `ECE` is the mean
distance between the two, weighted by count; `Brier` the mean squared error, 0 is best.

Examples:
  countersign report confidence --state ./demo-state
  countersign report confidence --log ./log --tool shopify.refund_lines --json";

/// What `report confidence` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    filter: Filter,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Does what the command says.
///
/// # Errors
/// When receipts cannot be read.
pub fn run(command: Command) -> anyhow::Result<ExitCode> {
    let Command::Confidence(Args { source, filter, json }) = command;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let receipts = runtime.block_on(async {
        let source = Source::open(source).await?;
        source.list(&filter, u32::MAX).await
    })?;
    let outcomes = Outcomes::of(receipts.into_iter().map(|logged| logged.receipt));
    let report = Reliability::of(&outcomes);
    let mut out = io::stdout().lock();
    if json {
        writeln!(out, "{}", page::json(&outcomes, report.as_ref()))?;
    } else {
        write!(out, "{}", page::text(&outcomes, report.as_ref()))?;
    }
    Ok(ExitCode::from(OK))
}
