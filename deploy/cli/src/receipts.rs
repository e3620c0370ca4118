//! `countersign receipts`: what was done, for whom and why, as a person would like to read it.

pub(crate) mod folder;
mod lines;
mod remote;
pub(crate) mod source;
mod stopped;

pub(crate) mod flat;
pub(crate) mod page;
pub(crate) mod proof;
mod table;

#[cfg(test)]
pub(crate) mod sample;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Subcommand;
use countersign_shared::ids::ReceiptId;
use countersign_shared::receipt::Receipt;

use crate::command::OK;
use source::{Source, SourceArgs};

pub(crate) use table::table;

/// List and show receipts.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List receipts, newest first.
    #[command(after_help = LIST_EXAMPLES)]
    List(ListArgs),
    /// Show one receipt: what, for whom, why it was allowed, what was sent, how it was verified.
    #[command(after_help = SHOW_EXAMPLES)]
    Show(ShowArgs),
}

const LIST_EXAMPLES: &str = "\
Examples:
  countersign receipts list --state ./demo-state
  countersign receipts list --log ./log --key log.pub --tool shopify.refund_lines
  countersign receipts list --executor executor.example:7443 --tls ./auditor \\
      --executor-id spiffe://shop.example/executor --ref TICKET-4711";

const SHOW_EXAMPLES: &str = "\
Examples:
  countersign receipts show rcp_… --state ./demo-state
  countersign receipts show rcp_… --state ./demo-state --proof > rcp.tlog-proof
  countersign receipts show rcp_… --log ./log --json > rcp.json

The proof and the bytes that --json prints are all that anybody needs to check this receipt against
the log's public key, without the executor and without the rest of the log:
  countersign audit verify rcp.json --proof rcp.tlog-proof --key log.pub";

/// What `receipts list` takes.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    filter: Filter,
    /// At most this many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Print each receipt, opened as far as it can be, one JSON object a line.
    #[arg(long)]
    json: bool,
}

/// Which receipts.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Filter {
    /// Only receipts of this tool, such as `shopify.cancel_order`.
    #[arg(long)]
    tool: Option<String>,
    /// Only receipts with this ticket.
    #[arg(long = "ref", value_name = "TICKET")]
    external_ref: Option<String>,
    /// Only receipts of this tenant.
    #[arg(long)]
    tenant: Option<String>,
}

/// What `receipts show` takes.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// The receipt's id: `rcp_…`.
    id: ReceiptId,
    #[command(flatten)]
    source: SourceArgs,
    /// Print the receipt as it was logged, byte for byte.
    #[arg(long)]
    json: bool,
    /// Check the proof that it is in the log, and print it as a `.tlog-proof` file.
    #[arg(long, conflicts_with = "json")]
    proof: bool,
}

/// A receipt as the log holds it.
#[derive(Debug, Clone)]
pub(crate) struct Logged {
    /// Its index in the log, from 0.
    pub(crate) index: u64,
    /// The entry's exact bytes.
    pub(crate) body: Vec<u8>,
    /// What they say: opened where an executor hands over what opens them.
    pub(crate) receipt: Receipt,
}

impl Logged {
    /// What an executor hands over; what is erased says so.
    pub(crate) fn of(receipt: countersign_proto::v1::Receipt) -> anyhow::Result<Self> {
        Self::opened(receipt.leaf_index, receipt.body, &receipt.openings)
    }

    /// Reads an entry with what opens it; what is erased says so.
    fn opened(index: u64, body: Vec<u8>, openings: &[u8]) -> anyhow::Result<Self> {
        let receipt = countersign_shared::receipt::opened(&body, openings)
            .map_err(|why| anyhow::anyhow!("entry {index} of the log: {why}"))?;
        Ok(Self { index, body, receipt })
    }

    /// Reads an entry as the log has it: personal values are covered.
    fn read(index: u64, body: Vec<u8>) -> anyhow::Result<Self> {
        let receipt = crate::audit::parse(&body)
            .map_err(|why| anyhow::anyhow!("entry {index} of the log is {why}"))?;
        Ok(Self { index, body, receipt })
    }
}

impl Filter {
    fn matches(&self, receipt: &Receipt) -> bool {
        let fits = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|w| w == is);
        fits(&self.tool, &receipt.tool)
            && fits(&self.external_ref, &receipt.asked.external_ref)
            && fits(&self.tenant, &receipt.tenant)
    }
}

/// Does what the command says.
///
/// # Errors
/// When the source cannot be read or does not have it, or a proof does not hold.
pub fn run(command: Command) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::List(args) => list(args).await,
            Command::Show(args) => show(args).await,
        }
    })?;
    Ok(ExitCode::from(OK))
}

async fn list(args: ListArgs) -> anyhow::Result<()> {
    let source = Source::open(args.source).await?;
    let receipts = source.list(&args.filter, args.limit).await?;
    let mut out = io::stdout().lock();
    if args.json {
        for logged in &receipts {
            serde_json::to_writer(&mut out, &logged.receipt)?;
            out.write_all(b"\n")?;
        }
        return Ok(());
    }
    if receipts.is_empty() {
        writeln!(out, "No receipts.")?;
        return Ok(());
    }
    writeln!(out, "{}", table(&receipts))?;
    Ok(())
}

async fn show(args: ShowArgs) -> anyhow::Result<()> {
    let source = Source::open(args.source).await?;
    let logged = source.get(&args.id).await?;
    let mut out = io::stdout().lock();
    if args.json {
        out.write_all(&logged.body)?;
        out.write_all(b"\n")?;
        return Ok(());
    }
    let proof = source.proof(&logged).await?;
    if args.proof {
        let standing = proof::check(&proof, source.key(), &logged)?;
        writeln!(io::stderr(), "{standing}")?;
        out.write_all(proof.as_bytes())?;
        return Ok(());
    }
    let standing = match source.key() {
        Some(_) => proof::check(&proof, source.key(), &logged)?,
        None => proof::unchecked(&logged),
    };
    page::write(&mut out, &logged, &standing)?;
    Ok(())
}
