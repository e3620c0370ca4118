//! Reservations of this process that the journal does not have yet. What no run holds is
//! given back: at its end, and again with the renewals, which also find what a lost answer
//! left behind.

use std::collections::HashSet;
use std::sync::Arc;

use countersign_shared::ids::ActionId;
use futures_util::FutureExt as _;
use parking_lot::Mutex;

use super::claims;
use super::database::Database;
use super::fault::Fault;
use crate::ports::StoreError;

/// Actions whose keys a run holds, or may hold.
#[derive(Default)]
pub(super) struct Reserved(Mutex<HashSet<ActionId>>);

impl Reserved {
    /// Before the store is asked: its answer may be lost.
    pub(super) fn taking(&self, action: &ActionId) {
        self.0.lock().insert(action.clone());
    }

    /// Nothing is left to give back: the claim was refused, or the journal has it now.
    pub(super) fn settled(&self, action: &ActionId) {
        self.0.lock().remove(action);
    }

    /// Gives a reservation back, in a task of its own.
    pub(super) fn release(&self, db: &Database, me: i64, action: &ActionId) {
        if !self.0.lock().remove(action) {
            return;
        }
        let (db, action) = (db.clone(), action.clone());
        tokio::spawn(async move {
            if let Err(fault) = give_back(&db, me, action.clone()).await {
                let error = StoreError::from(fault);
                tracing::warn!(%error, %action, "a reservation is given back later");
            }
        });
    }

    /// Gives back what nobody holds, in a task of its own.
    pub(super) fn sweep(self: &Arc<Self>, db: &Database, me: i64) {
        let (this, db) = (Arc::clone(self), db.clone());
        tokio::spawn(async move {
            if let Err(fault) = this.swept(&db, me).await {
                let error = StoreError::from(fault);
                tracing::warn!(%error, "reservations that nobody holds are looked for later");
            }
        });
    }

    async fn swept(&self, db: &Database, me: i64) -> Result<(), Fault> {
        let reserved = claims::held(&db.client().await?, me).await?;
        for action in reserved {
            let held = self.0.lock().contains(&action);
            if !held {
                give_back(db, me, action).await?;
            }
        }
        Ok(())
    }
}

async fn give_back(db: &Database, me: i64, action: ActionId) -> Result<(), Fault> {
    db.write(move |db| {
        let action = action.clone();
        async move { claims::release(db, me, &action).await }.boxed()
    })
    .await
}
