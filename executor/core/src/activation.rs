//! What the executor runs with takes effect by its digest, and a changed one only
//! with the signatures that the active policy asks for (NO ONE HOLDS THE WHOLE PEN).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_shared::attest::{AUDIENCE, ActivationClaims};
use countersign_shared::receipt::Changer;
use jiff::Timestamp;

use crate::policy::{self, People, Person};
use crate::signed::{Keyring, Voice};

/// Who may sign activations.
pub const ROLE: &str = "operator";

/// What takes effect by its digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The policy bundle.
    Policy,
    /// A pack, by name.
    Pack(String),
    /// Who may speak, for whom: issuers, frontends, callers.
    Issuers,
    /// Where connections go.
    Egress,
}

/// The active digest of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Active {
    /// The digest.
    pub digest: String,
    /// Since when.
    pub at: Timestamp,
}

/// A change that waits for signatures.
#[derive(Debug, Clone)]
pub struct Change<'a> {
    /// Of what.
    pub part: &'a Part,
    /// As it is; `None` where the part is new.
    pub active: Option<&'a Active>,
    /// The digest that was found.
    pub found: &'a str,
}

impl Change<'_> {
    /// The active digest; empty where the part is new.
    #[must_use]
    pub fn old(&self) -> &str {
        self.active.map_or("", |active| active.digest.as_str())
    }

    /// Those of the active policy's people who signed this very change, each once.
    #[must_use]
    pub fn signed(&self, requests: &[String], people: &People, now: Timestamp) -> Vec<Changer> {
        let since = self.active.map(|active| active.at);
        signed((&self.part.to_string(), self.old(), self.found), since, requests, people, now)
    }
}

/// Those of the people who signed this very change (what, as it was, as it is to be),
/// each once. What was signed before `since` belongs to another change: an old request
/// takes nothing back.
#[must_use]
pub fn signed(
    (what, old, new): (&str, &str, &str),
    since: Option<Timestamp>,
    requests: &[String],
    people: &People,
    now: Timestamp,
) -> Vec<Changer> {
    let is = |claims: &ActivationClaims| {
        since.is_none_or(|since| claims.iat >= since.as_second())
            && (claims.part.as_str(), claims.old.as_str(), claims.new.as_str()) == (what, old, new)
    };
    let mut by = BTreeMap::new();
    for jws in requests {
        let Some((person, claims)) = claims(jws, people, now) else { continue };
        if is(&claims) && people.roles(person, now).contains(ROLE) {
            let (who, reason, jws) = (person.id.clone(), claims.reason, jws.clone());
            by.entry(who.clone()).or_insert(Changer { who, reason, jws });
        }
    }
    by.into_values().collect()
}

/// A request, once it is proved to be the person's own.
fn claims<'a>(
    jws: &str,
    people: &'a People,
    now: Timestamp,
) -> Option<(&'a Person, ActivationClaims)> {
    let body = URL_SAFE_NO_PAD.decode(jws.split('.').nth(1)?).ok()?;
    let said: ActivationClaims = serde_json::from_slice(&body).ok()?;
    let person = people.get(&said.sub)?;
    let mut ring = Keyring::default();
    ring.add(Voice {
        issuer: person.issuer.clone(),
        audience: AUDIENCE.to_owned(),
        tenant: String::new(),
        keys: person.keys.clone(),
    });
    ring.verify("", jws, now).ok().map(|claims| (person, claims))
}

impl Part {
    /// As the policy's settings call it.
    #[must_use]
    pub fn kind(&self) -> policy::Part {
        match self {
            Self::Policy => policy::Part::Policy,
            Self::Pack(_) => policy::Part::Pack,
            Self::Issuers => policy::Part::Issuers,
            Self::Egress => policy::Part::Egress,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy => f.write_str("policy"),
            Self::Pack(name) => write!(f, "pack/{name}"),
            Self::Issuers => f.write_str("issuers"),
            Self::Egress => f.write_str("egress"),
        }
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "policy" => Ok(Self::Policy),
            "issuers" => Ok(Self::Issuers),
            "egress" => Ok(Self::Egress),
            other => {
                let pack = other.strip_prefix("pack/").filter(|name| !name.is_empty());
                pack.map(|name| Self::Pack(name.to_owned())).ok_or_else(|| {
                    format!("`{other}` is none of policy, pack/NAME, issuers, egress")
                })
            }
        }
    }
}
