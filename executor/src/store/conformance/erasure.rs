//! Somebody is erased, and everybody else is not.

use countersign_core::person::Person;
use countersign_core::resolve::Observation;
use countersign_core::subject::{Matched, Strength};
use countersign_shared::codes::Code;
use countersign_shared::receipt::{Change, ERASED};
use jiff::SignedDuration;

use super::*;
use crate::ports::{EscalationQuery, ReceiptQuery, TurnQuery};

fn change() -> Change {
    let text = |text: &str| text.to_owned();
    Change {
        what: text("person/x"),
        old: text("kept"),
        new: text("erased"),
        reason: text("r"),
        by: vec![],
        note: String::new(),
    }
}

/// A receipt of the erasure itself.
pub(crate) fn says(n: u32) -> Leaf {
    seal::changed(change(), &id("rcp", n).parse().unwrap(), Timestamp::now())
}

async fn erase(store: &dyn Store, whose: &Subject, n: u32) -> Result<(), Refused> {
    let person = store.person(&Person::of(whose));
    // Keys are made in milliseconds.
    tokio::time::sleep(Duration::from_millis(2)).await;
    store.erase(vec![(person, says(n))], Timestamp::now()).await.unwrap()
}

async fn receipt(store: &dyn Store, n: u32) -> crate::ports::SealedReceipt {
    let id = Some(id("rcp", n).parse().unwrap());
    let query = ReceiptQuery { id, limit: 1, ..ReceiptQuery::default() };
    store.receipts(query).await.unwrap().remove(0)
}

fn other() -> Subject {
    Subject { id: "other".into(), signs_as: "other".into(), ..owner() }
}

/// The same receipt, of the other person.
fn theirs(n: u32) -> Leaf {
    let mut leaf = leaf(n);
    leaf.person = Person::of(&other());
    leaf.receipt.asked.subject = other().id;
    leaf
}

pub(crate) async fn whoever_is_erased_is_unreadable_and_nothing_else_changes(bed: &impl Bed) {
    let store = bed.open().await;
    let (events, state, leaf) = settled(&*store, 1, "i1", "o1", "applied").await;
    store.seal(leaf, Some((0, events, &state))).await.unwrap();
    store.release(state.proposal().action());
    store.seal(theirs(2), None).await.unwrap();
    let seen = Observation {
        id: id("obs", 1).parse().unwrap(),
        tool: "p.r".into(),
        value: serde_json::json!({ "street": "100 Main" }),
        labels: serde_json::json!({}),
        at: Timestamp::now(),
    };
    let ids = vec![seen.id.clone()];
    store.observe(&owner(), "c", seen.clone()).await.unwrap();
    let told = turn(&owner(), "c", 0);
    store.record(&owner(), told).await.unwrap();
    store.record(&ada(), turn(&ada(), "c", 1)).await.unwrap();
    let body = receipt(&*store, 1).await.body;
    assert!(!receipt(&*store, 1).await.is_erased());
    assert!(store.knows(&store.person(&Person::of(&owner()))).await.unwrap());
    let nobody = Person::of(&Subject { id: "nobody".into(), ..owner() });
    assert!(!store.knows(&store.person(&nobody)).await.unwrap());
    let kept = [owner(), ada()].map(|who| store.person(&Person::of(&who)));
    let [theirs, others] = [&kept[0], &kept[1]];
    let under = [store.kept_under(theirs).await.unwrap(), store.kept_under(others).await.unwrap()];
    assert_eq!(store.kept_under(theirs).await.unwrap(), under[0]);
    assert!(store.erased(&under).await.unwrap().is_empty());

    erase(&*store, &owner(), 3).await.unwrap();

    let asked = [under[0].clone(), under[1].clone(), "ab".repeat(16), "none".to_owned()];
    assert_eq!(store.erased(&asked).await.unwrap(), [under[0].clone()]);

    assert!(!store.knows(&store.person(&Person::of(&owner()))).await.unwrap());
    let gone = receipt(&*store, 1).await;
    assert!(gone.is_erased());
    assert_eq!(gone.body, body, "the leaf stays as it is");
    let opened = gone.open().unwrap();
    assert_eq!((opened.said.as_str(), opened.outcome.as_str()), (ERASED, "applied"));
    assert_eq!(opened.asked.person, store.person(&Person::of(&owner())));
    let journal = store.journal(&owner(), Named::Action(action(1))).await;
    assert_eq!(journal, Err(StoreError::Erased));
    assert_eq!(store.parked(Named::Action(action(1))).await, Err(StoreError::Erased));
    let evidence = store.evidence(&owner(), "c", ids, vec![id("rcp", 1).parse().unwrap()]).await;
    let evidence = evidence.unwrap();
    assert!(evidence.observations.is_empty() && evidence.receipts.is_empty());
    let turns = store.turns(TurnQuery { limit: 9, ..TurnQuery::default() }).await.unwrap();
    let turns: Vec<_> = turns.into_iter().map(|turn| turn.subject).collect();
    assert_eq!(turns, ["ada"], "what they said is gone");
    assert!(!receipt(&*store, 2).await.is_erased(), "somebody else");
    assert_eq!(receipt(&*store, 2).await.open().unwrap().asked.subject, "other");
    // AT MOST ONE EFFECT: what was done is not done again.
    assert_eq!(claim(&*store, 4, "i1", "o1").await.unwrap_err().code, "ALREADY_DONE");
    // After a restart as well; and whoever comes back has a key of their own again.
    drop(store);
    let store = bed.open().await;
    assert!(receipt(&*store, 1).await.is_erased());
    store
        .observe(&owner(), "c", Observation { id: id("obs", 2).parse().unwrap(), ..seen })
        .await
        .unwrap();
    let ids = vec![id("obs", 2).parse().unwrap()];
    let evidence = store.evidence(&owner(), "c", ids, vec![]).await.unwrap();
    assert_eq!(evidence.observations.len(), 1);
    let now = store.kept_under(&kept[0]).await.unwrap();
    assert_ne!(now, under[0], "what was erased stays so, and they have another key");
    assert_eq!(store.erased(&[now, under[0].clone()]).await.unwrap(), [under[0].clone()]);
}

pub(crate) async fn an_erasure_waits_for_what_is_under_way_and_for_a_hold(bed: &impl Bed) {
    let store = bed.open().await;
    let code = Code::ErasureWaits.name();
    let (events, state) = claim(&*store, 1, "i1", "o1").await.unwrap();
    store.append(0, events.clone(), &state).await.unwrap();
    assert_eq!(erase(&*store, &owner(), 11).await.unwrap_err().code, code);
    assert_eq!(store.journal(&owner(), Named::Action(action(1))).await.unwrap(), events);
    let (events, state, leaf) = refused(state, 1);
    store.seal(leaf, Some((3, events, &state))).await.unwrap();
    store.release(state.proposal().action());

    let person = store.person(&Person::of(&owner()));
    store.hold(person.clone(), true, says(12)).await.unwrap();
    assert_eq!(erase(&*store, &owner(), 13).await.unwrap_err().code, code);
    assert!(!receipt(&*store, 1).await.is_erased(), "nothing was erased");
    store.hold(person, false, says(14)).await.unwrap();

    let (events, state, leaf) = settled(&*store, 2, "i2", "o2", "unknown").await;
    store.seal(leaf, Some((0, events, &state))).await.unwrap();
    assert_eq!(erase(&*store, &owner(), 15).await.unwrap_err().code, code, "in doubt");
    erase(&*store, &other(), 16).await.unwrap();
    assert!(store.escalations(EscalationQuery::default()).await.unwrap().is_empty());
}

pub(crate) async fn plaintext_ends_with_its_time_and_a_hold_keeps_it(bed: &impl Bed) {
    let store = bed.open().await;
    // Their ids are of the year 1970.
    store.seal(leaf(1), None).await.unwrap();
    store.seal(theirs(2), None).await.unwrap();
    let held = store.person(&Person::of(&other()));
    let now =
        seal::changed(change(), &ReceiptId::from_uuid(uuid::Uuid::now_v7()), Timestamp::now());
    store.hold(held, true, now).await.unwrap();
    let keep = crate::purge::Keep { proposals: Duration::from_secs(3600), plaintext: 13 };
    // A match is over after an hour, whether or not there is another.
    let guest = Subject { strength: Strength::Asserted, ..owner() };
    let at = Timestamp::now() - SignedDuration::from_mins(61);
    let matched = Matched { claims: [("email".to_owned(), "e".to_owned())].into(), at };
    store.remember_match(&guest, "c", matched).await.unwrap();
    assert!(store.matched(&guest, "c").await.unwrap().is_some());
    assert!(crate::purge::round(&*store, Timestamp::now(), keep).await.unwrap() > 0);
    assert!(store.matched(&guest, "c").await.unwrap().is_none());
    assert!(receipt(&*store, 1).await.is_erased());
    assert!(!receipt(&*store, 2).await.is_erased(), "held");
    assert_eq!(crate::purge::round(&*store, Timestamp::now(), keep).await.unwrap(), 0);
}
