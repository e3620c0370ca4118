//! A switch turned by a person's passkey, where no certificate of an operator is at hand.

use countersign_shared::attest::{SwitchClaims, switch_challenge};
use countersign_shared::codes::Code;
use jiff::Timestamp;

use super::Reach;
use crate::activation::ROLE;
use crate::error::Refused;
use crate::grant::Signers;
use crate::grant::signature::{Signature, stated};

/// What an operator signed. Made only by [`order`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    reach: Reach,
    off: bool,
    by: String,
    reason: String,
}

/// Verifies an operator's word: their own signature, and their role of now.
///
/// # Errors
/// `APPROVAL_INVALID`, `APPROVER_NOT_ALLOWED`.
pub fn order(
    signature: &Signature,
    signers: &Signers<'_>,
    now: Timestamp,
) -> Result<Order, Refused> {
    let invalid = |why: String| Refused::new(Code::ApprovalInvalid, why);
    let (claims, person): (SwitchClaims, _) =
        stated(signature, switch_challenge, signers, now).map_err(invalid)?;
    if !signers.policy.people().roles(person, now).contains(ROLE) {
        let message = format!("this person does not hold the role `{ROLE}` now");
        return Err(Refused::new(Code::ApproverNotAllowed, message));
    }
    let reach = claims.reach.parse().map_err(invalid)?;
    Ok(Order { reach, off: claims.off, by: person.id.clone(), reason: claims.reason })
}

impl Order {
    /// What is turned.
    #[must_use]
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// Off, or on again.
    #[must_use]
    pub fn off(&self) -> bool {
        self.off
    }

    /// The operator, as the policy's people name them.
    #[must_use]
    pub fn by(&self) -> &str {
        &self.by
    }

    /// Why; may be empty.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}
