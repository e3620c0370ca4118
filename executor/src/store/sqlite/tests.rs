#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use std::sync::Arc;

use countersign_core::lifecycle::{Event, State, next};
use countersign_core::seal::{self, Leaf};
use countersign_shared::tlog::key::{LogKey, Signer as _};
use countersign_shared::tlog::merkle::leaf_hash;
use countersign_shared::tlog::path::{verify_consistency, verify_inclusion};
use ed25519_dalek::SigningKey;
use tempfile::TempDir;

use super::*;
use crate::testing::{granted, id, proposed};

fn key() -> Arc<LogKey> {
    Arc::new(LogKey::new("test/log", SigningKey::from_bytes(&[7; 32])).unwrap())
}

fn open(dir: &TempDir) -> Sqlite {
    Sqlite::open(&dir.path().join("executor.db"), key()).unwrap()
}

/// Begins an action up to its claim.
async fn claim(
    store: &Sqlite,
    n: u32,
    intent: &str,
    lock: &str,
) -> Result<(Vec<Event>, State), Refused> {
    let mut events = vec![proposed(n, intent, lock), granted()];
    let state = lifecycle(&events);
    let State::Granted(granted) = &state else { panic!("granted") };
    let taken = store.claim(granted, Timestamp::now()).await.unwrap()?;
    events.push(Event::Claimed(taken));
    let state = lifecycle(&events);
    Ok((events, state))
}

fn lifecycle(events: &[Event]) -> State {
    countersign_core::lifecycle::fold(events.to_vec()).unwrap()
}

fn refused(state: State, n: u32) -> (Vec<Event>, State, Leaf) {
    let event = crate::testing::refused("no");
    let state = next(Some(state), event.clone()).unwrap();
    let State::Refused(stopped) = &state else { panic!("refused") };
    let receipt: ReceiptId = id("rcp", n).parse().unwrap();
    let asked = stopped.proposal.asked();
    let leaf = seal::refusal(asked, "p.t", None, &stopped.refused, &receipt, Timestamp::now());
    let sealed = Event::Sealed(receipt);
    let state = next(Some(state), sealed.clone()).unwrap();
    (vec![event, sealed], state, leaf)
}

#[tokio::test]
async fn at_most_one_holds_an_intent_and_an_object() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let (events, state) = claim(&store, 1, "i1", "o1").await.unwrap();
    // Reserved in memory, nothing durable yet.
    assert_eq!(claim(&store, 2, "i1", "o1").await.unwrap_err().code, "IN_FLIGHT");
    assert_eq!(claim(&store, 3, "i2", "o1").await.unwrap_err().code, "OBJECT_IN_DOUBT");
    assert!(claim(&store, 4, "i3", "o2").await.is_ok());
    store.append(0, events, &state).await.unwrap();
    store.release(state.proposal().action());
    // Durable now: a new process knows as much.
    drop(store);
    let store = open(&dir);
    assert_eq!(claim(&store, 2, "i1", "o1").await.unwrap_err().code, "IN_FLIGHT");
    assert_eq!(claim(&store, 3, "i2", "o1").await.unwrap_err().code, "OBJECT_IN_DOUBT");
    assert_eq!(store.unfinished().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_claim_that_was_not_made_durable_is_given_back() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let (_, state) = claim(&store, 1, "i1", "o1").await.unwrap();
    store.release(state.proposal().action());
    let (_, state) = claim(&store, 2, "i1", "o1").await.unwrap();
    let State::Claimed(claimed) = state else { panic!("claimed") };
    assert_eq!(claimed.occasion(), 0);
}

#[tokio::test]
async fn a_refusal_opens_the_next_occasion_and_frees_the_object() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let (events, state) = claim(&store, 1, "i1", "o1").await.unwrap();
    store.append(0, events, &state).await.unwrap();
    let (events, state, leaf) = refused(state, 1);
    assert_eq!(store.seal(leaf, Some((3, events, &state))).await.unwrap(), 0);
    store.release(state.proposal().action());
    assert!(store.unfinished().await.unwrap().is_empty());
    let (_, state) = claim(&store, 2, "i1", "o1").await.unwrap();
    let State::Claimed(claimed) = state else { panic!("claimed") };
    assert_eq!(claimed.occasion(), 1);
}

#[tokio::test]
async fn two_writers_of_one_journal_cannot_both_win() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let events = vec![proposed(1, "i1", "o1")];
    let state = lifecycle(&events);
    store.append(0, events.clone(), &state).await.unwrap();
    assert_eq!(store.append(0, events, &state).await, Err(StoreError::Conflict));
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_of_one_batch_share_a_checkpoint_that_proves_each() {
    let dir = TempDir::new().unwrap();
    let store = Arc::new(open(&dir));
    let mut all = Vec::new();
    for n in 0..40 {
        let store = Arc::clone(&store);
        all.push(tokio::spawn(async move {
            let state = lifecycle(&[proposed(n, &format!("i{n}"), &format!("o{n}"))]);
            let (_, _, leaf) = refused(state, n);
            let bytes = leaf.bytes.clone();
            (store.seal(leaf, None).await.unwrap(), bytes)
        }));
    }
    let note = |text: String| {
        countersign_shared::tlog::checkpoint::Checkpoint::open(
            text.as_bytes(),
            &key().verifier_key(),
        )
        .unwrap()
        .0
    };
    for task in all {
        let (index, bytes) = task.await.unwrap();
        let checkpoint = note(store.checkpoint().await.unwrap());
        let path = store.inclusion(index, checkpoint.size()).await.unwrap();
        let leaf = leaf_hash(&bytes);
        verify_inclusion(index, &leaf, checkpoint.size(), checkpoint.root(), &path).unwrap();
    }
    let whole = note(store.checkpoint().await.unwrap());
    assert_eq!(whole.size(), 40);
    let path = store.consistency(40, 40).await.unwrap();
    verify_consistency((40, whole.root()), (40, whole.root()), &path).unwrap();
    assert_eq!(store.inclusion(40, 40).await, Err(StoreError::OutOfRange));
    // The tree survives a restart, and another key does not open the store.
    drop(store);
    drop(open(&dir));
    let other = Arc::new(LogKey::new("test/log", SigningKey::from_bytes(&[8; 32])).unwrap());
    assert!(Sqlite::open(&dir.path().join("executor.db"), other).is_err());
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
    let error = Sqlite::open(&dir.path().join("executor.db"), key()).map(drop).unwrap_err();
    assert!(matches!(error, StoreError::Damaged(_)), "{error}");
}
