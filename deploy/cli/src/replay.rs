//! `countersign replay`: a whole conversation, step by step, as it was told and as it was done.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use countersign_shared::receipt::Receipt;
use jiff::Timestamp;
use serde_json::json;

use crate::audit::chain::{Recorded, turn};
use crate::command::OK;
use crate::conversation::ConversationArgs;
use crate::page::Page;

const EXAMPLES: &str = "\
Examples:
  countersign replay --ticket TICKET-4711 --executor executor.example:7443 --tls ./auditor \\
      --executor-id spiffe://shop.example/executor
  countersign replay --conversation c-77 --executor … --json

Nothing is done again: it is read. To make a scenario of it: countersign eval from-trace.";

/// What `replay` takes.
#[derive(Debug, Parser)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    which: ConversationArgs,
    /// Print one JSON object a step.
    #[arg(long)]
    json: bool,
}

/// One step of a conversation.
enum Step {
    Told(Box<Recorded>),
    Sealed(Box<Receipt>),
}

/// Prints the conversation.
///
/// # Errors
/// When the executor cannot be asked, or knows nothing of it.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let steps = runtime.block_on(steps(args))?;
    let mut out = io::stdout().lock();
    for step in &steps {
        if args.json {
            writeln!(out, "{}", step.to_json())?;
        } else {
            step.write(&mut out)?;
        }
    }
    Ok(ExitCode::from(OK))
}

/// In the order in which they happened.
async fn steps(args: &Args) -> anyhow::Result<Vec<Step>> {
    let found = args.which.collect().await?;
    let told = found.turns.into_iter().map(|told| Step::Told(Box::new(told)));
    let sealed = found.receipts.into_iter().map(|receipt| Step::Sealed(Box::new(receipt)));
    let mut steps: Vec<_> = told.chain(sealed).collect();
    steps.sort_by_key(Step::at);
    Ok(steps)
}

impl Step {
    fn at(&self) -> Timestamp {
        match self {
            Self::Told(told) => told.at,
            Self::Sealed(receipt) => receipt.sealed_at,
        }
    }

    fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Told(told) => json!({ "at": told.at, "told": told.to_json() }),
            Self::Sealed(receipt) => json!({ "at": receipt.sealed_at, "receipt": receipt }),
        }
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut page = Page { out };
        match self {
            Self::Told(told) => {
                page.head("Told by the planner")?;
                turn(&mut page, told)
            }
            Self::Sealed(receipt) => {
                page.head("Done by the executor")?;
                let at = receipt.sealed_at.strftime("%F %T UTC").to_string();
                page.line(&at, &format!("{} {}", receipt.receipt_id, receipt.tool))?;
                page.line("  ended", &[receipt.outcome.as_str(), &receipt.code].join(" "))?;
                page.line("  because", &receipt.message)?;
                page.line("  told", &receipt.said)
            }
        }
    }
}
