//! Keys of persons in two tables of their own. Asked from threads that may wait.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use futures_util::FutureExt as _;
use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio_postgres::Row;

use super::database::{Database, all, first, run};
use super::fault::Fault;
use crate::keys::{Kek, KeyId, Keys, Wrapped};
use crate::ports::StoreError;
use crate::store::known::damaged;
use crate::veil::Veil;

/// The tables, from a thread that may wait.
pub(super) struct KeyTables {
    db: Database,
    runtime: Handle,
}

impl KeyTables {
    pub(super) fn new(db: Database) -> Self {
        Self { db, runtime: Handle::current() }
    }

    /// Whether nothing was wrapped for it yet.
    pub(super) async fn is_new(&self) -> Result<bool, Fault> {
        let found = first(&self.db.client().await?, "SELECT 1 FROM person_index_key", &[]).await?;
        Ok(found.is_none())
    }

    fn wait<T>(&self, work: impl Future<Output = Result<T, Fault>>) -> Result<T, StoreError> {
        Ok(self.runtime.block_on(work)?)
    }
}

/// What is personal in this database, behind the key-encryption key in this file.
pub(super) async fn open_veil(db: &Database, kek: &Path) -> Result<Veil, StoreError> {
    let keys = KeyTables::new(db.clone());
    let kek = Kek::open(kek, keys.is_new().await?);
    let kek = kek.map_err(|e| StoreError::Unavailable(format!("{e:#}")))?;
    let opened = tokio::task::spawn_blocking(move || Veil::over(Arc::new(keys), kek)).await;
    opened.map_err(|e| StoreError::Unavailable(e.to_string()))?
}

fn wrapped(row: &Row) -> Result<Wrapped, Fault> {
    Ok(Wrapped {
        id: row.try_get::<_, &[u8]>(0)?.try_into().map_err(damaged)?,
        person: row.try_get(1)?,
        key: row.try_get(2)?,
        made: Timestamp::from_millisecond(row.try_get(3)?).map_err(damaged)?,
    })
}

impl Keys for KeyTables {
    fn index(&self, offered: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        self.wait(async {
            let db = self.db.client().await?;
            let sql =
                "INSERT INTO person_index_key (one, key) VALUES (1, $1) ON CONFLICT DO NOTHING";
            run(&db, sql, &[&offered]).await?;
            let row = first(&db, "SELECT key FROM person_index_key", &[]).await?;
            Ok(row.ok_or_else(|| damaged("the index key was not kept"))?.try_get(0)?)
        })
    }

    fn find(&self, ids: &[KeyId]) -> Result<Vec<Wrapped>, StoreError> {
        let ids: Vec<_> = ids.iter().map(<[u8; 16]>::as_slice).collect();
        self.wait(async {
            let sql = "SELECT key_id, person, key, made FROM person_keys
                       WHERE key_id = ANY($1::bytea[])";
            all(&self.db.client().await?, sql, &[&ids]).await?.iter().map(wrapped).collect()
        })
    }

    fn current(&self, person: &str) -> Result<Option<Wrapped>, StoreError> {
        self.wait(async {
            let sql = "SELECT key_id, person, key, made FROM person_keys
                       WHERE person = $1 AND key IS NOT NULL";
            let found = first(&self.db.client().await?, sql, &[&person]).await?;
            found.as_ref().map(wrapped).transpose()
        })
    }

    fn keep(&self, new: Wrapped) -> Result<Wrapped, StoreError> {
        self.wait(async {
            let sql = "INSERT INTO person_keys (key_id, person, key, made) VALUES ($1, $2, $3, $4)
                       ON CONFLICT DO NOTHING";
            let made = new.made.as_millisecond();
            let with: super::database::With<'_> =
                &[&new.id.as_slice(), &new.person, &new.key, &made];
            run(&self.db.client().await?, sql, with).await
        })?;
        self.current(&new.person)?.ok_or_else(|| damaged("a key was not kept"))
    }

    fn destroy(&self, person: &str, until: Timestamp) -> Result<(), StoreError> {
        let (person, until) = (person.to_owned(), until.as_millisecond());
        self.wait(self.db.write(move |db| {
            let person = person.clone();
            async move {
                let sql = "UPDATE person_keys SET key = NULL WHERE person = $1 AND made <= $2";
                run(db, sql, &[&person, &until]).await.map(drop)
            }
            .boxed()
        }))
    }
}
