//! Leases: who is alive, and who takes over what a dead executor was at.

use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::Duration;

use countersign_core::planted::Bug;
use countersign_shared::ids::ActionId;
use jiff::Timestamp;

use super::Memory;
use super::tables::Tables;
use crate::ports::{Fed, StoreError};

/// One running process; its generation is the key.
#[derive(Clone)]
pub(super) struct Executor {
    name: String,
    expires_at: Timestamp,
}

/// Renews three times within each lease.
pub(super) async fn keep(store: Weak<Memory>) {
    while let Some(every) = store.upgrade().map(|store| store.database.lease / 3) {
        tokio::time::sleep(every).await;
        let Some(store) = store.upgrade() else { return };
        if let Err(error) = store.renew().await {
            tracing::warn!(%error, "the lease was not renewed");
        }
    }
}

impl Memory {
    /// Renews the lease. One that somebody ended is not renewed: it begins anew, as
    /// another generation that holds nothing.
    pub(super) async fn renew(&self) -> Result<(), StoreError> {
        // Counted from before the question: the answer may be late.
        let (asked, lease) = ((self.awake)(), self.database.lease);
        let mine = self
            .transact(|tables| {
                let now = (self.database.now)();
                Ok(tables.renew(self.me(), &self.name, later(now, lease)))
            })
            .await?;
        self.me.store(mine, Ordering::SeqCst);
        self.lease.renew(asked.saturating_add(lease));
        Ok(())
    }
}

impl Tables {
    fn renew(&mut self, me: u64, name: &str, expires_at: Timestamp) -> u64 {
        if let Some(executor) = self.executors.get_mut(&me) {
            executor.expires_at = expires_at;
            return me;
        }
        self.generations += 1;
        self.executors.insert(self.generations, Executor { name: name.to_owned(), expires_at });
        self.generations
    }

    /// A fenced executor writes nothing.
    pub(super) fn stands(&self, me: u64) -> Result<(), StoreError> {
        let stands = self.executors.contains_key(&me) || Bug::WritesAfterTakeover.is_planted();
        if stands { Ok(()) } else { Err(StoreError::Conflict) }
    }

    /// A sink that no executor that lives has is taken.
    pub(super) fn take_sink(&mut self, me: u64, sink: &str) -> Option<Fed> {
        let (holder, fed) = self.sinks.entry(sink.to_owned()).or_insert((me, Fed::default()));
        if !self.executors.contains_key(holder) {
            *holder = me;
        }
        (*holder == me).then(|| fed.clone())
    }

    pub(super) fn feed(&mut self, me: u64, sink: &str, fed: Fed) -> Result<(), StoreError> {
        match self.sinks.get_mut(sink).filter(|(holder, _)| *holder == me) {
            Some((_, standing)) => *standing = fed,
            None => return Err(StoreError::Conflict),
        }
        Ok(())
    }

    pub(super) fn holds(&self, me: u64, action: &ActionId) -> bool {
        self.actions.get(action).is_some_and(|a| a.holder == Some(me))
    }

    /// Ends the own lease as if it had run out long ago.
    pub(super) fn expire(&mut self, me: u64, now: Timestamp) {
        if let Some(executor) = self.executors.get_mut(&me) {
            executor.expires_at = now;
        }
    }

    /// Takes what the dead were at, and fences them; what is begun and this one's. What
    /// they had only reserved was never sent (INTENT FIRST).
    pub(super) fn adopt(
        &mut self,
        me: u64,
        name: &str,
        now: Timestamp,
        quiet: Duration,
    ) -> Vec<ActionId> {
        let is_dead = |generation: u64, executor: &Executor| {
            // This name is ours alone now.
            generation != me && (executor.name == name || now > later(executor.expires_at, quiet))
        };
        let dead: Vec<u64> = self
            .executors
            .iter()
            .filter(|(generation, executor)| is_dead(**generation, executor))
            .map(|(generation, _)| *generation)
            .collect();
        for generation in dead {
            self.executors.remove(&generation);
            let reserved = self.claims.iter().filter(|(_, claim)| claim.holder == generation);
            let reserved: Vec<_> = reserved.map(|(action, _)| action.clone()).collect();
            reserved.iter().for_each(|action| self.release(generation, action));
            for action in self.actions.values_mut() {
                if action.holder == Some(generation) && action.is_unfinished() {
                    action.holder = Some(me);
                }
            }
        }
        let mine = self.actions.iter().filter(|(_, a)| a.holder == Some(me) && a.is_unfinished());
        mine.map(|(action, _)| action.clone()).collect()
    }
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}
