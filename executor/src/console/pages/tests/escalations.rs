//! The queue of people on its page.

use countersign_core::escalation::Case;
use countersign_core::person::Person;
use countersign_core::seal::Queue;
use countersign_shared::ids::EscalationId;
use countersign_shared::receipt::Grant;
use serde_json::json;

use super::*;

fn case(n: u32) -> Case {
    let receipt = id("rcp", n);
    serde_json::from_value(json!({
        "id": EscalationId::of(&receipt.parse().unwrap()), "matter": format!("m{n}"),
        "reason": "in_doubt", "code": "", "outcome": "unknown", "tenant": "t",
        "person": Person::nobody(), "issuer": "i", "subject": "s", "conversation": "c",
        "external_ref": "", "tool": "p.t", "request": [], "interpretation": "", "reasoning": "",
        "tried": [], "recommended": "", "observations": [], "receipt": receipt, "action": "",
        "related": [], "at": "2026-01-01T00:00:00Z",
    }))
    .unwrap()
}

/// One more than a page holds are open, and two have ended, the second before the first.
#[tokio::test(flavor = "multi_thread")]
async fn no_matter_is_hidden_without_a_word() {
    let house = house();
    let store = &house.console.desk.pipeline.store;
    let opens = (1..=103).map(|n| (n, Queue::Opens(Box::new(case(n)))));
    let closes = [(104, 2), (105, 1)].map(|(n, ended)| (n, Queue::Closes(format!("m{ended}"))));
    for (n, queue) in opens.chain(closes) {
        store.seal(leaf(n, |leaf| leaf.queue = queue), None).await.unwrap();
    }
    let at = |n: u32| format!("/escalations/{}\"", case(n).id);
    let (_, open) = house.get("fin", "/escalations").await;
    assert!(open.contains("more than these 100"), "{open}");
    assert!(open.contains(&at(3)) && !open.contains(&at(1)) && !open.contains(&at(103)));

    let (_, ended) = house.get("fin", "/escalations?show=closed").await;
    assert!(ended.find(&at(1)).unwrap() < ended.find(&at(2)).unwrap(), "what ended last is first");
    assert!(!ended.contains(&at(3)) && !ended.contains("more than"), "{ended}");

    assert!(store.take(&case(103).id, None, Some("fin".into())).await.unwrap());
    let (_, mine) = house.get("fin", "/escalations?show=mine").await;
    assert!(mine.contains(&at(103)) && !mine.contains(&at(3)), "{mine}");
    assert!(mine.contains("FIN is at it"), "by their name: {mine}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_colleague_takes_a_matter_over_from_whoever_is_at_it() {
    let house = house();
    let store = &house.console.desk.pipeline.store;
    let open = leaf(1, |leaf| leaf.queue = Queue::Opens(Box::new(case(1))));
    store.seal(open, None).await.unwrap();
    assert!(store.take(&case(1).id, None, Some("bob".into())).await.unwrap());
    let at = format!("/escalations/{}", case(1).id);
    let (_, page) = house.get("fin", &at).await;
    assert!(page.contains("Take it over from bob") && !page.contains("Say how it ended"), "{page}");
    assert!(!house.get("eve", &at).await.1.contains("Take it over"), "an auditor reads");
    for stale in ["/take", "/take?from=ann"] {
        let (status, why) = house.post("fin", &format!("{at}{stale}"), &Value::Null).await;
        assert!(status == StatusCode::CONFLICT && why.contains("bob is at it"), "{why}");
    }
    let (status, _) = house.post("fin", &format!("{at}/take?from=bob"), &Value::Null).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let (_, page) = house.get("fin", &at).await;
    assert!(page.contains("Say how it ended"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_matter_that_ended_says_how() {
    let house = house();
    let store = &house.console.desk.pipeline.store;
    let word = Grant {
        kind: "finish".into(),
        by: "fin".into(),
        issuer: "d".into(),
        role: "finance".into(),
        reason: "looked it up".into(),
        at: Timestamp::now(),
        card: String::new(),
        text: "not done".into(),
        signature: Value::Null,
    };
    let ends = |leaf: &mut Leaf| {
        leaf.queue = Queue::Closes("m1".into());
        leaf.receipt.grants = vec![word];
    };
    let open = leaf(1, |leaf| leaf.queue = Queue::Opens(Box::new(case(1))));
    for leaf in [open, leaf(2, ends)] {
        store.seal(leaf, None).await.unwrap();
    }
    let at = format!("/escalations/{}", case(1).id);
    let link = format!("href=\"/actions/{}\"", id("rcp", 2));
    let (_, page) = house.get("fin", &at).await;
    assert!(page.contains("Ended: not done") && page.contains("looked it up"), "{page}");
    assert!(!page.contains(&link), "only auditors read receipts");
    assert!(house.get("eve", &at).await.1.contains(&link));
    let (_, list) = house.get("fin", "/escalations?show=closed").await;
    assert!(list.contains("not done, says FIN") && !list.contains("since"), "{list}");
}
