//! What this process knows the database to have had (TWO KEEP THE HISTORY). One that is set
//! back under it, by a restored backup or a replica that lagged behind, has less.
//!
//! ```text
//! each claim, append and seal: the log's size and root ─┐
//! each append: the journal that it goes on from ────────┼─▶ less than we heard of? ─▶ quarantine
//! every 2 s: the log's nodes, our own last write ───────┘
//! ```

use std::sync::Arc;

use countersign_shared::tlog::merkle::{Hash, Tree};
use deadpool_postgres::GenericClient;
use futures_util::FutureExt as _;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio_postgres::Row;

use super::database::{Database, first};
use super::fault::Fault;
use super::instance::Instance;
use super::{history, standing};
use crate::ports::StoreError;
use crate::standing::Quarantine;
use crate::store::known::damaged;

const LOG: &str = "
    SELECT size, root, (SELECT body FROM standing WHERE one = 1) FROM tree WHERE one = 1";

/// Size and root of a log.
pub(super) type Log = (u64, Hash);

/// The most that was heard of a database. Clones share it.
#[derive(Clone)]
pub(super) struct Remembered {
    kept: Arc<Mutex<Kept>>,
    /// What our own row was last written with; held while it is written again.
    written: Arc<tokio::sync::Mutex<i64>>,
}

struct Kept {
    log: Log,
    /// What showed that the database went back; the first stays.
    back: Option<Quarantine>,
}

impl Remembered {
    /// Of a database with this log.
    pub(super) fn of(log: &Tree) -> Self {
        let kept = Kept { log: (log.size(), log.root()), back: None };
        Self { kept: Arc::new(Mutex::new(kept)), written: Arc::default() }
    }

    /// The largest log. To be read before the database is asked for its own: that one has
    /// whatever was heard of by then.
    pub(super) fn log(&self) -> Log {
        self.kept.lock().log
    }

    /// A commit was acknowledged, or looked at.
    pub(super) fn grew(&self, log: Log) {
        let mut kept = self.kept.lock();
        if log.0 > kept.log.0 {
            kept.log = log;
        }
    }

    /// Nothing that belongs to an action or to the log is written in quarantine, nor where
    /// less is there than this process knows of.
    pub(super) async fn wall(&self, db: &impl GenericClient) -> Result<(), Fault> {
        let known = self.log();
        if self.back().is_some() {
            return Err(StoreError::Quarantined.into());
        }
        let row = first(db, LOG, &[]).await?.ok_or_else(|| damaged("the tree's row is gone"))?;
        if standing::of(row.try_get(2)?)?.quarantine.is_some() {
            return Err(StoreError::Quarantined.into());
        }
        // Whether a longer one goes on from ours is asked in the seat and by each look.
        let has = log(&row)?;
        if has.0 > known.0 || has == known { Ok(()) } else { Err(less(known, has)) }
    }

    /// Compares all that is remembered, and makes a small write durable. Answers with the
    /// server's time, unless it leads to a quarantine, which is durable as well.
    pub(super) async fn look(
        &self,
        db: &Database,
        me: &Instance,
    ) -> Result<Option<Timestamp>, Fault> {
        let (this, me) = (self.clone(), me.clone());
        let looked = db.ask(|db| async move { this.compare(db, &me).await }.boxed());
        let looked = self.heard(looked.await);
        let Some(back) = self.back() else { return looked.map(Some) };
        standing::quarantine(db, back).await.map(|()| None)
    }

    async fn compare(&self, db: &impl GenericClient, me: &Instance) -> Result<Timestamp, Fault> {
        let known = self.log();
        let row = first(db, LOG, &[]).await?.ok_or_else(|| damaged("the tree's row is gone"))?;
        let has = log(&row)?;
        goes_on(db, known, has).await?;
        self.grew(has);
        let mut written = self.written.lock().await;
        let probed = me.probe(db).await?;
        if probed.found < *written {
            return Err(Fault::Back("a write that this executor was told of is gone".to_owned()));
        }
        *written = probed.wrote;
        Ok(probed.at)
    }

    /// Passes on what came of asking the database. That it went back is remembered.
    pub(super) fn heard<T>(&self, done: Result<T, Fault>) -> Result<T, Fault> {
        if let Err(Fault::Back(why)) = &done {
            let mut kept = self.kept.lock();
            let seen = kept.log.0;
            kept.back.get_or_insert_with(|| {
                let why = format!("the database went back in time under this executor: {why}");
                tracing::error!(%why, "effects stop");
                Quarantine { why, since: Timestamp::now(), seen }
            });
        }
        done
    }

    fn back(&self) -> Option<Quarantine> {
        self.kept.lock().back.clone()
    }
}

/// Whether a log goes on from the one that is known.
pub(super) async fn goes_on(db: &impl GenericClient, known: Log, has: Log) -> Result<(), Fault> {
    let same = if has.0 > known.0 { history::holds(db, known).await? } else { has == known };
    if same { Ok(()) } else { Err(less(known, has)) }
}

fn less((had, _): Log, (has, _): Log) -> Fault {
    Fault::Back(format!("the log had {had} receipts, which are not those of the {has} that it has"))
}

fn log(row: &Row) -> Result<Log, Fault> {
    let size = u64::try_from(row.try_get::<_, i64>(0)?).map_err(damaged)?;
    Ok((size, row.try_get::<_, &[u8]>(1)?.try_into().map_err(damaged)?))
}

#[cfg(test)]
mod tests;
