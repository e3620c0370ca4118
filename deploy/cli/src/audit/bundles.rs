//! `countersign audit bundles`: takes along what receipts were decided by.

use std::io::Write;
use std::path::PathBuf;

use super::shelf;
use crate::receipts::source::{Source, SourceArgs};

/// What `audit bundles` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to write them, a folder each.
    dir: PathBuf,
    #[command(flatten)]
    source: SourceArgs,
}

pub(super) async fn run(args: Args, out: &mut dyn Write) -> anyhow::Result<bool> {
    let source = Source::open(args.source).await?;
    let written = shelf::write(&args.dir, &source).await?;
    for dir in &written {
        writeln!(out, "{}", dir.display())?;
    }
    writeln!(out, "{} policies and packs, each under its digest", written.len())?;
    Ok(true)
}
