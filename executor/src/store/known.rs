//! What every store knows of an intent, put together the same way.

use countersign_core::claim::Latest;
use countersign_core::lifecycle::Outcome;
use countersign_shared::ids::ActionId;

use crate::ports::StoreError;

/// The newest action that claimed an intent: one that is reserved and not yet in the
/// journal, or else the journal's.
pub(super) fn latest(reserved: Option<ActionId>, stored: Option<Latest>) -> Option<Latest> {
    let Some(action) = reserved else { return stored };
    let occasion = stored.map_or(0, |latest| latest.occasion);
    Some(Latest { action, occasion, outcome: None, receipt: None })
}

/// What the journal's columns say of an intent.
pub(super) fn stored(
    action: &str,
    occasion: u32,
    outcome: Option<&str>,
    receipt: Option<&str>,
) -> Result<Latest, StoreError> {
    Ok(Latest {
        action: action.parse().map_err(damaged)?,
        occasion,
        outcome: outcome.map(named).transpose()?,
        receipt: receipt.map(|r| r.parse().map_err(damaged)).transpose()?,
    })
}

fn named(outcome: &str) -> Result<Outcome, StoreError> {
    Outcome::named(outcome).ok_or_else(|| StoreError::Damaged(format!("outcome `{outcome}`")))
}

pub(super) fn damaged(error: impl std::fmt::Display) -> StoreError {
    StoreError::Damaged(error.to_string())
}
