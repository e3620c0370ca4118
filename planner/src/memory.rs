//! What the planner remembers of conversations, over a restart: where each stands, and what
//! was said in turns that came over HTTP, what models have cost. It is for going on, not for proof: what was done
//! is the executor's to say. Names are digests; texts are in clear, in a folder that is this
//! user's alone, for as long as [`KEPT`].

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::budget::Amount;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension as _, params};
use sha2::{Digest as _, Sha256};

/// The file in the state folder.
const FILE: &str = "conversations.db";
/// What nobody touched for so long is forgotten: an approval may take days.
pub const KEPT: SignedDuration = SignedDuration::from_hours(14 * 24);
/// How often the old is looked for.
const SWEEP: Duration = Duration::from_secs(3600);

const LAYOUT: &str = "
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
";

/// Remembers, or, without a folder, forgets with the process. Clones share it.
#[derive(Clone, Default)]
pub struct Memory(Option<Arc<Mutex<Connection>>>);

/// A turn of a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) place: [u8; 32],
    pub(crate) number: i64,
    pub(crate) body: String,
}

impl Memory {
    /// Opens or makes the file in the folder.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn open(folder: &Path) -> rusqlite::Result<Self> {
        let db = Connection::open(folder.join(FILE))?;
        db.busy_timeout(Duration::from_secs(5))?;
        db.execute_batch(LAYOUT)?;
        Ok(Self(Some(Arc::new(Mutex::new(db)))))
    }

    /// Where a conversation stands; `None` where it is new or was forgotten.
    pub(crate) fn conversation(&self, name: &str) -> Option<String> {
        let db = self.0.as_ref()?.lock();
        let found = db
            .prepare_cached("SELECT body FROM conversations WHERE name = ?1")
            .and_then(|mut ask| ask.query_row([digest(name)], |row| row.get(0)).optional());
        told(found).flatten()
    }

    /// Keeps where a conversation stands.
    pub(crate) fn keep_conversation(&self, name: &str, body: &str) {
        let Some(db) = self.0.as_ref().map(|db| db.lock()) else { return };
        let kept = db
            .prepare_cached(
                "INSERT INTO conversations (name, touched, body) VALUES (?1, ?2, ?3) \
                 ON CONFLICT (name) DO UPDATE SET touched = ?2, body = ?3",
            )
            .and_then(|mut put| put.execute(params![digest(name), now(), body]));
        let _told = told(kept);
    }

    /// The turns of a thread.
    pub(crate) fn turns(&self, thread: &str) -> Vec<Row> {
        let Some(db) = self.0.as_ref().map(|db| db.lock()) else { return vec![] };
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Row { place: row.get(0)?, number: row.get(1)?, body: row.get(2)? })
        };
        let found = db
            .prepare_cached("SELECT place, number, body FROM turns WHERE thread = ?1")
            .and_then(|mut ask| ask.query_map([digest(thread)], read)?.collect());
        told(found).unwrap_or_default()
    }

    /// Keeps a turn of a thread.
    pub(crate) fn keep_turn(&self, thread: &str, row: &Row) {
        let Some(db) = self.0.as_ref().map(|db| db.lock()) else { return };
        let kept = db
            .prepare_cached(
                "INSERT OR REPLACE INTO turns (thread, place, number, touched, body) \
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )
            .and_then(|mut put| {
                put.execute(params![digest(thread), row.place, row.number, now(), row.body])
            });
        let _told = told(kept);
    }

    /// What an account has spent; `None` where it has not.
    pub(crate) fn spent(&self, account: &str) -> Option<Amount> {
        let db = self.0.as_ref()?.lock();
        let read = |row: &rusqlite::Row<'_>| {
            let part = |at| row.get::<_, i64>(at).map(|n| u64::try_from(n).unwrap_or_default());
            Ok(Amount { calls: part(0)?, tokens: part(1)?, micros: part(2)? })
        };
        let found = db
            .prepare_cached("SELECT calls, tokens, micros FROM spent WHERE account = ?1")
            .and_then(|mut ask| ask.query_row([digest(account)], read).optional());
        told(found).flatten()
    }

    /// Keeps what an account has spent.
    pub(crate) fn keep_spent(&self, account: &str, spent: Amount) {
        let Some(db) = self.0.as_ref().map(|db| db.lock()) else { return };
        let whole = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let kept = db
            .prepare_cached(
                "INSERT OR REPLACE INTO spent (account, touched, calls, tokens, micros) \
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )
            .and_then(|mut put| {
                let Amount { calls, tokens, micros } = spent;
                put.execute(params![
                    digest(account),
                    now(),
                    whole(calls),
                    whole(tokens),
                    whole(micros)
                ])
            });
        let _told = told(kept);
    }

    /// Forgets the old, now and then, until the process ends.
    pub async fn sweep(self) {
        while self.0.is_some() {
            let before = Timestamp::now().checked_sub(KEPT).map_or(0, Timestamp::as_second);
            let memory = self.clone();
            let swept = tokio::task::spawn_blocking(move || memory.forget(before)).await;
            if swept.is_err() {
                return;
            }
            tokio::time::sleep(SWEEP).await;
        }
    }

    fn forget(&self, before: i64) {
        let Some(db) = self.0.as_ref().map(|db| db.lock()) else { return };
        for table in ["conversations", "turns", "spent"] {
            let gone = db.execute(&format!("DELETE FROM {table} WHERE touched < ?1"), [before]);
            let _told = told(gone);
        }
    }
}

/// A memory that fails costs the customer a question asked twice, and nothing else: it is
/// logged, and the turn goes on.
fn told<T>(done: rusqlite::Result<T>) -> Option<T> {
    done.inspect_err(|error| tracing::error!(%error, "a conversation was not remembered")).ok()
}

fn digest(name: &str) -> [u8; 32] {
    Sha256::digest(name).into()
}

fn now() -> i64 {
    Timestamp::now().as_second()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_is_kept_outlives_the_process_and_what_is_old_goes() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::open(folder.path()).unwrap();
        memory.keep_conversation("ann", "1");
        memory.keep_conversation("ann", "2");
        let row = |number| Row { place: [7; 32], number, body: "said".to_owned() };
        memory.keep_turn("thread", &row(1));
        memory.keep_turn("thread", &row(2));
        drop(memory);
        let memory = Memory::open(folder.path()).unwrap();
        assert_eq!(memory.conversation("ann").as_deref(), Some("2"));
        assert_eq!(memory.conversation("bob"), None);
        assert_eq!(memory.turns("thread"), [row(2)]);
        assert!(memory.turns("other").is_empty());
        memory.forget(now() - 10);
        assert!(memory.conversation("ann").is_some());
        memory.forget(now() + 10);
        assert!(memory.conversation("ann").is_none() && memory.turns("thread").is_empty());
    }

    #[test]
    fn without_a_folder_nothing_is_remembered() {
        let memory = Memory::default();
        memory.keep_conversation("ann", "1");
        assert_eq!(memory.conversation("ann"), None);
    }

    #[test]
    fn names_are_not_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::open(folder.path()).unwrap();
        memory.keep_conversation("ann@shop.example", "{}");
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            assert!(!String::from_utf8_lossy(&bytes).contains("ann@"));
        }
    }
}
