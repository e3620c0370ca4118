//! `issuers` and `frontends` of `executor.yaml`: who vouches for whom.

use std::collections::BTreeMap;
use std::path::PathBuf;

use countersign_core::signed::Algorithm;
use countersign_core::subject::{Kind, Strength};
use countersign_shared::mtls::SpiffePattern;
use serde::Deserialize;

use crate::connector::network::Network;
use crate::connector::reach::Reach;
use crate::connector::tls::Ca;

/// One who vouches for subjects of a tenant.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// `iss` of its tokens.
    pub issuer: String,
    /// `aud` of its tokens.
    pub audience: String,
    /// The tenant that issuer and audience stand for.
    pub tenant: String,
    /// Its public keys, where they are files: Ed25519.
    #[serde(default)]
    pub keys: Vec<PublicKey>,
    /// Address of its JSON Web Key Set, where it publishes one. One of the two.
    #[serde(default)]
    pub jwks: Option<String>,
    /// What its key set may sign with; RS256, ES256 and EdDSA unless said.
    #[serde(default)]
    pub algorithms: Option<Vec<Algorithm>>,
    /// Claims taken over from its tokens.
    #[serde(default)]
    pub claims: Vec<String>,
    /// Whom its tokens speak for.
    #[serde(default)]
    pub kind: Kind,
    /// The claim with the scopes of staff: a list, or words.
    #[serde(default)]
    pub scopes_claim: Option<String>,
    /// The claim with the subject's segment.
    #[serde(default)]
    pub segment_claim: Option<String>,
    /// How surely its tokens prove who it is.
    #[serde(default)]
    pub strength: Strengths,
    /// Planners that may act for this tenant.
    pub planners: Vec<SpiffePattern>,
    /// PEM file of certificate authorities trusted for `jwks` beside the system's.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Networks that are not public and that `jwks` may be in all the same.
    #[serde(default)]
    pub private_networks: Vec<Network>,
    /// Whether `jwks` may be plain `http`.
    #[serde(default)]
    pub plain_http: bool,
}

/// How a token shows how surely it is the subject.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Strengths {
    /// The claim that tells: `acr`, or the list `amr`.
    #[serde(default)]
    pub claim: Option<String>,
    /// What its values mean; of several the strongest counts.
    #[serde(default)]
    pub values: BTreeMap<String, Strength>,
    /// Where no value counts; `signed_in` unless said.
    #[serde(default)]
    pub default: Strength,
}

/// One chat frontend of a tenant.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frontend {
    /// `iss` of what it signs.
    pub id: String,
    /// The tenant it speaks for.
    pub tenant: String,
    /// Its public keys.
    pub keys: Vec<PublicKey>,
}

/// A public key by name.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicKey {
    /// `kid` of what it signs.
    pub kid: String,
    /// PEM file, Ed25519.
    pub file: PathBuf,
}

impl Issuer {
    /// How `jwks` may be reached.
    pub(crate) fn reach(&self) -> Reach<'_> {
        Reach {
            ca: self.ca.as_deref().map(Ca::In),
            private_networks: &self.private_networks,
            plain_http: self.plain_http,
        }
    }

    /// What is wrong with these settings by themselves, and what to do.
    #[must_use]
    pub fn problem(&self) -> Option<&'static str> {
        let given = [Some(&self.strength.default)].into_iter().flatten();
        let mut strengths = given.chain(self.strength.values.values());
        match (&self.jwks, self.keys.is_empty()) {
            (None, true) => return Some("it has no keys: name files in `keys`, or set `jwks`"),
            (Some(_), false) => return Some("it has both `keys` and `jwks`: keep one"),
            (None, false) if self.algorithms.is_some() => {
                return Some("`algorithms` is for `jwks`: keys in files are Ed25519");
            }
            (None, false) | (Some(_), true) => {}
        }
        if strengths.any(|strength| *strength == Strength::Matched) {
            return Some(
                "`matched` is the executor's own finding: say asserted, signed_in or strong",
            );
        }
        if self.strength.claim.is_none() && !self.strength.values.is_empty() {
            return Some("`strength.values` needs `strength.claim`: the claim that holds them");
        }
        if self.scopes_claim.is_some() && self.kind == Kind::Customer {
            return Some("scopes bind staff: set `kind: staff`, or leave `scopes_claim` out");
        }
        None
    }
}
