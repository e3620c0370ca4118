//! Addresses of pages that only the executor can make: each ends with a secret, derived from
//! the page's key and the id of what it opens. It is stored nowhere, and holds over a restart.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;

/// The addresses of one kind of page.
pub(super) struct Links {
    below: &'static str,
    key: hmac::Key,
}

impl Links {
    /// Below this path. The label keeps one kind's secrets apart from another's.
    pub(super) fn new(key: &SigningKey, below: &'static str, label: &[u8]) -> Self {
        // HMAC as a derivation (RFC 5869): what it gives tells nothing of the key.
        let master = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
        let derived = hmac::sign(&master, label);
        Self { below, key: hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()) }
    }

    /// The path of a page.
    pub(super) fn path(&self, id: &str) -> String {
        let secret = hmac::sign(&self.key, id.as_bytes());
        format!("{}/{id}/{}", self.below, URL_SAFE_NO_PAD.encode(secret.as_ref()))
    }

    /// Whether the path is ours. Ids are unique over all tenants, so the id alone is enough, and
    /// the store is asked for nothing before.
    pub(super) fn opens(&self, id: &str, secret: &str) -> bool {
        let secret = URL_SAFE_NO_PAD.decode(secret);
        secret.is_ok_and(|secret| hmac::verify(&self.key, id.as_bytes(), &secret).is_ok())
    }
}
