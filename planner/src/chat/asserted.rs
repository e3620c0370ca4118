//! A token for somebody whom only a frontend's header names. It proves nothing but that the
//! frontend says so: the executor's issuer for it has the strength `asserted`, and the
//! planner's identity never grants anything by it.

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::pkcs8::DecodePrivateKey;
use ed25519_dalek::{Signer as _, SigningKey};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value as Json, json};

use crate::config::AssertedConfig;

/// Life of a token: as long as a turn may take, and a little.
const LIFE: SignedDuration = SignedDuration::from_mins(10);

/// Signs that a frontend names somebody.
pub(super) struct Asserting {
    pub(super) header: String,
    issuer: String,
    audience: String,
    kid: String,
    key: SigningKey,
}

impl Asserting {
    pub(super) fn open(config: &AssertedConfig) -> anyhow::Result<Self> {
        let file = config.key.display();
        let pem =
            std::fs::read_to_string(&config.key).with_context(|| format!("cannot read {file}"))?;
        let key = SigningKey::from_pkcs8_pem(&pem).with_context(|| {
            format!("{file} is no Ed25519 key: openssl genpkey -algorithm ed25519 -out {file}")
        })?;
        let AssertedConfig { header, issuer, audience, kid, key: _ } = config.clone();
        Ok(Self { header, issuer, audience, kid, key })
    }

    /// The token for whoever is named.
    pub(super) fn token(&self, name: &str, now: Timestamp) -> Option<String> {
        let header = json!({ "alg": "EdDSA", "typ": "JWT", "kid": self.kid });
        let claims = json!({
            "iss": self.issuer,
            "aud": self.audience,
            "sub": name,
            "iat": now.as_second(),
            "exp": now.checked_add(LIFE).ok()?.as_second(),
        });
        let part = |value: &Json| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = self.key.sign(signed.as_bytes()).to_bytes();
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::subject;

    pub(in crate::chat) fn asserting(header: &str) -> Asserting {
        Asserting {
            header: header.to_owned(),
            issuer: "https://planner.shop.example".to_owned(),
            audience: "countersign".to_owned(),
            kid: "1".to_owned(),
            key: SigningKey::from_bytes(&[7; 32]),
        }
    }

    #[test]
    fn it_names_the_subject_and_nothing_more() {
        let token = asserting("X-User").token("a@shop.example", Timestamp::UNIX_EPOCH).unwrap();
        let claims = Json::Object(subject::claims(&token));
        let wanted = json!({
            "iss": "https://planner.shop.example", "aud": "countersign",
            "sub": "a@shop.example", "iat": 0, "exp": 600,
        });
        assert_eq!(claims, wanted);
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let signature = ed25519_dalek::Signature::from_slice(&signature).unwrap();
        let key = SigningKey::from_bytes(&[7; 32]).verifying_key();
        key.verify_strict(signed.as_bytes(), &signature).unwrap();
    }
}
