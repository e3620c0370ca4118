//! `countersign audit chain`: one receipt from the words to the proof, and its cause.

mod cause;
mod collected;
mod diff;
mod story;
mod words;

use std::io::{self, Write};
use std::process::ExitCode;

use countersign_proto::v1::GetChainRequest;
use countersign_proto::v1::audit_client::AuditClient;
use countersign_shared::ids::ReceiptId;
use countersign_shared::tlog::key::VerifierKey;

use super::read_key;
use crate::command::OK;
use crate::receipts::proof;
use crate::remote::{ExecutorArgs, timed};

pub(crate) use collected::{Chain, Recorded};
pub(crate) use story::turn;

pub(super) const EXAMPLES: &str = "\
Examples:
  countersign audit chain rcp_… --executor executor.example:7443 --tls ./auditor \\
      --executor-id spiffe://shop.example/executor --key log.pub
  countersign audit chain rcp_… --executor … --json > chain.json

With --key the receipt is checked against the log. What was said, heard and planned is the planner's
word; the digests of attested messages, in the receipt, bind the messages' texts.";

/// What `audit chain` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The receipt's id: `rcp_…`.
    id: ReceiptId,
    #[command(flatten)]
    executor: ExecutorArgs,
    /// The log's public key, or a file that holds it.
    #[arg(long, value_name = "KEY|FILE")]
    key: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Prints the chain.
///
/// # Errors
/// When the executor does not have it, or a proof does not hold.
pub(super) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let key = args.key.as_deref().map(read_key).transpose()?;
    let request = GetChainRequest { receipt_id: args.id.to_string() };
    let mut client = AuditClient::new(args.executor.channel()?).max_decoding_message_size(LARGEST);
    let answer = client.get_chain(timed(request)).await;
    let answer = answer.map_err(|status| args.executor.refused(&status))?.into_inner();
    let chain = Chain::read(answer)?;
    let standing = standing(&chain, key.as_ref())?;
    let cause = cause::of(&chain);
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", chain.to_json(&cause))?;
    } else {
        story::write(&mut out, &chain, &standing, &cause)?;
    }
    Ok(ExitCode::from(OK))
}

/// Largest answer taken, in bytes.
pub(super) const LARGEST: usize = 64 * 1024 * 1024;

fn standing(chain: &Chain, key: Option<&VerifierKey>) -> anyhow::Result<String> {
    match key {
        Some(_) => proof::check(&chain.proof, key, &chain.logged),
        None => Ok(proof::unchecked(&chain.logged)),
    }
}
