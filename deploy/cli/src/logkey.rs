//! New keys for a log, and for who countersigns it.

use countersign_shared::tlog::key::{LogKey, Signer, VerifierKey, WitnessKey};

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

/// Makes a key for the countersigner called `name`.
///
/// # Errors
/// When the name cannot be a key's, or the system has no randomness.
pub(crate) fn cosigner(name: &str) -> anyhow::Result<NewLogKey> {
    let secret = ed25519::generate()?;
    let private_pem = ed25519::private_pem(&secret)?;
    let public = WitnessKey::new(name, secret)?.verifier_key().clone();
    Ok(NewLogKey { private_pem, public })
}
