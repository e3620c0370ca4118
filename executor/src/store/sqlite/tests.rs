#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use std::sync::Arc;

use countersign_core::lifecycle::{Event, State, next};
use countersign_core::limit::Budget;
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

const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

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
    let taken = store.claim(granted, &Budget::default(), Timestamp::now()).await.unwrap()?;
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

/// Whatever part of a replacement fails, the older request waits as it was.
#[tokio::test]
async fn a_request_is_replaced_whole_or_not_at_all() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let older = vec![proposed(1, "i1", "o1")];
    let state = lifecycle(&older);
    store.append(0, older.clone(), &state).await.unwrap();
    let owner = state.proposal().asked().subject.clone();
    let begun = vec![proposed(2, "i1", "o1")];
    let taken = vec![proposed(3, "i1", "o1")];
    store.append(0, taken.clone(), &lifecycle(&taken)).await.unwrap();
    let replace = async |seq: u64, newer: &[Event]| {
        let (events, ended, leaf) = refused(state.clone(), 1);
        let newer = (newer.to_vec(), &lifecycle(newer));
        store.replace(leaf, (seq, events, &ended), newer).await
    };
    // The newer one is there already; somebody answered the older one meanwhile.
    for (seq, newer) in [(1, &taken), (0, &begun)] {
        assert_eq!(replace(seq, newer).await, Err(StoreError::Conflict));
        let journal = async |n| {
            let action = id("act", n).parse().unwrap();
            store.journal(&owner, Named::Action(action)).await.unwrap()
        };
        assert_eq!(journal(1).await, older);
        assert_eq!(journal(2).await, []);
        assert_eq!(store.checkpoint().await.unwrap(), "", "no receipt");
    }
    assert_eq!(replace(1, &begun).await, Ok(0));
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

/// An id made so many hours ago.
fn made(hours: i64) -> uuid::Uuid {
    let at = Timestamp::now() - jiff::SignedDuration::from_hours(hours);
    uuid::Builder::from_unix_timestamp_millis(u64::try_from(at.as_millisecond()).unwrap(), &[1; 10])
        .into_uuid()
}

async fn observe(store: &Sqlite, hours: i64, n: usize) -> Vec<ObservationId> {
    let State::Proposed(proposal) = lifecycle(&[proposed(1, "i", "o")]) else { panic!() };
    let mut ids = Vec::new();
    for n in 0..n {
        let id = ObservationId::from_uuid(uuid::Uuid::from_u128(made(hours).as_u128() + n as u128));
        let (value, labels) = (serde_json::json!({}), serde_json::json!({}));
        let seen = Observation { id, tool: "p.r".into(), value, labels, at: Timestamp::now() };
        ids.push(seen.id.clone());
        store.observe(&proposal.proposal().asked().subject, "c", seen).await.unwrap();
    }
    ids
}

/// A proposal made so many hours ago, with an argument from an observation.
fn parked(n: u32, hours: i64, from: &str) -> Event {
    let mut event = serde_json::to_value(proposed(n, &format!("i{n}"), &format!("o{n}"))).unwrap();
    event["proposed"]["action"] = ActionId::from_uuid(made(hours)).as_str().into();
    event["proposed"]["arguments"]["sources"] = serde_json::json!([
        { "path": "id", "value": "7", "from": "observation", "at": format!("{from} /id") }
    ]);
    crate::testing::event(event)
}

#[tokio::test]
async fn what_nobody_needs_goes_and_what_was_begun_stays() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir);
    let owner = lifecycle(&[proposed(1, "i", "o")]).proposal().asked().subject.clone();
    // More than one commit removes, two that are young, one that an action in flight points into.
    observe(&store, 25, 1200).await;
    let young = observe(&store, 23, 2).await;
    let needed = observe(&store, 400, 1).await;

    let void = parked(2, 193, "obs_x");
    let waits = parked(3, 191, "obs_x");
    let mut ended = vec![parked(4, 800, "obs_x"), granted()];
    let mut begun = vec![parked(5, 900, needed[0].as_str()), granted()];
    for events in [&mut ended, &mut begun] {
        let State::Granted(granted) = lifecycle(events) else { panic!() };
        events.push(Event::Claimed(
            store.claim(&granted, &Budget::default(), Timestamp::now()).await.unwrap().unwrap(),
        ));
    }
    ended.extend([crate::testing::refused("no"), crate::testing::sealed(4)]);
    let all = [vec![void], vec![waits], ended, begun];
    for events in &all {
        store.append(0, events.clone(), &lifecycle(events)).await.unwrap();
    }

    assert_eq!(crate::purge::round(&store, Timestamp::now(), DAY).await.unwrap(), 1201);
    let mut left = Vec::new();
    for events in &all {
        let action = lifecycle(events).proposal().action().clone();
        left.push(store.journal(&owner, Named::Action(action)).await.unwrap().len());
    }
    assert_eq!(left, [0, 1, 5, 3], "void, waiting, ended, begun");
    let kept = [young, needed].concat();
    let found = store.evidence(&owner, "c", kept.clone(), vec![]).await.unwrap();
    assert_eq!(found.observations.len(), kept.len());
    assert_eq!(
        crate::purge::round(&store, Timestamp::now(), DAY).await.unwrap(),
        0,
        "nothing is left"
    );
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
