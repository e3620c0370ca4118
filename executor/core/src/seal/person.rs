//! Receipts that a person has a part in: what is handed over, what a person ends, what
//! the read contradicts.

use countersign_shared::codes::Code;
use countersign_shared::ids::ReceiptId;
use countersign_shared::receipt::{Grant, Receipt};
use jiff::Timestamp;
use serde_json::json;

use super::{Leaf, Queue, blank, empty, leaf, proposed, queued, refuse};
use crate::contract::Contract;
use crate::error::Refused;
use crate::escalation::{Case, Handover};
use crate::finish::{Finish, Statement};
use crate::lifecycle::{Outcome, Settled};
use crate::person::Person;
use crate::premise;
use crate::proposal::Asked;

/// Who carried it out, where a person did.
const HUMAN: &str = "human";

/// The receipt of what a planner hands to a person. It refuses what was asked for and
/// makes nothing else possible.
#[must_use]
pub fn escalated(asked: &Asked, handover: &Handover, id: &ReceiptId, now: Timestamp) -> Leaf {
    let mut receipt = blank(asked, id, now);
    let refused = Refused::new(Code::Escalated, format!("handed over: {}", handover.why));
    refuse(&mut receipt, &refused, Vec::new());
    queued(receipt, None, Person::of(&asked.subject), (asked, id), Some(handover))
}

/// The receipt of a person's word that the read contradicts. The action stays as it is,
/// and so does its place in the queue.
#[must_use]
pub fn disagreement(
    settled: &Settled,
    statement: &Statement,
    refused: &Refused,
    contract: &Contract,
    id: &ReceiptId,
    now: Timestamp,
) -> Leaf {
    let (dispatch, proposal) = (&settled.dispatch, settled.dispatch.proposal());
    let mut receipt = proposed(proposal, Some(contract), id, now);
    let claimed = dispatch.cleared().claimed();
    claimed.key().clone_into(&mut receipt.key);
    receipt.occasion = claimed.occasion();
    refuse(&mut receipt, refused, premise::of_settled(settled));
    receipt.before = dispatch.cleared().passed().state.to_json();
    receipt.grants = vec![word(statement)];
    let person = Person::about(proposal);
    let sealed = queued(receipt, Some(contract), person, (proposal.asked(), id), None);
    Leaf { queue: Queue::Stays, ..sealed }
}

/// The receipt of a person's word that ends a matter about which nothing can be read.
#[must_use]
pub fn closed(case: &Case, statement: &Statement, id: &ReceiptId, now: Timestamp) -> Leaf {
    let mut receipt = empty(id, now);
    case.tenant.clone_into(&mut receipt.tenant);
    case.tool.clone_into(&mut receipt.tool);
    case.action.clone_into(&mut receipt.action_id);
    case.issuer.clone_into(&mut receipt.asked.issuer);
    case.subject.clone_into(&mut receipt.asked.subject);
    case.conversation.clone_into(&mut receipt.asked.conversation);
    case.external_ref.clone_into(&mut receipt.asked.external_ref);
    Outcome::Refused.name().clone_into(&mut receipt.outcome);
    case.code.clone_into(&mut receipt.code);
    let (by, role) = (statement.id(), statement.role());
    receipt.message =
        format!("{by} ({role}) ends {}, nothing was read back: {}", case.id, statement.note());
    HUMAN.clone_into(&mut receipt.performed_by);
    receipt.grants = vec![word(statement)];
    leaf(receipt, case.person.clone(), Queue::Closes(case.matter.clone()))
}

/// What a person's word adds to the receipt of the action that it settles.
pub(super) fn finished(receipt: &mut Receipt, finish: &Finish) {
    let statement = finish.statement();
    receipt.grants.push(word(statement));
    receipt.verification.evidence.push(HUMAN.to_owned());
    receipt.verification.sight = json!({ HUMAN: finish.facts() });
    receipt.output = json!(finish.output());
    if statement.done() {
        HUMAN.clone_into(&mut receipt.performed_by);
    }
}

fn word(statement: &Statement) -> Grant {
    Grant {
        kind: "finish".to_owned(),
        by: statement.id().to_owned(),
        issuer: statement.issuer().to_owned(),
        role: statement.role().to_owned(),
        reason: statement.note().to_owned(),
        at: statement.at(),
        card: String::new(),
        text: if statement.done() { "done" } else { "not done" }.to_owned(),
        signature: json!(statement.signature()),
    }
}
