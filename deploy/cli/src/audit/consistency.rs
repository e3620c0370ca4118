//! `countersign audit consistency`: does one checkpoint extend another?

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_shared::tlog::checkpoint::Checkpoint;
use countersign_shared::tlog::failure::FailureCode;
use countersign_shared::tlog::key::VerifierKey;
use countersign_shared::tlog::lookup::TileNodes;
use countersign_shared::tlog::path::{consistency_path, verify_consistency};
use serde_json::json;

use super::key::read_keys;
use crate::command::{FAILED, OK};

pub(super) const HELP: &str = "\
Examples:
  countersign audit consistency monday.checkpoint friday.checkpoint --log ./log --key log.pub
  countersign audit consistency a.checkpoint b.checkpoint --log ./log --key old.pub --key new.pub

The checkpoints may be anybody's copies; the log folder only supplies the hashes between them, and
cannot make two checkpoints of different histories agree.";

/// What `audit consistency` takes.
#[derive(Debug, clap::Args)]
pub struct ConsistencyArgs {
    /// A signed checkpoint.
    first: PathBuf,
    /// Another one, of the same log.
    second: PathBuf,
    /// The log folder, or an export of it.
    #[arg(long, value_name = "DIR")]
    log: PathBuf,
    /// The log's public key, or a file that holds it. Again for each key that the log had.
    #[arg(long, value_name = "KEY|FILE", required = true)]
    key: Vec<String>,
    /// Print one JSON object, with the proof.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &ConsistencyArgs) -> anyhow::Result<ExitCode> {
    let keys = read_keys(&args.key)?;
    let (first, second) = (open(&args.first, &keys)?, open(&args.second, &keys)?);
    ensure!(first.origin() == second.origin(), "the checkpoints are of two logs");
    let (earlier, later) =
        if first.size() <= second.size() { (first, second) } else { (second, first) };
    let proof =
        consistency_path(earlier.size(), later.size(), &TileNodes::new(&args.log, later.size()));
    let proof = proof.with_context(|| format!("{} does not hold enough", args.log.display()))?;
    let (old, new) = ((earlier.size(), earlier.root()), (later.size(), later.root()));
    let holds = verify_consistency(old, new, &proof).is_ok();
    let mut out = io::stdout().lock();
    let code = FailureCode::LogForked;
    if args.json {
        let hashes: Vec<_> = proof.iter().map(|hash| STANDARD.encode(hash)).collect();
        let code = (!holds).then_some(code.as_str());
        let found = json!({
            "ok": holds, "code": code, "from": old.0, "to": new.0, "proof": hashes,
        });
        writeln!(out, "{found}")?;
    } else if holds {
        writeln!(out, "The log of {} entries extends the one of {}.", new.0, old.0)?;
    } else {
        writeln!(out, "The two are NOT shown to be of one history.")?;
        writeln!(out, "  code     {code}")?;
        writeln!(out, "  meaning  {}", code.meaning())?;
        writeln!(out, "Both are signed: keep them. If `audit verify` finds the folder good with")?;
        writeln!(out, "one of them as --checkpoint and not with the other, the log was forked.")?;
    }
    Ok(ExitCode::from(if holds { OK } else { FAILED }))
}

fn open(path: &Path, keys: &[VerifierKey]) -> anyhow::Result<Checkpoint> {
    let shown = path.display();
    let note = fs::read(path).with_context(|| format!("cannot read {shown}"))?;
    let opened = Checkpoint::open_by(&note, keys).with_context(|| shown.to_string())?;
    Ok(opened.0)
}
