//! Receipts from a log folder, offline.
//!
//! Reading checks nothing: a receipt read here is checked by its proof, which is made from the same
//! files and leads to the signed checkpoint.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use countersign_shared::ids::ReceiptId;
use countersign_shared::tlog::checkpoint::Checkpoint;
use countersign_shared::tlog::lookup::TileNodes;
use countersign_shared::tlog::note::Note;
use countersign_shared::tlog::path::inclusion_path;
use countersign_shared::tlog::proof::LogProof;
use countersign_shared::tlog::tile::{TILE_WIDTH, Tile, TileKind, decode_entries};

use super::{Filter, Logged};

/// The file that names size and root.
pub(crate) const CHECKPOINT: &str = "checkpoint";

/// A log folder at the size that its checkpoint states.
#[derive(Debug)]
pub(crate) struct Folder {
    dir: PathBuf,
    checkpoint: Note,
    size: u64,
}

impl Folder {
    /// Reads the checkpoint of the log in `dir`.
    pub(crate) fn open(dir: &Path) -> anyhow::Result<Self> {
        let path = dir.join(CHECKPOINT);
        let bytes = fs::read(&path).with_context(|| {
            format!("{} is no log folder: cannot read {CHECKPOINT} in it", dir.display())
        })?;
        let note = Note::parse(&bytes).with_context(|| path.display().to_string())?;
        let size =
            Checkpoint::parse(note.text()).with_context(|| path.display().to_string())?.size();
        Ok(Self { dir: dir.to_owned(), checkpoint: note, size })
    }

    /// Receipts that match, newest first.
    pub(crate) fn list(&self, filter: &Filter, limit: u32) -> anyhow::Result<Vec<Logged>> {
        ensure!(
            filter.external_ref.is_none(),
            "a log folder has no tickets in clear: ask the executor, with --executor"
        );
        let mut newest = VecDeque::new();
        self.each(|index, entry| {
            let logged = Logged::read(index, entry.to_vec())?;
            if filter.matches(&logged.receipt) {
                newest.push_front(logged);
                newest.truncate(limit as usize);
            }
            Ok(())
        })?;
        Ok(newest.into())
    }

    /// One receipt.
    pub(crate) fn get(&self, id: &ReceiptId) -> anyhow::Result<Logged> {
        let mut found = None;
        self.each(|index, entry| {
            let logged = Logged::read(index, entry.to_vec())?;
            if logged.receipt.receipt_id == id.as_str() {
                found = Some(logged);
            }
            Ok(())
        })?;
        found.with_context(|| format!("{} holds no receipt {id}", self.dir.display()))
    }

    /// The text of a `.tlog-proof` file for the entry `index`.
    pub(crate) fn proof(&self, index: u64) -> anyhow::Result<String> {
        let nodes = TileNodes::new(&self.dir, self.size);
        let path = inclusion_path(index, self.size, &nodes)
            .map_err(|error| anyhow::anyhow!("no proof can be made: {error}"))?;
        let proof = LogProof { index, path, checkpoint: self.checkpoint.clone(), extra: None };
        Ok(proof.to_string())
    }

    /// Shows every entry, oldest first.
    fn each(&self, mut see: impl FnMut(u64, &[u8]) -> anyhow::Result<()>) -> anyhow::Result<()> {
        for index in 0..self.size.div_ceil(TILE_WIDTH) {
            let first = index * TILE_WIDTH;
            let width = u16::try_from(self.size.saturating_sub(first).min(TILE_WIDTH))?;
            let path = Tile { kind: TileKind::Entries, index, width }.path();
            let bytes = fs::read(self.dir.join(&path))
                .with_context(|| format!("cannot read {path} in {}", self.dir.display()))?;
            for (index, entry) in (first..).zip(decode_entries(&bytes, width.into())) {
                see(index, entry.with_context(|| path.clone())?)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::super::{proof, sample};
    use super::*;

    #[test]
    fn what_is_listed_is_what_was_logged_newest_first() {
        let dir = tempfile::tempdir().unwrap();
        let receipts: Vec<_> = (0..300).map(sample::receipt).collect();
        sample::log(dir.path(), &receipts);
        let folder = Folder::open(dir.path()).unwrap();
        let all = folder.list(&Filter::default(), 1000).unwrap();
        assert_eq!(all.len(), 300);
        assert_eq!((all[0].index, all[299].index), (299, 0));
        assert_eq!(folder.list(&Filter::default(), 2).unwrap()[1].index, 298);
        let one = Filter { external_ref: Some("T-7".into()), ..Filter::default() };
        assert!(folder.list(&one, 1000).is_err(), "tickets are covered");
        let none = Filter { tool: Some("other".into()), ..Filter::default() };
        assert!(folder.list(&none, 1000).unwrap().is_empty());
    }

    #[test]
    fn each_proof_holds_for_its_receipt_and_for_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let receipts: Vec<_> = (0..5).map(sample::receipt).collect();
        let key = sample::log(dir.path(), &receipts);
        let folder = Folder::open(dir.path()).unwrap();
        for index in 0..5_u64 {
            let id = receipts[usize::try_from(index).unwrap()].receipt_id.parse().unwrap();
            let logged = folder.get(&id).unwrap();
            let text = folder.proof(index).unwrap();
            proof::check(&text, Some(&key), &logged).unwrap();
            let other = folder.proof((index + 1) % 5).unwrap();
            assert!(proof::check(&other, Some(&key), &logged).is_err());
        }
    }
}
