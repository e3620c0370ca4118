//! Receipts from outside. Each is proved to be a leaf of this log by a checkpoint that the
//! log's own key signed; nothing else is taken, and one that is wrong stops it all.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail, ensure};
use countersign_shared::kept::{self, Kept};
use countersign_shared::tlog::checkpoint::Checkpoint;
use countersign_shared::tlog::proof::LogProof;
use countersign_shared::tlog::verify::{Options, verify_folder};

use crate::log::LogKeys;

/// Ending of a proof's file; its receipt lies beside it and ends with `.json`.
const PROOF: &str = "tlog-proof";

/// What is known of the log from outside.
#[derive(Debug, Default)]
pub struct Evidence {
    /// By epoch and index. More than one where the log's key signed two histories.
    leaves: BTreeMap<(u32, u64), BTreeSet<Vec<u8>>>,
    newest: BTreeMap<u32, Checkpoint>,
    forked: bool,
}

impl Evidence {
    /// Reads log folders, planners' state folders, and receipts with their proofs.
    ///
    /// # Errors
    /// A path that holds none of these, or anything in it that is not proved.
    pub fn gather(paths: &[PathBuf], keys: &LogKeys) -> anyhow::Result<Self> {
        let mut all = Self::default();
        for path in paths {
            let before = (all.leaves.len(), all.newest.len());
            all.add(path, keys).with_context(|| format!("{}", path.display()))?;
            tracing::debug!(?before, path = %path.display(), "read");
        }
        Ok(all)
    }

    /// Epochs that something is known of.
    pub fn epochs(&self) -> impl Iterator<Item = u32> {
        self.newest.keys().copied()
    }

    /// The newest checkpoint of an epoch.
    #[must_use]
    pub fn newest(&self, epoch: u32) -> Option<&Checkpoint> {
        self.newest.get(&epoch)
    }

    /// The one leaf at this place.
    #[must_use]
    pub fn only(&self, epoch: u32, index: u64) -> Option<&[u8]> {
        let found = self.leaves.get(&(epoch, index)).filter(|found| found.len() == 1)?;
        found.first().map(Vec::as_slice)
    }

    /// Whether a leaf at this place is known.
    #[must_use]
    pub fn has(&self, epoch: u32, index: u64) -> bool {
        self.leaves.contains_key(&(epoch, index))
    }

    /// Whether two checkpoints of one size have different roots.
    #[must_use]
    pub fn forked(&self) -> bool {
        self.forked
    }

    /// Every leaf, oldest first.
    pub fn leaves(&self) -> impl Iterator<Item = &[u8]> {
        self.leaves.values().flatten().map(Vec::as_slice)
    }

    fn add(&mut self, path: &Path, keys: &LogKeys) -> anyhow::Result<()> {
        if path.join("checkpoint").is_file() && path.join("tile").exists() {
            return self.log_folder(path, keys);
        }
        if path.is_file() {
            return self.file(path, keys);
        }
        let files = files(path)?;
        ensure!(
            !files.is_empty(),
            "holds no log, no receipts of a planner and no .{PROOF} files: name the folder \
             that does"
        );
        files.iter().try_for_each(|file| {
            self.file(file, keys).with_context(|| format!("{}", file.display()))
        })
    }

    fn file(&mut self, path: &Path, keys: &LogKeys) -> anyhow::Result<()> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name == kept::CHECKPOINT {
            let note = fs::read(path)?;
            let (epoch, checkpoint) = keys.signed(&note).ok_or_else(foreign)?;
            self.point(epoch, checkpoint);
            return Ok(());
        }
        if kept::holds_receipts(&name) {
            return self.kept(&fs::read_to_string(path)?, keys);
        }
        ensure!(path.extension().is_some_and(|end| end == PROOF), "is no .{PROOF} file");
        let beside = path.with_extension("json");
        let mut leaf = fs::read(&beside)
            .with_context(|| format!("its receipt is not beside it, as {}", beside.display()))?;
        // `receipts show --json` ends the line.
        if leaf.last() == Some(&b'\n') {
            leaf.pop();
        }
        self.proved(&fs::read(path)?, leaf, keys)
    }

    fn kept(&mut self, text: &str, keys: &LogKeys) -> anyhow::Result<()> {
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        // What follows the last line's end was being written when its process ended.
        let lines = text.get(..whole).unwrap_or_default().lines();
        for (number, line) in (1..).zip(lines) {
            let at = || format!("line {number}");
            let kept: Kept = serde_json::from_str(line).with_context(at)?;
            self.proved(kept.proof.as_bytes(), kept.receipt.into_bytes(), keys).with_context(at)?;
        }
        Ok(())
    }

    fn proved(&mut self, proof: &[u8], leaf: Vec<u8>, keys: &LogKeys) -> anyhow::Result<()> {
        let proof = LogProof::parse(proof)?;
        let note = proof.checkpoint.to_string();
        let (epoch, _) = keys.signed(note.as_bytes()).ok_or_else(foreign)?;
        let checkpoint = proof.verify_by(&keys.verifiers(epoch)?, &leaf)?;
        self.point(epoch, checkpoint);
        self.leaves.entry((epoch, proof.index)).or_default().insert(leaf);
        Ok(())
    }

    fn log_folder(&mut self, path: &Path, keys: &LogKeys) -> anyhow::Result<()> {
        let note = fs::read(path.join("checkpoint"))?;
        let (epoch, _) = keys.signed(&note).ok_or_else(foreign)?;
        let key = keys.signer(&note).ok_or_else(foreign)?;
        let mut leaves = Vec::new();
        let mut take = |index: u64, leaf: &[u8]| {
            leaves.push((index, leaf.to_vec()));
            Ok(())
        };
        // A publication may have stopped in the middle.
        let options = Options { publishing: true, entry: Some(&mut take), ..Options::default() };
        let verified = verify_folder(path, &key, options)?;
        self.point(epoch, verified.checkpoint);
        for (index, leaf) in leaves {
            self.leaves.entry((epoch, index)).or_default().insert(leaf);
        }
        Ok(())
    }

    fn point(&mut self, epoch: u32, seen: Checkpoint) {
        let Some(known) = self.newest.get(&epoch) else {
            self.newest.insert(epoch, seen);
            return;
        };
        if known.size() == seen.size() && known.root() != seen.root() {
            self.forked = true;
        }
        if seen.size() > known.size() {
            self.newest.insert(epoch, seen);
        }
    }
}

/// The files of a folder that hold evidence; others are somebody else's.
fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let proof = path.extension().is_some_and(|end| end == PROOF);
        if path.is_file() && (proof || name == kept::CHECKPOINT || kept::holds_receipts(&name)) {
            found.push(path);
        }
    }
    found.sort();
    if found.is_empty() && fs::read_dir(folder)?.next().is_none() {
        bail!("is empty");
    }
    Ok(found)
}

fn foreign() -> anyhow::Error {
    anyhow!("its checkpoint is not signed by this log's key: it is of another log, or was changed")
}
