//! What must hold after every crash point, told from the shop's ledger and the log.

use countersign_tests::sandbox::{Effect, Fault};

use super::process::Truth;
use super::{Scenario, Wish};

pub fn check(what: &str, scenario: Scenario, truth: &Truth) {
    assert!(truth.wrong.is_empty(), "{what}: INTENT FIRST: {:?}", truth.wrong);
    let kind = match scenario.wish {
        Wish::Cancel => "order_cancelled",
        Wish::Refund => "refund_created",
    };
    let effects: Vec<&Effect> = truth.effects.iter().filter(|e| e.kind == kind).collect();
    assert!(effects.len() <= 1, "{what}: AT MOST ONE EFFECT: {effects:?}");

    let tool = match scenario.wish {
        Wish::Cancel => "shopify.cancel_order",
        Wish::Refund => "shopify.refund_lines",
    };
    let of_writes: Vec<_> =
        truth.receipts.iter().filter(|r| r.tool == tool && !r.action_id.is_empty()).collect();
    let [receipt] = of_writes.as_slice() else {
        panic!("{what}: {} receipts of one action", of_writes.len());
    };
    assert_eq!(receipt.proposal_id, truth.proposal_id, "{what}");
    assert!(truth.mutations <= receipt.attempts.len(), "{what}: sent more than the receipt says");

    let told = (receipt.outcome.as_str(), receipt.code.as_str());
    let expected = match (effects.len(), scenario.wish, scenario.fault) {
        (1, _, _) => ("applied", ""),
        // The shop said yes, and nothing happened; or its yes was lost with the process.
        (0, Wish::Cancel, Some(Fault::NoEffect)) => match receipt.code.as_str() {
            "VERIFY_MISMATCH" => ("unknown", "VERIFY_MISMATCH"),
            _ => ("unknown", "REPLY_LOST"),
        },
        // Intent durable, process gone: whether the request went out is not known, and
        // a keyless one is never sent again to find out.
        (0, Wish::Cancel, _) => ("unknown", "REPLY_LOST"),
        (_, Wish::Refund, _) => {
            panic!("{what}: a request with a key is brought to its end: {told:?}")
        }
        (_, Wish::Cancel, _) => unreachable!(),
    };
    assert_eq!(told, expected, "{what}: {}", receipt.message);
    if told == ("unknown", "REPLY_LOST") {
        // Whoever carries it on does not know how far the one before came.
        let left = ["CrashBefore", "CrashAfter", "DownAfter"].iter().any(|how| what.contains(how));
        assert!(left, "{what}: a process that lives knows what it sent");
    }
    let (again, known) = match told.0 {
        "applied" => ("ALREADY_DONE", Some(receipt.receipt_id.as_str())),
        _ => ("OBJECT_IN_DOUBT", Some(receipt.receipt_id.as_str())),
    };
    assert_eq!(truth.again.code, again, "{what}");
    assert_eq!(truth.again.receipt_id.as_deref(), known, "{what}");
}
