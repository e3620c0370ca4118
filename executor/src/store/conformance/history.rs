//! The log, and what a purge leaves.

use super::*;

use countersign_core::resolve::Observation;
use countersign_shared::tlog::checkpoint::Checkpoint;
use countersign_shared::tlog::key::Signer as _;
use countersign_shared::tlog::merkle::leaf_hash;
use countersign_shared::tlog::path::{verify_consistency, verify_inclusion};

use crate::ports::{Fed, ReceiptQuery, SealedReceipt};
use crate::purge::Keep;

const DAY: Keep = Keep { proposals: Duration::from_secs(24 * 3600), plaintext: 13 };

async fn checkpoint(store: &dyn Store) -> Checkpoint {
    let note = store.checkpoint().await.unwrap();
    Checkpoint::open(note.as_bytes(), &key().verifier_key()).unwrap().0
}

pub(crate) async fn receipts_of_one_batch_share_a_checkpoint_that_proves_each(bed: &impl Bed) {
    let store = bed.open().await;
    assert_eq!(store.checkpoint().await.unwrap(), "");
    store.seal(leaf(100), None).await.unwrap();
    let early = checkpoint(&*store).await;
    let seals = (0..40).map(|n| {
        let (store, leaf) = (Arc::clone(&store), leaf(n));
        async move {
            let id = leaf.receipt.receipt_id.parse().unwrap();
            (store.seal(leaf, None).await.unwrap(), id)
        }
    });
    for (sealed, id) in at_once(seals.collect::<Vec<_>>()).await {
        let found = store.receipts(ReceiptQuery { id: Some(id), ..query() }).await.unwrap();
        assert_eq!(found, std::slice::from_ref(&sealed), "what was sealed is what is read");
        let SealedReceipt { index, body: bytes, .. } = sealed;
        let now = checkpoint(&*store).await;
        let path = store.inclusion(index, now.size()).await.unwrap();
        verify_inclusion(index, &leaf_hash(&bytes), now.size(), now.root(), &path).unwrap();
    }
    let whole = checkpoint(&*store).await;
    assert_eq!(whole.size(), 41);
    let path = store.consistency(early.size(), whole.size()).await.unwrap();
    let (from, to) = ((early.size(), early.root()), (whole.size(), whole.root()));
    verify_consistency(from, to, &path).unwrap();
    assert_eq!(store.inclusion(41, 41).await, Err(StoreError::OutOfRange));
    // The tree survives a restart, and goes on.
    drop(store);
    let store = bed.open().await;
    assert_eq!(store.seal(leaf(101), None).await.unwrap().index, 41);
    assert_eq!(checkpoint(&*store).await.size(), 42);
}

pub(crate) async fn one_that_fails_takes_nothing_with_it(bed: &impl Bed) {
    let store = bed.open().await;
    let taken = vec![proposed(1, "i1", "o1")];
    store.append(0, taken.clone(), &lifecycle(&taken)).await.unwrap();
    let seals = (0..20_u32).map(|n| {
        let (store, own) = (Arc::clone(&store), 10 + n);
        async move {
            let (events, state, leaf) =
                refused(lifecycle(&[proposed(own, &format!("i{own}"), "o")]), own);
            let mut whole = vec![proposed(own, &format!("i{own}"), "o")];
            whole.extend(events);
            // Every second one writes where somebody else did.
            if n % 2 == 0 {
                let (events, state, leaf) = refused(lifecycle(&[proposed(1, "i1", "o1")]), own);
                return store.seal(leaf, Some((0, events, &state))).await;
            }
            store.seal(leaf, Some((0, whole, &state))).await
        }
    });
    let all = at_once(seals.collect::<Vec<_>>()).await;
    let failed = all.iter().filter(|one| **one == Err(StoreError::Conflict)).count();
    assert_eq!((failed, all.iter().filter(|one| one.is_ok()).count()), (10, 10), "{all:?}");
    assert_eq!(checkpoint(&*store).await.size(), 10);
    assert_eq!(store.receipts(ReceiptQuery { limit: 99, ..query() }).await.unwrap().len(), 10);
}

fn query() -> ReceiptQuery {
    ReceiptQuery { limit: 1, ..ReceiptQuery::default() }
}

pub(crate) async fn receipts_are_found_by_what_is_asked(bed: &impl Bed) {
    let store = bed.open().await;
    for n in 0..3 {
        store.seal(leaf(n), None).await.unwrap();
    }
    let found = async |query: ReceiptQuery| {
        let found = store.receipts(ReceiptQuery { limit: 2, ..query }).await.unwrap();
        found.into_iter().map(|one| one.index).collect::<Vec<_>>()
    };
    assert_eq!(found(query()).await, [2, 1], "newest first");
    assert_eq!(found(ReceiptQuery { before: Some(1), ..query() }).await, [0]);
    let one = ReceiptQuery { id: Some(id("rcp", 1).parse().unwrap()), ..query() };
    assert_eq!(found(one).await, [1]);
    let own = |id: &str| Some(("t".to_owned(), "i".to_owned(), id.to_owned()));
    assert_eq!(found(ReceiptQuery { owner: own("s"), ..query() }).await, [2, 1]);
    assert_eq!(found(ReceiptQuery { owner: own("x"), ..query() }).await, [0; 0]);
    assert_eq!(found(ReceiptQuery { tool: Some("p.u".into()), ..query() }).await, [0; 0]);
    assert_eq!(found(ReceiptQuery { tenant: Some("t".into()), ..query() }).await, [2, 1]);
}

pub(crate) async fn the_published_folder_follows(bed: &impl Bed) {
    use countersign_shared::tlog::folder::Publisher;
    let store = bed.open().await;
    let folder = tempfile::TempDir::new().unwrap();
    for (n, size) in [(0, 1), (1, 2)] {
        store.seal(leaf(n), None).await.unwrap();
        let (source, path) = (bed.source().await, folder.path().to_owned());
        let published = tokio::task::spawn_blocking(move || {
            Publisher::new(&path, key().verifier_key()).publish(&source).unwrap()
        });
        assert_eq!(published.await.unwrap(), size);
    }
}

/// An id made so many hours ago.
fn made(hours: i64) -> uuid::Uuid {
    let at = Timestamp::now() - jiff::SignedDuration::from_hours(hours);
    uuid::Builder::from_unix_timestamp_millis(u64::try_from(at.as_millisecond()).unwrap(), &[1; 10])
        .into_uuid()
}

async fn observe(store: &dyn Store, hours: i64, n: usize) -> Vec<ObservationId> {
    let mut ids = Vec::new();
    for n in 0..n {
        let id = ObservationId::from_uuid(uuid::Uuid::from_u128(made(hours).as_u128() + n as u128));
        let (value, labels) = (serde_json::json!({}), serde_json::json!({}));
        let seen = Observation { id, tool: "p.r".into(), value, labels, at: Timestamp::now() };
        ids.push(seen.id.clone());
        store.observe(&owner(), "c", seen).await.unwrap();
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

pub(crate) async fn what_nobody_needs_goes_and_what_was_begun_stays(bed: &impl Bed) {
    let store = bed.open().await;
    // More than one commit removes, two that are young, one that an action in flight points into.
    observe(&*store, 25, 1200).await;
    let young = observe(&*store, 23, 2).await;
    let needed = observe(&*store, 400, 1).await;

    let void = parked(2, 193, "obs_x");
    let waits = parked(3, 191, "obs_x");
    let mut ended = vec![parked(4, 800, "obs_x"), granted()];
    let mut begun = vec![parked(5, 900, needed[0].as_str()), granted()];
    for events in [&mut ended, &mut begun] {
        let State::Granted(granted) = lifecycle(events) else { panic!() };
        let taken = store.claim(&granted, &Budget::default(), Timestamp::now()).await;
        events.push(Event::Claimed(taken.unwrap().unwrap()));
    }
    ended.extend([crate::testing::refused("no"), crate::testing::sealed(4)]);
    let all = [vec![void], vec![waits], ended, begun];
    for events in &all {
        store.append(0, events.clone(), &lifecycle(events)).await.unwrap();
    }

    assert_eq!(crate::purge::round(&*store, Timestamp::now(), DAY).await.unwrap(), 1201);
    let mut left = Vec::new();
    for events in &all {
        let action = lifecycle(events).proposal().action().clone();
        left.push(store.journal(&owner(), Named::Action(action)).await.unwrap().len());
    }
    assert_eq!(left, [0, 1, 5, 3], "void, waiting, ended, begun");
    let kept = [young, needed].concat();
    let found = store.evidence(&owner(), "c", kept.clone(), vec![]).await.unwrap();
    assert_eq!(found.observations.len(), kept.len());
    let again = crate::purge::round(&*store, Timestamp::now(), DAY).await.unwrap();
    assert_eq!(again, 0, "nothing is left");
}

/// What was sent is known after a crash; leaves come in order, as they are.
pub(crate) async fn a_sink_is_fed_by_one_and_remembers_how_far(bed: &impl Bed) {
    let store = bed.open().await;
    let leaves: Vec<_> = (0..3).map(leaf).collect();
    for leaf in &leaves {
        store.seal(leaf.clone(), None).await.unwrap();
    }
    let mut sealed = store.receipts(ReceiptQuery { limit: 2, ..query() }).await.unwrap();
    sealed.reverse();
    let bytes: Vec<_> = sealed.into_iter().map(|receipt| receipt.body).collect();
    assert!(store.leaves(1..99).await.unwrap() == bytes);
    assert!(store.leaves(3..9).await.unwrap().is_empty());

    assert_eq!(store.fed("soc").await, Ok(Some(Fed::default())));
    let fed = Fed { origin: "test/log".into(), next: 1, upto: 3, attempt: 2 };
    store.feed("soc", fed.clone()).await.unwrap();
    assert_eq!(store.fed("soc").await, Ok(Some(fed.clone())));
    assert_eq!(store.fed("other").await, Ok(Some(Fed::default())));
    drop(store);
    let store = bed.open().await;
    store.adopt().await.unwrap();
    assert_eq!(store.fed("soc").await, Ok(Some(fed)));
}
