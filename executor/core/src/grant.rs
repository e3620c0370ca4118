//! A human's yes, verified by its signature (A YES IS SHOWN AND SIGNED).

use countersign_shared::attest::ConfirmationClaims;
use countersign_shared::codes::Code;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::Refused;
use crate::proposal::Proposal;
use crate::signed::Keyring;

/// A proposal with every grant it needs. Built only here, or from the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Granted {
    proposal: Proposal,
    grants: Grants,
}

/// The grants of a proposal. Made only by [`grant`], or read back from the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grants {
    confirmation: Option<Confirmation>,
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
}

/// Gives a proposal its grants, or says what is missing.
///
/// # Errors
/// `PROPOSAL_EXPIRED`, `CONFIRMATION_REQUIRED`, `CONFIRMATION_INVALID`.
pub fn grant(
    proposal: &Proposal,
    confirmation: Option<&str>,
    frontends: &Keyring,
    now: Timestamp,
) -> Result<Grants, Refused> {
    if now > proposal.expires_at() {
        return Err(Refused::new(Code::ProposalExpired, "the proposal is void; propose again"));
    }
    if !proposal.needs_confirmation() {
        return Ok(Grants { confirmation: None });
    }
    let jws = confirmation.filter(|c| !c.is_empty()).ok_or_else(|| {
        Refused::new(Code::ConfirmationRequired, "the customer has not confirmed the card")
    })?;
    let confirmation = verify(proposal, jws, frontends, now)?;
    Ok(Grants { confirmation: Some(confirmation) })
}

fn verify(
    proposal: &Proposal,
    jws: &str,
    frontends: &Keyring,
    now: Timestamp,
) -> Result<Confirmation, Refused> {
    let invalid = |why: &str| Refused::new(Code::ConfirmationInvalid, why);
    let asked = proposal.asked();
    let claims: ConfirmationClaims =
        frontends.verify(&asked.subject.tenant, jws, now).map_err(|e| invalid(&e.to_string()))?;
    if claims.sub != asked.subject.id || claims.conv != asked.conversation {
        return Err(invalid("the yes is another subject's or another conversation's"));
    }
    if claims.proposal != proposal.id().as_str() || claims.card != proposal.card_digest() {
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
    })
}

impl Granted {
    pub(crate) fn new(proposal: Proposal, grants: Grants) -> Self {
        Self { proposal, grants }
    }

    /// What was granted.
    #[must_use]
    pub fn proposal(&self) -> &Proposal {
        &self.proposal
    }

    /// The customer's yes.
    #[must_use]
    pub fn confirmation(&self) -> Option<&Confirmation> {
        self.grants.confirmation.as_ref()
    }
}
