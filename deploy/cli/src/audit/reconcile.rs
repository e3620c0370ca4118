//! `countersign audit reconcile-siem`: does a SIEM still have every event, as it was sent?
//!
//! ```text
//! export ──row──▶ index, attempt, digest ─┐
//! log folder + key ──verify, map anew─────┴▶ found: missing, altered, doubled, beyond
//! ```

mod found;
mod report;
mod row;

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use countersign_shared::tlog::key::VerifierKey;
use countersign_shared::tlog::verify::{Options, verify_folder};

use super::key::read_key;
use crate::command::{FAILED, OK};
use found::{Found, Walk};
use row::{Row, Said};

pub(super) const EXAMPLES: &str = "\
Examples:
  countersign audit reconcile-siem export.jsonl --log DIR/log --key log.pub
  countersign audit reconcile-siem march.jsonl --log DIR/log --key log.pub --from 1200 --to 4800
  countersign audit reconcile-siem export.jsonl --log DIR/log --key log.pub --json

The export is one JSON object a line: the event itself, as Splunk's collector took it (`event`), or
as Splunk exports it (`result._raw`). What a SIEM adds beside the event's own members is not looked
at. Take the log folder after the export, or its newest rows are beyond the folder's checkpoint.";

/// What `audit reconcile-siem` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What the SIEM exported, as JSON lines.
    export: PathBuf,
    /// The log folder, or a copy: the one with `checkpoint` and `tile` in it.
    #[arg(long, value_name = "DIR")]
    log: PathBuf,
    /// The log's public key, written `name+hash+base64`, or a file that holds it.
    #[arg(long, value_name = "KEY|FILE")]
    key: String,
    /// The first entry that the export has to hold.
    #[arg(long, default_value_t = 0, value_name = "INDEX")]
    from: u64,
    /// The entry after the last one that it has to hold; the end of the log unless given.
    #[arg(long, value_name = "INDEX")]
    to: Option<u64>,
    /// The executor is writing to the log folder now: accept what is ahead of its checkpoint.
    #[arg(long)]
    live: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Compares and reports; exits with 1 where the export is not what the log holds.
///
/// # Errors
/// A file that cannot be read, or a log that does not verify.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let found = reconcile(args, &read_key(&args.key)?)?;
    report::print(&mut io::stdout().lock(), &found, args)?;
    Ok(ExitCode::from(if found.is_whole() { OK } else { FAILED }))
}

fn reconcile(args: &Args, key: &VerifierKey) -> anyhow::Result<Found> {
    let mut found = Found::default();
    let rows = read(&args.export, key.name(), &mut found)?;
    let mut walk = Walk::new(rows, key.name());
    let mut entry = |index: u64, leaf: &[u8]| walk.entry(index, leaf);
    let options = Options { publishing: args.live, entry: Some(&mut entry), ..Options::default() };
    let verified = verify_folder(&args.log, key, options).map_err(|failure| {
        anyhow!(
            "{} does not verify, so nothing can be compared with it: {failure}",
            args.log.display()
        )
    })?;
    let size = verified.checkpoint.size();
    walk.end(size, args.from..args.to.unwrap_or(size).min(size), &mut found);
    Ok(found)
}

/// Every row of the export that is of this log, in order of its index.
fn read(path: &Path, origin: &str, found: &mut Found) -> anyhow::Result<Vec<Row>> {
    let shown = || format!("cannot read {}", path.display());
    let file = File::open(path).with_context(shown)?;
    let mut rows = Vec::new();
    for (line, text) in (1..).zip(BufReader::new(file).split(b'\n')) {
        let text = text.with_context(shown)?;
        if text.trim_ascii().is_empty() {
            continue;
        }
        match row::read(&text, line, origin) {
            Said::Event(row) => {
                found.rows += 1;
                found.resent += u64::from(row.attempt > 1);
                rows.push(row);
            }
            Said::Heartbeat(row) => {
                found.heartbeats += 1;
                rows.push(row);
            }
            Said::OtherLog(origin) => *found.other_logs.entry(origin).or_default() += 1,
            Said::Unreadable => found.unreadable.push(line),
        }
    }
    rows.sort_by_key(|row| (row.index, row.line));
    Ok(rows)
}

#[cfg(test)]
mod tests;
