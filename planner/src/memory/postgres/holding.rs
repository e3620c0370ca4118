//! What is held stays held until its end is kept or it was given back, whatever the database does
//! meanwhile.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::super::cluster::Cluster;
use super::super::conformance::{begin, joined, keep, owner, row, stands, started};
use super::super::store::What;
use super::super::{Held, Memory, Started, digest};
use crate::budget::{Amount, Budgets, Cap, Caps, NoRoom, Purse};

async fn two() -> (Cluster, Memory, Memory) {
    let cluster = Cluster::start(&[]);
    let (one, other) = (joined(&cluster).await.unwrap(), joined(&cluster).await.unwrap());
    (cluster, one, other)
}

/// The server is there again before any lease has ended, however slow this machine is.
fn back(cluster: &mut Cluster) {
    cluster.restart(&[]);
    cluster.sql("UPDATE planners SET expires_at = clock_timestamp() + interval '1 hour'");
}

async fn ended(memory: &Memory) -> String {
    match started(memory, "thread", &row(1)).await {
        Started::Ended(body) => body,
        Started::Here(_) | Started::Overtaken => panic!("it was begun twice"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ended_without_the_database_is_kept_once_it_is_back_and_nobody_takes_it_before() {
    let (mut cluster, one, other) = two().await;
    let (held, _) = one.take("ann").await.unwrap();
    let turn = begin(&one, "thread", &row(1)).await;
    cluster.stop();
    held.keep(&owner("k"), "said".to_owned()).await;
    turn.keep(&owner("k"), "said".to_owned()).await;
    assert!(one.reached().await.is_err());
    back(&mut cluster);
    // Nor does the planner itself.
    assert_eq!(stands(&one, "ann").await.as_deref(), Some("said"));
    assert_eq!(stands(&other, "ann").await.as_deref(), Some("said"));
    assert_eq!(ended(&other).await, "said");
    assert!(other.reached().await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_without_an_answer_is_given_back_by_a_planner_that_lives_on() {
    let (mut cluster, one, other) = two().await;
    let what = What::Conversation(digest("ann"));
    let unanswered = Held::asked_for(&one.store, what).unwrap();
    one.store.take(digest("ann"), unanswered.fence()).await.unwrap();
    let turn = begin(&one, "thread", &row(1)).await;
    cluster.stop();
    drop((unanswered, turn));
    back(&mut cluster);
    assert_eq!(stands(&other, "ann").await, None);
    begin(&other, "thread", &row(1)).await.give_back().await;
    assert_eq!(stands(&one, "ann").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_a_turn_is_young_and_no_sweep_takes_it() {
    let (cluster, one, other) = two().await;
    let age = || {
        cluster.sql("UPDATE conversations SET touched = 1");
        cluster.sql("UPDATE turns SET touched = 1");
    };
    keep(&one, "ann", "k", "said").await;
    age();
    let (held, _) = one.take("ann").await.unwrap();
    assert_eq!(cluster.sql("SELECT count(*) FROM conversations WHERE touched > 1"), "1");
    let turn = begin(&one, "thread", &row(1)).await;
    age();
    other.store.forget_before(2).await.unwrap();
    held.keep(&owner("k"), "more".to_owned()).await;
    turn.keep(&owner("k"), "more".to_owned()).await;
    assert_eq!(stands(&other, "ann").await.as_deref(), Some("more"));
    assert_eq!(ended(&other).await, "more");
    age();
    other.store.forget_before(2).await.unwrap();
    assert_eq!(cluster.sql("SELECT count(*) FROM conversations"), "0");
    assert_eq!(cluster.sql("SELECT count(*) FROM turns"), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_nothing_is_spent_and_no_rest_is_told() {
    let (mut cluster, one, _) = two().await;
    let day = Cap { calls: Some(4), ..Cap::default() };
    let budgets = Budgets::new(Caps { day, ..Caps::default() }, one);
    let (call, now) = (Amount { calls: 1, ..Amount::default() }, Timestamp::UNIX_EPOCH);
    let purse = Purse::default();
    let reserve = || budgets.reserve(&purse, call, now);
    assert!(reserve().await.is_ok());
    assert_eq!(budgets.left(now).await.unwrap().calls, Some(0.75));
    cluster.stop();
    assert_eq!(reserve().await.err(), Some(NoRoom::Unread));
    assert_eq!(budgets.left(now).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_nobodys_is_begun_by_whoever_comes() {
    let (_cluster, one, other) = two().await;
    begin(&one, "thread", &row(1)).await.give_back().await;
    let held = begin(&other, "thread", &row(1)).await;
    held.keep(&BTreeSet::new(), "said".to_owned()).await;
    assert_eq!(ended(&one).await, "said");
}
