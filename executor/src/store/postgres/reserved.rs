//! Reservations of this process that the journal does not have yet. What a run did not
//! make durable is given back, if need be later.

use std::collections::HashSet;
use std::sync::Arc;

use countersign_shared::ids::ActionId;
use futures_util::FutureExt as _;
use parking_lot::Mutex;

use super::claims;
use super::database::Database;
use super::fault::Fault;
use crate::ports::StoreError;

/// Actions whose keys are, or may be, taken.
#[derive(Default)]
pub(super) struct Reserved {
    taken: Mutex<HashSet<ActionId>>,
    /// Not given back yet: the store could not be reached.
    left: Mutex<HashSet<ActionId>>,
}

impl Reserved {
    /// Before the store is asked: its answer may be lost.
    pub(super) fn taking(&self, action: &ActionId) {
        self.taken.lock().insert(action.clone());
    }

    /// This claim stands: an earlier one of the same action is not to be given back.
    pub(super) fn stands(&self, action: &ActionId) {
        self.left.lock().remove(action);
    }

    /// Nothing is left to give back: the claim was refused, or the journal has it now.
    pub(super) fn settled(&self, action: &ActionId) {
        self.taken.lock().remove(action);
    }

    /// Gives a reservation back, in a task of its own.
    pub(super) fn release(self: &Arc<Self>, db: &Database, me: i64, action: &ActionId) {
        if !self.taken.lock().remove(action) {
            return;
        }
        let (this, db, action) = (Arc::clone(self), db.clone(), action.clone());
        tokio::spawn(async move { this.give_back(&db, me, action).await });
    }

    /// Tries again what could not be given back, in a task of its own.
    pub(super) fn again(self: &Arc<Self>, db: &Database, me: i64) {
        let left = std::mem::take(&mut *self.left.lock());
        if left.is_empty() {
            return;
        }
        let (this, db) = (Arc::clone(self), db.clone());
        tokio::spawn(async move {
            for action in left {
                this.give_back(&db, me, action).await;
            }
        });
    }

    async fn give_back(&self, db: &Database, me: i64, action: ActionId) {
        let id = action.clone();
        let done: Result<(), Fault> = db
            .write(move |db| {
                let id = id.clone();
                async move { claims::release(db, me, &id).await }.boxed()
            })
            .await;
        if let Err(fault) = done {
            let error = StoreError::from(fault);
            tracing::warn!(%error, %action, "a reservation is given back later");
            self.left.lock().insert(action);
        }
    }
}
