//! `countersign replay`: a whole conversation, step by step, as it was told and as it was done.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::bail;
use clap::Parser;
use countersign_proto::v1::FindRequest;
use countersign_proto::v1::audit_client::AuditClient;
use countersign_shared::receipt::Receipt;
use jiff::Timestamp;
use serde_json::json;

use crate::audit::chain::{Recorded, turn};
use crate::command::OK;
use crate::page::Page;
use crate::receipts::Logged;
use crate::remote::{ExecutorArgs, timed};

/// Most turns and receipts of a conversation, and the largest answer in bytes.
const MOST: u32 = 500;
const LARGEST: usize = 64 * 1024 * 1024;

const EXAMPLES: &str = "\
Examples:
  countersign replay --ticket TICKET-4711 --executor executor.example:7443 --tls ./auditor \\
      --executor-id spiffe://shop.example/executor
  countersign replay --conversation c-77 --executor … --json

Nothing is done again: it is read.";

/// What `replay` takes.
#[derive(Debug, Parser)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The frontend's ticket.
    #[arg(long, value_name = "REF", required_unless_present = "conversation")]
    ticket: Option<String>,
    /// The conversation.
    #[arg(long)]
    conversation: Option<String>,
    #[command(flatten)]
    executor: ExecutorArgs,
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
    let mut client = AuditClient::new(args.executor.channel()?).max_decoding_message_size(LARGEST);
    let request = FindRequest {
        external_ref: args.ticket.clone().unwrap_or_default(),
        conversation_id: args.conversation.clone().unwrap_or_default(),
        page_size: MOST,
        ..FindRequest::default()
    };
    let found = client.find(timed(request)).await;
    let found = found.map_err(|status| args.executor.refused(&status))?.into_inner();
    if !found.next_page_token.is_empty() {
        writeln!(io::stderr(), "There is more: only the newest {MOST} receipts are shown.")?;
    }
    let mut steps = Vec::new();
    for told in found.turns {
        steps.push(Step::Told(Box::new(Recorded::read(told)?)));
    }
    for receipt in found.receipts {
        let logged = Logged::of(receipt)?;
        steps.push(Step::Sealed(Box::new(logged.receipt)));
    }
    if steps.is_empty() {
        bail!("the executor knows nothing of it: look with `countersign audit find`");
    }
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
