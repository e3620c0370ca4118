//! Signing as a chat frontend signs: compact JWS with Ed25519.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use serde::Serialize;
use serde_json::json;

/// A named key that signs.
pub(crate) struct Signer {
    key: SigningKey,
    kid: String,
}

impl Signer {
    pub(crate) fn new(key: SigningKey, kid: &str) -> Self {
        Self { key, kid: kid.to_owned() }
    }

    /// The claims as a compact JWS.
    pub(crate) fn sign(&self, claims: &impl Serialize) -> anyhow::Result<String> {
        let header = json!({ "alg": "EdDSA", "typ": "JWT", "kid": self.kid });
        let part = |value: Vec<u8>| URL_SAFE_NO_PAD.encode(value);
        let signed =
            format!("{}.{}", part(serde_json::to_vec(&header)?), part(serde_json::to_vec(claims)?));
        let signature = self.key.sign(signed.as_bytes()).to_vec();
        Ok(format!("{signed}.{}", part(signature)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_is_signed_verifies_and_says_who_signed() {
        let key = SigningKey::from_bytes(&[3; 32]);
        let public = key.verifying_key();
        let jws = Signer::new(key, "k").sign(&json!({"a": 1})).unwrap();
        let (signed, signature) = jws.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let signature = ed25519_dalek::Signature::from_slice(&signature).unwrap();
        public.verify_strict(signed.as_bytes(), &signature).unwrap();
        let header = URL_SAFE_NO_PAD.decode(signed.split('.').next().unwrap()).unwrap();
        let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
        assert_eq!(header, json!({"alg": "EdDSA", "typ": "JWT", "kid": "k"}));
    }
}
