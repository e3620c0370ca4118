//! Every verdict is derived as it was.

use std::collections::BTreeMap;

use countersign_core::replay::{Replayed, replay};
use countersign_shared::receipt::Receipt;

use crate::books::Books;
use crate::{first, life, many};

#[test]
fn decision_replay_derives_every_verdict_as_it_was() {
    let books = Books::three();
    let (mut kinds, mut made, mut seed, mut bytes) = (BTreeMap::new(), 0, first(), 0);
    let mut told = 0;
    println!("seeds from {seed}, at least {} receipts", many());
    while made < many() {
        for receipt in life::receipts(&books, seed) {
            match replay(&receipt, &books.shelf) {
                Ok(Replayed::Same) => {}
                Ok(Replayed::Told(_)) if is_told(&receipt) => told += 1,
                other => panic!("seed {seed}: {other:?}\n{receipt:#?}"),
            }
            let kind = format!("{} {}", receipt.outcome, receipt.code);
            *kinds.entry(kind).or_insert(0) += 1;
            made += 1;
            bytes += serde_json::to_vec(&receipt).unwrap().len();
        }
        seed += 1;
    }
    let seeds = seed - first();
    println!("{made} receipts of {seeds} seeds, {} bytes each; {told} told", bytes as u64 / made);
    kinds.iter().for_each(|(kind, n)| println!("{n:6} {kind}"));
    for kind in EVERY {
        assert!(kinds.contains_key(*kind), "no receipt is `{kind}`: {kinds:#?}");
    }
}

/// Whether its refusal came from outside: a fault on the way, or what people did.
fn is_told(receipt: &Receipt) -> bool {
    let last = receipt.facts.as_array().and_then(|all| all.last());
    last.is_some_and(|premise| premise.get("told").is_some())
}

/// At least these are among them.
const EVERY: &[&str] = &[
    "applied ",
    "not_applied ",
    "not_applied TOO_LATE",
    "refused APPROVAL_INVALID",
    "refused APPROVAL_REJECTED",
    "refused APPROVAL_REQUIRED",
    "refused APPROVER_NOT_ALLOWED",
    "refused ARGUMENT_INVALID",
    "refused ARGUMENT_MISSING",
    "refused ARGUMENT_UNEXPECTED",
    "refused CONFIDENCE_TOO_LOW",
    "refused CONFIRMATION_INVALID",
    "refused CONFIRMATION_REQUIRED",
    "refused CREDENTIAL_REJECTED",
    "refused EGRESS_DENIED",
    "refused HUMAN_DISAGREES",
    "refused LIMIT_EXCEEDED",
    "refused NOT_ACTIVATED",
    "refused NOT_THE_SUBJECTS",
    "refused OWNER_UNKNOWN",
    "refused PLAN_INVALID",
    "refused PLAN_TOO_MANY_WRITES",
    "refused POLICY_FORBIDS",
    "refused PROPOSAL_EXPIRED",
    "refused PROPOSAL_WITHDRAWN",
    "refused REFERENCE_REQUIRED",
    "refused REFERENCE_UNKNOWN",
    "refused SHADOW_MODE",
    "refused STATE_CHANGED",
    "refused STRENGTH_REQUIRED",
    "refused SUBJECT_STALE",
    "refused SWITCHED_OFF",
    "refused TOOL_UNKNOWN",
    "refused TOO_LATE",
    "unknown DUPLICATE_EFFECT",
    "unknown VERIFY_MISMATCH",
];
