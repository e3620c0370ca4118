//! Nothing counts that did not happen exactly once: the till's effects, the log's
//! receipts and the replies are compared sale by sale.

use std::collections::BTreeMap;

use countersign::pki::Role;
use countersign_proto::v1;
use countersign_proto::v1::audit_client::AuditClient;
use serde_json::Value;

use crate::place::Place;
use crate::till::Till;

/// Receipts asked for at once.
const PAGE: u32 = 200;

/// What was compared.
pub struct Proof {
    pub effects: usize,
    pub receipts: usize,
    pub replies: usize,
    pub forwarded: usize,
    /// Backend calls of each action, the same for both sides.
    pub calls: u64,
}

/// A receipt's part in it.
struct Sealed {
    receipt: String,
    key: String,
}

pub async fn prove(
    till: &Till,
    place: &Place,
    executor: &str,
    executed: BTreeMap<u64, String>,
    forwarded: &BTreeMap<u64, String>,
) -> Proof {
    let receipts = receipts(place, executor).await;
    let (ours, theirs) = (till.ledger("executor"), till.ledger("forwarder"));
    let effects: BTreeMap<_, _> = ours.refunds.iter().map(|(s, k)| (*s, k.clone())).collect();
    let sealed: BTreeMap<_, _> = receipts.iter().map(|(s, r)| (*s, vec![r.key.clone()])).collect();
    assert!(effects == sealed, "the till's effects are not the log's receipts");
    let named: BTreeMap<_, _> = receipts.iter().map(|(s, r)| (*s, r.receipt.clone())).collect();
    assert!(named == executed, "the replies are not the log's receipts");
    let kept: BTreeMap<_, _> = forwarded.iter().map(|(s, k)| (*s, vec![k.clone()])).collect();
    assert!(theirs.refunds == kept, "the forwarder's replies are not its effects");
    let calls = |l: &crate::till::Ledger| (l.reads + l.writes) / l.writes;
    assert_eq!(calls(&ours), calls(&theirs), "one side makes more backend calls");
    Proof {
        effects: effects.len(),
        receipts: receipts.len(),
        replies: executed.len(),
        forwarded: forwarded.len(),
        calls: calls(&ours),
    }
}

/// Every receipt of the log, by sale; each `applied`, no sale twice.
async fn receipts(place: &Place, executor: &str) -> BTreeMap<u64, Sealed> {
    let mut audit = AuditClient::new(place.channel(Role::Auditor, executor));
    let mut all = BTreeMap::new();
    let mut page_token = String::new();
    loop {
        let request = v1::ListReceiptsRequest {
            page_size: PAGE,
            page_token: std::mem::take(&mut page_token),
            ..v1::ListReceiptsRequest::default()
        };
        let page = audit.list_receipts(request).await.unwrap().into_inner();
        for receipt in page.receipts {
            let body: Value = serde_json::from_slice(&receipt.body).unwrap();
            // What the executor began with is no action.
            if body["outcome"] == "changed" {
                continue;
            }
            assert_eq!(body["outcome"], "applied", "{body}");
            let sale = body["arguments"][0]["value"].as_str().unwrap().parse().unwrap();
            let key = body["key"].as_str().unwrap().to_owned();
            let sealed = Sealed { receipt: receipt.receipt_id, key };
            assert!(all.insert(sale, sealed).is_none(), "two receipts for sale {sale}");
        }
        if page.next_page_token.is_empty() {
            return all;
        }
        page_token = page.next_page_token;
    }
}
