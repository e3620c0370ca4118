//! Who may see what, who was matched, and what waits for a person.

use super::*;

use countersign_core::escalation::Case;
use countersign_core::person::Person;
use countersign_core::resolve::Observation;
use countersign_core::seal::Queue;
use countersign_core::subject::Matched;
use countersign_shared::ids::EscalationId;
use serde_json::json;

use crate::ports::{EscalationQuery, ReceiptQuery, Stand};
use crate::store::Restoration;

fn observation(n: u32) -> Observation {
    Observation {
        id: id("obs", n).parse().unwrap(),
        tool: "p.r".into(),
        value: json!({ "n": n, "text": "a\0b" }),
        labels: json!({}),
        at: Timestamp::UNIX_EPOCH,
    }
}

fn case(n: u32, matter: &str) -> Case {
    let receipt = id("rcp", n);
    let own = EscalationId::of(&receipt.parse().unwrap());
    serde_json::from_value(json!({
        "id": own, "matter": matter, "reason": "in_doubt", "code": "", "outcome": "unknown",
        "tenant": "t", "person": Person::of(&owner()), "issuer": "i", "subject": "s", "conversation": "c", "external_ref": "",
        "tool": "p.t", "request": [], "interpretation": "", "reasoning": "", "tried": [],
        "recommended": "", "observations": [id("obs", 1)], "receipt": receipt, "action": "",
        "related": [], "at": "2026-01-01T00:00:00Z",
    }))
    .unwrap()
}

/// A matter of tenant `t`.
pub(crate) async fn opens(store: &dyn Store, n: u32) {
    let opens = Queue::Opens(Box::new(case(n, &format!("m{n}"))));
    store.seal(Leaf { queue: opens, ..leaf(n) }, None).await.unwrap();
}

pub(crate) async fn a_matter_is_opened_once_taken_by_one_and_closed(bed: &impl Bed) {
    let store = bed.open().await;
    store.observe(&owner(), "c", observation(1)).await.unwrap();
    for n in [1, 2] {
        let opens = Queue::Opens(Box::new(case(n, "m")));
        store.seal(Leaf { queue: opens, ..leaf(n) }, None).await.unwrap();
    }
    let list = async |query: EscalationQuery| {
        store.escalations(EscalationQuery { limit: 9, ..query }).await.unwrap()
    };
    let all = list(EscalationQuery::default()).await;
    assert_eq!(all.len(), 1, "one open matter");
    assert_eq!((&all[0].case, &all[0].seen), (&case(1, "m"), &vec![observation(1)]));
    let matter = case(1, "m").id;
    assert!(store.take(&matter, None, Some("alice".into())).await.unwrap());
    assert!(
        !store.take(&matter, None, Some("bob".into())).await.unwrap(),
        "it is nobody's no more"
    );
    // Over a colleague who left it, and no further than whoever did so saw.
    assert!(store.take(&matter, Some("alice".into()), Some("bob".into())).await.unwrap());
    assert!(!store.take(&matter, Some("alice".into()), Some("cat".into())).await.unwrap());
    assert!(!store.take(&matter, Some("alice".into()), None).await.unwrap(), "bob has it");
    let untaken = EscalationQuery { stand: Stand::Untaken, ..EscalationQuery::default() };
    assert!(list(untaken.clone()).await.is_empty());
    assert!(store.take(&matter, Some("bob".into()), None).await.unwrap());
    assert_eq!(list(untaken).await.len(), 1);
    let closes = Queue::Closes("m".into());
    store.seal(Leaf { queue: closes, ..leaf(3) }, None).await.unwrap();
    assert!(list(EscalationQuery::default()).await.is_empty());
    assert!(!store.take(&matter, None, Some("bob".into())).await.unwrap());
    let closed = list(EscalationQuery { stand: Stand::Any, ..EscalationQuery::default() }).await;
    assert_eq!(closed[0].closed_by, Some(id("rcp", 3).parse().unwrap()));
    // Another word on it ends nothing, and is no receipt.
    let late = Leaf { queue: Queue::Closes("m".into()), ..leaf(5) };
    assert_eq!(store.seal(late, None).await.unwrap_err(), StoreError::Conflict);
    let sealed = store.receipts(ReceiptQuery { limit: 9, ..ReceiptQuery::default() }).await;
    assert_eq!(sealed.unwrap()[0].id, id("rcp", 3).parse().unwrap());
    // Another of the same matter may open now.
    let opens = Queue::Opens(Box::new(case(4, "m")));
    store.seal(Leaf { queue: opens, ..leaf(4) }, None).await.unwrap();
    assert_eq!(
        list(EscalationQuery { tenant: "t".into(), ..EscalationQuery::default() }).await.len(),
        1
    );
    assert!(
        list(EscalationQuery { tenant: "u".into(), ..EscalationQuery::default() }).await.is_empty()
    );
}

pub(crate) async fn matters_are_cut_after_they_are_chosen(bed: &impl Bed) {
    let store = bed.open().await;
    for n in 1..=5 {
        opens(&*store, n).await;
    }
    for (n, ended) in [(6, 4), (7, 2)] {
        let closes = Queue::Closes(format!("m{ended}"));
        store.seal(Leaf { queue: closes, ..leaf(n) }, None).await.unwrap();
    }
    assert!(store.take(&case(5, "m5").id, None, Some("alice".into())).await.unwrap());
    let list = async |stand, limit, who: &str| -> Vec<String> {
        let taken_by = who.to_owned();
        let query = EscalationQuery { stand, limit, taken_by, ..EscalationQuery::default() };
        let found = store.escalations(query).await.unwrap();
        found.into_iter().map(|matter| matter.case.matter).collect()
    };
    assert_eq!(list(Stand::Open, 2, "").await, ["m1", "m3"], "oldest first");
    assert_eq!(list(Stand::Open, 1, "alice").await, ["m5"]);
    assert!(list(Stand::Ended, 1, "alice").await.is_empty());
    assert_eq!(list(Stand::Ended, 1, "").await, ["m2"], "what ended last");
    assert_eq!(list(Stand::Ended, 9, "").await, ["m2", "m4"]);
    assert_eq!(list(Stand::Untaken, 9, "").await, ["m3", "m1"], "newest first");
    assert_eq!(list(Stand::Any, 2, "").await, ["m1", "m2"]);
    let after = async |stand, last: u32| -> Vec<String> {
        let after = Some(case(last, "").id);
        let query = EscalationQuery { stand, limit: 2, after, ..EscalationQuery::default() };
        let found = store.escalations(query).await.unwrap();
        found.into_iter().map(|matter| matter.case.matter).collect()
    };
    assert_eq!(after(Stand::Any, 2).await, ["m3", "m4"]);
    assert_eq!(after(Stand::Any, 4).await, ["m5"]);
    assert_eq!(after(Stand::Open, 1).await, ["m3", "m5"]);
    assert_eq!(after(Stand::Untaken, 3).await, ["m1"]);
    assert_eq!(after(Stand::Ended, 2).await, ["m4"]);
}

/// An action in doubt, as a recovery brings it back: a receipt that no journal stands behind.
pub(crate) async fn in_doubt() -> Restoration {
    let dir = tempfile::TempDir::new().unwrap();
    let elsewhere = dir.open().await;
    let (events, state, leaf) = settled(&*elsewhere, 1, "i1", "o1", "unknown").await;
    let sealed = elsewhere.seal(leaf, Some((0, events, &state))).await.unwrap();
    let back = vec![seal::restored(sealed.body).unwrap()];
    Restoration { back, ..Restoration::default() }
}

/// Asked of a store where `in_doubt` came back.
pub(crate) async fn the_end_of_a_matter_frees_what_came_back(store: &dyn Store) {
    assert_eq!(claim(store, 2, "i2", "o1").await.unwrap_err().code, "OBJECT_IN_DOUBT");
    let closes = Queue::Closes(action(1).to_string());
    store.seal(Leaf { queue: closes, ..leaf(3) }, None).await.unwrap();
    claim(store, 4, "i2", "o1").await.unwrap();
    let again = claim(store, 5, "i1", "o5").await.unwrap_err();
    assert_eq!(again.code, "OBJECT_IN_DOUBT", "the same wish");
}

pub(crate) async fn tries_are_counted_apart_and_end(bed: &impl Bed) {
    let store = bed.open().await;
    let now = Timestamp::now();
    let both = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
    let tries = (0..12).map(|_| {
        let store = Arc::clone(&store);
        async move { store.count_try(["a".into(), "b".into()], now).await.unwrap() }
    });
    let within = at_once(tries.collect::<Vec<_>>()).await;
    assert_eq!(within.iter().filter(|one| **one).count(), 5);
    assert!(!store.count_try(both("a", "c"), now).await.unwrap());
    assert!(store.count_try(both("d", "e"), now).await.unwrap());
    let later = now + jiff::SignedDuration::from_hours(25);
    assert!(store.count_try(both("a", "b"), later).await.unwrap(), "a day later");
}

pub(crate) async fn a_match_is_of_its_subject_and_conversation(bed: &impl Bed) {
    let store = bed.open().await;
    let matched = |hour: i64| Matched {
        claims: BTreeMap::from([("customer".to_owned(), hour.to_string())]),
        at: Timestamp::from_second(hour * 3600).unwrap(),
    };
    store.remember_match(&owner(), "c", matched(1)).await.unwrap();
    store.remember_match(&owner(), "c", matched(2)).await.unwrap();
    assert_eq!(store.matched(&owner(), "c").await.unwrap(), Some(matched(2)));
    assert_eq!(store.matched(&owner(), "d").await.unwrap(), None);
    let other = Subject { signs_as: "x".into(), ..owner() };
    assert_eq!(store.matched(&other, "c").await.unwrap(), None);
}

pub(crate) async fn evidence_is_of_its_subject_and_conversation(bed: &impl Bed) {
    let store = bed.open().await;
    for n in [1, 2] {
        store.observe(&owner(), "c", observation(n)).await.unwrap();
    }
    store.seal(leaf(1), None).await.unwrap();
    let (seen, sealed) =
        (vec![observation(2).id, observation(3).id], vec![id("rcp", 1).parse().unwrap()]);
    let found = async |who: &Subject, conversation: &str| {
        store.evidence(who, conversation, seen.clone(), sealed.clone()).await.unwrap()
    };
    let own = found(&owner(), "c").await;
    assert_eq!(own.observations, BTreeMap::from([(observation(2).id, observation(2))]));
    assert_eq!(own.receipts.len(), 1);
    assert!(found(&owner(), "d").await.observations.is_empty());
    let other = found(&Subject { id: "x".into(), ..owner() }, "c").await;
    assert!(other.observations.is_empty() && other.receipts.is_empty());
}

pub(crate) async fn text_that_no_database_likes_is_kept_apart(bed: &impl Bed) {
    let store = bed.open().await;
    let odd = ["a\0", "a\u{FFFD}", "a\u{FFFD}0", "a'); DROP TABLE leaves; --", "ä😀", ""];
    for (n, text) in (1..).zip(odd) {
        store.observe(&owner(), text, observation(n)).await.unwrap();
        let mut receipt = leaf(n);
        receipt.receipt.asked.external_ref = text.into();
        store.seal(receipt, None).await.unwrap();
    }
    for (n, text) in (1..).zip(odd) {
        let all: Vec<_> = (1..=6).map(|n| observation(n).id).collect();
        let found = store.evidence(&owner(), text, all, vec![]).await.unwrap();
        assert_eq!(
            found.observations.into_keys().collect::<Vec<_>>(),
            [observation(n).id],
            "{text}"
        );
        let query =
            ReceiptQuery { external_ref: Some(text.into()), limit: 9, ..ReceiptQuery::default() };
        let found = store.receipts(query).await.unwrap();
        assert_eq!(
            found.iter().map(|one| one.id.to_string()).collect::<Vec<_>>(),
            [id("rcp", n)],
            "{text}"
        );
    }
}
