//! A store while no executor uses it: what a recovery asks, and its one commit.

use std::collections::BTreeMap;

use countersign_core::seal::{Leaf, Logged};
use countersign_shared::ids::ReceiptId;
use countersign_shared::tlog::key::LogKey;
use countersign_shared::tlog::merkle::{Hash, Tree};
use jiff::Timestamp;

use crate::ports::StoreError;
use crate::standing::Standing;

/// A store that went back in time. Asked from a thread that may wait.
pub trait Past {
    /// How it stands.
    fn standing(&self) -> &Standing;

    /// Its log, to go on from.
    fn tree(&self) -> &Tree;

    /// The root that its log had at this size, no larger than it is.
    ///
    /// # Errors
    /// When it cannot be read.
    fn root_at(&self, size: u64) -> Result<Hash, StoreError>;

    /// Whether its log has a receipt.
    ///
    /// # Errors
    /// When it cannot be read.
    fn has(&self, receipt: &ReceiptId) -> Result<bool, StoreError>;

    /// Files of the active policy bundle; empty where nothing is activated.
    ///
    /// # Errors
    /// When it cannot be read.
    fn bundle(&self) -> Result<BTreeMap<String, String>, StoreError>;

    /// Brings back what was forgotten, and stands as `standing` says from then on.
    ///
    /// # Errors
    /// When the receipts do not lead where they should, or the store fails. Nothing was
    /// changed then.
    fn restore(
        &mut self,
        back: &Restoration,
        standing: &Standing,
        key: &LogKey,
        now: Timestamp,
    ) -> Result<Restored, StoreError>;
}

/// What a recovery does, in one commit.
#[derive(Debug, Default)]
pub struct Restoration {
    /// The first new leaf, where the log does not simply go on.
    pub opened: Option<Leaf>,
    /// Receipts that come back, in order.
    pub back: Vec<Logged>,
    /// Size and root that these lead to.
    pub leads_to: Option<(u64, Hash)>,
    /// What waits is ended: it may have been done since.
    pub ends: bool,
    /// The last new leaf.
    pub closed: Option<Leaf>,
}

impl Restoration {
    /// Whether the receipts lead where they should.
    ///
    /// # Errors
    /// When they do not.
    pub(super) fn leads(&self, size: u64, root: Hash) -> Result<(), StoreError> {
        if self.leads_to.is_some_and(|to| to != (size, root)) {
            let message = "the receipts do not lead to the checkpoint".to_owned();
            return Err(StoreError::Damaged(message));
        }
        Ok(())
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Restored {
    /// Actions whose key is known again.
    pub keys: usize,
    /// Those of them that are in doubt and keep their object locked.
    pub frozen: usize,
    /// What waited and was ended.
    pub ended: usize,
}
