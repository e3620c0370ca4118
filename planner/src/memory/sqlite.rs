//! Memory in a file of one planner. The process alone has it, so whatever is asked for is at
//! once its own: which turn is whose its own locks say.

use std::collections::HashSet;
use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::now;
use super::store::{Begun, Fence, Name, Row, Shared, Store, Taken, Unread};
use crate::budget::{Amount, Cap};
use thread::Thread;

mod erase;
mod spending;
mod thread;

/// The file in the state folder.
const FILE: &str = "conversations.db";

const LAYOUT: &str = "
    -- There need not be a folder for temporary files that can be written.
    PRAGMA temp_store = MEMORY;
    PRAGMA journal_mode = WAL;
    -- A process that dies loses nothing; a machine that does may lose the newest turns.
    PRAGMA synchronous = NORMAL;
    PRAGMA secure_delete = ON;
    CREATE TABLE IF NOT EXISTS conversations (
        name    BLOB PRIMARY KEY,
        touched INTEGER NOT NULL,       -- seconds since 1970
        body    TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS conversations_by_age ON conversations (touched);
    CREATE TABLE IF NOT EXISTS turns (
        thread  BLOB NOT NULL,
        place   BLOB NOT NULL,
        number  INTEGER NOT NULL,
        touched INTEGER NOT NULL,       -- seconds since 1970
        body    TEXT NOT NULL,
        PRIMARY KEY (thread, place)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS turns_by_age ON turns (touched);
    CREATE TABLE IF NOT EXISTS spent (
        account BLOB PRIMARY KEY,
        touched INTEGER NOT NULL,       -- seconds since 1970
        calls   INTEGER NOT NULL,
        tokens  INTEGER NOT NULL,
        micros  INTEGER NOT NULL        -- millionths of the prices' currency
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS spent_by_age ON spent (touched);
    -- Whose each of them is, as the executor names the key of a person.
    CREATE TABLE IF NOT EXISTS belongs (
        kept_under TEXT NOT NULL,
        name       BLOB NOT NULL,
        touched    INTEGER NOT NULL,    -- seconds since 1970
        PRIMARY KEY (kept_under, name)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS belongs_by_age ON belongs (touched);
";

/// What nobody is known to own no erasure would find.
const NOBODYS: &str = "
    DELETE FROM conversations WHERE name NOT IN (SELECT name FROM belongs);
    DELETE FROM turns WHERE thread NOT IN (SELECT name FROM belongs);
";

/// What nobody touched since then; threads as a whole.
const FORGET: [&str; 4] = [
    "DELETE FROM conversations WHERE touched < ?1",
    "DELETE FROM turns WHERE touched < ?1 AND NOT EXISTS (
         SELECT 1 FROM turns AS newer WHERE newer.thread = turns.thread AND newer.touched >= ?1)",
    "DELETE FROM spent WHERE touched < ?1",
    "DELETE FROM belongs WHERE touched < ?1",
];

/// The file.
pub(super) struct Sqlite(Thread);

impl Sqlite {
    /// Opens or makes the file in the folder.
    ///
    /// # Errors
    /// When it cannot be used.
    pub(super) fn open(folder: &Path) -> anyhow::Result<Self> {
        let file = folder.join(FILE);
        // SQLite gives its other files the rights of this one.
        OpenOptions::new().append(true).create(true).mode(0o600).open(&file)?;
        fs::set_permissions(&file, Permissions::from_mode(0o600))?;
        let db = Connection::open(file)?;
        db.busy_timeout(Duration::from_secs(5))?;
        db.execute_batch(LAYOUT)?;
        db.execute_batch(NOBODYS)?;
        Ok(Self(Thread::over(db)))
    }
}

#[async_trait]
impl Store for Sqlite {
    fn shared(&self) -> Option<&dyn Shared> {
        None
    }

    async fn take(&self, name: Name, _: Fence) -> Result<Option<Taken>, Unread> {
        let found = self.0.ask(move |db| {
            let mut ask = db.prepare_cached("SELECT body FROM conversations WHERE name = ?1")?;
            ask.query_row([name], |row| row.get(0)).optional()
        });
        let body = found.await.ok_or(Unread)?;
        Ok(Some(Taken { body }))
    }

    async fn keep(
        &self,
        name: Name,
        _: Fence,
        owners: Vec<String>,
        body: String,
    ) -> Result<bool, Unread> {
        let kept = self.0.ask(move |db| {
            // With its owners, or not at all: between the two an erasure would miss it.
            for owner in &owners {
                erase::own(db, owner, &name)?;
            }
            let mut put = db.prepare_cached(
                "INSERT INTO conversations (name, touched, body) VALUES (?1, ?2, ?3) \
                 ON CONFLICT (name) DO UPDATE SET touched = ?2, body = ?3",
            )?;
            put.execute(params![name, now(), body])
        });
        kept.await.map(|_| true).ok_or(Unread)
    }

    async fn turns(&self, thread: Name, most: i64) -> Result<Vec<Row>, Unread> {
        let found = self.0.ask(move |db| {
            let mut ask = db.prepare_cached(
                "SELECT place, number, body FROM turns WHERE thread = ?1 \
                 ORDER BY number DESC LIMIT ?2",
            )?;
            let rows = ask.query_map(params![thread, most], |row| {
                Ok(Row { place: row.get(0)?, number: row.get(1)?, body: row.get(2)? })
            })?;
            rows.collect()
        });
        found.await.ok_or(Unread)
    }

    /// It holds nobody's words. Nobody waits for it, and nobody else is at it: it shares the commit
    /// of what comes next.
    async fn begin_turn(&self, thread: Name, row: Row, _: Fence) -> Result<Begun, Unread> {
        self.0.put_aside(move |db| {
            let mut put = db.prepare_cached(
                "INSERT OR REPLACE INTO turns (thread, place, number, touched, body) \
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            put.execute(params![thread, row.place, row.number, now(), row.body]).map(drop)
        });
        Ok(Begun::Here)
    }

    async fn settled(&self) -> Result<(), Unread> {
        self.0.ask(|_| Ok(())).await.ok_or(Unread)
    }

    async fn end_turn(
        &self,
        thread: Name,
        place: [u8; 32],
        _: Fence,
        owners: Vec<String>,
        body: String,
    ) -> Result<bool, Unread> {
        let kept = self.0.ask(move |db| {
            let mut put = db.prepare_cached(
                "UPDATE turns SET touched = ?3, body = ?4 WHERE thread = ?1 AND place = ?2",
            )?;
            let rows = put.execute(params![thread, place, now(), body])?;
            if rows > 0 {
                owners.iter().try_for_each(|owner| erase::own(db, owner, &thread))?;
            }
            Ok(rows)
        });
        kept.await.map(|rows| rows > 0).ok_or(Unread)
    }

    /// Before whatever is kept after it; nobody waits for it, it shares the commit of what comes
    /// next.
    async fn belongs(&self, kept_under: String, names: Vec<Name>) -> Result<(), Unread> {
        let own = move |db: &Connection| {
            names.iter().try_for_each(|name| erase::own(db, &kept_under, name))
        };
        self.0.put_aside(own);
        Ok(())
    }

    async fn keys(&self) -> Result<Vec<String>, Unread> {
        let found = self.0.ask(|db| {
            let mut ask = db.prepare_cached("SELECT DISTINCT kept_under FROM belongs")?;
            ask.query_map([], |row| row.get(0))?.collect()
        });
        found.await.ok_or(Unread)
    }

    async fn forget_all_of(&self, keys: Vec<String>) -> Result<HashSet<Name>, Unread> {
        let names = self.0.ask(move |db| erase::forget_all_of(db, &keys)).await.ok_or(Unread)?;
        self.0.shorten().await;
        Ok(names)
    }

    async fn forget_before(&self, before: i64) -> Result<(), Unread> {
        let mut old = 0;
        for sql in FORGET {
            let gone = self.0.ask(move |db| db.execute(sql, [before]));
            old += gone.await.unwrap_or_default();
        }
        if old > 0 {
            self.0.shorten().await;
        }
        Ok(())
    }

    async fn spent(&self, account: Name) -> Result<Amount, Unread> {
        self.0.ask(move |db| spending::of(db, &account)).await.ok_or(Unread)
    }

    async fn reserve(
        &self,
        accounts: [(Name, Cap); 3],
        most: Amount,
    ) -> Result<Result<(), usize>, Unread> {
        self.0.ask(move |db| spending::reserve(db, &accounts, most)).await.ok_or(Unread)
    }

    async fn settle(
        &self,
        accounts: [Name; 3],
        reserved: Amount,
        used: Amount,
    ) -> Result<(), Unread> {
        let settled = self.0.ask(move |db| spending::settle(db, &accounts, reserved, used));
        settled.await.ok_or(Unread)
    }
}

#[cfg(test)]
mod tests;
