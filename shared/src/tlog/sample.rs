//! A log in memory and its folder on disk, for tests.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::ops::Range;
use std::path::Path;

use super::checkpoint::Checkpoint;
use super::disk::files;
use super::failure::Failure;
use super::folder::{Publisher, Source};
use super::key::{Signer, VerifierKey, tests::log_key};
use super::merkle::{Tree, leaf_hash};
use super::verify::{Options, Verified, verify_folder};

/// A log of a few leaves of different lengths, the shortest empty.
#[derive(Clone)]
pub(super) struct Log(pub(super) Vec<Vec<u8>>);

impl Log {
    pub(super) fn new(size: u64) -> Self {
        let leaf = |index: u64| format!("{index:x}").repeat((index % 5) as usize).into_bytes();
        Self((0..size).map(leaf).collect())
    }

    pub(super) fn note(&self) -> Vec<u8> {
        let mut tree = Tree::default();
        self.0.iter().for_each(|leaf| drop(tree.append(leaf_hash(leaf))));
        let checkpoint = Checkpoint::new("example.com/log", tree.size(), tree.root()).unwrap();
        checkpoint.sign(&log_key()).unwrap().to_string().into_bytes()
    }

    pub(super) fn publish(&self, dir: &Path) {
        let size = Publisher::new(dir, key()).publish(self).unwrap();
        assert_eq!(size, self.0.len() as u64);
    }
}

impl Source for Log {
    type Error = Infallible;

    fn checkpoint(&self) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(Some(self.note()))
    }

    fn leaves(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, Infallible> {
        Ok(self.0[range.start as usize..range.end as usize].to_vec())
    }
}

pub(super) fn key() -> VerifierKey {
    log_key().verifier_key()
}

pub(super) fn verify(dir: &Path) -> Result<Verified, Failure> {
    verify_folder(dir, &key(), Options::default())
}

/// Every file below `dir` and its bytes.
pub(super) fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let found = files(dir).unwrap();
    found
        .into_iter()
        .map(|file| (file.path.clone(), fs::read(dir.join(file.path)).unwrap()))
        .collect()
}

/// Makes `dir` hold exactly `files`.
pub(super) fn restore(dir: &Path, files: &BTreeMap<String, Vec<u8>>) {
    if dir.exists() {
        fs::remove_dir_all(dir).unwrap();
    }
    fs::create_dir_all(dir).unwrap();
    for (path, bytes) in files {
        fs::create_dir_all(dir.join(path).parent().unwrap()).unwrap();
        fs::write(dir.join(path), bytes).unwrap();
    }
}
