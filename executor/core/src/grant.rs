//! A human's yes, verified by its signature (A YES IS SHOWN AND SIGNED).
//!
//! ```text
//! Proposal ──▶ Parked ──confirm, approve──▶ Vote … ──complete──▶ Granted
//! ```

use std::sync::Arc;

use countersign_shared::attest::ConfirmationClaims;
use countersign_shared::codes::Code;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::contract::Contract;
use crate::error::Refused;
use crate::gate::Asking;
use crate::gates::Gate;
use crate::policy::{Policy, Verb};
use crate::premise::{Books, Premise};
use crate::proposal::Proposal;
use crate::signed::{Excerpt, Keyring};

pub mod approval;
pub mod signature;

pub use approval::Approval;
use signature::Signature;

/// Everyone whose yes can count, and how it is checked.
#[derive(Debug, Clone, Copy)]
pub struct Signers<'a> {
    /// Chat frontends, for customers.
    pub frontends: &'a Keyring,
    /// Approvers and what they may approve.
    pub policy: &'a Policy,
    /// Where the executor's own pages are served: `https://approve.shop.example`.
    pub origin: &'a str,
}

/// A proposal and the answers it has so far: what waits for a person, for minutes or
/// for days.
#[derive(Debug, Clone, PartialEq)]
pub struct Parked {
    proposal: Proposal,
    votes: Vec<Vote>,
}

/// What a proposal needs before it may be claimed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// The subject's signed yes to the card.
    Customer,
    /// The yes of one person in this role, another one for each such need.
    Approval {
        /// The role.
        role: String,
        /// Why a person must look.
        why: String,
    },
}

/// One person's answer to a parked proposal. Made only here, or read back from the
/// journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vote {
    /// The subject said yes.
    Confirmed(Confirmation),
    /// Somebody of the house said yes.
    Approved(Approval),
    /// Somebody of the house said no.
    Rejected(Approval),
}

/// A proposal with every grant it needs. Built only here, or from the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Granted {
    proposal: Proposal,
    votes: Vec<Vote>,
    grants: Grants,
}

/// That nothing is missing. Made only by [`complete`], or read back from the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grants {
    at: Timestamp,
    /// What it was decided from; none where an earlier executor did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on: Option<Arc<Heard>>,
}

/// When an answer, or all of them, counted: by which books, with whose keys, on whose page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// When.
    pub at: Timestamp,
    /// By which policy and pack.
    pub books: Books,
    /// The frontends' keys that were asked.
    pub frontends: Excerpt,
    /// Where the executor's own pages were served.
    pub origin: String,
}

/// An answer before it is counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ballot {
    /// The subject's: a compact JWS.
    Customer(String, Heard),
    /// Somebody's of the house.
    Staff(Signature, Heard),
}

/// The customer's signed yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// The frontend that showed the card.
    pub frontend: String,
    /// The subject who confirmed.
    pub subject: String,
    /// Digest of the card that was shown.
    pub card: String,
    /// When it was signed.
    pub at: Timestamp,
    /// The signed token itself, so that anyone can check it again.
    pub jws: String,
    /// What it counted by; none where an earlier executor counted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<Heard>,
}

/// The customer's answer to a card.
///
/// # Errors
/// `PROPOSAL_EXPIRED`, `NOT_ACTIVATED`, `CONFIRMATION_REQUIRED`, `CONFIRMATION_INVALID`,
/// `POLICY_FORBIDS`.
pub fn confirm(
    parked: &Parked,
    jws: &str,
    contract: &Contract,
    signers: &Signers<'_>,
    now: Timestamp,
) -> Result<Vote, Refused> {
    let heard = signers.heard(parked, [jws], contract, now);
    match confirmed(parked, jws, contract, signers, now) {
        Ok(yes) => Ok(Vote::Confirmed(Confirmation { heard: Some(heard), ..yes })),
        Err(no) => Err(no.on(Premise::Vote(Box::new(Ballot::Customer(jws.to_owned(), heard))))),
    }
}

fn confirmed(
    parked: &Parked,
    jws: &str,
    contract: &Contract,
    signers: &Signers<'_>,
    now: Timestamp,
) -> Result<Confirmation, Refused> {
    alive(&parked.proposal, now)?;
    if jws.is_empty() {
        let message = "the customer has not confirmed the card";
        return Err(Refused::new(Code::ConfirmationRequired, message));
    }
    let proposal = &parked.proposal;
    current(proposal, contract)?;
    let yes = confirmation(proposal, jws, signers.frontends, now)?;
    let (asked, money) = (proposal.asked(), proposal.money());
    let channel = yes.frontend.as_str();
    Asking { verb: Verb::Confirm, asked, channel, contract, money }.put(signers.policy, now)?;
    Ok(yes)
}

/// Nothing is missing, and every yes still counts: its signature is checked again,
/// with the keys and the roles of now.
///
/// # Errors
/// `PROPOSAL_EXPIRED`, `NOT_ACTIVATED`, `CONFIRMATION_REQUIRED`, `APPROVAL_REQUIRED`,
/// `CONFIRMATION_INVALID`, `APPROVAL_INVALID`, `APPROVER_NOT_ALLOWED`.
pub fn complete(
    parked: &Parked,
    contract: &Contract,
    signers: &Signers<'_>,
    now: Timestamp,
) -> Result<Grants, Refused> {
    let signed = parked.votes.iter().filter_map(|vote| match vote {
        Vote::Confirmed(yes) => Some(yes.jws.as_str()),
        Vote::Approved(_) | Vote::Rejected(_) => None,
    });
    let heard = signers.heard(parked, signed, contract, now);
    match nothing_missing(parked, contract, signers, now) {
        Ok(()) => Ok(Grants { at: now, on: Some(Arc::new(heard)) }),
        Err(refused) => Err(refused.on(Premise::Grant(heard))),
    }
}

fn nothing_missing(
    parked: &Parked,
    contract: &Contract,
    signers: &Signers<'_>,
    now: Timestamp,
) -> Result<(), Refused> {
    let proposal = &parked.proposal;
    alive(proposal, now)?;
    current(proposal, contract)?;
    for vote in parked.votes.iter().filter(|_| Gate::StillCounts.is_on()) {
        match vote {
            Vote::Confirmed(yes) => {
                confirmation(proposal, &yes.jws, signers.frontends, yes.at)?;
            }
            Vote::Approved(yes) => approval::recheck(parked, yes, contract, signers, now)?,
            Vote::Rejected(no) => return Err(approval::rejected(no)),
        }
    }
    match parked.missing().next().filter(|_| Gate::Needs.is_on()) {
        None => Ok(()),
        Some(Need::Customer) => {
            let message = "the customer has not confirmed the card";
            Err(Refused::new(Code::ConfirmationRequired, message))
        }
        Some(Need::Approval { role, why }) => {
            let message = format!("waits for {role}: {why}");
            Err(Refused::new(Code::ApprovalRequired, message))
        }
    }
}

/// A yes was given to what the contract said then (NO ONE HOLDS THE WHOLE PEN).
fn current(proposal: &Proposal, contract: &Contract) -> Result<(), Refused> {
    if proposal.contract_digest() == contract.digest || !Gate::Contract.is_on() {
        return Ok(());
    }
    let message = "the contract was changed after the proposal; propose again";
    Err(Refused::new(Code::NotActivated, message))
}

fn alive(proposal: &Proposal, now: Timestamp) -> Result<(), Refused> {
    if now <= proposal.expires_at() || !Gate::Alive.is_on() {
        return Ok(());
    }
    Err(Refused::new(Code::ProposalExpired, "the proposal is void; propose again"))
}

fn confirmation(
    proposal: &Proposal,
    jws: &str,
    frontends: &Keyring,
    now: Timestamp,
) -> Result<Confirmation, Refused> {
    let invalid = |why: &str| Refused::new(Code::ConfirmationInvalid, why);
    let asked = proposal.asked();
    let claims: ConfirmationClaims =
        frontends.verify(&asked.subject.tenant, jws, now).map_err(|e| invalid(&e.to_string()))?;
    if claims.sub != asked.subject.signs_as && Gate::YesPerson.is_on() {
        return Err(invalid("the yes is another subject's"));
    }
    if claims.conv != asked.conversation && Gate::YesConversation.is_on() {
        return Err(invalid("the yes is another conversation's"));
    }
    let this = claims.proposal == proposal.id().as_str() && claims.card == proposal.card_digest();
    if !this && Gate::YesCard.is_on() {
        return Err(invalid("the yes was given to another card"));
    }
    let at = Timestamp::from_second(claims.iat).map_err(|_| invalid("iat is no time"))?;
    if at
        < proposal
            .at()
            .saturating_add(jiff::SignedDuration::from_secs(-60))
            .unwrap_or(Timestamp::MIN)
    {
        return Err(invalid("the yes is older than the card"));
    }
    Ok(Confirmation {
        frontend: claims.iss,
        subject: claims.sub,
        card: claims.card,
        at,
        jws: jws.to_owned(),
        heard: None,
    })
}

impl Signers<'_> {
    /// What these answers are counted by.
    fn heard<'j>(
        &self,
        parked: &Parked,
        answers: impl IntoIterator<Item = &'j str>,
        contract: &Contract,
        at: Timestamp,
    ) -> Heard {
        let tenant = &parked.proposal.asked().subject.tenant;
        let mut frontends = Excerpt::default();
        answers.into_iter().for_each(|jws| frontends.add(self.frontends.excerpt(tenant, jws)));
        let books = Books::of(self.policy, contract);
        Heard { at, books, frontends, origin: self.origin.to_owned() }
    }
}

/// `PROPOSAL_EXPIRED`, where nobody answered in time.
#[must_use]
pub fn expire(proposal: &Proposal, now: Timestamp) -> Option<Refused> {
    let refused = Refused::new(Code::ProposalExpired, "nobody answered in time");
    (now > proposal.expires_at()).then(|| refused.on(Premise::Expire(now)))
}

impl Parked {
    pub(crate) fn new(proposal: Proposal) -> Self {
        Self { proposal, votes: Vec::new() }
    }

    pub(crate) fn with(mut self, vote: Vote) -> Self {
        self.votes.push(vote);
        self
    }

    /// What was proposed.
    #[must_use]
    pub fn proposal(&self) -> &Proposal {
        &self.proposal
    }

    /// The answers so far, in order.
    #[must_use]
    pub fn votes(&self) -> &[Vote] {
        &self.votes
    }

    /// What nobody has answered yet.
    pub fn missing(&self) -> impl Iterator<Item = &Need> {
        // A person counts once, whatever the journal holds.
        let mut left: Vec<&Vote> = Vec::new();
        for vote in &self.votes {
            if !left.iter().any(|earlier| earlier.same_person(vote)) || !Gate::OneVote.is_on() {
                left.push(vote);
            }
        }
        self.proposal.needs().iter().filter(move |need| {
            let found = left.iter().position(|vote| vote.meets(need));
            found.map(|at| left.swap_remove(at)).is_none()
        })
    }

    /// The customer's part is done, and the rest is the house's: its answers, and
    /// carrying it out once they are all there.
    #[must_use]
    pub fn with_staff(&self) -> bool {
        let staff = |need: &Need| matches!(need, Need::Approval { .. });
        self.proposal.needs().iter().any(staff) && !self.missing().any(|n| *n == Need::Customer)
    }

    /// Somebody of the house has to answer.
    #[must_use]
    pub fn waits_for_staff(&self) -> bool {
        self.with_staff() && self.missing().next().is_some()
    }

    pub(crate) fn into_parts(self) -> (Proposal, Vec<Vote>) {
        (self.proposal, self.votes)
    }
}

impl Need {
    /// The role that is asked; none for the customer.
    #[must_use]
    pub fn role(&self) -> Option<&str> {
        match self {
            Self::Customer => None,
            Self::Approval { role, .. } => Some(role),
        }
    }
}

impl Vote {
    /// Whether it is the answer of this member of staff.
    #[must_use]
    pub fn is_of(&self, id: &str) -> bool {
        match self {
            Self::Confirmed(_) => false,
            Self::Approved(a) | Self::Rejected(a) => a.id == id,
        }
    }

    /// Whether it is the same person's same answer once more.
    #[must_use]
    pub fn same_answer(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other) && self.same_person(other)
    }

    /// Two persons by directory and id: a second key of one person makes no second one.
    pub(crate) fn same_person(&self, other: &Self) -> bool {
        self.person() == other.person()
    }

    /// The answer as it was counted; `None` for one that an earlier executor counted.
    pub(crate) fn ballot(&self) -> Option<Ballot> {
        match self {
            Self::Confirmed(yes) => Some(Ballot::Customer(yes.jws.clone(), yes.heard.clone()?)),
            Self::Approved(a) | Self::Rejected(a) => {
                Some(Ballot::Staff(a.signature.clone(), a.heard.clone()?))
            }
        }
    }

    /// The subject's yes, as a receipt names it; nothing checks it.
    pub(crate) fn supposed_yes(by: &str, at: Timestamp) -> Self {
        Self::Confirmed(Confirmation {
            frontend: String::new(),
            subject: by.to_owned(),
            card: String::new(),
            at,
            jws: String::new(),
            heard: None,
        })
    }

    /// Somebody's yes, as a receipt names it; nothing checks it.
    pub(crate) fn supposed_approval(by: &str, issuer: &str, role: &str, at: Timestamp) -> Self {
        Self::Approved(Approval {
            id: by.to_owned(),
            issuer: issuer.to_owned(),
            role: role.to_owned(),
            reason: String::new(),
            card: String::new(),
            at,
            signature: Signature::Jws(String::new()),
            heard: None,
        })
    }

    fn person(&self) -> (&str, &str) {
        match self {
            Self::Confirmed(c) => ("", &c.subject),
            Self::Approved(a) | Self::Rejected(a) => (&a.issuer, &a.id),
        }
    }

    fn meets(&self, need: &Need) -> bool {
        match (self, need) {
            (Self::Confirmed(_), Need::Customer) => true,
            (Self::Approved(yes), Need::Approval { role, .. }) => yes.role == *role,
            (Self::Confirmed(_) | Self::Approved(_), _) | (Self::Rejected(_), _) => false,
        }
    }
}

impl Granted {
    /// Every answer counts as [`complete`] found it.
    pub(crate) fn new(parked: Parked, grants: Grants) -> Self {
        let (proposal, votes) = parked.into_parts();
        Self { proposal, votes, grants }
    }

    /// As if these had said yes and nothing were missing: for what never leaves a
    /// back-test.
    pub(crate) fn supposed(parked: Parked, votes: Vec<Vote>, at: Timestamp) -> Self {
        Self { proposal: parked.proposal, votes, grants: Grants { at, on: None } }
    }

    /// What was granted.
    #[must_use]
    pub fn proposal(&self) -> &Proposal {
        &self.proposal
    }

    /// Who said yes.
    #[must_use]
    pub fn votes(&self) -> &[Vote] {
        &self.votes
    }

    /// What it was decided from that nothing is missing.
    pub(crate) fn on(&self) -> Option<&Heard> {
        self.grants.on.as_deref()
    }
}
