#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;

use futures_util::FutureExt as _;
use rusqlite::Connection;
use tempfile::TempDir;

use super::super::Memory;
use super::super::conformance::{Bed, begin, conform, keep, owner, row, stands};
use super::*;

struct Folder(TempDir);

fn bed() -> Folder {
    Folder(tempfile::tempdir().unwrap())
}

#[async_trait]
impl Bed for Folder {
    async fn open(&self) -> Memory {
        Memory::open(self.0.path()).unwrap()
    }

    async fn planners(&self) -> Vec<Memory> {
        vec![self.open().await]
    }
}

conform!(bed);

impl Folder {
    /// How many files hold this text.
    fn holds(&self, text: &str) -> usize {
        holds(self.0.path(), text)
    }
}

fn holds(folder: &Path, text: &str) -> usize {
    let files = fs::read_dir(folder).unwrap();
    let read = files.map(|file| fs::read(file.unwrap().path()).unwrap());
    read.filter(|bytes| bytes.windows(text.len()).any(|w| w == text.as_bytes())).count()
}

/// A shipped container has no folder for temporary files that can be written.
#[tokio::test]
async fn what_is_sorted_or_collected_stays_in_memory() {
    let folder = bed();
    let store = Sqlite::open(folder.0.path()).unwrap();
    let kept = store.0.ask(|db| db.pragma_query_value(None, "temp_store", |row| row.get(0)));
    assert_eq!(kept.await, Some(2_i64));
}

#[tokio::test]
async fn what_is_nobodys_goes_when_it_is_opened() {
    let folder = bed();
    let memory = folder.open().await;
    for (name, owners) in [("ann", owner("k")), ("old", BTreeSet::new())] {
        memory.alone(name).keep(&owners, "said".to_owned()).await;
        drop(begin(&memory, name, &row(1)).await);
    }
    drop(memory);
    let memory = folder.open().await;
    for (name, kept) in [("ann", true), ("old", false)] {
        assert_eq!(stands(&memory, name).await.is_some(), kept, "{name}");
        assert_eq!(memory.turns(name, 9).await.unwrap().len(), usize::from(kept), "{name}");
    }
}

#[tokio::test]
async fn names_are_not_in_the_file() {
    let folder = bed();
    // While it is open, no file of it goes.
    let memory = folder.open().await;
    keep(&memory, "ann@shop.example", "k", "{}").await;
    for entry in fs::read_dir(folder.0.path()).unwrap() {
        let path = entry.unwrap().path();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }
    assert_eq!(folder.holds("ann@"), 0);
    drop(memory);
}

#[tokio::test]
async fn what_is_kept_under_an_erased_key_leaves_no_byte() {
    let folder = bed();
    let memory = folder.open().await;
    for (key, name) in [("k1", "ann"), ("k2", "bob")] {
        keep(&memory, name, key, &format!("{name} wants the scarf")).await;
    }
    assert!(folder.holds("ann wants") > 0 && folder.holds("bob wants") > 0);
    memory.forget_all_of(owner("k1")).await;
    assert_eq!((folder.holds("ann wants"), folder.holds("bob wants")), (0, 1));
}

#[tokio::test]
async fn what_could_not_be_forgotten_is_found_again() {
    let folder = bed();
    let memory = folder.open().await;
    keep(&memory, "ann", "k1", "ann wants the scarf").await;
    let other = Connection::open(folder.0.path().join(FILE)).unwrap();
    let stuck = "CREATE TRIGGER stuck BEFORE DELETE ON conversations \
                 BEGIN SELECT RAISE(FAIL, 'no'); END";
    other.execute_batch(stuck).unwrap();
    memory.forget_all_of(owner("k1")).await;
    assert_eq!(memory.keys().await.unwrap(), ["k1"]);
    other.execute_batch("DROP TRIGGER stuck").unwrap();
    memory.forget_all_of(owner("k1")).await;
    assert!(stands(&memory, "ann").await.is_none());
}

#[tokio::test]
async fn what_a_killed_process_left_in_the_log_of_writes_goes_when_it_is_opened() {
    let (folder, copy) = (bed(), bed());
    let memory = folder.open().await;
    keep(&memory, "ann", "k1", "ann wants the scarf").await;
    let other = Connection::open(folder.0.path().join(FILE)).unwrap();
    let erase = "PRAGMA secure_delete = ON; DELETE FROM conversations; DELETE FROM belongs";
    other.execute_batch(erase).unwrap();
    // What a process that is killed here leaves.
    for file in fs::read_dir(folder.0.path()).unwrap() {
        let file = file.unwrap();
        if !file.file_name().to_string_lossy().ends_with("-shm") {
            fs::copy(file.path(), copy.0.path().join(file.file_name())).unwrap();
        }
    }
    assert!(copy.holds("ann wants") > 0);
    let opened = copy.open().await;
    assert!(opened.keys().await.unwrap().is_empty());
    assert_eq!(copy.holds("ann wants"), 0);
}

#[tokio::test]
async fn a_turn_that_is_begun_is_kept_once_that_is_settled() {
    let folder = bed();
    let sqlite = Sqlite::open(folder.0.path()).unwrap();
    let (go_on, held_up) = std::sync::mpsc::channel::<()>();
    drop(sqlite.0.ask(move |_| Ok(held_up.recv().is_ok())));
    // Nobody waits for the file before they have to.
    let begun = sqlite.begin_turn([1; 32], row(1), Fence::default()).await;
    assert_eq!(begun, Ok(Begun::Here));
    let mut settled = std::pin::pin!(sqlite.settled());
    assert!(settled.as_mut().now_or_never().is_none());
    go_on.send(()).unwrap();
    assert_eq!(settled.await, Ok(()));
    let other = Connection::open(folder.0.path().join(FILE)).unwrap();
    let turns = other.query_row("SELECT count(*) FROM turns", [], |row| row.get(0));
    assert_eq!(turns, Ok(1_i64));
}

#[tokio::test]
async fn old_turns_stay_as_long_as_their_thread_goes_on() {
    let folder = bed();
    let memory = folder.open().await;
    for number in 1..=2 {
        let place = [u8::try_from(number).unwrap(); 32];
        drop(begin(&memory, "thread", &Row { place, ..row(number) }).await);
    }
    let other = Connection::open(folder.0.path().join(FILE)).unwrap();
    let aged = other.execute("UPDATE turns SET touched = 1 WHERE number = 1", []);
    assert_eq!(aged, Ok(1));
    memory.store.forget_before(now() - 10).await.unwrap();
    assert_eq!(memory.turns("thread", 9).await.unwrap().len(), 2);
    other.execute("UPDATE turns SET touched = 1", []).unwrap();
    memory.store.forget_before(now() - 10).await.unwrap();
    assert!(memory.turns("thread", 9).await.unwrap().is_empty());
}
