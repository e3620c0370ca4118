//! The yes or no of somebody of the house.

use countersign_shared::attest::{ApprovalClaims, Decision, cleaned};
use countersign_shared::codes::Code;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::signature::Signature;
use super::{Ballot, Heard, Parked, Signers, Vote, alive, current};
use crate::contract::Contract;
use crate::error::Refused;
use crate::gates::Gate;
use crate::policy::Approval as Question;
use crate::premise::Premise;
use crate::proposal::Proposal;

/// One approver's signed answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The approver, as the policy's people name them.
    pub id: String,
    /// The directory that knows them.
    pub issuer: String,
    /// In which role they answered.
    pub role: String,
    /// What they wrote; may be empty.
    pub reason: String,
    /// Digest of the card that they saw.
    pub card: String,
    /// When it was signed.
    pub at: Timestamp,
    /// The signature itself, so that anyone can check it again.
    pub signature: Signature,
    /// What it counted by; none where an earlier executor counted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<Heard>,
}

/// One answer. That of somebody who gave the same one before is theirs still, and
/// counts once.
///
/// # Errors
/// `PROPOSAL_EXPIRED`, `APPROVAL_INVALID`, `APPROVER_NOT_ALLOWED`.
pub fn answer(
    parked: &Parked,
    signature: Signature,
    contract: &Contract,
    signers: &Signers<'_>,
    now: Timestamp,
) -> Result<Vote, Refused> {
    let heard = signers.heard(parked, [], contract, now);
    match counted(parked, signature.clone(), &heard, contract, signers) {
        Ok(vote) => Ok(vote),
        Err(refused) => Err(refused.on(Premise::Vote(Box::new(Ballot::Staff(signature, heard))))),
    }
}

fn counted(
    parked: &Parked,
    signature: Signature,
    heard: &Heard,
    contract: &Contract,
    signers: &Signers<'_>,
) -> Result<Vote, Refused> {
    let (proposal, now) = (parked.proposal(), heard.at);
    alive(proposal, now)?;
    current(proposal, contract)?;
    let claims = signature.verify(signers, now).map_err(|why| invalid(&why))?;
    let (decision, approval) = read(proposal, claims, signature)?;
    let approval = Approval { heard: Some(heard.clone()), ..approval };
    entitled(parked, &approval.id, &approval.role, contract, signers, now)?;
    let vote = match decision {
        Decision::Approve => Vote::Approved(approval.clone()),
        Decision::Reject => Vote::Rejected(approval.clone()),
    };
    let earlier = parked.votes().iter().find(|earlier| earlier.same_person(&vote));
    if let Some(earlier) = earlier.filter(|_| Gate::OneVote.is_on()) {
        let message = "this person has answered already; it takes another one";
        return if earlier.same_answer(&vote) { Ok(vote) } else { Err(not_allowed(message)) };
    }
    if !parked.missing().any(|need| need.role() == Some(approval.role.as_str())) {
        return Err(not_allowed("nobody in this role is waited for"));
    }
    Ok(vote)
}

/// Somebody who is known here signed this answer to this very card.
///
/// # Errors
/// `APPROVAL_INVALID`.
pub fn signed_for(
    proposal: &Proposal,
    signature: &Signature,
    signers: &Signers<'_>,
    now: Timestamp,
) -> Result<(), Refused> {
    let claims = signature.verify(signers, now).map_err(|why| invalid(&why))?;
    read(proposal, claims, signature.clone()).map(|_| ())
}

/// A yes that was counted before still counts: same signature, keys and roles of now.
///
/// # Errors
/// `APPROVAL_INVALID`, `APPROVER_NOT_ALLOWED`.
pub(super) fn recheck(
    parked: &Parked,
    approval: &Approval,
    contract: &Contract,
    signers: &Signers<'_>,
    now: Timestamp,
) -> Result<(), Refused> {
    let signature = approval.signature.clone();
    let claims = signature.verify(signers, approval.at).map_err(|why| invalid(&why))?;
    let (decision, again) = read(parked.proposal(), claims, signature)?;
    let stored = Approval { heard: None, ..approval.clone() };
    if decision != Decision::Approve || again != stored {
        return Err(invalid("the stored answer is not what was signed"));
    }
    entitled(parked, &approval.id, &approval.role, contract, signers, now)
}

/// The role in which a person may answer now: the first that is still waited for.
///
/// # Errors
/// `PROPOSAL_EXPIRED`, `NOT_ACTIVATED`, `APPROVER_NOT_ALLOWED`, `POLICY_FORBIDS`.
pub fn role<'a>(
    parked: &'a Parked,
    id: &str,
    contract: &Contract,
    signers: &Signers<'_>,
    now: Timestamp,
) -> Result<&'a str, Refused> {
    alive(parked.proposal(), now)?;
    current(parked.proposal(), contract)?;
    if parked.votes().iter().any(|vote| vote.is_of(id)) {
        return Err(not_allowed("this person has answered already; it takes another one"));
    }
    let mut why = not_allowed("nobody of the house is waited for");
    for need in parked.missing() {
        let Some(role) = need.role() else { continue };
        match entitled(parked, id, role, contract, signers, now) {
            Ok(()) => return Ok(role),
            Err(refused) => why = refused,
        }
    }
    Err(why)
}

/// What a no leads to.
#[must_use]
pub fn rejected(no: &Approval) -> Refused {
    // Why they said no is for the house: it stands in the receipt's grants.
    Refused::new(Code::ApprovalRejected, format!("{} said no", no.role)).on(Premise::Reject)
}

fn read(
    proposal: &Proposal,
    claims: ApprovalClaims,
    signature: Signature,
) -> Result<(Decision, Approval), Refused> {
    let this = claims.proposal == proposal.id().as_str() && claims.card == proposal.card_digest();
    if !this && Gate::ApprovalCard.is_on() {
        return Err(invalid("the answer was given to another card"));
    }
    let at = Timestamp::from_second(claims.iat).map_err(|_| invalid("iat is no time"))?;
    let shown = proposal.at().saturating_add(SignedDuration::from_secs(-60));
    if at < shown.unwrap_or(Timestamp::MIN) {
        return Err(invalid("the answer is older than the card"));
    }
    let approval = Approval {
        issuer: claims.iss,
        id: claims.sub,
        role: claims.role,
        reason: cleaned(&claims.reason).chars().take(500).collect(),
        card: claims.card,
        at,
        signature,
        heard: None,
    };
    Ok((claims.decision, approval))
}

/// In the role now, not the one who asked, and allowed to by the policy of now.
fn entitled(
    parked: &Parked,
    id: &str,
    role: &str,
    contract: &Contract,
    signers: &Signers<'_>,
    now: Timestamp,
) -> Result<(), Refused> {
    let person = signers.policy.people().get(id);
    let person = person.ok_or_else(|| not_allowed("this person is not known any more"))?;
    let (proposal, asked) = (parked.proposal(), parked.proposal().asked());
    let question = Question {
        person,
        role,
        requester: &asked.subject,
        channel: &asked.channel,
        workload: &asked.caller,
        conversation: &asked.conversation,
        confidence: asked.confidence.score,
        contract,
        money: proposal.money(),
        now,
    };
    signers.policy.ask_approver(&question).map(|_| ())
}

fn invalid(why: &str) -> Refused {
    Refused::new(Code::ApprovalInvalid, why)
}

fn not_allowed(why: &str) -> Refused {
    Refused::new(Code::ApproverNotAllowed, why)
}
