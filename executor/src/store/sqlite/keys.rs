//! Keys of persons in a file of their own. A deleted key's page is overwritten and no
//! journal keeps it; a backup of the store has none of them.

use std::path::Path;

use jiff::Timestamp;
use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};

use super::connect;
use crate::keys::{KeyId, Keys, Wrapped};
use crate::ports::StoreError;
use crate::store::known::damaged;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS index_key (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        key BLOB NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS keys (
        key_id BLOB PRIMARY KEY,
        person TEXT NOT NULL,
        key    BLOB,                -- wrapped; null once it is destroyed
        made   INTEGER NOT NULL     -- milliseconds since 1970
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX IF NOT EXISTS keys_current ON keys (person) WHERE key IS NOT NULL;";

/// `keys.db`.
pub(super) struct KeyFile(Mutex<Connection>);

impl KeyFile {
    /// Opens or makes it. A destroyed key must not live on in a journal or a free page.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        private(path)?;
        let db = connect(path, OpenFlags::default())?;
        db.busy_timeout(std::time::Duration::from_secs(5))?;
        db.pragma_update(None, "secure_delete", true)?;
        db.pragma_update(None, "journal_mode", "truncate")?;
        db.pragma_update(None, "synchronous", "full")?;
        db.execute_batch(TABLES)?;
        Ok(Self(Mutex::new(db)))
    }

    /// Whether nothing was wrapped for it yet.
    pub(super) fn is_new(&self) -> Result<bool, StoreError> {
        let kept: i64 =
            self.0.lock().query_row("SELECT count(*) FROM index_key", [], |r| r.get(0))?;
        Ok(kept == 0)
    }
}

/// Nobody else's to read, from its first byte on.
fn private(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let file = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    file.map(drop).map_err(|e| StoreError::Unavailable(format!("{}: {e}", path.display())))
}

fn wrapped(row: &Row<'_>) -> rusqlite::Result<(KeyId, String, Option<Vec<u8>>, i64)> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
}

fn read(row: (KeyId, String, Option<Vec<u8>>, i64)) -> Result<Wrapped, StoreError> {
    let (id, person, key, made) = row;
    Ok(Wrapped { id, person, key, made: Timestamp::from_millisecond(made).map_err(damaged)? })
}

impl Keys for KeyFile {
    fn index(&self, offered: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        let db = self.0.lock();
        db.execute(
            "INSERT INTO index_key (one, key) VALUES (1, ?1) ON CONFLICT DO NOTHING",
            params![offered],
        )?;
        Ok(db.query_row("SELECT key FROM index_key", [], |r| r.get(0))?)
    }

    fn find(&self, ids: &[KeyId]) -> Result<Vec<Wrapped>, StoreError> {
        let db = self.0.lock();
        let mut select =
            db.prepare_cached("SELECT key_id, person, key, made FROM keys WHERE key_id = ?1")?;
        let mut found = Vec::new();
        for id in ids {
            if let Some(row) = select.query_row(params![id], wrapped).optional()? {
                found.push(read(row)?);
            }
        }
        Ok(found)
    }

    fn current(&self, person: &str) -> Result<Option<Wrapped>, StoreError> {
        let db = self.0.lock();
        let sql =
            "SELECT key_id, person, key, made FROM keys WHERE person = ?1 AND key IS NOT NULL";
        let row = db.prepare_cached(sql)?.query_row(params![person], wrapped).optional()?;
        row.map(read).transpose()
    }

    fn keep(&self, new: Wrapped) -> Result<Wrapped, StoreError> {
        self.0
            .lock()
            .prepare_cached(
                "INSERT INTO keys (key_id, person, key, made) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO NOTHING",
            )?
            .execute(params![new.id, new.person, new.key, new.made.as_millisecond()])?;
        self.current(&new.person)?.ok_or_else(|| damaged("a key was not kept"))
    }

    fn destroy(&self, person: &str, until: Timestamp) -> Result<(), StoreError> {
        self.0
            .lock()
            .prepare_cached("UPDATE keys SET key = NULL WHERE person = ?1 AND made <= ?2")?
            .execute(params![person, until.as_millisecond()])?;
        Ok(())
    }
}
