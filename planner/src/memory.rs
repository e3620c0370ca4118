//! What the planner remembers over a restart: where each conversation stands, what was said
//! in turns that came over HTTP, what models have cost. It is for going on, not for proof:
//! what was done is the executor's to say. Names are digests; texts are in clear, in a file
//! that is this user's alone, until nobody touched them for so long, or until the executor
//! says that whose they are was erased.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, params};
use sha2::{Digest as _, Sha256};

use crate::budget::Amount;
use thread::Thread;

mod erased;
mod thread;

pub(crate) use erased::Gone;

/// The file in the state folder.
const FILE: &str = "conversations.db";
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

/// Remembers, or, without a folder, forgets with the process. Clones share it.
#[derive(Clone, Default)]
pub struct Memory {
    thread: Option<Thread>,
    /// Whoever has at hand what is kept here.
    hear: erased::Hearers,
}

/// Memory could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unread;

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
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        let file = folder.join(FILE);
        // SQLite gives its other files the rights of this one.
        OpenOptions::new().append(true).create(true).mode(0o600).open(&file)?;
        fs::set_permissions(&file, Permissions::from_mode(0o600))?;
        let db = Connection::open(file)?;
        db.busy_timeout(Duration::from_secs(5))?;
        db.execute_batch(LAYOUT)?;
        db.execute_batch(NOBODYS)?;
        Ok(Self { thread: Some(Thread::over(db)), hear: erased::Hearers::default() })
    }

    /// Where a conversation stands; `None` where it is new or was forgotten.
    ///
    /// # Errors
    /// When it cannot be read; that is logged.
    pub(crate) async fn conversation(&self, name: &str) -> Result<Option<String>, Unread> {
        let Some(thread) = &self.thread else { return Ok(None) };
        let name = digest(name);
        let found = thread.ask(move |db| {
            let mut ask = db.prepare_cached("SELECT body FROM conversations WHERE name = ?1")?;
            ask.query_row([name], |row| row.get(0)).optional()
        });
        found.await.ok_or(Unread)
    }

    /// Keeps where a conversation stands, and whose it is.
    pub(crate) async fn keep_conversation(
        &self,
        name: &str,
        kept_under: &BTreeSet<String>,
        body: String,
    ) {
        let Some(thread) = &self.thread else { return };
        let (name, owners) = (digest(name), kept_under.clone());
        let kept = thread.ask(move |db| {
            // With its owners, or not at all: between the two an erasure would miss it.
            for owner in &owners {
                erased::own(db, owner, &name)?;
            }
            let mut put = db.prepare_cached(
                "INSERT INTO conversations (name, touched, body) VALUES (?1, ?2, ?3) \
                 ON CONFLICT (name) DO UPDATE SET touched = ?2, body = ?3",
            )?;
            put.execute(params![name, now(), body])
        });
        let _told = kept.await;
    }

    /// The newest turns of a thread, at most so many.
    ///
    /// # Errors
    /// When they cannot be read; that is logged.
    pub(crate) async fn turns(&self, thread: &str, most: usize) -> Result<Vec<Row>, Unread> {
        let Some(desk) = &self.thread else { return Ok(vec![]) };
        let (thread, most) = (digest(thread), i64::try_from(most).unwrap_or(i64::MAX));
        let found = desk.ask(move |db| {
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

    /// Keeps that a turn of a thread was begun, and the others with it. It holds nobody's words.
    pub(crate) async fn begin_turn(&self, thread: &str, row: Row) {
        let Some(desk) = &self.thread else { return };
        let thread = digest(thread);
        let kept = desk.ask(move |db| {
            let mut touch = db.prepare_cached("UPDATE turns SET touched = ?2 WHERE thread = ?1")?;
            touch.execute(params![thread, now()])?;
            let mut put = db.prepare_cached(
                "INSERT OR REPLACE INTO turns (thread, place, number, touched, body) \
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            put.execute(params![thread, row.place, row.number, now(), row.body])
        });
        let _told = kept.await;
    }

    /// Keeps how a turn ended that was begun. Where it is gone since, it was erased, and
    /// nothing is kept of it.
    pub(crate) async fn end_turn(&self, thread: &str, row: Row) {
        let Some(desk) = &self.thread else { return };
        let thread = digest(thread);
        let kept = desk.ask(move |db| {
            let mut put = db.prepare_cached(
                "UPDATE turns SET touched = ?3, body = ?4 WHERE thread = ?1 AND place = ?2",
            )?;
            put.execute(params![thread, row.place, now(), row.body])
        });
        let _told = kept.await;
    }

    /// What an account has spent; `None` where it has not.
    ///
    /// # Errors
    /// When it cannot be read; that is logged.
    pub(crate) async fn spent(&self, account: &str) -> Result<Option<Amount>, Unread> {
        let Some(thread) = &self.thread else { return Ok(None) };
        let account = digest(account);
        let found = thread.ask(move |db| {
            let read = |row: &rusqlite::Row<'_>| {
                let part = |at| row.get::<_, i64>(at).map(|n| u64::try_from(n).unwrap_or_default());
                Ok(Amount { calls: part(0)?, tokens: part(1)?, micros: part(2)? })
            };
            db.prepare_cached("SELECT calls, tokens, micros FROM spent WHERE account = ?1")?
                .query_row([account], read)
                .optional()
        });
        found.await.ok_or(Unread)
    }

    /// Keeps what an account has spent. In the order of calls, whenever each is awaited.
    pub(crate) fn keep_spent(
        &self,
        account: &str,
        spent: Amount,
    ) -> impl Future<Output = ()> + Send + use<> {
        let account = digest(account);
        let kept = self.thread.as_ref().map(|thread| {
            thread.ask(move |db| {
                let whole = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
                let mut put = db.prepare_cached(
                    "INSERT OR REPLACE INTO spent (account, touched, calls, tokens, micros) \
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                )?;
                let Amount { calls, tokens, micros } = spent;
                put.execute(params![account, now(), whole(calls), whole(tokens), whole(micros)])
            })
        });
        async move {
            if let Some(kept) = kept {
                let _told = kept.await;
            }
        }
    }

    /// Forgets what nobody touched for so long, now and then, until the process ends.
    pub async fn sweep(self, kept: SignedDuration) {
        while self.thread.is_some() {
            let before = Timestamp::now().checked_sub(kept).map_or(0, Timestamp::as_second);
            self.forget(before).await;
            tokio::time::sleep(SWEEP).await;
        }
    }

    async fn forget(&self, before: i64) {
        let Some(thread) = &self.thread else { return };
        let mut old = 0;
        for table in ["conversations", "turns", "spent", "belongs"] {
            let gone = thread.ask(move |db| {
                db.execute(&format!("DELETE FROM {table} WHERE touched < ?1"), [before])
            });
            old += gone.await.unwrap_or_default();
        }
        if old > 0 {
            thread.shorten().await;
        }
    }
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

    #[tokio::test]
    async fn what_is_kept_outlives_the_process_and_what_is_old_goes() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::open(folder.path()).unwrap();
        let owner = BTreeSet::from(["k".to_owned()]);
        memory.keep_conversation("ann", &owner, "1".to_owned()).await;
        memory.keep_conversation("ann", &owner, "2".to_owned()).await;
        memory.belongs("k", &["thread"]);
        let row = |number| Row { place: [7; 32], number, body: "said".to_owned() };
        memory.begin_turn("thread", row(1)).await;
        memory.begin_turn("thread", row(2)).await;
        drop(memory);
        let memory = Memory::open(folder.path()).unwrap();
        assert_eq!(memory.conversation("ann").await.unwrap().as_deref(), Some("2"));
        assert_eq!(memory.conversation("bob").await, Ok(None));
        assert_eq!(memory.turns("thread", 9).await.unwrap(), [row(2)]);
        assert!(memory.turns("other", 9).await.unwrap().is_empty());
        memory.forget(now() - 10).await;
        assert!(memory.conversation("ann").await.unwrap().is_some());
        memory.forget(now() + 10).await;
        assert!(
            memory.conversation("ann").await.unwrap().is_none()
                && memory.turns("thread", 9).await.unwrap().is_empty()
        );
    }

    #[tokio::test]
    async fn what_is_nobodys_goes_when_it_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::open(folder.path()).unwrap();
        let row = |place| Row { place: [place; 32], number: 1, body: "said".to_owned() };
        for (name, owner) in [("ann", Some("k")), ("old", None)] {
            let owners = owner.into_iter().map(str::to_owned).collect();
            memory.keep_conversation(name, &owners, "said".to_owned()).await;
            memory.begin_turn(name, row(1)).await;
        }
        drop(memory);
        let memory = Memory::open(folder.path()).unwrap();
        for (name, kept) in [("ann", true), ("old", false)] {
            assert_eq!(memory.conversation(name).await.unwrap().is_some(), kept, "{name}");
            assert_eq!(memory.turns(name, 9).await.unwrap().len(), usize::from(kept), "{name}");
        }
    }

    #[tokio::test]
    async fn without_a_folder_nothing_is_remembered() {
        let memory = Memory::default();
        memory.keep_conversation("ann", &BTreeSet::new(), "1".to_owned()).await;
        assert_eq!(memory.conversation("ann").await, Ok(None));
    }

    #[tokio::test]
    async fn names_are_not_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::open(folder.path()).unwrap();
        memory.keep_conversation("ann@shop.example", &BTreeSet::new(), "{}".to_owned()).await;
        for entry in fs::read_dir(folder.path()).unwrap() {
            let path = entry.unwrap().path();
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{}", path.display());
            let bytes = fs::read(path).unwrap();
            assert!(!String::from_utf8_lossy(&bytes).contains("ann@"));
        }
    }
}
