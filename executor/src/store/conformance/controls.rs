//! Switches and activations.

use super::*;

use countersign_core::activation::{Active, Part};
use countersign_core::switch::{Off, Reach};

use crate::ports::Activation;
use crate::standing::{Quarantine, Standing};

pub(crate) async fn in_quarantine_it_reads_and_does_nothing_else(bed: &impl Bed) {
    const NO: StoreError = StoreError::Quarantined;
    let why = |why: &str| Quarantine { why: why.into(), since: Timestamp::UNIX_EPOCH, seen: 7 };
    let store = bed.open().await;
    assert_eq!(store.standing().await, Ok(Standing::default()));
    let (events, state) = claim(&*store, 1, "i1", "o1").await.unwrap();
    store.append(0, events, &state).await.unwrap();
    store.quarantine(why("first")).await.unwrap();
    store.quarantine(why("second")).await.unwrap();
    let sealed = store.checkpoint().await;
    for opened in 0..2 {
        let store = if opened == 0 { Arc::clone(&store) } else { bed.open().await };
        assert_eq!(store.standing().await.unwrap().quarantine, Some(why("first")));
        let (ended, after, receipt) = refused(state.clone(), 1);
        assert_eq!(store.append(3, ended.clone(), &after).await, Err(NO));
        assert_eq!(store.seal(receipt, Some((3, ended, &after))).await, Err(NO));
        assert_eq!(store.seal(leaf(2), None).await, Err(NO));
        assert_eq!(store.turn(Reach::All, None, leaf(3)).await, Err(NO));
        assert_eq!(store.activate(vec![], vec![leaf(4)]).await, Err(NO));
        let State::Granted(asked) = lifecycle(&[proposed(5, "i5", "o5"), granted()]) else {
            panic!("granted")
        };
        let claimed = store.claim(&asked, &Budget::default(), Timestamp::now()).await;
        assert_eq!(claimed.unwrap_err(), NO);
        assert!(store.adopt().await.unwrap().is_empty(), "what was sent waits");
        assert_eq!(store.unfinished().await.unwrap().len(), 1);
        assert!(store.known("i1").await.unwrap().is_some(), "reads go on");
        assert_eq!(store.checkpoint().await, sealed);
        store.probe().await.unwrap();
    }
}

pub(crate) async fn switches_turn_with_their_receipt(bed: &impl Bed) {
    let store = bed.open().await;
    let off = |reason: &str| {
        let (by, reason, at) = ("o".into(), reason.into(), Timestamp::UNIX_EPOCH);
        Some(Off { by, reason, at, receipt: Some(id("rcp", 3).parse().unwrap()) })
    };
    let (all, pack) = (Reach::All, Reach::Pack("shop".into()));
    assert_eq!(store.turn(all.clone(), off("a"), leaf(1)).await, Ok(0));
    assert_eq!(store.turn(pack.clone(), off("b"), leaf(2)).await, Ok(1));
    assert_eq!(store.turn(all.clone(), off("c"), leaf(3)).await, Ok(2));
    assert_eq!(store.turn(pack.clone(), None, leaf(4)).await, Ok(3));
    drop(store);
    let switches = bed.open().await.switches().await.unwrap();
    assert_eq!(switches.get(&all), off("c").as_ref());
    assert_eq!(switches.get(&pack), None);
}

pub(crate) async fn what_is_activated_takes_the_place_of_the_earlier(bed: &impl Bed) {
    let store = bed.open().await;
    assert!(store.activated().await.unwrap().is_empty());
    let active = |digest: &str| Active { digest: digest.into(), at: Timestamp::UNIX_EPOCH };
    let bundle: BTreeMap<_, _> = [("people.yaml".to_owned(), "people: []".to_owned())].into();
    let policy = |digest| Activation {
        part: Part::Policy,
        active: active(digest),
        bundle: Some(bundle.clone()),
    };
    let pack = Activation { part: Part::Pack("shop".into()), active: active("p"), bundle: None };
    store.activate(vec![policy("1"), pack], vec![leaf(1), leaf(2)]).await.unwrap();
    store.activate(vec![policy("2")], vec![leaf(3)]).await.unwrap();
    // Two that start with the same change: one receipt.
    assert_eq!(store.activate(vec![policy("2")], vec![leaf(5)]).await, Err(StoreError::Conflict));
    drop(store);
    let store = bed.open().await;
    let all = store.activated().await.unwrap();
    assert_eq!(all[&Part::Policy], active("2"));
    assert_eq!(all[&Part::Pack("shop".into())], active("p"));
    assert_eq!(store.bundle().await.unwrap(), bundle);
    assert_eq!(store.seal(leaf(4), None).await.unwrap().index, 3, "with their receipts");
}

pub(crate) async fn what_was_found_is_kept_by_its_digest(bed: &impl Bed) {
    let store = bed.open().await;
    assert_eq!(store.kept_bundle("sha256:a").await.unwrap(), None);
    let files = |text: &str| BTreeMap::from([("policy.cedar".to_owned(), text.to_owned())]);
    store.keep_bundle("sha256:b", files("b")).await.unwrap();
    store.keep_bundle("sha256:a", files("a")).await.unwrap();
    // A digest is what it is: whatever comes under it later is not taken.
    store.keep_bundle("sha256:a", files("x")).await.unwrap();
    drop(store);
    let store = bed.open().await;
    assert_eq!(store.kept_bundle("sha256:a").await.unwrap(), Some(files("a")));
    assert_eq!(store.kept_bundles().await.unwrap(), ["sha256:a", "sha256:b"]);
}
