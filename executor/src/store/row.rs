//! The columns beside a journal: they follow from its state, the same in every store.

use countersign_core::lifecycle::{Outcome, State};
use countersign_core::proposal::Proposal;
use countersign_shared::ids::ReceiptId;

use super::booking::Booking;

/// The columns that follow from a state.
pub(super) struct Row {
    pub(super) proposal: Box<Proposal>,
    pub(super) occasion: Option<u32>,
    pub(super) state: &'static str,
    pub(super) outcome: Option<Outcome>,
    pub(super) receipt: Option<ReceiptId>,
    pub(super) booking: Option<Booking>,
}

impl Row {
    pub(super) fn of(state: &State) -> Self {
        Self {
            proposal: Box::new(state.proposal().clone()),
            occasion: occasion(state),
            state: state.name(),
            outcome: state.outcome(),
            receipt: state.receipt().cloned(),
            booking: Booking::standing(state),
        }
    }

    /// Whether somebody has to carry it on.
    #[cfg(feature = "postgres")]
    pub(super) fn carried(&self) -> bool {
        !matches!(self.state, "proposed" | "waiting" | "sealed")
    }

    /// Whether its objects are locked: from the claim until the outcome is known;
    /// `unknown` is not known.
    pub(super) fn locked(&self) -> bool {
        self.occasion.is_some() && self.outcome.is_none_or(|o| o == Outcome::Unknown)
    }
}

fn occasion(state: &State) -> Option<u32> {
    match state {
        State::Proposed(_) | State::Granted(_) => None,
        State::Claimed(c) => Some(c.occasion()),
        State::Cleared(c) => Some(c.claimed().occasion()),
        State::Sent(d) | State::Answered(d) | State::Looking(d, _) => {
            Some(d.cleared().claimed().occasion())
        }
        State::Settled(s) | State::Sealed(s, _) => Some(s.dispatch.cleared().claimed().occasion()),
        State::Refused(s) | State::SealedRefusal(s, _) => s.key.as_ref().map(|(_, o)| *o),
    }
}
