//! Whose data it is: the person whose key it lies under, and who may have it erased.

use serde::{Deserialize, Serialize};

use crate::proposal::Proposal;
use crate::subject::{Kind, Subject};

/// A person, as the executor tells one from another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Person {
    /// By name.
    Named {
        /// The tenant.
        tenant: String,
        /// Who vouches for the name; empty where the backend's fresh read gave it.
        issuer: String,
        /// The issuer's name for them, or `CLAIM=VALUE` as the backend has it.
        id: String,
    },
    /// By the keyed digest that a receipt shows.
    Digest(String),
}

impl Person {
    /// A subject.
    #[must_use]
    pub fn of(subject: &Subject) -> Self {
        let Subject { tenant, issuer, id, .. } = subject;
        Self::Named { tenant: tenant.clone(), issuer: issuer.clone(), id: id.clone() }
    }

    /// Who owns the objects of a backend, `owner` being `CLAIM=VALUE`.
    #[must_use]
    pub fn owner(tenant: &str, owner: &str) -> Self {
        let (tenant, id) = (tenant.to_owned(), owner.to_owned());
        Self::Named { tenant, issuer: String::new(), id }
    }

    /// Whom a proposal is about: a customer, or whoever the object belongs to where a
    /// colleague acts for them.
    #[must_use]
    pub fn about(proposal: &Proposal) -> Self {
        let who = &proposal.asked().subject;
        match (who.kind, proposal.owner()) {
            (Kind::Staff, Some(owner)) => Self::owner(&who.tenant, owner),
            (Kind::Staff, None) | (Kind::Customer, _) => Self::of(who),
        }
    }

    /// Nobody: what is said of the executor itself.
    #[must_use]
    pub fn nobody() -> Self {
        Self::Digest(String::new())
    }
}
