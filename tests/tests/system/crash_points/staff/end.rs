//! What must hold after every crash point, told from ledger, log and store.

use std::collections::BTreeMap;

use countersign_shared::receipt::Receipt;
use countersign_shared::refusal::Refusal;

use super::super::hands::Hands;
use super::super::process::{Life, Machine, Run};
use super::super::{PATIENCE, Wish, propose};
use super::{Case, Memory};

pub(super) fn check(what: &str, machine: &Machine, life: &Life, case: Case, memory: &Memory) {
    let looked = machine.run(life, None, PATIENCE, async |hands: &Hands| {
        let again = match case {
            Case::Settled(true) => propose(hands, Wish::Cancel, 9).await.err(),
            _ => None,
        };
        (hands.receipts().await, hands.matters().await, again)
    });
    let Run::Ended { answer: (receipts, matters, again), .. } = looked else {
        panic!("{what}: no last look")
    };
    assert_eq!(life.wrong(), Vec::<String>::new(), "{what}: INTENT FIRST");
    machine.log_verifies(life, receipts.len() as u64);
    let paid = machine.effects().iter().filter(|e| e.kind == "refund_created").count();
    let approved = matches!(case, Case::Approved | Case::AskedAnew | Case::Superseded);
    assert_eq!(paid, usize::from(approved), "{what}: AT MOST ONE EFFECT");
    assert_eq!(life.locks(), 0, "{what}: an object is still held");
    assert!(matters.is_empty(), "{what}: {matters:?}");
    receipted(what, &receipts, case, memory);
    if let Some(status) = again {
        let known = Refusal::from_status(&status).unwrap();
        assert_eq!(known.code, "ALREADY_DONE", "{what}: {known:?}");
        assert_eq!(known.receipt_id.as_ref(), Some(&receipts[0].receipt_id), "{what}");
    }
}

/// Each action has the receipts that it must have, and each the answers that were given.
fn receipted(what: &str, receipts: &[Receipt], case: Case, memory: &Memory) {
    let mut ends: BTreeMap<&str, Vec<[&str; 3]>> = BTreeMap::new();
    for receipt in receipts.iter().rev() {
        let by: Vec<_> = receipt.grants.iter().map(|grant| grant.by.as_str()).collect();
        let by = by.join(" ").replace("customer1@example.com", "customer").leak();
        let end = [receipt.outcome.as_str(), receipt.code.as_str(), by];
        ends.entry(&receipt.action_id).or_default().push(end);
    }
    let done = ["applied", "", "customer bob carol"];
    let older = match case {
        Case::Approved => vec![done],
        Case::Rejected => vec![["refused", "APPROVAL_REJECTED", "customer bob carol"]],
        Case::AskedAnew => vec![["refused", "STATE_CHANGED", "customer bob"]],
        Case::Superseded => vec![["refused", "PROPOSAL_SUPERSEDED", "customer bob"]],
        Case::Withdrawn => vec![["refused", "PROPOSAL_WITHDRAWN", "customer bob"]],
        Case::Expired => vec![["refused", "PROPOSAL_EXPIRED", "customer bob"]],
        Case::Settled(said) => {
            let outcome = if said { "applied" } else { "not_applied" };
            vec![["unknown", "VERIFY_MISMATCH", "customer"], [outcome, "", "customer bob"]]
        }
    };
    let newer = memory.newer.iter().map(|asked| (asked.action_id.as_str(), vec![done]));
    let expected = newer.chain([(memory.older.action_id.as_str(), older)]).collect();
    assert_eq!(ends, expected, "{what}: one receipt for each end, each answer once");
}
