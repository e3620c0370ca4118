//! The queue of people on its page.

use countersign_core::escalation::Case;
use countersign_core::person::Person;
use countersign_core::seal::Queue;
use countersign_shared::ids::EscalationId;
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

    assert!(store.take(&case(103).id, Some("fin".into())).await.unwrap());
    let (_, mine) = house.get("fin", "/escalations?show=mine").await;
    assert!(mine.contains(&at(103)) && !mine.contains(&at(3)), "{mine}");
}
