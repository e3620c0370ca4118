#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::super::Memory;
use super::super::conformance::{Bed, begin, conform, joined, keep, owner, row, stands, started};
use super::super::{Started, digest};
use super::*;
use crate::memory::cluster::Cluster;

/// A database of planners.
struct House(Cluster);

fn bed() -> House {
    House(Cluster::start(&[]))
}

conform!(bed);

impl House {
    async fn join(&self) -> anyhow::Result<Memory> {
        joined(&self.0).await
    }

    async fn refuses(&self) -> String {
        format!("{:#}", self.join().await.map(drop).unwrap_err())
    }

    /// Every planner's lease is over.
    fn expire(&self) {
        self.0.sql("UPDATE planners SET expires_at = clock_timestamp() - interval '1 s'");
    }
}

#[async_trait]
impl Bed for House {
    async fn open(&self) -> Memory {
        self.join().await.unwrap()
    }

    async fn planners(&self) -> Vec<Memory> {
        vec![self.open().await, self.open().await]
    }
}

/// Takes a conversation if it can be taken now.
async fn at_once(memory: &Memory, name: &str) -> Option<Fence> {
    let fence = memory.store.shared().unwrap().fence().unwrap();
    memory.store.take(digest(name), fence).await.unwrap().map(|_| fence)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_is_in_one_planners_turn_and_goes_on_at_the_other() {
    let house = bed();
    let (one, other) = (house.open().await, house.open().await);
    let (held, _) = one.take("ann").await.unwrap();
    assert_eq!(at_once(&other, "ann").await, None);
    let waiting = tokio::spawn({
        let other = other.clone();
        async move { other.take("ann").await.unwrap() }
    });
    held.keep(&owner("k"), "first".to_owned()).await;
    let (held, stands) = waiting.await.unwrap();
    assert_eq!(stands.as_deref(), Some("first"));
    held.keep(&owner("k"), "second".to_owned()).await;
    assert_eq!(self::stands(&one, "ann").await.as_deref(), Some("second"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lost_the_lease_writes_nothing_and_takes_what_is_free() {
    let house = bed();
    let (one, other) = (house.open().await, house.open().await);
    let (late, _) = one.take("ann").await.unwrap();
    let late_turn = begin(&one, "thread", &row(1)).await;
    assert_eq!(at_once(&other, "ann").await, None);
    house.expire();
    let (held, _) = other.take("ann").await.unwrap();
    let turn = begin(&other, "thread", &row(1)).await;
    // It wakes up, and renews: what was taken from it stays taken.
    late.keep(&owner("k"), "stale".to_owned()).await;
    late_turn.keep(&owner("k"), "stale".to_owned()).await;
    held.keep(&owner("k"), "fresh".to_owned()).await;
    turn.keep(&owner("k"), "fresh".to_owned()).await;
    late_gives_back(&one).await;
    assert_eq!(stands(&one, "ann").await.as_deref(), Some("fresh"));
    let Started::Ended(body) = started(&one, "thread", &row(1)).await else {
        panic!("it was begun twice")
    };
    assert_eq!(body, "fresh");
}

/// As what was dropped may do at any time.
async fn late_gives_back(memory: &Memory) {
    let fence = Fence { holder: 1, turn: 1 };
    let shared = memory.store.shared().unwrap();
    shared.give_back(What::Conversation(digest("ann")), fence).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_at_another_planner_is_heard_from_there_and_not_taken_again() {
    let house = bed();
    let (one, other) = (house.open().await, house.open().await);
    let held = begin(&one, "thread", &row(1)).await;
    let waiting = tokio::spawn({
        let other = other.clone();
        async move { started(&other, "thread", &row(1)).await }
    });
    tokio::time::sleep(super::super::AGAIN * 2).await;
    assert!(!waiting.is_finished());
    held.keep(&owner("k"), "said".to_owned()).await;
    assert!(matches!(waiting.await.unwrap(), Started::Ended(body) if body == "said"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_of_a_thread_is_one_turns() {
    let house = bed();
    let (one, other) = (house.open().await, house.open().await);
    let held = begin(&one, "thread", &row(1)).await;
    let beside = |number| Row { place: [8; 32], ..row(number) };
    let overtaken = started(&other, "thread", &beside(1)).await;
    assert!(matches!(overtaken, Started::Overtaken));
    let next = begin(&other, "thread", &beside(2)).await;
    held.keep(&owner("k"), "said".to_owned()).await;
    next.keep(&owner("k"), "said".to_owned()).await;
    begin(&one, "another thread", &beside(1)).await.give_back().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_that_two_turns_have_from_before_are_told_apart() {
    let house = bed();
    house.join().await.unwrap();
    house.0.sql("DROP INDEX turns_by_number");
    house.0.sql("DELETE FROM migrations WHERE number = 2");
    let twice = [("t", 1, 3), ("t", 2, 5), ("t", 3, 5), ("t", 4, 9)];
    let once = [("u", 1, 0), ("u", 2, 4), ("u", 3, 7)];
    for (thread, place, number) in twice.into_iter().chain(once) {
        house.0.sql(&format!(
            "INSERT INTO turns (thread, place, number, touched, turn, ended, body)
             VALUES ('{thread}', decode('0{place}', 'hex'), {number}, 1, 1, TRUE, '')"
        ));
    }
    house.join().await.unwrap();
    let order = |thread| {
        let order = "string_agg(encode(place, 'hex') || '=' || number, ' ' ORDER BY number)";
        house.0.sql(&format!("SELECT {order} FROM turns WHERE thread = '{thread}'"))
    };
    assert_eq!(order("t"), "01=3 02=4 03=5 04=6");
    assert_eq!(order("u"), "01=0 02=4 03=7", "none has a number twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_lets_nobody_wait() {
    let house = bed();
    let (one, other) = (house.open().await, house.open().await);
    let (held, _) = one.take("ann").await.unwrap();
    one.leave().await;
    assert!(at_once(&other, "ann").await.is_some());
    drop(held);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_dropped_is_given_back() {
    let house = bed();
    let (one, other) = (house.open().await, house.open().await);
    drop(one.take("ann").await.unwrap());
    drop(begin(&one, "thread", &row(1)).await);
    let (held, stands) = other.take("ann").await.unwrap();
    assert_eq!(stands, None);
    drop((held, begin(&other, "thread", &row(1)).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_checkpoint_is_everyones() {
    let house = bed();
    let (one, other) = (house.open().await, house.open().await);
    one.keep_checkpoint("log", 5, b"five".to_vec()).await;
    other.keep_checkpoint("log", 4, b"four".to_vec()).await;
    let newest = async |origin: &str| other.checkpoint(vec![origin.to_owned()]).await;
    assert_eq!(newest("log").await, Some((5, b"five".to_vec())));
    assert_eq!(newest("another log").await, None);
    // One that hides what comes after it can be taken away.
    one.keep_checkpoint("log", u64::MAX, b"rubbish".to_vec()).await;
    other.keep_checkpoint("log", 6, b"six".to_vec()).await;
    other.drop_checkpoint(newest("log").await.unwrap().1).await;
    other.keep_checkpoint("log", 6, b"six".to_vec()).await;
    assert_eq!(newest("log").await, Some((6, b"six".to_vec())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_would_lose_commits_is_refused() {
    let mut house = bed();
    house.join().await.unwrap();
    house.0.restart(&["synchronous_commit=off"]);
    let why = house.refuses().await;
    assert!(why.contains("synchronous_commit = off"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_store_and_an_executors_are_refused() {
    let house = bed();
    house.join().await.unwrap();
    house.0.sql("UPDATE migrations SET sha256 = 'another' WHERE number = 1");
    let why = house.refuses().await;
    assert!(why.contains("is not the one that this planner brings"), "{why}");
    let sum = KNOWN.first().unwrap().checksum();
    house.0.sql(&format!("UPDATE migrations SET sha256 = '{sum}' WHERE number = 1"));
    house.join().await.unwrap();
    house.0.sql("INSERT INTO migrations (number, name, sha256) VALUES (99, 'later', 'x')");
    let why = house.refuses().await;
    assert!(why.contains("written by a newer planner"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn planners_that_start_together_make_the_tables_once() {
    let house = bed();
    let starts = (0..6).map(|_| house.join());
    for started in futures_util::future::join_all(starts).await {
        started.unwrap();
    }
    assert_eq!(house.0.sql("SELECT count(*) FROM planners"), "6");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_nobodys_goes_after_an_hour() {
    let house = bed();
    let memory = house.open().await;
    keep(&memory, "ann", "k", "said").await;
    let (held, _) = memory.take("bob").await.unwrap();
    held.keep(&std::collections::BTreeSet::new(), "said".to_owned()).await;
    house.0.sql("UPDATE conversations SET touched = touched - 4000");
    memory.store.forget_before(0).await.unwrap();
    assert_eq!(house.0.sql("SELECT count(*) FROM conversations"), "1");
    assert_eq!(stands(&memory, "ann").await.as_deref(), Some("said"));
}
