//! Receipts and a log folder of them, for tests.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::convert::Infallible;
use std::ops::Range;
use std::path::Path;

use countersign_shared::ids::ReceiptId;
use countersign_shared::money::Money;
use countersign_shared::receipt::{
    Argument, Asked, Attempt, Backend, Gate, Grant, Receipt, VERSION, Verification,
};
use countersign_shared::tlog::checkpoint::Checkpoint;
use countersign_shared::tlog::folder::{Publisher, Source};
use countersign_shared::tlog::key::{LogKey, Signer, VerifierKey};
use countersign_shared::tlog::merkle::{Tree, leaf_hash};
use ed25519_dalek::SigningKey;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value as Json, json};
use uuid::Uuid;

/// A cancelled order's receipt; `n` makes its id, its time and its ticket.
pub(crate) fn receipt(n: i64) -> Receipt {
    let at: Timestamp = "2026-07-01T10:00:00Z".parse().unwrap();
    let at = at + SignedDuration::from_secs(n);
    let id = Uuid::from_u128(u128::try_from(n).unwrap());
    Receipt {
        v: VERSION,
        receipt_id: ReceiptId::from_uuid(id).to_string(),
        sealed_at: at,
        outcome: "applied".into(),
        code: String::new(),
        message: String::new(),
        said: "Order #1001 is cancelled.".into(),
        next: "none".into(),
        performed_by: "executor".into(),
        tenant: "demo-shop".into(),
        tool: "shopify.cancel_order".into(),
        contract: "sha256:11".into(),
        pack: "sha256:22".into(),
        proposal: "33".into(),
        proposal_id: "prp_1".into(),
        action_id: "act_1".into(),
        key: "44".into(),
        occasion: 0,
        intent: String::new(),
        locks: Vec::new(),
        booked: Vec::new(),
        asked: Asked {
            caller: "spiffe://demo.countersign.internal/planner".into(),
            issuer: "https://shop.demo.invalid".into(),
            subject: "customer1".into(),
            conversation: "c1".into(),
            external_ref: if n == 1 { String::new() } else { format!("T-{n}") },
            confidence: 0.97,
            model: "offline".into(),
            ..Asked::default()
        },
        arguments: vec![Argument {
            path: "order_id".into(),
            value: json!("gid://shopify/Order/1001"),
            from: "observation".into(),
            at: "obs_1 /orders/0/id".into(),
        }],
        money: Some(Money::parse("123.50", "USD".parse().unwrap()).unwrap()),
        gates: vec![Gate {
            gate: "ORDER_FULFILLED".into(),
            passed: true,
            facts: json!({"rule": "state.order.fulfilled == false"}),
        }],
        grants: vec![Grant {
            kind: "customer".into(),
            by: "customer1".into(),
            issuer: "demo-terminal".into(),
            role: String::new(),
            reason: String::new(),
            at,
            card: "55".into(),
            text: "Cancel order #1001?".into(),
            signature: json!({"jws": "a.b.c"}),
        }],
        backend: Some(Backend {
            pack: "shopify".into(),
            account: "demo-shop".into(),
            credential: "shopify_token".into(),
            request: "66".into(),
        }),
        attempts: vec![Attempt {
            number: 1,
            at,
            ended_at: Some(at + SignedDuration::from_millis(45)),
            status: Some(200),
            verdict: json!({"accepted": {"job_id": "gid://shopify/Job/1"}}),
        }],
        before: json!({"order": {"cancelled_at": null}}),
        after: json!({"cancelled_at": "2026-07-01T10:00:00Z"}),
        verification: Verification {
            evidence: vec!["response".into(), "read_back".into()],
            looks: 2,
            sight: json!({"right": {"facts": {"rule": "found.cancelled"}}}),
        },
        output: json!({"order_id": "gid://shopify/Order/1001"}),
        change: None,
        counted: None,
        policy: String::new(),
        facts: serde_json::Value::Null,
    }
}

/// A refusal's receipt.
pub(crate) fn refused(n: i64) -> Receipt {
    Receipt {
        outcome: "refused".into(),
        code: "ORDER_FULFILLED".into(),
        grants: Vec::new(),
        backend: None,
        attempts: Vec::new(),
        after: Json::Null,
        output: Json::Null,
        verification: Verification::default(),
        ..receipt(n)
    }
}

/// Publishes a log of these receipts to `dir`; answers with its key.
pub(crate) fn log(dir: &Path, receipts: &[Receipt]) -> VerifierKey {
    let entries: Vec<_> = receipts.iter().map(|r| serde_json::to_vec(r).unwrap()).collect();
    let entries: Vec<_> = entries.iter().map(Vec::as_slice).collect();
    log_of(dir, &entries)
}

/// [`log`] of any entries.
pub(crate) fn log_of(dir: &Path, entries: &[&[u8]]) -> VerifierKey {
    let key = LogKey::new("shop.example/log", SigningKey::from_bytes(&[7; 32])).unwrap();
    let leaves: Vec<_> = entries.iter().map(|entry| entry.to_vec()).collect();
    let mut tree = Tree::default();
    for leaf in &leaves {
        tree.append(leaf_hash(leaf));
    }
    let checkpoint = Checkpoint::new("shop.example/log", tree.size(), tree.root()).unwrap();
    let checkpoint = checkpoint.sign(&key).unwrap().to_string().into_bytes();
    let mut publisher = Publisher::new(dir, key.verifier_key());
    publisher.publish(&Log { checkpoint, leaves }).unwrap();
    key.verifier_key()
}

struct Log {
    checkpoint: Vec<u8>,
    leaves: Vec<Vec<u8>>,
}

impl Source for Log {
    type Error = Infallible;

    fn checkpoint(&self) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(Some(self.checkpoint.clone()))
    }

    fn leaves(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, Infallible> {
        let (start, end) = (range.start.try_into().unwrap(), range.end.try_into().unwrap());
        Ok(self.leaves.get::<Range<usize>>(start..end).unwrap().to_vec())
    }
}
