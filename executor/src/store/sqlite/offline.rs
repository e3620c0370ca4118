//! The store while no executor uses it.

use std::collections::BTreeMap;
use std::path::Path;

use countersign_core::seal::{self, Leaf};
use countersign_shared::ids::ReceiptId;
use countersign_shared::tlog::key::LogKey;
use countersign_shared::tlog::merkle::{Hash, Tree};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::writer::{Batch, checkpoint};
use super::{
    bundles, controls, history, lost, open_for_writing, open_veil, restored, sinks, standing,
};
use crate::log::LogKeys;
use crate::ports::{Files, ReceiptQuery, SealedReceipt, StoreError};
use crate::standing::Standing;
use crate::store::{Past, Restoration, Restored, veiled};
use crate::veil::Veil;

/// A store that nobody else uses. Whoever opens it holds the state folder's lock.
pub struct Offline {
    db: Connection,
    veil: Veil,
    standing: Standing,
    tree: Tree,
}

impl Offline {
    /// Opens the store, or a new one. `kek` is the file of the key-encryption key.
    ///
    /// # Errors
    /// When the file cannot be used, or its log is not the key's.
    pub fn open(path: &Path, kek: Option<&Path>, keys: &LogKeys) -> Result<Self, StoreError> {
        let db = open_for_writing(path)?;
        let veil = open_veil(path, kek, &db)?;
        let standing = standing::read(&db)?;
        let keys =
            keys.verifiers(standing.epoch).map_err(|e| StoreError::Unavailable(e.to_string()))?;
        let tree = history::load(&db, &keys)?;
        Ok(Self { db, veil, standing, tree })
    }

    /// Every receipt, newest first, with what opens it.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn receipts(&self) -> Result<Vec<SealedReceipt>, StoreError> {
        let query = ReceiptQuery { limit: u32::MAX, ..ReceiptQuery::default() };
        veiled::receipts(&self.veil, history::receipts(&self.db, &query)?).await
    }

    /// Every policy and pack that was kept, by digest.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn bundles(&self) -> Result<BTreeMap<String, Files>, StoreError> {
        let mut all = BTreeMap::new();
        for digest in bundles::all(&self.db)? {
            if let Some(files) = bundles::kept(&self.db, &digest)? {
                all.insert(digest, files);
            }
        }
        Ok(all)
    }

    /// Adds one entry, under a checkpoint that `key` signs.
    ///
    /// # Errors
    /// When the store fails. Nothing was changed then.
    pub fn enter(mut self, leaf: &Leaf, key: &LogKey) -> Result<(), StoreError> {
        let leaf = veiled::leaf_now(&self.veil, leaf.clone())?;
        self.db.execute_batch("BEGIN IMMEDIATE")?;
        let done = Batch::over(&self.db, &mut self.tree).log(&leaf).and_then(|_| {
            checkpoint(&self.db, &self.tree, key)?;
            Ok(self.db.execute_batch("COMMIT")?)
        });
        if done.is_err() {
            let _ = self.db.execute_batch("ROLLBACK");
        }
        done
    }

    fn change(&mut self, back: &Restoration, now: Timestamp) -> Result<Restored, StoreError> {
        let mut done = Restored::default();
        let (db, veil) = (&self.db, &self.veil);
        let mut batch = Batch::over(db, &mut self.tree);
        if let Some(leaf) = &back.opened {
            batch.log(&veiled::leaf_now(veil, leaf.clone())?)?;
        }
        for leaf in &back.back {
            batch.log(&veiled::logged(veil, leaf)?)?;
            if let Some(outcome) = seal::ends(&leaf.receipt) {
                restored::take(db, veil, &leaf.receipt, outcome)?;
                done.keys += 1;
            }
            restored::person(db, &leaf.receipt)?;
        }
        back.leads(batch.size(), batch.root())?;
        sinks::perhaps_sent(db, batch.size())?;
        if back.ends {
            let (gone, lost) = lost::end(db, veil, &lost::unsealed(db)?, now)?;
            lost::clear(db, veil)?;
            lost.iter().try_for_each(|leaf| batch.log(leaf).map(drop))?;
            let stale = restored::stale(db, veil, now)?;
            for ended in &stale {
                ended.write(db)?;
                batch.log(&ended.leaf)?;
            }
            done.ended = gone.saturating_add(stale.len());
        }
        if let Some(leaf) = &back.closed {
            batch.log(&veiled::leaf_now(veil, leaf.clone())?)?;
        }
        done.frozen = frozen(db)?;
        Ok(done)
    }
}

impl Past for Offline {
    fn standing(&self) -> &Standing {
        &self.standing
    }

    fn tree(&self) -> &Tree {
        &self.tree
    }

    fn root_at(&self, size: u64) -> Result<Hash, StoreError> {
        Ok(Tree::load(size, &history::Nodes(&self.db))?.root())
    }

    fn has(&self, receipt: &ReceiptId) -> Result<bool, StoreError> {
        let find = "SELECT 1 FROM leaves WHERE receipt_id = ?1";
        let found: Option<i64> = self
            .db
            .prepare_cached(find)?
            .query_row(params![receipt.as_str()], |row| row.get(0))
            .optional()?;
        Ok(found.is_some())
    }

    fn bundle(&self) -> Result<BTreeMap<String, String>, StoreError> {
        controls::bundle(&self.db)
    }

    fn restore(
        &mut self,
        back: &Restoration,
        standing: &Standing,
        key: &LogKey,
        now: Timestamp,
    ) -> Result<Restored, StoreError> {
        self.db.execute_batch("BEGIN IMMEDIATE")?;
        let done = self.change(back, now).and_then(|done| {
            standing::write(&self.db, standing)?;
            checkpoint(&self.db, &self.tree, key)?;
            self.db.execute_batch("COMMIT")?;
            Ok(done)
        });
        if done.is_err() {
            let _ = self.db.execute_batch("ROLLBACK");
        }
        done
    }
}

/// Actions in doubt.
fn frozen(db: &Connection) -> Result<usize, StoreError> {
    let count: i64 =
        db.query_row("SELECT count(*) FROM actions WHERE outcome = 'unknown'", [], |r| r.get(0))?;
    usize::try_from(count).map_err(crate::store::known::damaged)
}
