//! The person for whom an action is done, as the executor verified them.

use std::collections::BTreeMap;

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
    /// When the token was verified.
    pub verified_at: Timestamp,
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
