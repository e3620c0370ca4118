#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use countersign_core::lifecycle::fold;
use countersign_core::seal;
use countersign_shared::receipt::{ERASED, Grant, Message, cover, open};
use serde_json::json;

use super::*;
use crate::testing::{applied, event, granted, id, proposed, refused};

fn now() -> Timestamp {
    "2026-11-16T12:00:00Z".parse().unwrap()
}

/// The receipt of an action that ended so; of one that was refused, without an end.
fn receipt(outcome: Option<&str>) -> Receipt {
    let mut events = vec![proposed(1, "i", "o")];
    if let Some(outcome) = outcome {
        events.push(granted());
        events.extend(applied());
        events.pop();
        let settled = json!({ "outcome": outcome, "code": "", "message": "" });
        events.push(event(json!({ "settled": settled })));
    } else {
        events.push(refused("no"));
    }
    let state = fold(events).unwrap();
    seal::seal(&state, None, &id("rcp", 1).parse().unwrap(), now()).unwrap().receipt
}

fn steps(receipt: &Receipt) -> Vec<Step> {
    of(receipt, 7).into_iter().map(|moment| moment.step).collect()
}

fn told(receipt: &Receipt, step: Step) -> String {
    let found = of(receipt, 7).into_iter().find(|moment| moment.step == step).unwrap();
    let lines = found.lines.iter().map(|(name, text)| format!("{name}: {text}"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn an_applied_action_is_told_to_its_receipt() {
    let mut receipt = receipt(Some("applied"));
    receipt.before =
        json!({ "order.name": "#1", "order.refunded": "0.00", "order.lines.left": [2, 1] });
    receipt.after = json!({
        "name": "#1", "refunded": "50.00", "refund": "r1", "lines": [{ "left": 1 }, { "left": 1 }],
    });
    use Step::{Answered, Changed, Planned, Said, Sealed, Sent};
    let steps = steps(&receipt);
    for step in [Said, Planned, Sent, Answered, Changed, Sealed] {
        assert!(steps.contains(&step), "{step:?} of {steps:?}");
    }
    assert!(steps.is_sorted());
    let changed = told(&receipt, Changed);
    assert_eq!(changed, "order.refunded: 0.00 → 50.00\norder.lines.left: 2, 1 → 1, 1");
    assert!(told(&receipt, Answered).contains("HTTP 200"));
    assert!(told(&receipt, Sealed).contains("In the log at: 7"));
}

/// Before: the places that the contract uses of its reads. After: another read, whole.
#[test]
fn only_what_both_readings_have_of_one_thing_is_told_as_changed() {
    let mut receipt = receipt(Some("applied"));
    receipt.before = json!({
        "order.address.address1": "1 Old Street", "order.address.address2": null,
        "order.address.city": "Bern", "order.customer_id": "c1", "order.name": "#1001",
        "order.risk": "NONE",
    });
    let read = |name: &str| {
        json!({
            "id": "o1", "name": name, "customer_id": "c1", "address_stamp": "m",
            "address": { "address1": "12 Harbor Street", "address2": "", "city": "Bern" },
            "refunds": [],
        })
    };
    receipt.after = read("#1001");
    let changed = told(&receipt, Step::Changed);
    assert_eq!(changed, "order.address.address1: 1 Old Street → 12 Harbor Street");
    receipt.after = read("#1002");
    assert!(!steps(&receipt).contains(&Step::Changed), "of something else");
    receipt.after = json!({ "job": "j1", "address": { "address1": "12 Harbor Street" } });
    assert!(!steps(&receipt).contains(&Step::Changed), "nothing says that it is the same");
    receipt.before = json!({ "order.address.city": "Bern" });
    receipt.after = json!({ "address": null });
    assert_eq!(told(&receipt, Step::Changed), "order.address.city: Bern → none");
}

#[test]
fn the_id_says_whether_it_is_the_same_thing_and_not_what_it_refers_to() {
    let mut receipt = receipt(Some("applied"));
    let read = |id: Json, name: &str, assignee: &str| {
        let status = "open";
        json!({ "id": id, "name": name, "assignee_id": assignee, "status": status })
    };
    let before = |id: Json| {
        json!({
            "ticket.id": id, "ticket.name": "Old", "ticket.assignee_id": "a1",
            "ticket.status": "new",
        })
    };
    receipt.before = before(json!("t1"));
    receipt.after = read(json!("t1"), "New", "a2");
    assert_eq!(
        told(&receipt, Step::Changed),
        "ticket.name: Old → New\nticket.assignee_id: a1 → a2\nticket.status: new → open"
    );
    receipt.after = read(json!("t2"), "Old", "a1");
    assert!(!steps(&receipt).contains(&Step::Changed), "another id");
    // Neither has an id: the name decides.
    receipt.before = before(Json::Null);
    receipt.after = read(Json::Null, "Old", "a2");
    assert!(told(&receipt, Step::Changed).contains("ticket.assignee_id: a1 → a2"));
    receipt.after = read(Json::Null, "New", "a1");
    assert!(!steps(&receipt).contains(&Step::Changed), "another name");
    // Nor a name: what it refers to has to be the same.
    receipt.before = json!({ "ticket.assignee_id": "a1", "ticket.status": "new" });
    receipt.after = read(Json::Null, "", "a1");
    assert_eq!(told(&receipt, Step::Changed), "ticket.status: new → open");
    receipt.after = read(Json::Null, "", "a2");
    assert!(!steps(&receipt).contains(&Step::Changed), "it refers to another");
}

#[test]
fn a_change_counts_where_it_is_too_far_on_to_be_shown() {
    let mut receipt = receipt(Some("applied"));
    let lines = |last: &str| Json::from([vec!["a line of the order"; 100], vec![last]].concat());
    receipt.before = json!({ "order.id": "o1", "order.lines": lines("left") });
    receipt.after = json!({ "id": "o1", "lines": lines("right") });
    let changed = told(&receipt, Step::Changed);
    assert!(changed.ends_with("… (the change is in what is not shown here)"), "{changed}");
    receipt.after = json!({ "id": "o1", "lines": lines("left") });
    assert!(!steps(&receipt).contains(&Step::Changed));
    // What says nothing is the same, and so is a number that one of the reads has as a text.
    receipt.before =
        json!({ "order.id": "o1", "order.to": { "city": "Bern", "unit": null, "no": 1 } });
    receipt.after = json!({ "id": "o1", "to": { "city": "Bern", "zip": "", "no": "1" } });
    assert!(!steps(&receipt).contains(&Step::Changed));
}

#[test]
fn a_refused_action_was_not_sent() {
    let receipt = receipt(None);
    let steps = steps(&receipt);
    assert!(!steps.contains(&Step::Sent) && !steps.contains(&Step::Answered), "{steps:?}");
    assert!(told(&receipt, Step::Sealed).contains("refused (RULE_ERROR)"));
}

#[test]
fn whoever_approved_or_settled_it_is_named() {
    let mut receipt = receipt(Some("unknown"));
    let text = |text: &str| text.to_owned();
    let grant = |kind: &str, by: &str| Grant {
        kind: text(kind),
        by: text(by),
        issuer: String::new(),
        role: text("lead"),
        reason: text("looked it up"),
        at: now(),
        card: String::new(),
        text: if kind == "finish" { text("not done") } else { String::new() },
        signature: Json::Null,
    };
    receipt.grants = vec![grant("approval", "anna"), grant("finish", "ben")];
    let granted = told(&receipt, Step::Granted);
    assert!(granted.contains("Approved: anna as lead, 2026-11-16 12:00:00 UTC: looked it up"));
    assert!(granted.contains("Settled by a person: not done, says ben as lead"));
    // Where the read says otherwise nothing is settled.
    receipt.code = Code::HumanDisagrees.name().to_owned();
    let granted = told(&receipt, Step::Granted);
    assert!(!granted.contains("Settled"), "{granted}");
    assert!(granted.contains("A person's word, which the read contradicts: not done, says ben"));
}

#[test]
fn words_are_shown_where_the_premises_have_them_and_nothing_once_they_are_erased() {
    let mut receipt = receipt(None);
    let message = Message { id: "m1".into(), frontend: "web".into(), sha256: "ab".into() };
    receipt.asked.messages = vec![message];
    assert!(told(&receipt, Step::Said).contains("m1 through web: SHA-256 ab"));
    let messages = json!([{ "id": "m1", "text": "Refund my order" }]);
    receipt.facts = json!([{ "ask": { "asked": { "messages": messages } } }]);
    assert!(told(&receipt, Step::Said).contains("m1 through web: Refund my order"));
    let (leaf, _) = cover(receipt, &[1; 32]).unwrap();
    let erased = open(&leaf, &Default::default()).unwrap();
    let said = told(&erased, Step::Said);
    assert!(said.contains(ERASED) && !said.contains("Refund"), "{said}");
}
