//! What all contracts of a pack share: its connector.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

use serde::Deserialize;

/// One backend's connector as its pack declares it. Address and credential are
/// the deployment's.
#[derive(Debug)]
pub struct Pack {
    /// Name, the part of a tool's name before the dot.
    pub name: String,
    /// One sentence.
    pub summary: String,
    /// How it is spoken to.
    pub kind: PackKind,
    /// How a credential is presented.
    pub credential: CredentialUse,
    /// Claims of the subject that its contracts may name, besides `id`.
    pub subject_claims: BTreeSet<String>,
    /// Total time-out of one request.
    pub timeout: Duration,
    /// Largest answer read, in bytes.
    pub response_limit: u64,
    /// Longest time the backend may go on working after we stop waiting.
    pub quiet_period: Duration,
    /// How fast the backend may be called.
    pub limits: Limits,
    /// GraphQL error codes that mean "not executed, try later".
    pub throttled_codes: BTreeSet<String>,
    /// Codes its contracts may refuse with.
    pub codes: BTreeMap<String, PackCode>,
    /// `sha256:…` over every file of the pack.
    pub digest: String,
}

/// How fast a backend may be called over one connection; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Requests at once.
    pub concurrent: Option<NonZeroU32>,
    /// Requests a second; as many may come at once after a quiet second.
    pub per_second: Option<NonZeroU32>,
}

impl Limits {
    /// These, and where they say nothing, those.
    #[must_use]
    pub fn over(self, those: Self) -> Self {
        Self {
            concurrent: self.concurrent.or(those.concurrent),
            per_second: self.per_second.or(those.per_second),
        }
    }
}

/// The protocol of a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PackKind {
    /// One GraphQL end point at this path.
    GraphQl {
        /// Path below the connection's base URL.
        path: String,
    },
    /// REST, JSON or forms.
    Http,
}

/// Where the connection's credential goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialUse {
    /// No credential.
    None,
    /// The secret as the value of this header.
    Header(String),
    /// `Authorization: Bearer`.
    Bearer,
    /// `Authorization: Basic`; the file holds `user:password`.
    Basic,
    /// HMAC-SHA256 of the body in this header, hex.
    Hmac {
        /// Header name.
        header: String,
    },
    /// OAuth 2 client credentials; the file holds `client_id:client_secret`.
    OauthClientCredentials {
        /// Path of the token end point below the base URL.
        token_path: String,
        /// Scope asked for; may be empty.
        scope: String,
    },
}

/// A refusal code of a pack.
#[derive(Debug, Clone)]
pub struct PackCode {
    /// Why it happens.
    pub cause: String,
    /// What can be done.
    pub remedy: String,
    /// What a customer is told.
    pub say: Option<String>,
    /// Whether a person has to look.
    pub escalate: bool,
}
