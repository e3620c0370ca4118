//! Decides a receipt again, offline: the same functions, on the premises that it keeps,
//! by the books that it names.
//!
//! ```text
//! receipt.facts ──premise by premise──▶ Step ──next──▶ State ──seal──▶ receipt ──▶ the same?
//!                      books ┘
//! ```

mod difference;
mod shelf;
mod stage;

use countersign_shared::ids::ReceiptId;
use countersign_shared::receipt::Receipt;
use serde_json::Value as Json;

use crate::brief::Brief;
use crate::contract::Contract;
use crate::error::Refused;
use crate::grant::{Parked, Vote};
use crate::lifecycle::{self, Event, Outcome, State};
use crate::plan;
use crate::premise::Premise;
use crate::seal::{self, Leaf};

pub use difference::Difference;
pub use shelf::{Candidate, Shelf};
pub use stage::{Court, Step};

/// Of a refusal that no stage made.
const FROM_OUTSIDE: &str = "a refusal that was told from outside";

/// What came of deciding a receipt again.
#[derive(Debug, Clone, PartialEq)]
pub enum Replayed {
    /// Every verdict follows from its premises.
    Same,
    /// No rule decided it: what people did, or what was told from outside.
    Told(&'static str),
    /// The first verdict that does not follow.
    Differs(Difference),
}

/// Why a receipt cannot be decided again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It keeps none.
    #[error("it keeps no facts: an earlier executor wrote it")]
    NoFacts,
    /// They went with the data of the person.
    #[error("its facts were erased")]
    Erased,
    /// They did not fit into a log entry.
    #[error("its facts were too large for the log: the executor's journal has them")]
    Omitted,
    /// They are not what an executor writes.
    #[error("its facts cannot be read: {0}")]
    Unreadable(String),
    /// A policy that is not there.
    #[error("policy {0} is not among the bundles: `countersign audit bundles` fetches it")]
    NoPolicy(String),
    /// A pack that is not there.
    #[error("pack {0} is not among the bundles: `countersign audit bundles` fetches it")]
    NoPack(String),
    /// A premise out of its order.
    #[error("its facts are in no order that an action can take: {0}")]
    Disorder(String),
}

/// Decides a receipt again.
///
/// # Errors
/// Why that cannot be done.
pub fn replay(receipt: &Receipt, shelf: &Shelf) -> Result<Replayed, Unfit> {
    if let Some(told) = undecided(receipt) {
        return Ok(Replayed::Told(told));
    }
    let premises = premises(receipt)?;
    let (court, mut state) = (Court::new(shelf), None);
    let last = premises.len().saturating_sub(1);
    for (at, premise) in premises.iter().enumerate() {
        match court.hear(state.as_ref(), premise, receipt)? {
            Step::On(events) => state = Some(follow(state, events)?),
            Step::Open(what) => return Ok(Replayed::Differs(Difference::open(receipt, what))),
            Step::Stop(refused) if at == last => {
                return stopped(receipt, shelf, (state, premise), &refused);
            }
            Step::Stop(refused) => {
                return Ok(Replayed::Differs(Difference::early(receipt, premise, &refused)));
            }
        }
    }
    let state = state.ok_or_else(|| Unfit::Disorder("nothing was asked".to_owned()))?;
    let contract = contract(receipt, shelf)?;
    let (id, at) = (named(receipt)?, receipt.sealed_at);
    Ok(match seal::seal(&state, contract, &id, at) {
        Some(leaf) => compared(receipt, &leaf, difference::ALL),
        None => Replayed::Differs(Difference::open(receipt, state.name())),
    })
}

/// What of a receipt was decided by no rule.
fn undecided(receipt: &Receipt) -> Option<&'static str> {
    if receipt.change.is_some() {
        return Some("a change that people made to the executor");
    }
    if receipt.counted.is_some() {
        return Some("refusals that were counted, not kept one by one");
    }
    let word = receipt.grants.iter().any(|grant| grant.kind == "finish");
    (word && receipt.facts.is_null()).then_some("a person's word on what nothing could be read of")
}

/// What a receipt keeps.
///
/// # Errors
/// Why it keeps nothing that can be used.
pub fn premises(receipt: &Receipt) -> Result<Vec<Premise>, Unfit> {
    match &receipt.facts {
        Json::Null => Err(Unfit::NoFacts),
        Json::String(_) => Err(Unfit::Erased),
        Json::Object(facts) if facts.contains_key("omitted") => Err(Unfit::Omitted),
        facts @ (Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_)) => {
            serde_json::from_value(facts.clone()).map_err(|e| Unfit::Unreadable(e.to_string()))
        }
    }
}

pub(crate) fn follow(state: Option<State>, events: Vec<Event>) -> Result<State, Unfit> {
    let disorder = |illegal: lifecycle::Illegal| Unfit::Disorder(illegal.to_string());
    let next = |state, event| lifecycle::next(state, event).map(Some);
    let state = events.into_iter().try_fold(state, next).map_err(disorder)?;
    state.ok_or_else(|| Unfit::Disorder("nothing follows".to_owned()))
}

/// A receipt of something that was refused.
fn stopped(
    receipt: &Receipt,
    shelf: &Shelf,
    (state, premise): (Option<State>, &Premise),
    refused: &Refused,
) -> Result<Replayed, Unfit> {
    let contract = contract(receipt, shelf)?;
    let (id, at) = (named(receipt)?, receipt.sealed_at);
    let Some(state) = state else {
        let Premise::Ask(brief) = premise else { return Ok(told(receipt, refused)) };
        let leaf = seal::refusal(&brief.asked, tool(receipt, brief), contract, refused, &id, at);
        return Ok(compared(receipt, &leaf, difference::ALL));
    };
    let stays = seal::not_granted(&state, contract, refused, &id, at);
    if matches!(premise, Premise::Finish(_)) {
        return Ok(compared(receipt, &stays, difference::VERDICT));
    }
    if waits_on(&state, premise) {
        return Ok(compared(receipt, &stays, difference::ALL));
    }
    let ended = lifecycle::next(Some(state), Event::Refused(Box::new(refused.clone())));
    let ended = ended.map_err(|illegal| Unfit::Disorder(illegal.to_string()))?;
    let ends = seal::seal(&ended, contract, &id, at);
    let ends =
        ends.map_or(Replayed::Told("nothing"), |leaf| compared(receipt, &leaf, difference::ALL));
    // What was told of an answer leaves the request as it was.
    let stays = compared(receipt, &stays, difference::ALL);
    let told = matches!(premise, Premise::Told(_));
    let verdict = if told && stays == Replayed::Same { stays } else { ends };
    Ok(if told && verdict == Replayed::Same { Replayed::Told(FROM_OUTSIDE) } else { verdict })
}

/// The tool that the refused plan was receipted under: one of its steps', cut.
fn tool<'a>(receipt: &'a Receipt, brief: &'a Brief) -> &'a str {
    let steps = &brief.basis.steps;
    let named =
        |step: &plan::Step| step.tool.chars().take(plan::LONGEST_TOOL).eq(receipt.tool.chars());
    let named = steps.iter().any(named);
    if named { &receipt.tool } else { steps.last().map_or("", |step| &step.tool) }
}

/// Whether a refused premise leaves the request waiting: an answer that does not count.
/// Where staff said yes before, nothing waits any more.
fn waits_on(state: &State, premise: &Premise) -> bool {
    let approved = |vote: &Vote| matches!(vote, Vote::Approved(_));
    let by_staff =
        state.parked().map(Parked::votes).is_some_and(|votes| votes.iter().any(approved));
    match premise {
        Premise::Vote(_) => true,
        Premise::Grant(_) => !by_staff,
        Premise::Ask(_)
        | Premise::Reject
        | Premise::Expire(_)
        | Premise::Compare(_)
        | Premise::Claim(_)
        | Premise::Gate(_)
        | Premise::Send(_)
        | Premise::Look(_)
        | Premise::Finish(_)
        | Premise::Told(_) => false,
    }
}

/// What no stage made: only that it refused, and how, can be held against the receipt.
fn told(receipt: &Receipt, refused: &Refused) -> Replayed {
    let refusal = Outcome::Refused.name();
    if receipt.outcome == refusal && receipt.code == refused.code && receipt.gates.is_empty() {
        return Replayed::Told(FROM_OUTSIDE);
    }
    Replayed::Differs(Difference::told(receipt, refused))
}

fn compared(receipt: &Receipt, again: &Leaf, members: &[&'static str]) -> Replayed {
    let mut again = again.receipt.clone();
    // Digests of persons have a key that only the store knows.
    again.asked.person.clone_from(&receipt.asked.person);
    let found = Difference::first(receipt, &again, members);
    found.map_or(Replayed::Same, Replayed::Differs)
}

/// The contract that the receipt was sealed with, where it was with one.
fn contract<'s>(receipt: &Receipt, shelf: &'s Shelf) -> Result<Option<&'s Contract>, Unfit> {
    if receipt.pack.is_empty() {
        return Ok(None);
    }
    let catalog = shelf.pack(&receipt.pack)?;
    Ok(catalog.tools.get(&receipt.tool).map(AsRef::as_ref))
}

fn named(receipt: &Receipt) -> Result<ReceiptId, Unfit> {
    receipt.receipt_id.parse().map_err(|_| Unfit::Unreadable("it has no receipt's id".to_owned()))
}
