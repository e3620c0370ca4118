//! Notices that the store went back in time (TWO KEEP THE HISTORY). Whatever was signed
//! and the store does not reach was done after the backup that it is.
//!
//! ```text
//! at start: published checkpoint ──┐
//! at a call: planner's checkpoint ─┴─▶ signed by us? ─▶ reached, same root? ─no─▶ quarantine
//!                                                                          └yes─▶ its countersignature
//! ```

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use countersign_shared::tlog::checkpoint::Checkpoint;
use countersign_shared::tlog::key::VerifierKey;
use countersign_shared::tlog::note::{MAX_NOTE_BYTES, Note};
use countersign_shared::tlog::path::verify_consistency;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;

use crate::log::{Countersigned, LogKeys};
use crate::ports::{Clock, Store, StoreError};
use crate::standing::Quarantine;
use crate::vitals::Vitals;

/// Checkpoints that were found in order, so that each is looked at once.
const REMEMBERED: usize = 64;

/// Compares checkpoints from outside with the store.
pub struct Witness {
    keys: LogKeys,
    store: Arc<dyn Store>,
    vitals: Vitals,
    clock: Arc<dyn Clock>,
    good: Mutex<VecDeque<[u8; 32]>>,
    /// Whose countersignatures count.
    cosigners: Vec<VerifierKey>,
    countersigned: Countersigned,
    /// Rings for the publisher.
    sealed: Arc<Notify>,
}

impl Witness {
    /// Over an open store.
    #[must_use]
    pub fn new(
        keys: LogKeys,
        store: Arc<dyn Store>,
        vitals: Vitals,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            keys,
            store,
            vitals,
            clock,
            good: Mutex::default(),
            cosigners: Vec::new(),
            countersigned: Countersigned::default(),
            sealed: Arc::default(),
        }
    }

    /// Keeping what these countersign, for the publisher that `sealed` rings for.
    #[must_use]
    pub fn keeping(
        self,
        cosigners: Vec<VerifierKey>,
        countersigned: Countersigned,
        sealed: Arc<Notify>,
    ) -> Self {
        Self { cosigners, countersigned, sealed, ..self }
    }

    /// Hears a checkpoint that somebody keeps. One that this log never signed says nothing.
    ///
    /// # Errors
    /// ERRORS REFUSE: when it cannot be compared with the store.
    pub async fn hear(&self, note: &[u8], from: &str) -> Result<(), StoreError> {
        if note.len() > MAX_NOTE_BYTES || self.vitals.quarantine().is_some() {
            return Ok(());
        }
        let digest: [u8; 32] = Sha256::digest(note).into();
        if self.good.lock().contains(&digest) {
            return Ok(());
        }
        match ahead(&*self.store, &self.keys, note).await? {
            None => {
                self.countersigned(note);
                let mut good = self.good.lock();
                good.truncate(REMEMBERED - 1);
                good.push_front(digest);
            }
            Some(Ahead { seen, why }) => {
                self.went_back(format!("{from} keeps a checkpoint: {why}"), seen).await;
            }
        }
        Ok(())
    }

    /// Keeps the countersignatures on a checkpoint that this store leads to.
    fn countersigned(&self, note: &[u8]) {
        let (Some((epoch, checkpoint)), Ok(note)) = (self.keys.signed(note), Note::parse(note))
        else {
            return;
        };
        let Ok(own) = self.keys.verifiers(epoch) else { return };
        // A line that names a cosigner and is not theirs takes the others with it.
        if note.verify(&self.cosigners).is_err() {
            return;
        }
        let keys: Vec<_> = own.iter().chain(&self.cosigners).cloned().collect();
        if self.countersigned.offer(checkpoint.size(), note.only_by(&keys)) {
            self.sealed.notify_one();
        }
    }

    async fn went_back(&self, why: String, seen: u64) {
        let quarantine = Quarantine { why, since: self.clock.now(), seen };
        if let Err(error) = self.store.quarantine(quarantine.clone()).await {
            tracing::error!(%error, "the quarantine is not durable yet");
        }
        let standing = crate::standing::Standing {
            quarantine: Some(quarantine),
            ..self.store.standing().await.unwrap_or_default()
        };
        self.vitals.stand(&standing);
    }
}

/// At start: whether the published log is ahead of the store, which is then put into
/// quarantine.
///
/// # Errors
/// When the store cannot be used, or what is published cannot be read or is not of this log.
pub async fn at_start(
    store: &dyn Store,
    keys: &LogKeys,
    folder: &Path,
    clock: &dyn Clock,
) -> Result<(), StoreError> {
    let path = folder.join("checkpoint");
    let note = match std::fs::read(&path) {
        Ok(note) => note,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unreadable(&path, &error)),
    };
    if keys.signed(&note).is_none() {
        return Err(unreadable(&path, &"this log's key did not sign it"));
    }
    let Some(Ahead { seen, why }) = ahead(store, keys, &note).await? else { return Ok(()) };
    let why = format!("what was published in {} is ahead: {why}", folder.display());
    store.quarantine(Quarantine { why, since: clock.now(), seen }).await
}

/// ERRORS REFUSE: what was published may show that the store went back.
fn unreadable(path: &Path, why: &dyn std::fmt::Display) -> StoreError {
    let remedy = "let it be read, or put the folder aside if it is another log's";
    StoreError::Unavailable(format!("{}: {why}: {remedy}", path.display()))
}

/// A checkpoint of ours, of a history that the store has not.
struct Ahead {
    seen: u64,
    why: String,
}

/// Whether a checkpoint is ahead of the store, and why.
async fn ahead(
    store: &dyn Store,
    keys: &LogKeys,
    note: &[u8],
) -> Result<Option<Ahead>, StoreError> {
    let Some((epoch, seen)) = keys.signed(note) else { return Ok(None) };
    let own = store.standing().await?.epoch;
    let ahead = |why: String| Ahead { seen: if epoch == own { seen.size() } else { 0 }, why };
    if epoch != own {
        // What an earlier epoch lost is known: the epoch's own receipt says so.
        let later = || ahead(format!("it is of epoch {epoch}, the store is in epoch {own}"));
        return Ok((epoch > own).then(later));
    }
    let (size, root) = own_log(store).await?;
    if seen.size() > size {
        return Ok(Some(ahead(format!("it has {} receipts, the store has {size}", seen.size()))));
    }
    if seen.size() == 0 {
        return Ok(None);
    }
    let path = store.consistency(seen.size(), size).await?;
    let same = verify_consistency((seen.size(), seen.root()), (size, &root), &path).is_ok();
    let other = || ahead(format!("its {} receipts are others than the store's", seen.size()));
    Ok((!same).then(other))
}

/// Puts a published log of an earlier epoch aside: its name is another log's.
///
/// # Errors
/// When it cannot be renamed.
pub fn set_aside(keys: &LogKeys, folder: &Path, epoch: u32) -> std::io::Result<()> {
    let Ok(note) = std::fs::read(folder.join("checkpoint")) else { return Ok(()) };
    match keys.signed(&note) {
        Some((earlier, _)) if earlier < epoch => {
            std::fs::rename(folder, folder.with_added_extension(format!("epoch-{earlier}")))
        }
        Some(_) | None => Ok(()),
    }
}

async fn own_log(store: &dyn Store) -> Result<(u64, [u8; 32]), StoreError> {
    let text = store.checkpoint().await?;
    if text.is_empty() {
        return Ok((0, countersign_shared::tlog::merkle::empty_root()));
    }
    let damaged = |e: &dyn std::fmt::Display| StoreError::Damaged(e.to_string());
    let note = Note::parse(text.as_bytes()).map_err(|e| damaged(&e))?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(|e| damaged(&e))?;
    Ok((checkpoint.size(), *checkpoint.root()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use countersign_shared::tlog::key::Signer as _;
    use countersign_shared::tlog::merkle::empty_root;
    use ed25519_dalek::SigningKey;
    use ed25519_dalek::pkcs8::EncodePrivateKey as _;
    use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;

    use super::*;
    use crate::config::Log;
    use crate::ports::SystemClock;
    use crate::store::sqlite::Sqlite;

    #[tokio::test]
    async fn a_checkpoint_that_cannot_be_compared_fails_the_call() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("log.pem");
        let pem = SigningKey::from_bytes(&[7; 32]).to_pkcs8_pem(LineEnding::LF).unwrap();
        std::fs::write(&key, pem.as_bytes()).unwrap();
        let config = Log { key, origin: "test/log".to_owned(), ..Log::default() };
        let keys = LogKeys::open(&config).unwrap();
        let log = keys.of(1).unwrap();
        let kept = Checkpoint::new(log.verifier_key().name(), 0, empty_root()).unwrap();
        let kept = kept.sign(&log).unwrap().to_string();
        let path = folder.path().join("executor.db");
        let store = Arc::new(Sqlite::open(&path, None, Arc::new(log)).unwrap());
        let clock = Arc::new(SystemClock);
        let witness = Witness::new(keys, store, Vitals::default(), clock);
        let db = rusqlite::Connection::open(&path).unwrap();
        db.execute_batch("ALTER TABLE checkpoint RENAME TO elsewhere").unwrap();
        assert!(witness.hear(kept.as_bytes(), "planner").await.is_err());
        db.execute_batch("ALTER TABLE elsewhere RENAME TO checkpoint").unwrap();
        witness.hear(kept.as_bytes(), "planner").await.unwrap();
    }
}
