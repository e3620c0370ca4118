//! Memory in a PostgreSQL that several planners share. Each has a row with a lease; what it
//! holds for a turn names that row and the turn, and whoever writes shows in the same statement
//! that it still does.
//!
//! ```text
//! take: nobody's, or of one whose lease ended ──▶ (holder, turn) ──▶ keep where (holder, turn)
//! ```
//! The clock is the server's. A planner that slept through its lease loses what others took
//! meanwhile and nothing else: its writes find no row.

mod budget;
mod connect;
mod conversations;
mod erase;
mod lease;
mod turns;

use std::collections::HashSet;
use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::Context as _;
use async_trait::async_trait;
use countersign_shared::migration::Migration;
use countersign_shared::postgres::{Database, PostgresConfig, Unavailable, first, migrate, run};

use super::store::{Begun, Fence, Name, Row, Shared, Store, Taken, Unread, What};
use crate::budget::{Amount, Cap};
use lease::Lease;

const KNOWN: [Migration; 2] = [
    Migration {
        number: 1,
        name: "schema",
        sql: include_str!("postgres/migrations/0001_schema.sql"),
    },
    Migration {
        number: 2,
        name: "numbers",
        sql: include_str!("postgres/migrations/0002_numbers.sql"),
    },
];

/// The database.
pub(super) struct Postgres {
    db: Database,
    lease: Lease,
    /// Counts the turns of this planner.
    turns: AtomicI64,
}

impl Postgres {
    /// Over the configured database. It is connected to when it is first asked.
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub(super) fn new(config: &PostgresConfig) -> anyhow::Result<Self> {
        let length = config.lease().map_err(anyhow::Error::msg)?;
        let connector = connect::connector(config)?;
        let db = Database::new(connector.clone(), config.pool)?;
        let lease = Lease::new(Database::new(connector, 1)?, length);
        Ok(Self { db, lease, turns: AtomicI64::new(1) })
    }
}

/// What fails is logged here, and nowhere else.
fn logged<T>(done: Result<T, Unavailable>) -> Result<T, Unread> {
    done.map_err(|error| {
        tracing::error!(%error, "the planners' database did not do what was asked of it");
        Unread
    })
}

#[async_trait]
impl Store for Postgres {
    fn shared(&self) -> Option<&dyn Shared> {
        Some(self)
    }

    async fn take(&self, name: Name, fence: Fence) -> Result<Option<Taken>, Unread> {
        logged(conversations::take(&self.db, name, fence).await)
    }

    async fn keep(
        &self,
        name: Name,
        fence: Fence,
        owners: Vec<String>,
        body: String,
    ) -> Result<bool, Unread> {
        logged(conversations::keep(&self.db, name, fence, owners, body).await)
    }

    async fn turns(&self, thread: Name, most: i64) -> Result<Vec<Row>, Unread> {
        logged(turns::newest(&self.db, thread, most).await)
    }

    async fn begin_turn(&self, thread: Name, row: Row, fence: Fence) -> Result<Begun, Unread> {
        logged(turns::begin(&self.db, thread, row, fence).await)
    }

    /// Whoever asked waited for it.
    async fn settled(&self) -> Result<(), Unread> {
        Ok(())
    }

    async fn end_turn(
        &self,
        thread: Name,
        place: [u8; 32],
        fence: Fence,
        owners: Vec<String>,
        body: String,
    ) -> Result<bool, Unread> {
        logged(turns::end(&self.db, (thread, place), fence, owners, body).await)
    }

    async fn belongs(&self, kept_under: String, names: Vec<Name>) -> Result<(), Unread> {
        logged(erase::belongs(&self.db, kept_under, names).await)
    }

    async fn keys(&self) -> Result<Vec<String>, Unread> {
        logged(erase::keys(&self.db).await)
    }

    async fn forget_all_of(&self, keys: Vec<String>) -> Result<HashSet<Name>, Unread> {
        logged(erase::forget_all_of(&self.db, keys).await)
    }

    async fn forget_before(&self, before: i64) -> Result<(), Unread> {
        logged(erase::forget_before(&self.db, before).await)
    }

    async fn spent(&self, account: Name) -> Result<Amount, Unread> {
        logged(budget::spent(&self.db, account).await)
    }

    async fn reserve(
        &self,
        accounts: [(Name, Cap); 3],
        most: Amount,
    ) -> Result<Result<(), usize>, Unread> {
        logged(budget::reserve(&self.db, accounts, most).await)
    }

    async fn settle(
        &self,
        accounts: [Name; 3],
        reserved: Amount,
        used: Amount,
    ) -> Result<(), Unread> {
        logged(budget::settle(&self.db, accounts, reserved, used).await)
    }
}

#[async_trait]
impl Shared for Postgres {
    async fn join(&self) -> anyhow::Result<()> {
        let joined = async {
            migrate(&self.db, &KNOWN, "planner").await?;
            self.lease.begin().await
        };
        joined.await.context("store.postgres")
    }

    async fn leave(&self) {
        let _logged = logged(self.lease.end().await);
    }

    fn fence(&self) -> Result<Fence, Unread> {
        let holder = self.lease.holder().ok_or(Unread)?;
        Ok(Fence { holder, turn: self.turns.fetch_add(1, Ordering::Relaxed) })
    }

    async fn give_back(&self, what: What, fence: Fence) -> Result<(), Unread> {
        logged(match what {
            What::Conversation(name) => conversations::give_back(&self.db, name, fence).await,
            What::Turn { thread, place } => turns::give_back(&self.db, thread, place, fence).await,
        })
    }

    async fn reached(&self) -> Result<(), Unread> {
        logged(self.lease.reached().await)
    }

    async fn checkpoint(&self, origins: Vec<String>) -> Result<Option<(i64, Vec<u8>)>, Unread> {
        let sql = "
            SELECT size, note FROM checkpoints WHERE origin = ANY($1) ORDER BY size DESC
            LIMIT 1";
        let read = async {
            let row = first(&self.db.client().await?, sql, &[&origins]).await?;
            let Some(row) = row else { return Ok(None) };
            Ok(Some((row.try_get(0)?, row.try_get(1)?)))
        };
        logged(read.await)
    }

    async fn drop_checkpoint(&self, note: Vec<u8>) -> Result<(), Unread> {
        let sql = "DELETE FROM checkpoints WHERE note = $1";
        let dropped = async {
            run(&self.db.client().await?, sql, &[&note]).await?;
            Ok(())
        };
        logged(dropped.await)
    }

    async fn keep_checkpoint(
        &self,
        origin: String,
        size: i64,
        note: Vec<u8>,
    ) -> Result<(), Unread> {
        let sql = "
            INSERT INTO checkpoints (origin, size, note) VALUES ($1, $2, $3)
            ON CONFLICT (origin) DO UPDATE SET size = excluded.size, note = excluded.note
            WHERE checkpoints.size < excluded.size";
        let kept = async {
            run(&self.db.client().await?, sql, &[&origin, &size, &note]).await?;
            Ok(())
        };
        logged(kept.await)
    }
}

#[cfg(test)]
mod holding;
#[cfg(test)]
mod tests;
