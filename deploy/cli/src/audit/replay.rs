//! `countersign audit replay`: does each verdict follow from what its receipt says it was
//! decided from?

use std::io::Write;
use std::path::PathBuf;

use countersign_core::replay::{Replayed, Shelf, replay};
use countersign_shared::ids::ReceiptId;
use countersign_shared::receipt::Receipt;
use serde_json::json;

use super::many::each;
use super::shelf;
use crate::receipts::source::{Source, SourceArgs};

/// What `audit replay` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Receipts: `rcp_…`.
    #[arg(value_name = "RECEIPT", required_unless_present = "all", conflicts_with = "all")]
    ids: Vec<ReceiptId>,
    /// Every receipt that there is.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    source: SourceArgs,
    /// Folder of policies and packs, as `audit bundles` writes it. Without it they are fetched from
    /// the executor.
    #[arg(long, value_name = "DIR")]
    bundles: Option<PathBuf>,
    /// Print one JSON object a receipt.
    #[arg(long)]
    json: bool,
}

/// What became of one receipt.
struct Line {
    id: String,
    verdict: String,
    standing: Standing,
    says: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Same,
    Told,
    Unfit,
    Differs,
}

impl Standing {
    const ALL: [Self; 4] = [Self::Same, Self::Told, Self::Unfit, Self::Differs];

    fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Told => "told",
            Self::Unfit => "unfit",
            Self::Differs => "differs",
        }
    }

    fn counted(self) -> &'static str {
        match self {
            Self::Same => "derived identically",
            Self::Told => "decided by no rule",
            Self::Unfit => "cannot be derived",
            Self::Differs => "DIFFER",
        }
    }

    fn is_good(self) -> bool {
        matches!(self, Self::Same | Self::Told)
    }
}

pub(super) async fn run(args: Args, out: &mut dyn Write) -> anyhow::Result<bool> {
    let source = Source::open(args.source).await?;
    let shelf = shelf::open(args.bundles.as_deref(), &source).await?;
    let receipts = if args.all {
        source.every().await?
    } else {
        let mut some = Vec::new();
        for id in &args.ids {
            some.push(source.get(id).await?.receipt);
        }
        some
    };
    let lines = each(&receipts, |receipt| decided(receipt, &shelf));
    for line in &lines {
        if args.json {
            let line = json!({ "receipt": line.id, "verdict": line.verdict,
                               "replay": line.standing.name(), "says": line.says });
            writeln!(out, "{line}")?;
        } else if !args.all || !line.standing.is_good() {
            writeln!(out, "{}  {}\n  {}", line.id, line.verdict, line.says)?;
        }
    }
    if !args.json {
        writeln!(out, "{}", summary(&lines))?;
    }
    Ok(lines.iter().all(|line| line.standing.is_good()))
}

fn decided(receipt: &Receipt, shelf: &Shelf) -> Line {
    let gates = receipt.gates.len();
    let (standing, says) = match replay(receipt, shelf) {
        Ok(Replayed::Same) => {
            let by = if receipt.policy.is_empty() { "no policy" } else { &receipt.policy };
            (
                Standing::Same,
                format!("every verdict follows from its facts: {gates} gates, by {by}"),
            )
        }
        Ok(Replayed::Told(what)) => (Standing::Told, format!("no rule decided it: {what}")),
        Ok(Replayed::Differs(difference)) => (Standing::Differs, difference.to_string()),
        Err(unfit) => (Standing::Unfit, format!("cannot be derived: {unfit}")),
    };
    let verdict = format!("{} {}", receipt.outcome, receipt.code).trim_end().to_owned();
    Line { id: receipt.receipt_id.clone(), verdict, standing, says }
}

fn summary(lines: &[Line]) -> String {
    let count = |standing: Standing| lines.iter().filter(|l| l.standing == standing).count();
    let parts = Standing::ALL.map(|standing| (count(standing), standing.counted()));
    let parts = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}"));
    format!("{} receipts: {}", lines.len(), parts.collect::<Vec<_>>().join(", "))
}
