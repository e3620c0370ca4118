//! A backup comes back without the keys of persons, or with older ones.

use countersign_core::seal::Queue;

use futures_util::FutureExt as _;

use super::*;
use crate::grants::tests::house::Impatient;
use crate::grants::tests::shop::{PACK, Shop};
use crate::ports::{EscalationQuery, Stand};
use crate::store::conformance::{
    before_keys_are_lost, people_are_asked, without_keys_again_it_asks_anew,
    without_keys_it_asks_people, without_keys_it_is_recovered, without_keys_it_starts,
};
use crate::testing::{catalog, desk, policy};

/// No keys of persons, or those from before there was anybody.
fn without_keys(house: &House, older: bool) {
    for end in ["", "-journal"] {
        let _none = fs::remove_file(house.path(&format!("keys.db{end}")));
    }
    if older {
        fs::copy(house.path("keys.then"), house.path("keys.db")).unwrap();
    }
}

async fn backed_up() -> House {
    let house = House::new();
    let live = house.store("live.db", 1);
    fs::copy(house.path("keys.db"), house.path("keys.then")).unwrap();
    before_keys_are_lost(&live).await;
    house.backup();
    house.publish(&live, "log");
    house
}

#[tokio::test]
async fn a_store_whose_keys_are_lost_starts_and_its_lists_leave_out_what_they_opened() {
    for older in [false, true] {
        let house = backed_up().await;
        without_keys(&house, older);
        without_keys_it_starts(Arc::new(house.store("copy.db", 1))).await;
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
        without_keys_it_is_recovered(&store, done).await;
    }
}

#[tokio::test]
async fn without_keys_and_a_recovery_people_are_asked_of_what_was_sent() {
    for older in [false, true] {
        let house = House::new();
        let live = house.store("live.db", 1);
        fs::copy(house.path("keys.db"), house.path("keys.then")).unwrap();
        before_keys_are_lost(&live).await;
        drop(live);
        without_keys(&house, older);
        without_keys_it_asks_people(&house.store("live.db", 1)).await;
        without_keys(&house, older);
        without_keys_again_it_asks_anew(&house.store("live.db", 1)).await;
    }
}

#[tokio::test]
async fn what_is_begun_and_cannot_be_read_is_handed_to_people_once() {
    let house = House::new();
    let open = || {
        let shop = Arc::<Shop>::default();
        desk(house.dir.path(), (catalog(&PACK), policy()), shop, Arc::new(Impatient))
    };
    before_keys_are_lost(&*open().pipeline.store).await;
    without_keys(&house, false);
    let desk = open();
    let raised = || desk.pipeline.raised.notified().now_or_never().is_some();
    assert_eq!(desk.recover().await, Ok(0), "nobody carries on what cannot be read");
    assert!(raised(), "staff are told");
    desk.recover().await.unwrap();
    desk.hand_over().await;
    assert!(!raised());
    people_are_asked(&*desk.pipeline.store).await;
}
