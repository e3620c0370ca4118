//! Ed25519 keys and their PEM files.

use std::fs;
use std::path::Path;

use anyhow::Context;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey};

/// A new key.
///
/// # Errors
/// When the system has no randomness.
pub(crate) fn generate() -> anyhow::Result<SigningKey> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).context("the system gives no random numbers")?;
    Ok(SigningKey::from_bytes(&secret))
}

/// The key in a PKCS#8 PEM file.
///
/// # Errors
/// When the file cannot be read or holds something else.
pub(crate) fn read(path: &Path) -> anyhow::Result<SigningKey> {
    let shown = path.display();
    let pem = fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    SigningKey::from_pkcs8_pem(&pem)
        .map_err(|_| anyhow::anyhow!("{shown} is no Ed25519 private key in PKCS#8 PEM"))
}

/// PKCS#8 PEM.
pub(crate) fn private_pem(key: &SigningKey) -> anyhow::Result<String> {
    let pem = key.to_pkcs8_pem(LineEnding::LF).context("the key has no PEM form")?;
    Ok(pem.as_str().to_owned())
}

/// The public half: SPKI PEM.
pub(crate) fn public_pem(key: &SigningKey) -> anyhow::Result<String> {
    let public = key.verifying_key().to_public_key_pem(LineEnding::LF);
    public.context("the key has no PEM form")
}
