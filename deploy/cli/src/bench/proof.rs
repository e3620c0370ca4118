//! Nothing counts that did not happen exactly once: the till's effects, the log's receipts and the
//! replies are compared sale by sale.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use countersign_proto::v1;
use countersign_proto::v1::audit_client::AuditClient;
use countersign_shared::mtls::Channel;
use countersign_shared::receipt::{Receipt, opened};
use serde::Serialize;

use super::callers::Crowd;
use super::place::Place;
use super::till::{Ledger, Till};
use crate::pki::Role;
use crate::remote::{self, timed};

/// Receipts asked for at once.
const PAGE: u32 = 500;

/// What was compared of an executor, and found to be the same.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Proof {
    /// Effects in the till's ledger.
    pub(super) effects: usize,
    /// Receipts in the executor's log.
    pub(super) receipts: usize,
    /// Replies that callers got, each naming its receipt.
    pub(super) replies: usize,
    /// Repeats, each answered with the first receipt and without an effect.
    pub(super) repeats: u64,
    /// Calls to the backend for each action.
    pub(super) backend_calls: u64,
}

/// An executor's receipts, as an auditor reads them.
pub(super) struct Receipts {
    audit: AuditClient<Channel>,
    address: String,
}

/// Compares what an executor did. Receipts below index `from` were there before.
pub(super) async fn prove(
    ledger: &Ledger,
    crowd: &Crowd,
    receipts: &mut Receipts,
    from: u64,
) -> anyhow::Result<Proof> {
    let sealed = receipts.by_sale(from).await?;
    let replies = crowd.replies();
    let named: BTreeMap<_, _> = replies.iter().cloned().collect();
    let known: BTreeMap<_, _> =
        sealed.iter().map(|(sale, r)| (*sale, r.receipt_id.clone())).collect();
    ensure!(named.len() == replies.len() && named == known, "the replies are not the receipts");
    let keys: BTreeMap<_, _> =
        sealed.iter().map(|(sale, r)| (*sale, vec![r.key.clone()])).collect();
    ensure!(ledger.refunds == keys, "the till's effects are not the log's receipts");
    Ok(Proof {
        effects: ledger.refunds.len(),
        receipts: sealed.len(),
        replies: replies.len(),
        repeats: crowd.repeats(),
        backend_calls: (ledger.reads + ledger.writes).checked_div(ledger.writes).unwrap_or(0),
    })
}

/// Compares what the forwarder did; answers with its effects.
pub(super) fn forwarded(till: &Till, side: &str, crowd: &Crowd) -> anyhow::Result<usize> {
    let ledger = till.ledger(side);
    let kept: BTreeMap<_, _> =
        crowd.replies().into_iter().map(|(sale, key)| (sale, vec![key])).collect();
    ensure!(ledger.refunds == kept, "the forwarder's replies are not its effects");
    Ok(kept.len())
}

impl Receipts {
    pub(super) fn of(place: &Place, address: &str) -> anyhow::Result<Self> {
        let audit = AuditClient::new(place.channel(Role::Auditor, address)?);
        Ok(Self { audit, address: address.to_owned() })
    }

    /// The newest receipt of an action.
    pub(super) async fn newest(&mut self) -> anyhow::Result<Receipt> {
        let page = self.page(1, String::new()).await?;
        let newest = page.receipts.first().context("there is no receipt yet")?;
        Ok(opened(&newest.body, &newest.openings)?)
    }

    /// Every receipt of an action from index `from` on, by sale; each `applied`, no sale twice.
    async fn by_sale(&mut self, from: u64) -> anyhow::Result<BTreeMap<u64, Receipt>> {
        let mut all = BTreeMap::new();
        let mut token = String::new();
        loop {
            let page = self.page(PAGE, token).await?;
            let last = page.receipts.last().is_none_or(|receipt| receipt.leaf_index <= from);
            for sealed in page.receipts.into_iter().filter(|r| r.leaf_index >= from) {
                let receipt = opened(&sealed.body, &sealed.openings)?;
                // What the executor began with is no action.
                if receipt.change.is_some() {
                    continue;
                }
                ensure!(receipt.outcome == "applied", "a receipt says {receipt:?}");
                let sale = receipt.arguments.first().and_then(|a| a.value.as_str());
                let sale = sale.context("a receipt without its sale")?.parse()?;
                ensure!(all.insert(sale, receipt).is_none(), "two receipts for sale {sale}");
            }
            if last || page.next_page_token.is_empty() {
                return Ok(all);
            }
            token = page.next_page_token;
        }
    }

    async fn page(&mut self, size: u32, token: String) -> anyhow::Result<v1::ListReceiptsResponse> {
        let request = v1::ListReceiptsRequest {
            page_size: size,
            page_token: token,
            ..v1::ListReceiptsRequest::default()
        };
        let page = self.audit.list_receipts(timed(request)).await;
        page.map(tonic::Response::into_inner).map_err(|s| remote::refused(&self.address, &s))
    }
}
