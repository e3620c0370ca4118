//! Public keys by tenant, and the check of a compact JWS against them. Ed25519
//! only; time comes from outside; audience and issuer are always checked.

use std::collections::BTreeMap;

use countersign_shared::attest::AUDIENCE;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

/// Clocks may differ this much, in seconds.
const LEEWAY: i64 = 60;

/// Keys of those who may vouch: subject issuers or chat frontends.
#[derive(Default, Clone)]
pub struct Keyring {
    voices: Vec<Voice>,
}

/// One issuer or frontend.
#[derive(Clone)]
pub struct Voice {
    /// `iss` of what it signs.
    pub issuer: String,
    /// `aud` of what it signs.
    pub audience: String,
    /// The tenant it speaks for.
    pub tenant: String,
    /// Public keys by `kid`.
    pub keys: BTreeMap<String, DecodingKey>,
}

/// Why a signed statement does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// Not a compact JWS with `alg` EdDSA and a `kid`.
    #[error("not a compact JWS with alg EdDSA and a kid")]
    Malformed,
    /// No such issuer, audience or key.
    #[error("signed by nobody who is known here")]
    UnknownKey,
    /// The signature or the claims are wrong.
    #[error("the signature or the claims do not verify")]
    Invalid,
    /// Past `exp`, before `iat` or without either.
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
        let speaks = |voice: &Voice| voice.tenant == tenant && voice.audience == AUDIENCE;
        let (_, claims) = self.find(jws, now, speaks)?;
        serde_json::from_value(claims).map_err(|_| Unverified::Invalid)
    }

    /// Verifies any statement and says whose it is.
    ///
    /// # Errors
    /// When it does not count.
    pub fn statement(&self, jws: &str, now: Timestamp) -> Result<(&Voice, Json), Unverified> {
        self.find(jws, now, |_| true)
    }

    fn find(
        &self,
        jws: &str,
        now: Timestamp,
        may: impl Fn(&Voice) -> bool,
    ) -> Result<(&Voice, Json), Unverified> {
        let header = decode_header(jws).map_err(|_| Unverified::Malformed)?;
        let kid =
            header.kid.filter(|_| header.alg == Algorithm::EdDSA).ok_or(Unverified::Malformed)?;
        let voices = self.voices.iter().filter(|v| may(v));
        let candidates = voices.filter_map(|v| v.keys.get(&kid).map(|key| (v, key)));
        let mut last = Unverified::UnknownKey;
        for (voice, key) in candidates {
            match claims(jws, voice, key) {
                Ok(claims) => return in_time(&claims, now).map(|()| (voice, claims)),
                Err(why) => last = why,
            }
        }
        Err(last)
    }
}

fn claims(jws: &str, voice: &Voice, key: &DecodingKey) -> Result<Json, Unverified> {
    let mut rules = Validation::new(Algorithm::EdDSA);
    rules.set_audience(&[&voice.audience]);
    rules.set_issuer(&[&voice.issuer]);
    rules.set_required_spec_claims(&["iss", "aud", "sub"]);
    // Time is checked below, against the time that the core is given.
    rules.validate_exp = false;
    decode::<Json>(jws, key, &rules).map(|data| data.claims).map_err(|_| Unverified::Invalid)
}

/// `exp` where there is one, and `iat` always; a statement without a time never
/// counts.
fn in_time(claims: &Json, now: Timestamp) -> Result<(), Unverified> {
    let at = |name: &str| claims.get(name).and_then(Json::as_i64);
    let now = now.as_second();
    let issued = at("iat").is_some_and(|iat| iat <= now.saturating_add(LEEWAY));
    let alive = claims.get("exp").is_none() || at("exp").is_some_and(|exp| exp > now);
    if issued && alive { Ok(()) } else { Err(Unverified::Expired) }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.voices.iter().map(|v| (&v.issuer, &v.tenant))).finish()
    }
}
