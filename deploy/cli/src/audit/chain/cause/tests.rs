#![allow(clippy::unwrap_used, reason = "tests")]

use countersign_shared::attest::text_digest;
use countersign_shared::receipt::{Change, Changer, Gate, Message, Verification};
use countersign_shared::turn::{Call, Said, Told, Turn};
use serde_json::json;

use super::*;
use crate::receipts::{Logged, sample};

fn said(id: &str, text: &str) -> Recorded {
    let message =
        Said { id: id.into(), text: text.into(), sha256: text_digest(text), ..Said::default() };
    told(Turn { message: Some(message), ..Turn::default() })
}

fn told(turn: Turn) -> Recorded {
    Recorded {
        at: "2026-07-02T09:00:00Z".parse().unwrap(),
        subject: "customer1".into(),
        conversation: "c2".into(),
        external_ref: String::new(),
        trace: String::new(),
        turn,
    }
}

/// A receipt that rests on these words, and its turns.
fn chain(mut receipt: Receipt, turns: Vec<Recorded>) -> Chain {
    let messages = turns.iter().filter_map(|turn| turn.turn.message.as_ref());
    receipt.asked.messages = messages
        .map(|said| Message {
            id: said.id.clone(),
            frontend: "f".into(),
            sha256: said.sha256.clone(),
        })
        .collect();
    Chain {
        logged: Logged { index: 0, body: Vec::new(), receipt },
        proof: String::new(),
        events: Vec::new(),
        turns,
        related: Vec::new(),
        changes: Vec::new(),
        left_out: Vec::new(),
    }
}

/// Order 1001 was cancelled.
fn cancelled() -> Receipt {
    Receipt { before: json!({ "order": { "name": "#1001", "paid": true } }), ..sample::receipt(1) }
}

fn says(chain: &Chain, kind: Kind, parts: &[&str]) {
    let cause = of(chain);
    assert_eq!(cause.kind, Some(kind), "{cause:?}");
    assert!(parts.iter().all(|part| cause.sentence.contains(part)), "{cause:?}");
}

#[test]
fn where_nothing_departs_from_the_words_it_says_so() {
    for words in ["cancel #1001", "cancel order 1001.", "cancel my last order", "I paid $4000.50"] {
        let cause = of(&chain(cancelled(), vec![said("m1", words)]));
        assert_eq!(cause.kind, None, "{words}: {cause:?}");
        assert!(cause.sentence.contains("no cause"), "{cause:?}");
    }
}

#[test]
fn words_that_name_another_order() {
    let chain = chain(cancelled(), vec![said("m1", "hello"), said("m2", "cancel #1002 please")]);
    says(&chain, Kind::WrongEntity, &["m2", "1002", "#1001", "order_id", "obs_1 /orders/0/id"]);
}

#[test]
fn words_that_the_receipt_does_not_rest_on_prove_nothing() {
    let mut chain = chain(cancelled(), vec![said("m1", "cancel #1002")]);
    chain.logged.receipt.asked.messages.clear();
    assert_eq!(of(&chain).kind, None);
}

#[test]
fn a_yes_to_what_was_no_longer_so() {
    let mut receipt = sample::refused(1);
    receipt.code = "STATE_CHANGED".into();
    receipt.message = "order.status: PAID is now REFUNDED; asked again as prp_9".into();
    let grant = sample::receipt(1).grants.remove(0);
    let approval = Grant {
        kind: "approval".into(),
        by: "bob".into(),
        role: "finance".into(),
        ..grant.clone()
    };
    receipt.grants = vec![grant, approval];
    let parts = ["bob (finance) approved", "order.status: PAID is now REFUNDED)"];
    says(&chain(receipt.clone(), vec![]), Kind::StaleApproval, &parts);
    receipt.grants.clear();
    assert_eq!(of(&chain(receipt, vec![])).kind, None, "nobody had said yes");
}

#[test]
fn a_yes_of_the_backend_that_is_not_so() {
    let mut receipt = cancelled();
    receipt.outcome = "unknown".into();
    receipt.verification = Verification {
        sight: json!({ "wrong": { "facts": { "rule": "looked.cancelled" } } }),
        ..receipt.verification
    };
    let chain = chain(receipt, vec![said("m1", "cancel #1001")]);
    says(&chain, Kind::LyingBackend, &["demo-shop said yes", "HTTP 200", "looked.cancelled"]);
}

#[test]
fn a_policy_that_was_changed_between_card_and_yes() {
    let mut receipt = sample::refused(1);
    receipt.code = "LIMIT_EXCEEDED".into();
    let facts = json!({ "per": "customer" });
    receipt.gates = vec![Gate { gate: "limit".into(), passed: false, facts }];
    let by = |who: &str| Changer { who: who.into(), reason: String::new(), jws: "j".into() };
    let change = Change {
        what: "policy".into(),
        old: "sha256:1".into(),
        new: "sha256:2".into(),
        reason: String::new(),
        by: vec![by("ann"), by("ben")],
        note: String::new(),
    };
    let edit = Receipt { change: Some(change), ..sample::receipt(0) };
    let mut chain = chain(receipt, vec![]);
    chain.changes = vec![edit];
    assert_eq!(of(&chain).kind, None, "nothing says that it was proposed before");
    chain.events = vec![json!({ "proposed": { "at": "2026-07-01T10:00:01Z" } })];
    assert_eq!(of(&chain).kind, None, "it was proposed under the new one");
    chain.events = vec![json!({ "proposed": { "at": "2026-07-01T09:00:00Z" } })];
    says(&chain, Kind::PolicyEdit, &["ann and ben", "sha256:2", "LIMIT_EXCEEDED"]);
}

#[test]
fn the_same_asked_again() {
    let receipt = cancelled();
    let call = Call {
        what: "propose".into(),
        code: "ALREADY_DONE".into(),
        receipt: receipt.receipt_id.clone(),
        ..Call::default()
    };
    let again =
        told(Turn { told: Told { calls: vec![call], ..Told::default() }, ..Turn::default() });
    says(&chain(receipt, vec![again]), Kind::DuplicateAsk, &["conversation c2", "2026-07-02"]);
}

#[test]
fn a_value_that_only_the_model_had() {
    let mut receipt = cancelled();
    receipt.asked.model = "gpt".into();
    let argument =
        |value| Argument { path: "n".into(), value, from: "model".into(), at: String::new() };
    let mut typed = |value: Json, words: &str| {
        receipt.arguments.truncate(1);
        receipt.arguments.push(argument(value));
        of(&chain(receipt.clone(), vec![said("m1", words)]))
    };
    let cause = typed(json!(2), "refund the mug of #1001");
    assert_eq!(cause.kind, Some(Kind::ModelInvention), "{cause:?}");
    assert!(cause.sentence.contains("n = 2 was typed by the model (gpt)"), "{cause:?}");
    assert_eq!(typed(json!(2), "refund two mugs of #1001").kind, None);
    assert_eq!(typed(json!(1), "refund the mug of #1001").kind, None, "one is what is meant");
}
