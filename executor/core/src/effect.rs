//! The closed list of what the core may ask of the driver, and the one function
//! that asks it.

use jiff::Timestamp;

use crate::contract::Contract;
use crate::lifecycle::{Settlement, State};
use crate::{retry, verify};

/// What an action needs next. The driver journals, then does it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Nothing until a grant comes.
    AwaitGrants,
    /// Take key and locks.
    Claim,
    /// Read fresh state and ask the gates.
    Gate,
    /// Render the request.
    Prepare,
    /// Send the request whose intent is durable.
    Send,
    /// Send the same bytes again, not before this time.
    Resend(Timestamp),
    /// Read back, not before this time.
    Look(Timestamp),
    /// Write down how it ended.
    Settle(Settlement),
    /// Put the receipt into the log.
    Seal,
    /// It is done.
    Nothing,
}

/// What an action needs next.
#[must_use]
pub fn ask(state: &State, contract: &Contract, now: Timestamp) -> Ask {
    match state {
        State::Proposed(_) => Ask::AwaitGrants,
        State::Granted(_) => Ask::Claim,
        State::Claimed(_) => Ask::Gate,
        State::Cleared(_) => Ask::Prepare,
        State::Sent(_) => Ask::Send,
        State::Answered(dispatch) => match retry::after(dispatch, contract, now) {
            retry::Next::Look => Ask::Look(now),
            retry::Next::Resend(at) => Ask::Resend(at),
            retry::Next::Settle(settlement) => Ask::Settle(settlement),
        },
        State::Looking(dispatch, looks) => match verify::after(dispatch, looks, contract, now) {
            verify::Next::Again(at) => Ask::Look(at),
            verify::Next::Settle(settlement) => Ask::Settle(settlement),
        },
        State::Settled(_) | State::Refused(_) => Ask::Seal,
        State::Sealed(..) | State::SealedRefusal(..) => Ask::Nothing,
    }
}
