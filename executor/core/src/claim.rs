//! Takes an action's key and its object's locks, or says what is already known
//! (AT MOST ONE EFFECT). Decided here, inside the store's one transaction.

use std::sync::Arc;

use countersign_shared::codes::Code;
use countersign_shared::ids::{ActionId, ReceiptId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::digest;
use crate::error::Refused;
use crate::gate::Finding;
use crate::gates::Gate;
use crate::grant::{Granted, Need};
use crate::lifecycle::Outcome;
use crate::limit::{Budget, Spent};
use crate::premise::{Books, Premise};
use crate::switch::Reach;

/// A granted action that holds its key and its locks.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    granted: Granted,
    taken: Taken,
}

/// A key, taken. Made only by [`decide`], or read back from the journal. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Taken(Arc<Decided>);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Decided {
    key: String,
    occasion: u32,
    at: Timestamp,
    /// Accounts that the limits book it on.
    booked: Vec<String>,
    findings: Vec<Finding>,
    /// What it was decided from; none where an earlier executor did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on: Option<Claiming>,
}

/// What a claim is decided from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claiming {
    /// What the limits were taken from.
    pub books: Books,
    /// When.
    pub at: Timestamp,
    /// The switch that was off, where one was.
    pub off: Option<Reach>,
    /// What the store knew.
    pub known: Known,
}

/// What the store knows when an action is claimed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Known {
    /// Of the intent.
    pub latest: Option<Latest>,
    /// Of the objects.
    pub lock_held_by: Option<ActionId>,
    /// Of the limits' accounts.
    pub spent: Spent,
}

/// What the store knows of the intent when it is claimed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latest {
    /// The newest action of this intent that claimed it.
    pub action: ActionId,
    /// Which time it was.
    pub occasion: u32,
    /// How it ended; `None` while it is under way.
    pub outcome: Option<Outcome>,
    /// Its receipt, once sealed.
    pub receipt: Option<ReceiptId>,
}

/// Decides a claim from what the store knows.
///
/// # Errors
/// `ALREADY_DONE` with the earlier receipt, `IN_FLIGHT`, `OBJECT_IN_DOUBT`,
/// `LIMIT_EXCEEDED`, `VELOCITY_EXCEEDED`, `APPROVAL_REQUIRED`.
pub fn decide(
    granted: &Granted,
    known: &Known,
    budget: &Budget,
    now: Timestamp,
) -> Result<Taken, Refused> {
    let books = budget.books().clone();
    let on = Claiming { books, at: now, off: None, known: known.clone() };
    match weigh(granted, known, budget, now) {
        Ok(decided) => Ok(Taken(Decided { on: Some(on), ..decided }.into())),
        Err(refused) => Err(refused.on(Premise::Claim(on))),
    }
}

/// What a switch that is off says to a claim.
///
/// # Errors
/// `SWITCHED_OFF`.
pub fn switched(
    granted: &Granted,
    off: Option<&Reach>,
    books: Books,
    now: Timestamp,
) -> Result<(), Refused> {
    let Some(off) = off else { return Ok(()) };
    let proposal = granted.proposal();
    off.refuse(&proposal.asked().subject.tenant, proposal.tool()).map_err(|refused| {
        let known = Known::default();
        refused.on(Premise::Claim(Claiming { books, at: now, off: Some(off.clone()), known }))
    })
}

fn weigh(
    granted: &Granted,
    known: &Known,
    budget: &Budget,
    now: Timestamp,
) -> Result<Decided, Refused> {
    let proposal = granted.proposal();
    let shown = proposal.asked().after_receipt.as_ref();
    let occasion = occasion(known.latest.as_ref(), shown)?;
    if let Some(other) = known.lock_held_by.as_ref().filter(|_| Gate::Lock.is_on()) {
        let mut refused =
            Refused::new(Code::ObjectInDoubt, "another write on this object is not settled");
        refused.other_action = Some(other.to_string());
        return Err(refused);
    }
    let findings = budget.check(&known.spent)?;
    approved(granted, &budget.approvals(&known.spent))?;
    let key = key(proposal.intent(), occasion);
    Ok(Decided { key, occasion, at: now, booked: budget.accounts(), findings, on: None })
}

/// Other actions may have used up, since the card was shown, what needed no approval
/// then.
fn approved(granted: &Granted, needs: &[Need]) -> Result<(), Refused> {
    let mut known = granted.proposal().needs().to_vec();
    for need in needs.iter().filter(|_| Gate::Recount.is_on()) {
        let Some(at) = known.iter().position(|known| known == need) else {
            let message = "with what was done since, a person has to approve this; propose again";
            return Err(Refused::approval_by_now(message));
        };
        known.swap_remove(at);
    }
    Ok(())
}

/// Which occasion opens now, or what is known of the one before.
///
/// # Errors
/// `ALREADY_DONE`, `IN_FLIGHT`, `OBJECT_IN_DOUBT`.
pub fn occasion(latest: Option<&Latest>, shown: Option<&ReceiptId>) -> Result<u32, Refused> {
    let Some(latest) = latest else { return Ok(0) };
    let next = latest.occasion.saturating_add(1);
    let known = |code: Code, message: &str| {
        let mut refused = Refused::new(code, message);
        refused.other_action = Some(latest.action.to_string());
        refused.earlier_receipt = latest.receipt.as_ref().map(ToString::to_string);
        Err(refused)
    };
    if !Gate::Occasion.is_on() {
        return Ok(next);
    }
    match latest.outcome {
        None => known(Code::InFlight, "the same action is being carried out"),
        Some(Outcome::Unknown) => known(Code::ObjectInDoubt, "the same action is in doubt"),
        Some(Outcome::NotApplied | Outcome::Refused) => Ok(next),
        Some(Outcome::Applied) if shown.is_some() && shown == latest.receipt.as_ref() => Ok(next),
        Some(Outcome::Applied) => known(Code::AlreadyDone, "the same action was applied before"),
    }
}

/// The idempotency key: also the marker stamped into objects.
pub(crate) fn key(intent: &str, occasion: u32) -> String {
    let digest = digest::of("countersign key v1", &(intent, occasion));
    format!("cs-{}", digest.get(..32).unwrap_or(&digest))
}

impl Taken {
    /// The idempotency key: `cs-` and 32 hex digits.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.0.key
    }

    /// Which time this intent is carried out, from 0.
    #[must_use]
    pub fn occasion(&self) -> u32 {
        self.0.occasion
    }

    /// What it was decided from.
    #[must_use]
    pub fn on(&self) -> Option<&Claiming> {
        self.0.on.as_ref()
    }

    /// When it was claimed.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.0.at
    }

    /// Accounts that it is booked on, as digests.
    #[must_use]
    pub fn booked(&self) -> &[String] {
        &self.0.booked
    }
}

impl Claimed {
    pub(crate) fn new(granted: Granted, taken: Taken) -> Self {
        Self { granted, taken }
    }

    /// What was granted.
    #[must_use]
    pub fn granted(&self) -> &Granted {
        &self.granted
    }

    /// The idempotency key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.taken.0.key
    }

    /// Which time this intent is carried out, from 0.
    #[must_use]
    pub fn occasion(&self) -> u32 {
        self.taken.0.occasion
    }

    /// What was taken.
    #[must_use]
    pub fn taken(&self) -> &Taken {
        &self.taken
    }

    /// What the limits said.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.taken.0.findings
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use uuid_free::*;

    mod uuid_free {
        use super::*;

        pub(super) fn latest(outcome: Option<Outcome>) -> Latest {
            Latest {
                action: "act_00000000000000000000000001".parse().unwrap(),
                occasion: 3,
                outcome,
                receipt: outcome.map(|_| "rcp_00000000000000000000000001".parse().unwrap()),
            }
        }
    }

    #[test]
    fn at_most_one_effect() {
        let other: ReceiptId = "rcp_00000000000000000000000002".parse().unwrap();
        let code =
            |l: Latest, shown: Option<&ReceiptId>| occasion(Some(&l), shown).unwrap_err().code;
        assert_eq!(occasion(None, None), Ok(0));
        assert_eq!(code(latest(None), None), "IN_FLIGHT");
        assert_eq!(code(latest(Some(Outcome::Unknown)), None), "OBJECT_IN_DOUBT");
        assert_eq!(code(latest(Some(Outcome::Applied)), None), "ALREADY_DONE");
        assert_eq!(code(latest(Some(Outcome::Applied)), Some(&other)), "ALREADY_DONE");
        assert_eq!(occasion(Some(&latest(Some(Outcome::NotApplied))), None), Ok(4));
        assert_eq!(occasion(Some(&latest(Some(Outcome::Refused))), None), Ok(4));
        let done = latest(Some(Outcome::Applied));
        assert_eq!(occasion(Some(&done), done.receipt.as_ref()), Ok(4));
    }

    #[test]
    fn keys_differ_by_occasion() {
        assert_eq!(key("i", 0), key("i", 0));
        assert_ne!(key("i", 0), key("i", 1));
        assert_eq!(key("i", 0).len(), 35);
    }
}
