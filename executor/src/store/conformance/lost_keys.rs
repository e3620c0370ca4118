//! Keys of persons are lost: asked of the stores that keep some, before and after a recovery.

use countersign_core::seal::Queue;

use super::*;
use crate::config::Log;
use crate::metrics::Metrics;
use crate::ports::{EscalationQuery, ReceiptQuery, SealedReceipt, SystemClock};
use crate::store::Restored;
use crate::turned::unavailable;
use crate::vitals::{Folder, Vitals, Watch};

/// One that was applied, one in doubt, one that was proposed, one that was sent and one that was
/// only claimed.
pub(crate) async fn before_keys_are_lost(store: &dyn Store) {
    for (n, outcome) in [(1, "applied"), (4, "unknown")] {
        let (intent, lock) = (format!("i{n}"), format!("o{n}"));
        let (events, state, leaf) = settled(store, n, &intent, &lock, outcome).await;
        store.seal(leaf, Some((0, events, &state))).await.unwrap();
        store.release(state.proposal().action());
    }
    let waits = vec![proposed(2, "i2", "o2")];
    store.append(0, waits.clone(), &lifecycle(&waits)).await.unwrap();
    let limit = "[{ name: day, per: tenant, tools: [\"*\"], within: 1d, count: 9 }]";
    let budget = budget(&catalog(&PACK), &with_limits(limit), 3);
    let (mut sent, _) = within(store, 3, "i3", "o3", &budget).await.unwrap();
    sent.extend(applied().into_iter().skip(1).take(2));
    store.append(0, sent.clone(), &lifecycle(&sent)).await.unwrap();
    let (begun, state) = claim(store, 8, "i8", "o8").await.unwrap();
    store.append(0, begun, &state).await.unwrap();
}

async fn receipts(store: &dyn Store) -> Vec<SealedReceipt> {
    store.receipts(ReceiptQuery { limit: 99, ..Default::default() }).await.unwrap()
}

/// It starts, its lists leave out what they opened, and nothing is told to be erased.
pub(crate) async fn without_keys_it_starts(store: Arc<dyn Store>) {
    let all = receipts(&*store).await;
    assert_eq!(all.len(), 2);
    for sealed in all {
        assert_eq!(sealed.gone(), Some(StoreError::KeyLost), "not erased");
        assert!(!sealed.open().unwrap().outcome.is_empty());
    }
    let list = EscalationQuery { limit: 9, ..Default::default() };
    assert!(store.escalations(list).await.unwrap().is_empty());
    assert!(store.waiting().await.unwrap().is_empty(), "what a sweep asks");
    assert!(store.unfinished().await.unwrap().is_empty());
    let lost = store.parked(Named::Action(action(3))).await.unwrap_err();
    assert_eq!(lost, StoreError::KeyLost);
    // A planner takes what is erased for the end: this is not known to be.
    assert_eq!(unavailable(&lost).code, "STORE_UNAVAILABLE");
    assert_eq!(unavailable(&StoreError::Erased).code, "ERASED");
    let folder = tempfile::TempDir::new().unwrap();
    let disk = Folder::of(folder.path().to_owned(), Log::default());
    let clock = Arc::new(SystemClock);
    let begun = Watch::begin(Vitals::default(), disk, store, clock, Metrics::default());
    begun.await.unwrap();
}

/// A recovery ended what waited, and a person is asked of what was sent.
pub(crate) async fn without_keys_it_is_recovered(store: &dyn Store, done: Restored) {
    assert_eq!((done.ended, done.frozen), (2, 2));
    assert_eq!(store.known("i1").await.unwrap().unwrap().outcome.unwrap().name(), "applied");
    assert!(store.known("i2").await.unwrap().is_none(), "to be asked again");
    people_are_asked(store).await;
}

/// Of what was sent and of what was in doubt, by matters that can be read; a person's word frees
/// the object.
pub(crate) async fn people_are_asked(store: &dyn Store) {
    assert!(store.adopt().await.unwrap().is_empty(), "nobody tries again and again");
    for n in [3, 4] {
        let known = store.known(&format!("i{n}")).await.unwrap().unwrap();
        assert_eq!(known.outcome.unwrap().name(), "unknown", "{n}");
    }
    let list = EscalationQuery { limit: 9, ..Default::default() };
    let open = store.escalations(list).await.unwrap();
    let mut matters: Vec<_> = open.iter().map(|one| one.case.matter.clone()).collect();
    matters.sort();
    assert_eq!(matters, [id("act", 3), id("act", 4)]);
    assert!(open.iter().all(|one| one.case.code == "HISTORY_MISSING"));
    let told = receipts(store).await;
    for sealed in told.iter().filter(|one| open.iter().any(|it| it.case.receipt == one.id)) {
        let receipt = sealed.open().unwrap();
        let n = if receipt.action_id == id("act", 3) { 3 } else { 4 };
        assert_eq!((sealed.gone(), receipt.action_id), (None, id("act", n)));
        assert_eq!((receipt.proposal_id, receipt.intent), (id("prp", n), format!("i{n}")));
        assert_eq!((receipt.tenant.as_str(), receipt.tool.as_str()), ("t", "p.t"));
        assert_eq!(receipt.asked.issuer, "i");
        assert_eq!(receipt.asked.caller, "spiffe://t/planner");
        assert_eq!(receipt.locks, [format!("o{n}")]);
        assert_eq!(receipt.booked.is_empty(), n == 4, "{:?}", receipt.booked);
        let next = seal::ends(&sealed.open().unwrap());
        assert!(next.is_some(), "the next recovery takes its key again");
    }
    let code = async |n, lock: &str| {
        let claimed = claim(store, n, &format!("i{n}"), lock).await;
        claimed.map_or_else(|no| no.code, |_| "claimed".into())
    };
    assert_eq!(code(5, "o3").await, "OBJECT_IN_DOUBT");
    let closes = Queue::Closes(id("act", 3));
    store.seal(Leaf { queue: closes, ..leaf(30) }, None).await.unwrap();
    assert_eq!(code(6, "o3").await, "claimed");
    assert_eq!(code(7, "o4").await, "OBJECT_IN_DOUBT");
    assert_eq!(code(8, "o8").await, "claimed", "it was not sent");
}

/// Nobody recovers it: whoever goes on ends what it cannot read, and each once.
pub(crate) async fn without_keys_it_asks_people(store: &dyn Store) {
    store.adopt().await.unwrap();
    let ends = async || store.end_unreadable(Timestamp::now()).await.unwrap();
    assert_eq!(ends().await, 3, "sent, only claimed, in doubt");
    assert_eq!(ends().await, 0);
    people_are_asked(store).await;
}

/// Of one person's word was heard; the keys of the other matter are lost as well.
pub(crate) async fn without_keys_again_it_asks_anew(store: &dyn Store) {
    store.adopt().await.unwrap();
    let list = || EscalationQuery { limit: 9, ..Default::default() };
    assert!(store.escalations(list()).await.unwrap().is_empty(), "nobody sees it");
    assert_eq!(store.end_unreadable(Timestamp::now()).await.unwrap(), 1);
    let open = store.escalations(list()).await.unwrap();
    assert_eq!((open.len(), &open[0].case.matter), (1, &id("act", 4)));
    assert_eq!(claim(store, 9, "i9", "o4").await.unwrap_err().code, "OBJECT_IN_DOUBT");
}
