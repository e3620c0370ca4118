//! Public keys by tenant, and the check of a compact JWS against them. Time comes
//! from outside; audience and issuer are always checked.

mod excerpt;
mod key;

use countersign_shared::attest::AUDIENCE;
use jiff::Timestamp;
use jsonwebtoken::dangerous::insecure_decode;
use jsonwebtoken::{Validation, decode, decode_header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::gates::Gate;

pub use excerpt::Excerpt;
pub use key::{Algorithm, Key, Keys, key_set};

/// Clocks may differ this much, in seconds.
const LEEWAY: i64 = 60;

/// Keys of those who may vouch for words and confirmations: chat frontends.
#[derive(Default, Clone)]
pub struct Keyring {
    voices: Vec<Voice>,
}

/// One who may vouch.
#[derive(Clone)]
pub struct Voice {
    /// `iss` of what it signs.
    pub issuer: String,
    /// `aud` of what it signs.
    pub audience: String,
    /// The tenant it speaks for.
    pub tenant: String,
    /// Public keys by `kid`.
    pub keys: Keys,
}

/// What a statement says of itself before anything of it is verified: whose keys to
/// look for, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// `iss`.
    pub issuer: String,
    /// `kid`.
    pub kid: String,
}

/// Why a signed statement does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// Not a compact JWS with an `alg` that we know and a `kid`.
    #[error("not a compact JWS with an alg that is known here and a kid")]
    Malformed,
    /// No such issuer, audience or key.
    #[error("signed by nobody who is known here")]
    UnknownKey,
    /// The signature or the claims are wrong.
    #[error("the signature or the claims do not verify")]
    Invalid,
    /// Past `exp`, before `nbf` or `iat`, or without a time.
    #[error("expired, or from the future")]
    Expired,
}

impl Keyring {
    /// Adds one who may vouch.
    pub fn add(&mut self, voice: Voice) {
        self.voices.push(voice);
    }

    /// Verifies a statement of a frontend of this tenant.
    ///
    /// # Errors
    /// When it does not count.
    pub fn verify<C: DeserializeOwned>(
        &self,
        tenant: &str,
        jws: &str,
        now: Timestamp,
    ) -> Result<C, Unverified> {
        // Two tenants may have frontends with the same name and key.
        let speaks = |voice: &&Voice| {
            (voice.tenant == tenant || !Gate::FrontendTenant.is_on()) && voice.audience == AUDIENCE
        };
        let kid = kid(jws)?;
        let mut last = Unverified::UnknownKey;
        for voice in self.voices.iter().filter(speaks).filter(|v| v.keys.contains_key(&kid)) {
            match statement(jws, &voice.issuer, &voice.audience, &voice.keys, now) {
                Ok(claims) => {
                    return serde_json::from_value(claims).map_err(|_| Unverified::Invalid);
                }
                Err(why) => last = why,
            }
        }
        Err(last)
    }
}

/// What a statement says of itself, unverified.
///
/// # Errors
/// When it cannot be read.
pub fn named(jws: &str) -> Result<Named, Unverified> {
    #[derive(Deserialize)]
    struct Issued {
        iss: String,
    }
    let kid = kid(jws)?;
    let read = insecure_decode::<Issued>(jws).map_err(|_| Unverified::Malformed)?;
    Ok(Named { issuer: read.claims.iss, kid })
}

/// The claims of a statement by this issuer for this audience, verified with the
/// key that it names and in the way of that key.
///
/// # Errors
/// When it does not count.
pub fn statement(
    jws: &str,
    issuer: &str,
    audience: &str,
    keys: &Keys,
    now: Timestamp,
) -> Result<Json, Unverified> {
    let key = keys.get(&kid(jws)?).ok_or(Unverified::UnknownKey)?;
    let mut rules = Validation::new(key.algorithm().jws());
    rules.set_audience(&[audience]);
    rules.validate_aud = Gate::ForThisExecutor.is_on();
    rules.set_issuer(&[issuer]);
    rules.set_required_spec_claims(&["iss", "aud", "sub"]);
    // Time is checked below, against the time that the core is given.
    rules.validate_exp = false;
    let read = decode::<Json>(jws, key.decoding(), &rules);
    #[cfg(feature = "gates-off")]
    let read = if Gate::Signature.is_on() { read } else { insecure_decode(jws) };
    let read = read.map_err(|_| Unverified::Invalid)?;
    in_time(&read.claims, now)?;
    Ok(read.claims)
}

/// The claims of a statement that [`statement`] verified before, with the same key, for the
/// same issuer and audience: whether it is in time is asked again.
///
/// # Errors
/// When it is not in time.
pub fn again(jws: &str, now: Timestamp) -> Result<Json, Unverified> {
    let read = insecure_decode::<Json>(jws).map_err(|_| Unverified::Malformed)?;
    in_time(&read.claims, now)?;
    Ok(read.claims)
}

fn kid(jws: &str) -> Result<String, Unverified> {
    let header = decode_header(jws).map_err(|_| Unverified::Malformed)?;
    header.kid.ok_or(Unverified::Malformed)
}

/// `exp` and `nbf` where there is one, and `iat` always; a statement without a time
/// never counts.
fn in_time(claims: &Json, now: Timestamp) -> Result<(), Unverified> {
    let at = |name: &str| claims.get(name).and_then(Json::as_i64);
    let now = now.as_second();
    let begun = |from: i64| from <= now.saturating_add(LEEWAY);
    let issued = at("iat").is_some_and(begun)
        && (claims.get("nbf").is_none() || at("nbf").is_some_and(begun));
    let alive = claims.get("exp").is_none() || at("exp").is_some_and(|exp| exp > now);
    if issued && alive || !Gate::SignedInTime.is_on() { Ok(()) } else { Err(Unverified::Expired) }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.voices.iter().map(|v| (&v.issuer, &v.tenant))).finish()
    }
}
