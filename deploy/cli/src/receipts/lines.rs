//! Receipts from files of JSON lines: what `receipts list --json` and an export write.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use countersign_shared::ids::ReceiptId;

use super::{Filter, Logged};

/// Receipts in a file, or in every `.jsonl` file of a folder.
#[derive(Debug)]
pub(crate) struct Lines {
    from: PathBuf,
    bodies: Vec<Vec<u8>>,
}

impl Lines {
    /// Reads them.
    pub(crate) fn open(from: &Path) -> anyhow::Result<Self> {
        let mut bodies = Vec::new();
        for file in files(from)? {
            let text =
                fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
            bodies.extend(lines.filter(|line| !line.is_empty()).map(<[u8]>::to_vec));
        }
        Ok(Self { from: from.to_owned(), bodies })
    }

    /// Each line.
    pub(crate) fn bodies(&self) -> &[Vec<u8>] {
        &self.bodies
    }

    /// Receipts that match, last line first.
    pub(crate) fn list(&self, filter: &Filter, limit: u32) -> anyhow::Result<Vec<Logged>> {
        let mut found = Vec::new();
        for (at, body) in self.bodies.iter().enumerate().rev() {
            let logged = Logged::read(u64::try_from(at)?, body.clone())?;
            if filter.matches(&logged.receipt) && found.len() < limit as usize {
                found.push(logged);
            }
        }
        Ok(found)
    }

    /// One receipt.
    pub(crate) fn get(&self, id: &ReceiptId) -> anyhow::Result<Logged> {
        for (at, body) in (0..).zip(&self.bodies) {
            let logged = Logged::read(at, body.clone())?;
            if logged.receipt.receipt_id == id.as_str() {
                return Ok(logged);
            }
        }
        bail!("{} holds no receipt {id}", self.from.display())
    }
}

fn files(from: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let shown = || format!("cannot read {}", from.display());
    if fs::metadata(from).with_context(shown)?.is_file() {
        return Ok(vec![from.to_owned()]);
    }
    let entries = fs::read_dir(from).with_context(shown)?;
    let mut all: Vec<_> =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    all.retain(|path| path.extension().is_some_and(|end| end == "jsonl"));
    all.sort();
    if all.is_empty() {
        bail!("{} holds no .jsonl file", from.display());
    }
    Ok(all)
}
