//! The person for whom an action is done, as the executor verified them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::value::Value;

/// A verified subject. The token itself is never kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The tenant that issuer and audience stand for.
    pub tenant: String,
    /// Who vouches for the subject.
    pub issuer: String,
    /// The issuer's name for the subject.
    pub id: String,
    /// The claims that the issuer's configuration lets through.
    pub claims: BTreeMap<String, String>,
    /// Customer or staff.
    pub kind: Kind,
    /// What staff may touch; empty for customers.
    pub scopes: BTreeSet<String>,
    /// The group that policy and modes may ask for; empty where there is none.
    pub segment: String,
    /// How surely it is this person.
    pub strength: Strength,
    /// When the token was verified: `subject_valid_for` counts from here.
    pub verified_at: Timestamp,
}

/// Whom a subject's token speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Somebody who owns objects at the backend.
    #[default]
    Customer,
    /// Somebody of the house, bound by scopes instead of ownership.
    Staff,
}

/// How surely it is this person, weakest first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    /// A frontend or planner says so.
    Asserted,
    /// The executor itself matched order number and e-mail.
    Matched,
    /// Signed in at the issuer.
    #[default]
    SignedIn,
    /// Signed in with a second factor.
    Strong,
}

impl Subject {
    /// A claim; `None` where it is absent or empty (SUBJECT OWNS IT refuses both).
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<&str> {
        let value = if name == "id" { Some(&self.id) } else { self.claims.get(name) };
        value.map(String::as_str).filter(|v| !v.is_empty())
    }

    /// What expressions see as `subject`.
    #[must_use]
    pub fn value(&self) -> Value {
        let mut fields: BTreeMap<_, _> =
            self.claims.iter().map(|(k, v)| (k.clone(), Value::Str(v.clone()))).collect();
        fields.insert("id".to_owned(), Value::Str(self.id.clone()));
        Value::Object(fields)
    }

    /// Same person: tenant, issuer and id.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        (&self.tenant, &self.issuer, &self.id) == (&other.tenant, &other.issuer, &other.id)
    }
}
