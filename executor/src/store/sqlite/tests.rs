#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use countersign_shared::tlog::key::LogKey;
use ed25519_dalek::SigningKey;
use futures_util::FutureExt as _;
use tempfile::TempDir;

use super::*;
use crate::conversations::{Conversations as _, Rating};
use crate::ports::Stand;
use crate::register::{Mark, Register as _, Search};
use crate::restore::tests::keys as log_keys;
use crate::store::Past as _;
use crate::store::conformance::{
    BEFORE_SUMS, Bed, ada, conform, in_doubt, key, lifecycle, owner, refused, summed, sums,
    the_end_of_a_matter_frees_what_came_back, turn,
};
use crate::store::conversations::{COST, FIRST};
use crate::testing::proposed;

conform!(super::bed);

async fn bed() -> TempDir {
    TempDir::new().unwrap()
}

#[async_trait]
impl Bed for TempDir {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(open(self))
    }

    async fn source(&self) -> crate::store::LogSource {
        Box::new(open(self).log_source())
    }
}

fn open(dir: &TempDir) -> Sqlite {
    Sqlite::open(&dir.path().join("executor.db"), None, key()).unwrap()
}

#[tokio::test]
async fn another_key_does_not_open_the_store() {
    let dir = TempDir::new().unwrap();
    let state = lifecycle(&[proposed(1, "i1", "o1")]);
    open(&dir).seal(refused(state, 1).2, None).await.unwrap();
    let other = Arc::new(LogKey::new("test/log", SigningKey::from_bytes(&[8; 32])).unwrap());
    assert!(Sqlite::open(&dir.path().join("executor.db"), None, other).is_err());
}

#[tokio::test]
async fn an_edited_leaf_is_noticed_at_the_next_start() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let state = lifecycle(&[proposed(1, "i1", "o1")]);
    store.seal(refused(state, 1).2, None).await.unwrap();
    drop(store);
    let db = Connection::open(dir.path().join("executor.db")).unwrap();
    db.execute("UPDATE nodes SET hash = zeroblob(32)", []).unwrap();
    drop(db);
    let error = Sqlite::open(&dir.path().join("executor.db"), None, key()).map(drop).unwrap_err();
    assert!(matches!(error, StoreError::Damaged(_)), "{error}");
}

#[tokio::test]
async fn the_end_of_a_matter_frees_the_object_of_what_came_back() {
    let (dir, back) = (TempDir::new().unwrap(), in_doubt().await);
    let keys = log_keys(dir.path(), 7);
    let mut past = Offline::open(&dir.path().join("executor.db"), None, &keys).unwrap();
    past.restore(&back, &Standing::default(), &key(), Timestamp::now()).unwrap();
    drop(past);
    the_end_of_a_matter_frees_what_came_back(&open(&dir)).await;
}

#[tokio::test]
async fn nothing_is_sealed_any_more_where_whoever_noticed_hung_up() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let why = Quarantine { why: "went back".into(), since: Timestamp::UNIX_EPOCH, seen: 7 };
    // Asked once, and dropped.
    let _gone = store.quarantine(why).now_or_never();
    let state = lifecycle(&[proposed(1, "i1", "o1")]);
    let sealed = store.seal(refused(state, 1).2, None).await;
    assert_eq!(sealed, Err(StoreError::Quarantined));
}

#[tokio::test]
async fn receipts_from_before_there_were_rows_are_entered_at_the_next_start() {
    let dir = TempDir::new().unwrap();
    let search =
        || Search { marks: vec![(Mark::Customer, "s".to_owned())], limit: 5, ..Search::default() };
    let store = open(&dir);
    let state = lifecycle(&[proposed(1, "i1", "o1")]);
    store.seal(refused(state, 1).2, None).await.unwrap();
    let before = store.search(search()).await.unwrap();
    let days = store.days(None, 0..i64::MAX).await.unwrap();
    assert_eq!((before.len(), days.len()), (1, 1));
    drop(store);
    let db = Connection::open(dir.path().join("executor.db")).unwrap();
    db.execute_batch("DELETE FROM register; DELETE FROM marks; DELETE FROM days").unwrap();
    drop(db);
    for _ in 0..2 {
        let store = open(&dir);
        assert_eq!(store.search(search()).await.unwrap(), before);
        assert_eq!(store.days(None, 0..i64::MAX).await.unwrap(), days, "each once");
    }
}

#[tokio::test]
async fn sums_of_conversations_follow_from_rows_that_were_there() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let before = summed(&store).await;
    drop(store);
    let db = Connection::open(dir.path().join("executor.db")).unwrap();
    db.execute_batch(BEFORE_SUMS).unwrap();
    drop(db);
    let store = open(&dir);
    assert_eq!(sums(&store).await, before);
}

/// An executor of the version without sums keeps the score alone.
#[tokio::test]
async fn a_score_that_no_sum_has_is_taken_from_none() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    store.record(&owner(), turn(&owner(), "c", 1)).await.unwrap();
    store.record(&ada(), turn(&ada(), "d", 1)).await.unwrap();
    let db = Connection::open(dir.path().join("executor.db")).unwrap();
    db.execute("UPDATE turns SET score = 4, rated = 7", []).unwrap();
    assert!(store.rate(&owner(), "c", Rating { day: 8, score: 5 }).await.unwrap());
    db.execute("UPDATE turns SET score = NULL, rated = NULL WHERE rated = 7", []).unwrap();
    assert!(store.rate(&ada(), "d", Rating { day: 7, score: 4 }).await.unwrap());
    let (_, ratings) = sums(&store).await;
    let ratings: Vec<_> =
        ratings.iter().map(|one| (one.rating.day, one.rating.score, one.count)).collect();
    assert_eq!(ratings, [(7, 4, 1), (8, 5, 1)]);
}

/// How SQLite finds what is asked for.
fn plan(db: &Connection, sql: &str) -> Vec<String> {
    let mut explain = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let none = rusqlite::params_from_iter(vec![0; explain.parameter_count()]);
    explain.query_map(none, |row| row.get(3)).unwrap().collect::<Result<_, _>>().unwrap()
}

/// A shipped container has no folder for temporary files that can be written.
#[tokio::test]
async fn what_is_sorted_or_collected_stays_in_memory() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("executor.db");
    drop(open(&dir));
    for flags in [OpenFlags::default(), reading()] {
        let db = connect(&path, flags).unwrap();
        let kept: i64 = db.pragma_query_value(None, "temp_store", |row| row.get(0)).unwrap();
        assert_eq!(kept, 2);
    }
}

/// A matter holds what was read: sorting all of them takes room that grows.
#[tokio::test]
async fn no_list_of_matters_is_sorted() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    store
        .readers
        .with(|db| {
            for stand in [Stand::Open, Stand::Untaken, Stand::Ended, Stand::Any] {
                for after in [None, Some(EscalationId::from_uuid(uuid::Uuid::nil()))] {
                    let query = EscalationQuery { stand, after, ..EscalationQuery::default() };
                    let plan = plan(db, &escalations::that_match(&query));
                    assert!(plan.iter().all(|line| !line.contains("TEMP B-TREE")), "{plan:?}");
                }
            }
            Ok(())
        })
        .unwrap();
}

/// However many conversations have one name, and however long each is.
#[tokio::test]
async fn what_a_turn_needs_of_its_conversation_is_found_by_its_owner() {
    let dir = TempDir::new().unwrap();
    drop(open(&dir));
    let db = Connection::open(dir.path().join("executor.db")).unwrap();
    for (sql, index) in [
        (FIRST, vec!["turns_by_owner (conversation=? AND <expr>=?)"]),
        (
            COST,
            vec![
                "turns_by_owner (conversation=? AND <expr>=?)",
                "turns_by_currency (conversation=? AND <expr>=? AND currency=?)",
            ],
        ),
    ] {
        let plan = plan(&db, sql).into_iter().filter(|line| line.contains(" turns "));
        let plan: Vec<_> = plan.collect();
        assert_eq!(plan.len(), index.len(), "{plan:?}");
        for (line, index) in plan.iter().zip(index) {
            assert!(line.ends_with(index), "{line}");
        }
    }
}

#[tokio::test]
async fn a_probe_is_a_real_write_and_notices_a_full_disk() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let db = Connection::open(dir.path().join("executor.db")).unwrap();
    let version = || db.pragma_query_value(None, "data_version", |row| row.get::<_, i64>(0));
    let before = version().unwrap();
    store.probe().await.unwrap();
    assert_ne!(version().unwrap(), before, "nothing was committed");
    // A disk on which nothing more fits.
    let room = dir.path().join("executor.probe");
    assert!(!room.exists(), "the room is given back");
    std::os::unix::fs::symlink("/dev/full", &room).unwrap();
    let error = store.probe().await.unwrap_err().to_string();
    assert!(error.contains("No space left"), "{error}");
    store.probe().await.unwrap();
}

/// What effects wait for has no turn to wait for.
#[tokio::test]
async fn a_burst_of_long_reads_takes_turns_and_holds_nothing_else_up() {
    let dir = TempDir::new().unwrap();
    let store = Arc::new(open(&dir));
    let (begun, end) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let long = || {
        let (store, begun, end) = (Arc::clone(&store), Arc::clone(&begun), Arc::clone(&end));
        tokio::spawn(async move {
            let job = move |_: &Connection| {
                begun.fetch_add(1, Ordering::SeqCst);
                while !end.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Ok(())
            };
            store.read(job).await
        })
    };
    let burst: Vec<_> = (0..2 * readers::MOST).map(|_| long()).collect();
    while begun.load(Ordering::SeqCst) < readers::MOST {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    store.probe().await.unwrap();
    store.standing().await.unwrap();
    store.newest().await.unwrap();
    store.switches().await.unwrap();
    let at_once = begun.load(Ordering::SeqCst);
    end.store(true, Ordering::SeqCst);
    for read in burst {
        read.await.unwrap().unwrap();
    }
    assert_eq!(at_once, readers::MOST);
}
