#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::json;

use super::*;
use crate::receipt::VERSION;

const SECRET: [u8; 32] = [7; 32];

fn covered() -> (Receipt, Vec<u8>, Openings) {
    let receipt = sample();
    let (leaf, openings) = cover(receipt.clone(), &SECRET).unwrap();
    (receipt, leaf, openings)
}

#[test]
fn a_leaf_opens_to_the_receipt_that_it_covers() {
    let (receipt, leaf, openings) = covered();
    assert_eq!(open(&leaf, &openings), Ok(receipt));
    let kept: Openings = serde_json::from_str(&serde_json::to_string(&openings).unwrap()).unwrap();
    assert_eq!(kept, openings);
}

#[test]
fn a_leaf_holds_no_personal_value_and_all_others() {
    let (_, leaf, openings) = covered();
    let text = String::from_utf8(leaf).unwrap();
    for value in ["jane", "conv-9", "ticket-7", "100 Main", "refund it", "word of mouth", "jws-of"]
    {
        assert!(!text.contains(value), "{value} is in {text}");
    }
    for value in ["applied", "shop.refund", "12.50", "boss@shop.example"] {
        assert!(text.contains(value), "{value} is not in {text}");
    }
    let paths: Vec<_> = openings.0.keys().map(String::as_str).collect();
    let expected = [
        "after",
        "arguments[0].value",
        "asked.conversation",
        "asked.external_ref",
        "asked.messages[0].sha256",
        "asked.recommended_action",
        "asked.subject",
        "asked.uncertainty_reason",
        "attempts[0].verdict",
        "before",
        "gates[0].facts",
        "grants[0].by",
        "grants[0].signature",
        "grants[0].text",
        "grants[1].reason",
        "grants[1].signature",
        "grants[1].text",
        "message",
        "output",
        "said",
        "verification.sight",
    ];
    assert_eq!(paths, expected);
}

#[test]
fn without_openings_it_reads_erased_and_one_field_opens_alone() {
    let (receipt, leaf, openings) = covered();
    let none = open(&leaf, &Openings::default()).unwrap();
    assert_eq!((none.said.as_str(), &none.before), (ERASED, &json!(ERASED)));
    assert_eq!((&none.asked.subject, &none.outcome), (&ERASED.to_owned(), &receipt.outcome));
    let (path, opening) = openings.0.get_key_value("arguments[0].value").unwrap();
    let alone = Openings([(path.clone(), opening.clone())].into());
    let one = open(&leaf, &alone).unwrap();
    assert_eq!(one.arguments.first().unwrap().value, json!("jane@example.com"));
    assert_eq!(one.said, ERASED);
}

#[test]
fn an_opening_of_something_else_is_found_out() {
    let (_, leaf, openings) = covered();
    let changed = |path: &str, change: &dyn Fn(&mut Opening)| {
        let mut openings = openings.clone();
        openings.0.get_mut(path).map(change).unwrap();
        open(&leaf, &openings)
    };
    let wrong = |path: &str| Err(OpenError::Wrong(path.to_owned()));
    assert_eq!(changed("said", &|o| o.text = "\"no\"".to_owned()), wrong("said"));
    assert_eq!(changed("before", &|o| o.salt.push('A')), wrong("before"));
    let mut swapped = openings.clone();
    let said = swapped.0.remove("said").unwrap();
    swapped.0.insert("output".to_owned(), said);
    assert_eq!(open(&leaf, &swapped), wrong("output"));
    let mut foreign = openings.clone();
    let said = foreign.0.remove("said").unwrap();
    foreign.0.insert("asked.caller".to_owned(), said);
    assert_eq!(open(&leaf, &foreign), Err(OpenError::NoSuchPath("asked.caller".to_owned())));
    let (_, other) = cover(sample(), &[8; 32]).unwrap();
    assert_eq!(open(&leaf, &other), wrong("said"));
}

#[test]
fn what_is_told_is_opened_alone_and_checked_like_all_else() {
    let (receipt, leaf, mut openings) = covered();
    assert_eq!(said(&leaf, &openings), Ok(receipt.said));
    let opening = openings.0.get_mut("said").unwrap();
    opening.text = "\"Not done.\"".to_owned();
    assert_eq!(said(&leaf, &openings), Err(OpenError::Wrong("said".to_owned())));
    openings.0.remove("said");
    assert_eq!(said(&leaf, &openings), Ok(ERASED.to_owned()));
}

#[test]
fn a_value_in_clear_is_no_leaf() {
    let clear = serde_json::to_vec(&sample()).unwrap();
    let error = open(&clear, &Openings::default());
    assert_eq!(error, Err(OpenError::NotCovered("said".to_owned())));
    assert!(matches!(open(b"{}", &Openings::default()), Err(OpenError::NoReceipt(_))));
}

#[test]
fn covering_adds_no_more_than_it_says() {
    let (mut receipt, leaf, _) = covered();
    let clear = serde_json::to_vec(&receipt).unwrap();
    assert!(leaf.len() <= clear.len() + added(&mut receipt));
}

/// Against Python's own HMAC-SHA-256.
#[test]
fn salts_are_hmacs() {
    let expected = "198a607eb44bfbc69903a0f1cf2bbdc5ba0aa3f3d9ae3c1c7a3b1696a0b68cf7";
    assert_eq!(hex::encode(Keyed::with(&[0x0b; 32]).over(b"Hi There")), expected);
}

/// A receipt with something at every place.
fn sample() -> Receipt {
    let at = "2026-01-02T03:04:05Z";
    let grant = |kind: &str, by: &str, jws: &str, reason: &str| {
        serde_json::json!({
            "kind": kind, "by": by, "issuer": "i", "role": "", "reason": reason, "at": at,
            "card": "c", "text": "refund it to jane", "signature": { "jws": jws },
        })
    };
    let receipt = serde_json::json!({
        "v": VERSION, "receipt_id": "rcp_1", "sealed_at": at, "outcome": "applied", "code": "",
        "message": "jane was refunded", "said": "Done, jane.", "next": "none", "tenant": "t",
        "tool": "shop.refund", "contract": "", "pack": "", "proposal": "", "proposal_id": "",
        "action_id": "", "key": "", "occasion": 0,
        "asked": {
            "caller": "spiffe://t/planner", "person": "p", "issuer": "i", "subject": "jane",
            "conversation": "conv-9", "external_ref": "ticket-7",
            "messages": [{ "id": "m1", "frontend": "f", "sha256": "00" }], "confidence": 0.5,
            "uncertainty_reason": "word of mouth", "recommended_action": "refund it", "model": "",
            "input_tokens": 0, "output_tokens": 0, "latency_ms": 0, "repairs": 0, "fallback": "",
        },
        "arguments": [
            { "path": "to", "value": "jane@example.com", "from": "claim", "at": "email" },
            { "path": "note", "value": null, "from": "model", "at": "" },
        ],
        "money": { "amount": "12.50", "currency": "USD" },
        "gates": [{ "gate": "owner", "passed": true, "facts": { "owner": "jane" } }],
        "grants": [
            grant("customer", "jane", "jws-of-jane", ""),
            grant("approval", "boss@shop.example", "jws-of-boss", "jane is right"),
        ],
        "backend": null,
        "attempts": [{ "number": 1, "at": at, "ended_at": at, "status": 200,
                       "verdict": { "answered": { "to": "jane" } } }],
        "before": { "street": "100 Main" }, "after": { "street": "100 Main" },
        "verification": { "evidence": [], "looks": 1, "sight": { "found": "jane" } },
        "output": { "id": "of-jane" },
    });
    serde_json::from_value(receipt).unwrap()
}
