//! A signed order counts once, and only for the switch as it stood when it was signed.
//! Both are read from the log, so that neither a restart nor another executor forgets.

use std::time::Duration;

use countersign_core::error::Refused;
use countersign_core::grant::signature::Assertion;
use countersign_core::switch::Reach;
use countersign_core::switch::order::{COUNTS, Order};
use countersign_shared::codes::Code;
use countersign_shared::receipt::Receipt;
use jiff::Timestamp;

use crate::ports::{ReceiptQuery, Store};
use crate::turned::unavailable;

/// How far back an order that still counts may have been used: its life, and as much again
/// for clocks that differ.
const BACK: Duration = Duration::from_secs(2 * COUNTS.unsigned_abs());
/// Receipts read at once.
const PAGE: u32 = 500;

/// An operator's signed order for a change.
#[derive(Debug, Clone)]
pub struct Word {
    /// When it was signed, to the second.
    at: Timestamp,
    /// Exact JSON of what was signed.
    claims: String,
    /// With its signature, as the receipt keeps it.
    signed: String,
}

impl Word {
    /// Of an order that was verified, with what it was verified by.
    ///
    /// # Errors
    /// `INTERNAL`.
    pub fn new(order: &Order, assertion: &Assertion) -> Result<Self, Refused> {
        let signed = serde_json::to_string(assertion);
        let signed = signed.map_err(|e| Refused::new(Code::Internal, e.to_string()))?;
        Ok(Self { at: order.at(), claims: assertion.claims.clone(), signed })
    }

    /// Whether nobody used it before, and nobody turned its switch since it was signed.
    ///
    /// # Errors
    /// `APPROVAL_INVALID`, `STORE_UNAVAILABLE`.
    pub(super) async fn stands(
        &self,
        reach: &Reach,
        store: &dyn Store,
        now: Timestamp,
    ) -> Result<(), Refused> {
        let from = now.checked_sub(BACK).unwrap_or(Timestamp::MIN);
        let mut before = None;
        loop {
            // A change is no tenant's.
            let query = ReceiptQuery {
                tenant: Some(String::new()),
                from: Some(from),
                before,
                limit: PAGE,
                ..ReceiptQuery::default()
            };
            let found = store.receipts(query).await.map_err(|e| unavailable(&e))?;
            for sealed in &found {
                self.follows(reach, &sealed.open().map_err(|e| unavailable(&e))?)?;
            }
            before = found.last().map(|last| last.index);
            if u32::try_from(found.len()).is_ok_and(|count| count < PAGE) {
                return Ok(());
            }
        }
    }

    /// Whether a change that was made leaves it standing.
    fn follows(&self, reach: &Reach, receipt: &Receipt) -> Result<(), Refused> {
        let Some(change) = &receipt.change else { return Ok(()) };
        // The claims, since a signature can be written in more than one way.
        let used = |jws: &str| {
            let earlier = serde_json::from_str::<Assertion>(jws);
            earlier.is_ok_and(|earlier| earlier.claims == self.claims)
        };
        if change.by.iter().any(|changer| used(&changer.jws)) {
            return Err(invalid("this order was carried out before: sign a new one"));
        }
        // Within one second nobody can tell which was first.
        if change.what == format!("switch/{reach}") && self.at <= receipt.sealed_at {
            return Err(invalid(
                "the switch was turned since this was signed: see how it stands, then sign again",
            ));
        }
        Ok(())
    }

    /// As the receipt keeps it.
    pub(super) fn into_signed(self) -> String {
        self.signed
    }
}

fn invalid(why: &str) -> Refused {
    Refused::new(Code::ApprovalInvalid, why)
}
