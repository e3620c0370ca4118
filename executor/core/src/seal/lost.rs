//! The receipt of an action that was sent and whose journal cannot be opened any more.

use countersign_shared::codes::Code;
use countersign_shared::ids::ReceiptId;
use jiff::Timestamp;

use super::fit::leaf;
use super::{Leaf, Queue, empty};
use crate::claim;
use crate::escalation::{self, Reason};
use crate::lifecycle::Outcome;
use crate::person::Person;

/// What a store has in clear of an action.
#[derive(Debug, Clone, Default)]
pub struct Lost {
    /// Its id.
    pub action: String,
    /// The proposal it came from.
    pub proposal: String,
    /// What it was to do.
    pub intent: String,
    /// Which time.
    pub occasion: u32,
    /// The tenant.
    pub tenant: String,
    /// Who vouches for the subject.
    pub issuer: String,
    /// The digest of whom it was for.
    pub person: String,
    /// The planner.
    pub caller: String,
    /// The tool.
    pub tool: String,
    /// Objects that it holds.
    pub locks: Vec<String>,
    /// Accounts that it counts on.
    pub booked: Vec<String>,
}

/// It may have been done, and only a person can tell.
#[must_use]
pub fn lost(of: Lost, id: &ReceiptId, now: Timestamp) -> Leaf {
    let mut receipt = empty(id, now);
    Outcome::Unknown.name().clone_into(&mut receipt.outcome);
    Code::HistoryMissing.name().clone_into(&mut receipt.code);
    "person".clone_into(&mut receipt.next);
    "it was sent, and the key that opens its journal is lost".clone_into(&mut receipt.message);
    receipt.action_id = of.action;
    receipt.proposal_id = of.proposal;
    receipt.key = claim::key(&of.intent, of.occasion);
    receipt.intent = of.intent;
    receipt.occasion = of.occasion;
    receipt.tenant = of.tenant;
    receipt.asked.issuer = of.issuer;
    receipt.asked.caller = of.caller;
    receipt.tool = of.tool;
    receipt.locks = of.locks;
    receipt.booked = of.booked;
    let person = Person::Digest(of.person);
    let case = escalation::open(&receipt, &person, id, &[], Reason::InDoubt, None);
    leaf(receipt, person, Queue::Opens(Box::new(case)))
}
