//! A switch turned by a person's passkey, where no certificate of an operator is at hand.

use countersign_shared::attest::{SwitchClaims, switch_challenge};
use countersign_shared::codes::Code;
use jiff::Timestamp;

use super::Reach;
use crate::activation::ROLE;
use crate::error::Refused;
use crate::grant::Signers;
use crate::grant::signature::{Signature, stated};

/// How long a signed order counts at most, in seconds: a tap, and a look at the phone.
pub const COUNTS: i64 = 300;

/// What an operator signed. Made only by [`order`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    reach: Reach,
    off: bool,
    by: String,
    reason: String,
    at: Timestamp,
}

/// Verifies an operator's word: their own signature, for a short time, and their role of
/// now. A tenant's switch is turned by an operator of that tenant; every other switch is
/// the house's, and any operator's.
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
    if claims.exp.saturating_sub(claims.iat) > COUNTS {
        return Err(invalid(format!("an order counts for {COUNTS} s at most: sign a new one")));
    }
    let at = Timestamp::from_second(claims.iat).map_err(|_| invalid("iat is no time".into()))?;
    let reach: Reach = claims.reach.parse().map_err(invalid)?;
    let people = signers.policy.people();
    let (roles, whose) = match &reach {
        Reach::Tenant(name) => (people.roles_for(person, name, now), format!(" for {reach}")),
        Reach::All | Reach::Pack(_) | Reach::Tool(_) => (people.roles(person, now), String::new()),
    };
    if !roles.contains(ROLE) {
        let message = format!("this person does not hold the role `{ROLE}`{whose} now");
        return Err(Refused::new(Code::ApproverNotAllowed, message));
    }
    Ok(Order { reach, off: claims.off, by: person.id.clone(), reason: claims.reason, at })
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

    /// When it was signed, to the second.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }
}
