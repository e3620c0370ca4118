//! A backup comes back without the keys of persons, or with older ones.

use countersign_core::seal::Queue;

use super::*;
use crate::config::Log;
use crate::metrics::Metrics;
use crate::ports::{EscalationQuery, ReceiptQuery, Stand, Store, SystemClock};
use crate::turned::unavailable;
use crate::vitals::{Folder, Vitals, Watch};

/// No keys of persons, or those from before there was anybody.
fn without_keys(house: &House, older: bool) {
    for end in ["", "-journal"] {
        let _none = fs::remove_file(house.path(&format!("keys.db{end}")));
    }
    if older {
        fs::copy(house.path("keys.then"), house.path("keys.db")).unwrap();
    }
}

/// One that was applied, one in doubt, one that was proposed and one that was sent.
async fn backed_up() -> House {
    let house = House::new();
    let live = house.store("live.db", 1);
    fs::copy(house.path("keys.db"), house.path("keys.then")).unwrap();
    carry_out(&live, 1, "applied").await;
    carry_out(&live, 4, "unknown").await;
    for (n, steps) in [(2, 1), (3, 5)] {
        let events: Vec<_> = journal(n, "applied").into_iter().take(steps).collect();
        let state = lifecycle::fold(events.clone()).unwrap();
        live.append(0, events, &state).await.unwrap();
    }
    house.backup();
    house.publish(&live, "log");
    house
}

async fn receipts(store: &Sqlite) -> Vec<crate::ports::SealedReceipt> {
    store.receipts(ReceiptQuery { limit: 99, ..Default::default() }).await.unwrap()
}

fn locks(house: &House) -> Vec<String> {
    let db = rusqlite::Connection::open(house.path("copy.db")).unwrap();
    let mut select = db.prepare("SELECT object FROM locks ORDER BY object").unwrap();
    let rows = select.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn a_store_whose_keys_are_lost_starts_and_its_lists_leave_out_what_they_opened() {
    for older in [false, true] {
        let house = backed_up().await;
        without_keys(&house, older);
        let store = Arc::new(house.store("copy.db", 1));
        let all = receipts(&store).await;
        assert_eq!(all.len(), 2);
        for sealed in all {
            assert_eq!(sealed.gone(), Some(StoreError::KeyLost), "not erased");
            assert!(!sealed.open().unwrap().outcome.is_empty());
        }
        let list = EscalationQuery { limit: 9, ..Default::default() };
        assert!(store.escalations(list).await.unwrap().is_empty());
        assert!(store.waiting().await.unwrap().is_empty(), "what a sweep asks");
        assert!(store.unfinished().await.unwrap().is_empty());
        let sent = store.parked(Named::Action(id("act", 3).parse().unwrap())).await;
        let lost = sent.unwrap_err();
        assert_eq!(lost, StoreError::KeyLost);
        // A planner takes what is erased for the end: this is not known to be.
        assert_eq!(unavailable(&lost).code, "STORE_UNAVAILABLE");
        assert_eq!(unavailable(&StoreError::Erased).code, "ERASED");
        let disk = Folder::of(house.dir.path().to_owned(), Log::default());
        let store: Arc<dyn Store> = store;
        let clock = Arc::new(SystemClock);
        let begun = Watch::begin(Vitals::default(), disk, store, clock, Metrics::default());
        begun.await.unwrap();
    }
}

/// Whoever asks for a few would take fewer for all.
#[tokio::test]
async fn matters_that_a_lost_key_opens_take_no_place_of_others() {
    let house = House::new();
    let store = house.store("live.db", 1);
    for n in 1..=5 {
        carry_out(&store, n, "unknown").await;
    }
    let closes = async |store: &Sqlite, n, receipt| {
        let queue = Queue::Closes(id("act", n));
        store.seal(Leaf { queue, ..says(receipt, "x", "kept") }, None).await.unwrap();
    };
    // The last to end, so the first of those.
    closes(&store, 1, 30).await;
    drop(store);
    without_keys(&house, false);
    let store = house.store("live.db", 1);
    for n in 6..=9 {
        carry_out(&store, n, "unknown").await;
    }
    closes(&store, 6, 20).await;
    let list = async |stand, limit| -> Vec<String> {
        let query = EscalationQuery { stand, limit, ..Default::default() };
        let found = store.escalations(query).await.unwrap();
        found.into_iter().map(|one| one.case.matter).collect()
    };
    let acts = |all: &[u32]| all.iter().map(|n| id("act", *n)).collect::<Vec<_>>();
    for limit in 1..=3 {
        let most = usize::try_from(limit).unwrap();
        assert_eq!(list(Stand::Open, limit).await, acts(&[7, 8, 9][..most]), "{limit}");
        assert_eq!(list(Stand::Any, limit).await, acts(&[6, 7, 8][..most]), "{limit}");
    }
    assert_eq!(list(Stand::Ended, 1).await, acts(&[6]));
    assert_eq!(list(Stand::Open, 4).await, acts(&[7, 8, 9]));
}

#[tokio::test]
async fn without_keys_a_recovery_ends_what_waits_and_asks_people_of_what_was_sent() {
    for older in [false, true] {
        let house = backed_up().await;
        without_keys(&house, older);
        let (done, store) = house.recover(&["log"]);
        assert_eq!((done.ended, done.frozen), (1, 2));
        assert_eq!(store.known("i1").await.unwrap().unwrap().outcome.unwrap().name(), "applied");
        assert!(store.known("i2").await.unwrap().is_none(), "to be asked again");
        for n in [3, 4] {
            let known = store.known(&format!("i{n}")).await.unwrap().unwrap();
            assert_eq!(known.outcome.unwrap().name(), "unknown", "{n}");
        }
        assert!(store.adopt().await.unwrap().is_empty(), "nobody tries again and again");
        let list = EscalationQuery { limit: 9, ..Default::default() };
        let open = store.escalations(list).await.unwrap();
        let mut matters: Vec<_> = open.iter().map(|one| one.case.matter.clone()).collect();
        matters.sort();
        assert_eq!(matters, [id("act", 3), id("act", 4)]);
        assert!(open.iter().all(|one| one.case.code == "HISTORY_MISSING"));
        let told = receipts(&store).await;
        let told = told.iter().filter(|one| open.iter().any(|it| it.case.receipt == one.id));
        for sealed in told {
            let receipt = sealed.open().unwrap();
            assert_eq!((sealed.gone(), receipt.locks.len()), (None, 1));
            assert!(seal::ends(&receipt).is_some(), "the next recovery takes its key again");
        }
        // A person's word frees its object.
        assert_eq!(locks(&house), ["o3", "o4"]);
        let closes = Queue::Closes(id("act", 3));
        store.seal(Leaf { queue: closes, ..says(30, "x", "kept") }, None).await.unwrap();
        assert_eq!(locks(&house), ["o4"]);
    }
}
