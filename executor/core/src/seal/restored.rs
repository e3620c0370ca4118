//! A receipt that comes back from outside, after its store forgot it.

use countersign_shared::codes::Code;
use countersign_shared::ids::ReceiptId;
use countersign_shared::receipt::Receipt;

use super::Queue;
use crate::escalation::{self, Reason};
use crate::lifecycle::Outcome;
use crate::person::Person;

/// A leaf as the log has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Logged {
    /// The receipt, its personal values covered.
    pub receipt: Receipt,
    /// Its exact bytes.
    pub bytes: Vec<u8>,
    /// What becomes of the queue of people with it.
    pub queue: Queue,
}

/// A logged receipt as a leaf again, with what it does to the queue of people. Its personal
/// values are covered, and so are those of a matter that it opens.
///
/// # Errors
/// When the bytes are no receipt.
pub fn restored(bytes: Vec<u8>) -> Result<Logged, String> {
    let receipt: Receipt = serde_json::from_slice(&bytes).map_err(|e| e.to_string())?;
    let id: ReceiptId = receipt.receipt_id.parse().map_err(|_| "no receipt's id".to_owned())?;
    let queue = queue(&receipt, &id);
    Ok(Logged { receipt, bytes, queue })
}

/// How the action of a receipt ended; `None` where the receipt takes no key, or leaves
/// the action as it was.
#[must_use]
pub fn ends(receipt: &Receipt) -> Option<Outcome> {
    let disagrees = receipt.code == Code::HumanDisagrees.name();
    if receipt.key.is_empty() || receipt.intent.is_empty() || disagrees {
        return None;
    }
    Outcome::named(&receipt.outcome)
}

/// Whether it is a person's word that settled an action or a matter.
#[must_use]
pub fn settles(receipt: &Receipt) -> bool {
    by_a_person(receipt) && receipt.code != Code::HumanDisagrees.name()
}

/// Whether it is an answer that did not count, or that the read contradicts: what it was
/// given to stays as it is, and ends with a receipt of its own.
#[must_use]
pub fn uncounted(receipt: &Receipt) -> bool {
    let contradicted = by_a_person(receipt) && !settles(receipt);
    // A refused proposal has the gates of its dry run, and a refused claim has its key.
    let unasked = !receipt.proposal_id.is_empty()
        && receipt.outcome == Outcome::Refused.name()
        && receipt.key.is_empty()
        && receipt.gates.is_empty()
        && receipt.grants.is_empty();
    contradicted || unasked
}

fn by_a_person(receipt: &Receipt) -> bool {
    receipt.grants.iter().any(|grant| grant.kind == "finish")
}

fn queue(receipt: &Receipt, id: &ReceiptId) -> Queue {
    if settles(receipt) {
        return Queue::Closes(receipt.action_id.clone());
    }
    if receipt.next != "person" || by_a_person(receipt) {
        return Queue::Stays;
    }
    let outcome = Outcome::named(&receipt.outcome);
    let reason = outcome.and_then(|outcome| escalation::of(outcome, &receipt.code, None));
    // What no built-in rule hands over, the pack's own did.
    let reason = reason.unwrap_or(Reason::PackSays);
    let person = Person::Digest(receipt.asked.person.clone());
    Queue::Opens(Box::new(escalation::open(receipt, &person, id, &[], reason, None)))
}
