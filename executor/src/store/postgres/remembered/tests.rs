#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use countersign_core::lifecycle::State;
use countersign_core::limit::Budget;
use futures_util::future::join_all;

use super::super::Postgres;
use super::super::tests::{House, bed};
use crate::ports::{Store as _, StoreError};
use crate::store::conformance::{claim, lifecycle, refused};
use crate::testing::{granted, proposed};

const NO: StoreError = StoreError::Quarantined;

/// Two receipts, a copy of the database between them, and what was done then.
async fn set_back(house: &House, done_since: impl AsyncFnOnce(&Postgres)) -> Postgres {
    let store = house.join("a").await.unwrap();
    seal(&store, 1).await.unwrap();
    store.probe().await.unwrap();
    let copy = house.credentials.path().join("copy");
    house.cluster.dump(&copy);
    done_since(&store).await;
    house.cluster.restore(&copy);
    store
}

async fn seal(store: &Postgres, n: u32) -> Result<u64, StoreError> {
    let leaf = refused(lifecycle(&[proposed(n, &format!("i{n}"), "o")]), n).2;
    store.seal(leaf, None).await.map(|sealed| sealed.index)
}

async fn claims(store: &Postgres, n: u32) -> Result<(), StoreError> {
    let State::Granted(granted) = lifecycle(&[proposed(n, "i", "o"), granted()]) else {
        panic!("granted")
    };
    store.claim(&granted, &Budget::default(), super::Timestamp::now()).await.map(|_| ())
}

/// As any who joins from now on finds it.
async fn why(house: &House) -> Option<String> {
    let other = house.join("b").await.unwrap();
    other.standing().await.unwrap().quarantine.map(|quarantine| quarantine.why)
}

#[tokio::test]
async fn receipts_that_are_gone_are_noticed_by_the_next_claim() {
    let house = bed().await;
    let store = set_back(&house, async |store| {
        assert_eq!(seal(store, 2).await, Ok(1));
    });
    let store = store.await;
    assert_eq!(claims(&store, 3).await, Err(NO));
    assert_eq!(house.cluster.sql("SELECT count(*) FROM claims"), "0");
    assert_eq!(why(&house).await, None, "nobody has written it down");
    // It stays so, whatever the log becomes.
    house.cluster.sql("UPDATE tree SET size = 7");
    assert_eq!(seal(&store, 4).await, Err(NO));
    house.cluster.sql("UPDATE tree SET size = 1");
    store.probe().await.unwrap();
    assert!(why(&house).await.unwrap().contains("the log had 2 receipts"));
    assert_eq!(store.standing().await.unwrap().quarantine.unwrap().seen, 2);
}

/// Also where the one that asks has only looked: another sealed what is gone.
#[tokio::test]
async fn what_others_sealed_is_missed_as_well() {
    let house = bed().await;
    let store = set_back(&house, async |store| {
        seal(&house.join("other").await.unwrap(), 2).await.unwrap();
        store.probe().await.unwrap();
    });
    let store = store.await;
    assert_eq!(claims(&store, 3).await, Err(NO));
}

/// No receipt is gone, and what was begun is.
#[tokio::test]
async fn a_database_that_is_older_by_no_receipt_is_noticed_by_the_next_look() {
    let house = bed().await;
    let store = set_back(&house, async |store| {
        store.probe().await.unwrap();
    })
    .await;
    assert_eq!(claims(&store, 3).await, Ok(()));
    store.probe().await.unwrap();
    assert!(why(&house).await.unwrap().contains("this executor was told of is gone"));
    assert_eq!(claims(&store, 4).await, Err(NO));
}

#[tokio::test]
async fn an_action_whose_beginning_is_gone_is_noticed_by_its_next_step() {
    for sealing in [false, true] {
        let house = bed().await;
        let store = house.join("a").await.unwrap();
        let (begun, state) = claim(&store, 1, "i1", "o1").await.unwrap();
        store.append(0, begun, &state).await.unwrap();
        house.cluster.sql("DELETE FROM journal; DELETE FROM actions; DELETE FROM locks");
        let (more, ended, leaf) = refused(state, 1);
        let done = match sealing {
            true => store.seal(leaf, Some((3, more, &ended))).await.map(drop),
            false => store.append(3, more, &ended).await,
        };
        assert_eq!(done, Err(NO));
        assert_eq!(claims(&store, 3).await, Err(NO));
        store.probe().await.unwrap();
        assert!(why(&house).await.unwrap().contains("3 events were written"));
    }
}

/// What a customer answers just as it is purged: its reservation shows that nothing went back, and
/// without that nothing does.
#[tokio::test]
async fn an_action_that_is_purged_between_claim_and_intent_shows_nothing() {
    for back in [false, true] {
        let house = bed().await;
        let store = house.join("a").await.unwrap();
        let asked = vec![proposed(1, "i1", "o1")];
        store.append(0, asked.clone(), &lifecycle(&asked)).await.unwrap();
        let (mut begun, state) = claim(&store, 1, "i1", "o1").await.unwrap();
        // As a purge does that began before the claim.
        house.cluster.sql("DELETE FROM journal; DELETE FROM actions");
        if back {
            house.cluster.sql("DELETE FROM claims; DELETE FROM locks");
        }
        let begins = store.append(1, begun.split_off(1), &state).await;
        assert_eq!(begins, Err(if back { NO } else { StoreError::Conflict }));
        store.probe().await.unwrap();
        assert_eq!(why(&house).await.is_some(), back);
    }
}

/// An answer that is lost, or that others overtake, shows nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_on_is_never_taken_for_one_that_went_back() {
    let house = bed().await;
    let stores = [house.join("a").await.unwrap(), house.join("b").await.unwrap()];
    let each = |n: u32| {
        let store = stores.get(n as usize % 2).unwrap();
        async move {
            let (begun, state) = claim(store, n, &format!("i{n}"), &format!("o{n}")).await.unwrap();
            store.append(0, begun, &state).await.unwrap();
            let cut = Duration::from_micros(u64::from(n) * 100);
            let _ = tokio::time::timeout(cut, store.probe()).await;
            let (more, ended, leaf) = refused(state, n);
            let (sealed, probed) =
                tokio::join!(store.seal(leaf, Some((3, more, &ended))), store.probe());
            (sealed.map(drop), probed.map(drop))
        }
    };
    for (sealed, probed) in join_all((1..60).map(each)).await {
        assert_eq!((sealed, probed), (Ok(()), Ok(())));
    }
    assert_eq!(why(&house).await, None);
    assert_eq!(house.cluster.sql("SELECT size FROM tree"), "59");
}
