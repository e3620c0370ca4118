//! A new key for the log, while no executor runs: first the entry that both keys sign, in one
//! commit with a checkpoint by the new one, then the files. Done again after a crash, it goes on
//! where it stopped.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;

use countersign_core::seal;
use countersign_shared::ids::ReceiptId;
use countersign_shared::receipt::{Change, Changer};
use countersign_shared::tlog::key::{LogKey, Signer as _, VerifierKey};
use countersign_shared::tlog::rotation::{Rotation, WHAT};
use jiff::Timestamp;
use uuid::Uuid;

use crate::config::Log;
use crate::ports::StoreError;
use crate::store::Past as _;
use crate::store::sqlite::Offline;

/// Added to the key file's name: the key that is about to take over.
pub const NEXT: &str = "next";
/// The key that was replaced, for its keeper to destroy.
const OLD: &str = "old";
/// Public keys that were replaced.
const RETIRED: &str = "retired";

/// A key that took over.
#[derive(Debug, Clone)]
pub struct Rotated {
    /// The entry that says so.
    pub index: u64,
    /// What signs from then on.
    pub key: VerifierKey,
}

/// The file of the public keys that the log had before.
#[must_use]
pub fn retired(config: &Log) -> PathBuf {
    config.key.with_added_extension(RETIRED)
}

/// Writes the entry. From then on only `new` signs this log.
///
/// # Errors
/// When a key cannot sign, or the store fails. Nothing was changed then.
pub fn rotate(
    store: Offline,
    (old, new): (&LogKey, &LogKey),
    reason: String,
    by: Vec<Changer>,
    now: Timestamp,
) -> Result<Rotated, StoreError> {
    let (size, root) = (store.tree().size(), store.tree().root());
    let note = Rotation::sign((size, &root), old, new)
        .map_err(|error| StoreError::Unavailable(error.to_string()))?;
    let (from, to) = (old.verifier_key(), new.verifier_key());
    let change = Change {
        what: WHAT.to_owned(),
        old: from.to_string(),
        new: to.to_string(),
        reason,
        by,
        note: note.to_string(),
    };
    let leaf = seal::changed(change, &ReceiptId::from_uuid(Uuid::now_v7()), now);
    store.enter(&leaf, new)?;
    Ok(Rotated { index: size, key: to })
}

/// Puts the new key's file in the place of the old one's, which stays beside it.
///
/// # Errors
/// When the file system refuses. Calling again goes on where it stopped.
pub fn finish(config: &Log, old: &VerifierKey) -> io::Result<PathBuf> {
    let file = retired(config);
    let known = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    if !known.lines().any(|line| line == old.to_string()) {
        let mut file = OpenOptions::new().create(true).append(true).open(&file)?;
        writeln!(file, "{old}")?;
        file.sync_all()?;
    }
    let aside = config.key.with_added_extension(OLD);
    match fs::remove_file(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => fs::hard_link(&config.key, &aside)?,
    }
    fs::rename(config.key.with_added_extension(NEXT), &config.key)?;
    Ok(aside)
}
