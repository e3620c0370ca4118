//! What an action is booked on, from its claim until it is proved that nothing came of
//! it.

use std::time::Duration;

use countersign_core::claim::Taken;
use countersign_core::lifecycle::{Outcome, State};
use countersign_core::limit::Sum;
use countersign_core::proposal::Proposal;
use countersign_shared::money::Money;
use jiff::Timestamp;

use super::known::damaged;
use crate::ports::StoreError;

/// One action on all its accounts.
pub(super) struct Booking {
    pub(super) accounts: Vec<String>,
    /// Milliseconds since 1970.
    pub(super) at: i64,
    pub(super) tool: String,
    pub(super) money: Option<Money>,
}

impl Booking {
    pub(super) fn of(taken: &Taken, proposal: &Proposal) -> Self {
        Self {
            accounts: taken.booked().to_vec(),
            at: taken.at().as_millisecond(),
            tool: proposal.tool().to_owned(),
            money: proposal.money(),
        }
    }

    /// Of an action that is under way, in doubt or applied.
    pub(super) fn standing(state: &State) -> Option<Self> {
        let claimed = match state {
            State::Claimed(c) => c,
            State::Cleared(c) => c.claimed(),
            State::Sent(d) | State::Answered(d) | State::Looking(d, _) => d.cleared().claimed(),
            State::Settled(s) | State::Sealed(s, _) => match s.settlement.outcome {
                Outcome::Applied | Outcome::Unknown => s.dispatch.cleared().claimed(),
                Outcome::NotApplied | Outcome::Refused => return None,
            },
            State::Proposed(_)
            | State::Granted(_)
            | State::Refused(_)
            | State::SealedRefusal(..) => return None,
        };
        Some(Self::of(claimed.taken(), claimed.granted().proposal()))
    }

    /// Code and minor units, empty and zero where no money moves.
    pub(super) fn amount(&self) -> (&'static str, i64) {
        self.money.map_or(("", 0), |money| (money.currency().code(), money.minor()))
    }

    pub(super) fn counts(&self, account: &str, since: i64) -> bool {
        self.at > since && self.accounts.iter().any(|own| own == account)
    }
}

/// Where a window begins, in milliseconds since 1970.
pub(super) fn since(now: Timestamp, within: Duration) -> i64 {
    let within = i64::try_from(within.as_millis()).unwrap_or(i64::MAX);
    now.as_millisecond().saturating_sub(within)
}

/// So many actions of one tool, in one currency or none.
pub(super) fn sum(count: u32, currency: &str, minor: i64) -> Result<Sum, StoreError> {
    let mut sum = Sum { count, ..Sum::default() };
    if !currency.is_empty() {
        sum.money.insert(currency.parse().map_err(damaged)?, minor);
    }
    Ok(sum)
}
