//! A public key with the one algorithm that it verifies. The algorithm follows from
//! the key, never from the statement: nobody can choose `none`, or use a public key
//! as a shared secret.

use std::collections::BTreeMap;
use std::sync::Arc;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm as Jws, DecodingKey};
use serde::Deserialize;
use serde_json::Value as Json;

/// Most keys of one set.
const MOST_KEYS: usize = 64;
/// Shortest RSA modulus: 2048 bits, in base64url.
const SHORTEST_MODULUS: usize = 342;

/// Public keys by `kid`.
pub type Keys = BTreeMap<String, Key>;

/// A public key.
#[derive(Clone)]
pub struct Key {
    algorithm: Algorithm,
    decoding: DecodingKey,
    /// As it was given: PEM, or a JSON Web Key.
    text: Arc<str>,
}

/// The algorithms that may be allowed. There are no others here on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Algorithm {
    /// RSA, PKCS#1 v1.5, SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
    /// ECDSA on P-256, SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// What an issuer's key set may use unless its configuration says otherwise.
    pub const ALL: &'static [Self] = &[Self::Rs256, Self::Es256, Self::EdDsa];

    pub(super) const fn jws(self) -> Jws {
        match self {
            Self::Rs256 => Jws::RS256,
            Self::Es256 => Jws::ES256,
            Self::EdDsa => Jws::EdDSA,
        }
    }
}

impl Key {
    /// An Ed25519 public key, PEM.
    ///
    /// # Errors
    /// When it is none.
    pub fn ed25519_pem(pem: &[u8]) -> Result<Self, String> {
        let decoding = DecodingKey::from_ed_pem(pem).map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(pem).into();
        Ok(Self { algorithm: Algorithm::EdDsa, decoding, text })
    }

    /// A public key as [`Self::text`] wrote it.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(text: &str) -> Result<Self, String> {
        if !text.trim_start().starts_with('{') {
            return Self::ed25519_pem(text.as_bytes());
        }
        let jwk: Jwk = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let key = Self::of_jwk(&jwk, Algorithm::ALL).map(|(_, key)| key);
        key.ok_or_else(|| "no signature key that is known here".to_owned())
    }

    /// The public key, to be kept beside what it verified: PEM, or a JSON Web Key.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The algorithm that it verifies.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) const fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }

    /// A signature key of a set whose every word fits its algorithm: `kty`, `crv`,
    /// `alg`, `use` and `key_ops`.
    fn of_jwk(jwk: &Jwk, allowed: &[Algorithm]) -> Option<(String, Self)> {
        let algorithm = algorithm(&jwk.algorithm).filter(|a| allowed.contains(a))?;
        let common = &jwk.common;
        let said = common.key_algorithm.map(|a| a.to_string());
        let signs = common.public_key_use.as_ref().is_none_or(|u| *u == PublicKeyUse::Signature)
            && common
                .key_operations
                .as_ref()
                .is_none_or(|ops| ops.contains(&KeyOperations::Verify));
        if !signs || said.is_some_and(|said| said != format!("{:?}", algorithm.jws())) {
            return None;
        }
        let kid = common.key_id.clone().filter(|kid| !kid.is_empty())?;
        let decoding = DecodingKey::from_jwk(jwk).ok()?;
        let text = serde_json::to_string(jwk).ok()?.into();
        Some((kid, Self { algorithm, decoding, text }))
    }
}

/// The usable keys of a JSON Web Key Set. Others are left out, as RFC 7517 asks;
/// of two with one `kid` the first counts.
#[must_use]
pub fn key_set(set: &Json, allowed: &[Algorithm]) -> Keys {
    let mut keys = Keys::new();
    let listed = set.get("keys").and_then(Json::as_array).into_iter().flatten();
    for jwk in listed.take(MOST_KEYS) {
        let Ok(jwk) = Jwk::deserialize(jwk) else { continue };
        if let Some((kid, key)) = Key::of_jwk(&jwk, allowed) {
            keys.entry(kid).or_insert(key);
        }
    }
    keys
}

fn algorithm(parameters: &AlgorithmParameters) -> Option<Algorithm> {
    if let AlgorithmParameters::RSA(rsa) = parameters {
        return (rsa.n.len() >= SHORTEST_MODULUS).then_some(Algorithm::Rs256);
    }
    if let AlgorithmParameters::EllipticCurve(ec) = parameters {
        return (ec.curve == EllipticCurve::P256).then_some(Algorithm::Es256);
    }
    if let AlgorithmParameters::OctetKeyPair(okp) = parameters {
        return (okp.curve == EllipticCurve::Ed25519).then_some(Algorithm::EdDsa);
    }
    None
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Key").field(&self.algorithm).finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    fn ec(more: Json) -> Json {
        let mut key = json!({
            "kid": "k", "kty": "EC", "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        });
        key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "keys": [key] })
    }

    #[test]
    fn a_key_counts_only_where_all_its_words_fit() {
        let taken = |more| key_set(&ec(more), Algorithm::ALL).len();
        assert_eq!(taken(json!({})), 1);
        assert_eq!(taken(json!({ "use": "sig", "alg": "ES256", "key_ops": ["verify"] })), 1);
        assert_eq!(taken(json!({ "use": "enc" })), 0);
        assert_eq!(taken(json!({ "alg": "RS256" })), 0);
        assert_eq!(taken(json!({ "alg": "HS256" })), 0);
        assert_eq!(taken(json!({ "alg": "XX1" })), 0);
        assert_eq!(taken(json!({ "key_ops": ["sign"] })), 0);
        assert_eq!(taken(json!({ "crv": "P-384" })), 0);
        assert_eq!(taken(json!({ "kid": "" })), 0);
        assert_eq!(key_set(&ec(json!({})), &[Algorithm::EdDsa]).len(), 0, "not allowed");
    }

    #[test]
    fn shared_secrets_and_weak_keys_are_left_out() {
        let oct =
            json!({ "keys": [{ "kid": "k", "kty": "oct", "k": "c2VjcmV0", "alg": "HS256" }] });
        assert_eq!(key_set(&oct, Algorithm::ALL).len(), 0);
        let short =
            json!({ "keys": [{ "kid": "k", "kty": "RSA", "n": "AQAB".repeat(40), "e": "AQAB" }] });
        assert_eq!(key_set(&short, Algorithm::ALL).len(), 0);
        assert_eq!(key_set(&json!("nonsense"), Algorithm::ALL).len(), 0);
    }

    #[test]
    fn a_broken_key_spoils_no_other_and_the_first_of_a_name_counts() {
        let mut set = ec(json!({}));
        let listed = set.get_mut("keys").unwrap().as_array_mut().unwrap();
        let good = listed.pop().unwrap();
        let second = json!({ "kid": "k", "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
        listed.extend([json!({ "kty": 1 }), json!(null), good, second]);
        let keys = key_set(&set, Algorithm::ALL);
        assert_eq!(keys.len(), 1);
        assert_eq!(keys.get("k").unwrap().algorithm(), Algorithm::Es256);
    }
}
