//! The identity of a workload: one SPIFFE id, read strictly.

use std::fmt;
use std::str::FromStr;

#[cfg(feature = "net")]
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};

const SCHEME: &str = "spiffe://";
const MAX_ID_BYTES: usize = 2048;
const MAX_TRUST_DOMAIN_BYTES: usize = 255;

/// A workload's identity, such as `spiffe://demo.countersign.internal/planner`.
///
/// Only the canonical form parses (lower-case scheme and trust domain, plain path segments), so
/// two ids are the same workload exactly when their text is the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpiffeId(String);

impl SpiffeId {
    /// The one identity a certificate carries.
    ///
    /// # Errors
    /// When the certificate does not parse, or has no URI name, or more than one, or one that is
    /// no SPIFFE id.
    #[cfg(feature = "net")]
    pub fn from_certificate(certificate: &CertificateDer<'_>) -> Result<Self, IdentityError> {
        let parsed =
            webpki::EndEntityCert::try_from(certificate).map_err(|_| IdentityError::Certificate)?;
        let mut names = parsed.valid_uri_names();
        let only = names.next().ok_or(IdentityError::NoUri)?;
        if names.next().is_some() {
            return Err(IdentityError::ManyUris);
        }
        only.parse()
    }

    /// The whole id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The trust domain, such as `demo.countersign.internal`.
    pub fn trust_domain(&self) -> &str {
        self.split().0
    }

    /// The service's short name for logs and receipts: `planner` in `/planner` and in
    /// `/ns/countersign/sa/planner`. Never authorize by it: compare whole ids.
    pub fn role(&self) -> Option<&str> {
        let segments: Vec<&str> = self.split().1.split('/').collect();
        match segments.as_slice() {
            [role] | ["ns", _, "sa", role] => Some(role),
            _ => None,
        }
    }

    fn split(&self) -> (&str, &str) {
        self.0.strip_prefix(SCHEME).and_then(|rest| rest.split_once('/')).unwrap_or_default()
    }
}

impl FromStr for SpiffeId {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        check(text, is_segment)?;
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for SpiffeId {
    type Error = IdentityError;

    fn try_from(text: String) -> Result<Self, IdentityError> {
        text.parse()
    }
}

impl From<SpiffeId> for String {
    fn from(id: SpiffeId) -> Self {
        id.0
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which identities a rule means: a whole id in which `*` stands for exactly one path segment,
/// such as `spiffe://prod.example/ns/*/sa/planner`. The trust domain is always written out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpiffePattern(String);

impl SpiffePattern {
    /// Whether the pattern covers this whole id.
    pub fn matches(&self, id: &SpiffeId) -> bool {
        let mut wanted = self.0.split('/');
        let mut given = id.0.split('/');
        loop {
            match (wanted.next(), given.next()) {
                (None, None) => return true,
                (Some(wanted), Some(given)) if wanted == "*" || wanted == given => {}
                (Some(_) | None, Some(_) | None) => return false,
            }
        }
    }
}

impl FromStr for SpiffePattern {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        check(text, |segment| segment == "*" || is_segment(segment))?;
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for SpiffePattern {
    type Error = IdentityError;

    fn try_from(text: String) -> Result<Self, IdentityError> {
        text.parse()
    }
}

impl From<SpiffePattern> for String {
    fn from(pattern: SpiffePattern) -> Self {
        pattern.0
    }
}

impl fmt::Display for SpiffePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why something is not an acceptable identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Not a certificate at all.
    #[error("the certificate cannot be read: issue it again")]
    Certificate,
    /// No URI subject alternative name.
    #[error("the certificate names no SPIFFE id: issue it with exactly one URI name")]
    NoUri,
    /// More than one URI subject alternative name: which one would count is a guess.
    #[error("the certificate has several URI names: issue it with exactly one")]
    ManyUris,
    /// Not of the form `spiffe://TRUST_DOMAIN/PATH`.
    #[error("{0:?} is no SPIFFE id: write it like spiffe://demo.countersign.internal/planner")]
    Form(String),
    /// The peer proved another identity than the one that was dialled.
    #[error("the peer is {found}, not {expected}: check the address or the expected id")]
    Unexpected {
        /// The id that the caller wanted to reach.
        expected: SpiffeId,
        /// The id in the peer's certificate.
        found: SpiffeId,
    },
}

fn check(text: &str, segment: impl Fn(&str) -> bool) -> Result<(), IdentityError> {
    let well_formed = text.len() <= MAX_ID_BYTES
        && text
            .strip_prefix(SCHEME)
            .and_then(|rest| rest.split_once('/'))
            .is_some_and(|(domain, path)| is_trust_domain(domain) && path.split('/').all(segment));
    if well_formed { Ok(()) } else { Err(IdentityError::Form(text.chars().take(200).collect())) }
}

fn is_trust_domain(domain: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-_".contains(&b);
    !domain.is_empty() && domain.len() <= MAX_TRUST_DOMAIN_BYTES && domain.bytes().all(plain)
}

fn is_segment(segment: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b".-_".contains(&b);
    !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn canonical_ids_parse_and_print_unchanged() {
        for text in [
            "spiffe://demo.countersign.internal/planner",
            "spiffe://prod_1.example-x/ns/countersign/sa/executor",
        ] {
            assert_eq!(text.parse::<SpiffeId>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let long = format!("spiffe://td/{}", "a".repeat(MAX_ID_BYTES));
        for text in [
            "",
            "planner",
            "https://td/planner",
            "SPIFFE://td/planner",
            "spiffe://",
            "spiffe://td",
            "spiffe://td/",
            "spiffe:///planner",
            "spiffe://TD/planner",
            "spiffe://td:1/planner",
            "spiffe://u@td/planner",
            "spiffe://td/planner/",
            "spiffe://td//planner",
            "spiffe://td/../planner",
            "spiffe://td/./planner",
            "spiffe://td/pl%61nner",
            "spiffe://td/planner?x",
            "spiffe://td/planner#x",
            "spiffe://td/planner ",
            "spiffe://td/*",
            " spiffe://td/planner",
            "spiffe://td/plänner",
            long.as_str(),
        ] {
            assert!(text.parse::<SpiffeId>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn role_is_read_from_the_two_known_shapes_only() {
        let role = |text: &str| text.parse::<SpiffeId>().unwrap().role().map(str::to_owned);
        assert_eq!(role("spiffe://td/planner").as_deref(), Some("planner"));
        assert_eq!(role("spiffe://td/ns/shop/sa/executor").as_deref(), Some("executor"));
        assert_eq!(role("spiffe://td/other/planner"), None);
    }

    #[test]
    fn patterns_compare_whole_ids() {
        let pattern: SpiffePattern = "spiffe://td/ns/*/sa/planner".parse().unwrap();
        let matches = |text: &str| pattern.matches(&text.parse().unwrap());
        assert!(matches("spiffe://td/ns/shop/sa/planner"));
        assert!(!matches("spiffe://td/ns/a/b/sa/planner"));
        assert!(!matches("spiffe://td/ns/shop/sa/planner/x"));
        assert!(!matches("spiffe://td/ns/shop/sa"));
        assert!(!matches("spiffe://other/ns/shop/sa/planner"));
        assert!("spiffe://*/planner".parse::<SpiffePattern>().is_err());
        assert!("spiffe://td/plan*".parse::<SpiffePattern>().is_err());
    }
}
