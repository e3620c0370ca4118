//! What memory has to do wherever it lies.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::time::Instant;

use super::cluster::{Cluster, USER};
use super::{Held, Memory, Row, Started, now};
use crate::budget::{Amount, Budgets, Cap, Caps, Purse};

/// Where memory lies; opened again, it is the same one after a restart.
#[async_trait]
pub(crate) trait Bed: Send + Sync {
    async fn open(&self) -> Memory;
    /// As many planners as there may be at once.
    async fn planners(&self) -> Vec<Memory>;
}

/// Every case for one kind of bed.
macro_rules! conform {
    ($bed:path) => {
        $crate::memory::conformance::conform!(
            $bed:
            what_is_kept_outlives_the_process_and_what_is_old_goes,
            the_newest_turns_of_a_thread_come_back_as_they_ended,
            what_is_kept_under_an_erased_key_goes_and_nothing_else,
            what_ends_after_the_erasure_is_not_kept_or_is_found_again,
            a_budget_is_never_over_by_one_call_whoever_reserves,
            what_was_spent_is_known_after_a_restart,
            a_turn_that_decided_nothing_is_begun_again,
            a_turns_end_is_kept_with_those_whose_it_is,
        );
    };
    ($bed:path: $($case:ident,)*) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $case() {
            $crate::memory::conformance::$case(&$bed()).await;
        })*
    };
}
pub(crate) use conform;

/// A planner of this database.
pub(crate) async fn joined(cluster: &Cluster) -> anyhow::Result<Memory> {
    let host = cluster.host().display();
    let text = format!(
        "{{ host: '{host}', database: postgres, user: {USER}, tls: 'off', lease: 6s, pool: 4 }}"
    );
    let memory = Memory::on(&serde_saphyr::from_str(&text).unwrap()).unwrap();
    memory.join().await?;
    Ok(memory)
}

pub(crate) fn owner(key: &str) -> BTreeSet<String> {
    BTreeSet::from([key.to_owned()])
}

pub(crate) async fn keep(memory: &Memory, name: &str, key: &str, body: &str) {
    memory.take(name).await.unwrap().0.keep(&owner(key), body.to_owned()).await;
}

pub(crate) async fn stands(memory: &Memory, name: &str) -> Option<String> {
    let (held, body) = memory.take(name).await.unwrap();
    held.give_back().await;
    body
}

pub(crate) fn row(number: i64) -> Row {
    Row { place: [7; 32], number, body: "begun".to_owned() }
}

pub(crate) async fn started(memory: &Memory, thread: &str, row: &Row) -> Started {
    memory.begin_turn(thread, row, Instant::now()).await.unwrap()
}

pub(crate) async fn begin(memory: &Memory, thread: &str, row: &Row) -> Held {
    match started(memory, thread, row).await {
        Started::Here(held) => {
            memory.settled().await;
            held
        }
        Started::Ended(body) => panic!("it has ended: {body}"),
        Started::Overtaken => panic!("another one has its number"),
    }
}

async fn end(held: Held, body: &str) {
    held.keep(&BTreeSet::new(), body.to_owned()).await;
}

pub(crate) async fn what_is_kept_outlives_the_process_and_what_is_old_goes(bed: &impl Bed) {
    let memory = bed.open().await;
    keep(&memory, "ann", "k", "1").await;
    keep(&memory, "ann", "k", "2").await;
    memory.belongs("k", &["thread"]).await;
    end(begin(&memory, "thread", &row(1)).await, "said").await;
    drop(memory);
    let memory = bed.open().await;
    assert_eq!(stands(&memory, "ann").await.as_deref(), Some("2"));
    assert_eq!(stands(&memory, "bob").await, None);
    assert!(memory.turns("other", 9).await.unwrap().is_empty());
    memory.store.forget_before(now() - 10).await.unwrap();
    assert!(stands(&memory, "ann").await.is_some());
    assert_eq!(memory.turns("thread", 9).await.unwrap().len(), 1);
    memory.store.forget_before(now() + 10).await.unwrap();
    assert!(stands(&memory, "ann").await.is_none());
    assert!(memory.turns("thread", 9).await.unwrap().is_empty());
    assert!(memory.keys().await.unwrap().is_empty());
}

pub(crate) async fn the_newest_turns_of_a_thread_come_back_as_they_ended(bed: &impl Bed) {
    let memory = bed.open().await;
    for number in 1..=3 {
        let place = [u8::try_from(number).unwrap(); 32];
        let held = begin(&memory, "thread", &Row { place, ..row(number) }).await;
        end(held, &format!("said {number}")).await;
    }
    let newest = memory.turns("thread", 2).await.unwrap();
    let newest: Vec<_> = newest.iter().map(|row| (row.number, row.body.as_str())).collect();
    assert_eq!(newest, [(3, "said 3"), (2, "said 2")]);
}

pub(crate) async fn what_is_kept_under_an_erased_key_goes_and_nothing_else(bed: &impl Bed) {
    let memory = bed.open().await;
    let told = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&told);
    memory.tell(move |gone| {
        let known = ["ann", "thread", "bob"].iter().filter(|name| gone.has(name)).count();
        seen.fetch_add(known, Ordering::Relaxed);
    });
    for (key, name) in [("k1", "ann"), ("k2", "bob")] {
        memory.belongs(key, &["account"]).await;
        keep(&memory, name, key, "wants the scarf").await;
    }
    memory.belongs("k1", &["thread"]).await;
    end(begin(&memory, "thread", &row(1)).await, "wants the scarf").await;
    assert_eq!(memory.keys().await.unwrap(), ["k1", "k2"]);

    memory.forget_all_of(owner("k1")).await;

    assert_eq!(memory.keys().await.unwrap(), ["k2"]);
    assert!(stands(&memory, "ann").await.is_none());
    assert!(memory.turns("thread", 9).await.unwrap().is_empty());
    assert!(stands(&memory, "bob").await.is_some());
    assert_eq!(told.load(Ordering::Relaxed), 2);
}

/// A turn that is under way while it is erased.
pub(crate) async fn what_ends_after_the_erasure_is_not_kept_or_is_found_again(bed: &impl Bed) {
    let memory = bed.open().await;
    let held = begin(&memory, "thread", &row(1)).await;
    memory.belongs("k1", &["thread", "ann"]).await;
    let (under_way, _) = memory.take("ann").await.unwrap();
    memory.forget_all_of(owner("k1")).await;
    end(held, "ann wants the scarf").await;
    assert!(memory.turns("thread", 9).await.unwrap().is_empty());
    under_way.keep(&owner("k1"), "ann wants the scarf".to_owned()).await;
    if stands(&memory, "ann").await.is_some() {
        assert_eq!(memory.keys().await.unwrap(), ["k1"]);
        memory.forget_all_of(owner("k1")).await;
    }
    assert!(stands(&memory, "ann").await.is_none());
}

pub(crate) async fn a_budget_is_never_over_by_one_call_whoever_reserves(bed: &impl Bed) {
    let cap = Cap { calls: Some(57), money: Some(0.00057), ..Cap::default() };
    let caps = Caps { tenant_day: cap, ..Caps::default() };
    let planners = bed.planners().await;
    let turns = planners.iter().cycle().take(200).enumerate().map(|(turn, memory)| {
        let budgets = Budgets::new(caps, memory.clone());
        tokio::spawn(async move {
            let purse = Purse { conversation: format!("c{turn}"), tenant: "shop".to_owned() };
            let one = Amount { calls: 1, tokens: 10, micros: 10 };
            let mut made = 0;
            for _ in 0..2 {
                if let Ok(reserved) = budgets.reserve(&purse, one, Timestamp::UNIX_EPOCH).await {
                    made += 1;
                    // Some settle, some break off.
                    if turn % 2 == 0 {
                        reserved.settle(one).await;
                    }
                }
            }
            made
        })
    });
    let turns: Vec<_> = turns.collect();
    let made: usize = join_all(turns).await.into_iter().map(Result::unwrap).sum();
    assert_eq!(made, 57);
}

pub(crate) async fn what_was_spent_is_known_after_a_restart(bed: &impl Bed) {
    let cap = Cap { tokens: Some(100), ..Cap::default() };
    let caps = Caps { conversation: cap, ..Caps::default() };
    let (purse, now) = (Purse::default(), Timestamp::UNIX_EPOCH);
    let call = |tokens| Amount { calls: 1, tokens, micros: 0 };
    let open = async || Budgets::new(caps, bed.open().await);
    let _broken_off = open().await.reserve(&purse, call(60), now).await.unwrap();
    assert!(open().await.reserve(&purse, call(41), now).await.is_err());
    open().await.reserve(&purse, call(40), now).await.unwrap().settle(call(10)).await;
    assert!(open().await.reserve(&purse, call(31), now).await.is_err());
    assert!(open().await.reserve(&purse, call(30), now).await.is_ok());
}

pub(crate) async fn a_turn_that_decided_nothing_is_begun_again(bed: &impl Bed) {
    let memory = bed.open().await;
    drop(begin(&memory, "thread", &row(1)).await);
    let held = begin(&memory, "thread", &row(2)).await;
    end(held, "said").await;
    let all = memory.turns("thread", 9).await.unwrap();
    assert_eq!(all, [Row { body: "said".to_owned(), ..row(2) }]);
}

pub(crate) async fn a_turns_end_is_kept_with_those_whose_it_is(bed: &impl Bed) {
    let memory = bed.open().await;
    let held = begin(&memory, "thread", &row(1)).await;
    held.keep(&owner("k"), "said".to_owned()).await;
    assert_eq!(memory.keys().await.unwrap(), ["k"]);
    memory.forget_all_of(owner("k")).await;
    assert!(memory.turns("thread", 9).await.unwrap().is_empty());
}
