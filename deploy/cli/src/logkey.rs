//! A new key for a log.

use countersign_shared::tlog::key::{LogKey, Signer, VerifierKey};

use crate::ed25519;

/// A log's key in both its forms.
pub(crate) struct NewLogKey {
    /// For the executor: PKCS#8 PEM.
    pub(crate) private_pem: String,
    /// For everybody: `name+hash+base64`.
    pub(crate) public: VerifierKey,
}

/// Makes a key for the log called `origin`.
///
/// # Errors
/// When the name cannot be a log's, or the system has no randomness.
pub(crate) fn generate(origin: &str) -> anyhow::Result<NewLogKey> {
    let secret = ed25519::generate()?;
    let private_pem = ed25519::private_pem(&secret)?;
    let public = LogKey::new(origin, secret)?.verifier_key();
    Ok(NewLogKey { private_pem, public })
}
