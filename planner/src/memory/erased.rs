//! What is remembered of somebody goes when the executor has erased them: from the file, its
//! free pages and its log of writes, and from whoever has it at hand.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use parking_lot::RwLock;
use rusqlite::{Connection, params};

use super::{Memory, Unread, digest, now};

type Hearer = Box<dyn Fn(&Gone) + Send + Sync>;

/// Those who are told what was forgotten.
#[derive(Clone, Default)]
pub(super) struct Hearers(Arc<RwLock<Vec<Hearer>>>);

/// Names of what was forgotten.
pub(crate) struct Gone(HashSet<[u8; 32]>);

impl Gone {
    /// Whether this is among them.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains(&digest(name))
    }
}

impl Memory {
    /// Tells, from now on, what was forgotten.
    pub(crate) fn tell(&self, hearer: impl Fn(&Gone) + Send + Sync + 'static) {
        self.hear.0.write().push(Box::new(hearer));
    }

    /// What has one of these names is kept under this key of a person. Queued before it
    /// returns, so before whatever is kept after it.
    pub(crate) fn belongs(&self, kept_under: &str, names: &[&str]) {
        let Some(thread) = self.thread.as_ref().filter(|_| !kept_under.is_empty()) else { return };
        let names = names.iter().filter(|name| !name.is_empty()).map(|name| digest(name));
        let (under, names) = (kept_under.to_owned(), names.collect::<Vec<_>>());
        // Nobody waits for it: it shares the commit of what comes next.
        drop(thread.ask(move |db| names.iter().try_for_each(|name| own(db, &under, name))));
    }

    /// Every key under which something is kept.
    ///
    /// # Errors
    /// When they cannot be read; that is logged.
    pub(crate) async fn keys(&self) -> Result<Vec<String>, Unread> {
        let Some(thread) = &self.thread else { return Ok(Vec::new()) };
        let found = thread.ask(|db| {
            let mut ask = db.prepare_cached("SELECT DISTINCT kept_under FROM belongs")?;
            ask.query_map([], |row| row.get(0))?.collect()
        });
        found.await.ok_or(Unread)
    }

    /// Forgets everything that is kept under these.
    pub(crate) async fn forget_all_of(&self, keys: BTreeSet<String>) {
        let Some(thread) = &self.thread else { return };
        let forgotten = thread.ask(move |db| {
            let mut ask = db.prepare_cached("SELECT name FROM belongs WHERE kept_under = ?1")?;
            let mut names = HashSet::new();
            for key in &keys {
                for name in ask.query_map([key], |row| row.get(0))? {
                    names.insert(name?);
                }
            }
            for name in &names {
                for sql in [
                    "DELETE FROM conversations WHERE name = ?1",
                    "DELETE FROM turns WHERE thread = ?1",
                    "DELETE FROM spent WHERE account = ?1",
                ] {
                    db.execute(sql, [name])?;
                }
            }
            // Last: as long as one of these failed, the next look finds them again.
            for key in &keys {
                db.execute("DELETE FROM belongs WHERE kept_under = ?1", [key])?;
            }
            Ok(names)
        });
        let Some(names) = forgotten.await else { return };
        let gone = Gone(names);
        self.hear.0.read().iter().for_each(|hearer| hearer(&gone));
        thread.shorten().await;
        tracing::info!(names = gone.0.len(), "what was remembered of an erased person is gone");
    }
}

/// That this name is kept under this key.
pub(super) fn own(db: &Connection, kept_under: &str, name: &[u8; 32]) -> rusqlite::Result<()> {
    let mut put = db.prepare_cached(
        "INSERT INTO belongs (kept_under, name, touched) VALUES (?1, ?2, ?3) \
         ON CONFLICT (kept_under, name) DO UPDATE SET touched = ?3",
    )?;
    put.execute(params![kept_under, name, now()]).map(drop)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fs;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::Row;
    use super::*;

    #[tokio::test]
    async fn what_is_kept_under_an_erased_key_leaves_no_byte() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::open(folder.path()).unwrap();
        let (told, heard) = (Arc::new(AtomicUsize::new(0)), Memory::clone(&memory));
        let seen = Arc::clone(&told);
        heard.tell(move |gone| {
            let known = ["ann", "thread", "bob"].iter().filter(|name| gone.has(name)).count();
            seen.fetch_add(known, Ordering::Relaxed);
        });
        for (key, name) in [("k1", "ann"), ("k2", "bob")] {
            memory.belongs(key, &["account"]);
            let owner = BTreeSet::from([key.to_owned()]);
            memory.keep_conversation(name, &owner, format!("{name} wants the scarf")).await;
        }
        memory.belongs("k1", &["thread"]);
        let body = "ann wants the scarf".to_owned();
        memory.begin_turn("thread", Row { place: [7; 32], number: 1, body }).await;
        let holds = |text: &str| {
            let files = fs::read_dir(folder.path()).unwrap();
            let read = files.map(|file| fs::read(file.unwrap().path()).unwrap());
            read.filter(|bytes| bytes.windows(text.len()).any(|w| w == text.as_bytes())).count()
        };
        assert!(holds("ann wants") > 0 && holds("bob wants") > 0);
        assert_eq!(memory.keys().await.unwrap(), ["k1", "k2"]);

        memory.forget_all_of(BTreeSet::from(["k1".to_owned()])).await;

        assert_eq!(memory.keys().await.unwrap(), ["k2"]);
        assert!(memory.conversation("ann").await.unwrap().is_none());
        assert!(memory.turns("thread", 9).await.unwrap().is_empty());
        assert!(memory.conversation("bob").await.unwrap().is_some());
        assert_eq!((holds("ann wants"), holds("bob wants")), (0, 1), "pages and log of writes");
        assert_eq!(told.load(Ordering::Relaxed), 2);
    }

    /// A turn that is under way while it is erased.
    #[tokio::test]
    async fn what_ends_after_the_erasure_is_not_kept_or_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::open(folder.path()).unwrap();
        let row = |body: &str| Row { place: [7; 32], number: 1, body: body.to_owned() };
        let owner = BTreeSet::from(["k1".to_owned()]);
        memory.begin_turn("thread", row("begun")).await;
        memory.belongs("k1", &["thread"]);
        memory.forget_all_of(owner.clone()).await;
        memory.end_turn("thread", row("ann wants the scarf")).await;
        assert!(memory.turns("thread", 9).await.unwrap().is_empty());
        memory.keep_conversation("ann", &owner, "ann wants the scarf".to_owned()).await;
        assert_eq!(memory.keys().await.unwrap(), ["k1"]);
        memory.forget_all_of(owner).await;
        assert!(memory.conversation("ann").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_could_not_be_forgotten_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::open(folder.path()).unwrap();
        let owner = BTreeSet::from(["k1".to_owned()]);
        memory.keep_conversation("ann", &owner, "ann wants the scarf".to_owned()).await;
        let other = Connection::open(folder.path().join("conversations.db")).unwrap();
        let stuck = "CREATE TRIGGER stuck BEFORE DELETE ON conversations \
                     BEGIN SELECT RAISE(FAIL, 'no'); END";
        other.execute_batch(stuck).unwrap();
        memory.forget_all_of(owner.clone()).await;
        assert_eq!(memory.keys().await.unwrap(), ["k1"]);
        other.execute_batch("DROP TRIGGER stuck").unwrap();
        memory.forget_all_of(owner).await;
        assert!(memory.conversation("ann").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_a_killed_process_left_in_the_log_of_writes_goes_when_it_is_opened() {
        let (folder, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let memory = Memory::open(folder.path()).unwrap();
        let owner = BTreeSet::from(["k1".to_owned()]);
        memory.keep_conversation("ann", &owner, "ann wants the scarf".to_owned()).await;
        let other = Connection::open(folder.path().join("conversations.db")).unwrap();
        let erase = "PRAGMA secure_delete = ON; DELETE FROM conversations; DELETE FROM belongs";
        other.execute_batch(erase).unwrap();
        // What a process that is killed here leaves.
        for file in fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap();
            if !file.file_name().to_string_lossy().ends_with("-shm") {
                fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
            }
        }
        let holds = || {
            let files = fs::read_dir(copy.path()).unwrap();
            let mut read = files.map(|file| fs::read(file.unwrap().path()).unwrap());
            read.any(|bytes| bytes.windows(9).any(|w| w == b"ann wants"))
        };
        assert!(holds());
        let opened = Memory::open(copy.path()).unwrap();
        assert!(opened.keys().await.unwrap().is_empty() && !holds());
    }
}
