//! Leaves of the log without personal data: each personal value is a salted commitment,
//! and what it stands for lies elsewhere, as an opening. Where that is gone the leaf, its
//! hash and every proof stay as they are.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Receipt;
use super::personal::{ERASED, SAID, personal};

/// What a commitment begins with in a leaf.
const PREFIX: &str = "covered:";
/// Length of a commitment as JSON text, in bytes.
const LENGTH: usize = PREFIX.len() + 43 + 2;
const DOMAIN: &[u8] = b"countersign commitment v1\n";
/// Block length of SHA-256, in bytes.
const BLOCK: usize = 64;

/// What opens one commitment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// Its salt: 32 bytes, base64url.
    pub salt: String,
    /// The value's exact JSON text.
    pub text: String,
}

/// Openings by path, such as `arguments[0].value`. Each opens its field alone.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Openings(pub BTreeMap<String, Opening>);

impl Openings {
    /// What opens this one path.
    #[must_use]
    pub fn only(&self, path: &str) -> Self {
        Self(
            self.0.get_key_value(path).map(|(at, o)| (at.clone(), o.clone())).into_iter().collect(),
        )
    }
}

/// Why a leaf does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The bytes are no receipt of this layout.
    #[error("the leaf is no receipt: {0}")]
    NoReceipt(String),
    /// What is handed over as openings is none.
    #[error("these are no openings: {0}")]
    NoOpenings(String),
    /// A personal value stands there in clear.
    #[error("{0} is not covered")]
    NotCovered(String),
    /// An opening is not what was covered.
    #[error("the opening of {0} is not what the leaf commits to")]
    Wrong(String),
    /// An opening belongs to nothing in the leaf.
    #[error("the leaf has no covered {0}")]
    NoSuchPath(String),
}

/// A receipt's leaf, and what opens it again. The secret is 32 fresh random bytes.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn cover(
    mut receipt: Receipt,
    secret: &[u8; 32],
) -> Result<(Vec<u8>, Openings), serde_json::Error> {
    let (salted, mut openings) = (Keyed::with(secret), BTreeMap::new());
    for (path, mut slot) in personal(&mut receipt) {
        let Some(text) = slot.text() else { continue };
        let salt = URL_SAFE_NO_PAD.encode(salted.over(path.as_bytes()));
        slot.write(commitment(&path, &salt, &text));
        openings.insert(path, Opening { salt, text });
    }
    Ok((serde_json::to_vec(&receipt)?, Openings(openings)))
}

/// The receipt of a leaf, as far as it is opened: what has no opening reads `ERASED`.
///
/// # Errors
/// When the bytes are no receipt, or an opening is not of this leaf.
pub fn open(leaf: &[u8], openings: &Openings) -> Result<Receipt, OpenError> {
    let mut receipt: Receipt =
        serde_json::from_slice(leaf).map_err(|e| OpenError::NoReceipt(e.to_string()))?;
    let mut left: Vec<_> = openings.0.keys().map(String::as_str).collect();
    for (path, mut slot) in personal(&mut receipt) {
        if slot.text().is_none() {
            continue;
        }
        let written = slot.written().filter(|text| text.starts_with(PREFIX));
        let written = written.ok_or_else(|| OpenError::NotCovered(path.clone()))?;
        let Some(opening) = openings.0.get(&path) else {
            slot.write(ERASED.to_owned());
            continue;
        };
        if commitment(&path, &opening.salt, &opening.text) != written
            || !slot.restore(&opening.text)
        {
            return Err(OpenError::Wrong(path));
        }
        left.retain(|other| *other != path);
    }
    match left.first() {
        None => Ok(receipt),
        Some(path) => Err(OpenError::NoSuchPath((*path).to_owned())),
    }
}

/// The same, with openings as they are handed over: JSON text, empty for none.
///
/// # Errors
/// When the bytes are no receipt, or the openings are not of this leaf.
pub fn opened(leaf: &[u8], openings: &[u8]) -> Result<Receipt, OpenError> {
    if openings.is_empty() {
        return open(leaf, &Openings::default());
    }
    let read = serde_json::from_slice(openings);
    open(leaf, &read.map_err(|e| OpenError::NoOpenings(e.to_string()))?)
}

/// What a customer is told, by a leaf of which nothing else is opened.
///
/// # Errors
/// When the bytes are no receipt, or the opening is not of this leaf.
pub fn said(leaf: &[u8], openings: &Openings) -> Result<String, OpenError> {
    Ok(open(leaf, &openings.only(SAID))?.said)
}

/// How many bytes covering can add to a receipt at most.
#[must_use]
pub fn added(receipt: &mut Receipt) -> usize {
    personal(receipt).len() * LENGTH
}

fn commitment(path: &str, salt: &str, text: &str) -> String {
    let mut hash = Sha256::new_with_prefix(DOMAIN);
    // Each part with its length: no two triples read the same.
    for part in [path, salt, text] {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(hash.finalize()))
}

/// HMAC-SHA-256 (RFC 2104) under one key, no longer than a block, for many messages.
struct Keyed {
    inner: Sha256,
    outer: Sha256,
}

impl Keyed {
    fn with(key: &[u8; 32]) -> Self {
        let pad = |with: u8| {
            let mut block = [with; BLOCK];
            block.iter_mut().zip(key).for_each(|(pad, key)| *pad ^= key);
            Sha256::new_with_prefix(block)
        };
        Self { inner: pad(0x36), outer: pad(0x5c) }
    }

    fn over(&self, message: &[u8]) -> [u8; 32] {
        let inner = self.inner.clone().chain_update(message).finalize();
        self.outer.clone().chain_update(inner).finalize().into()
    }
}

#[cfg(test)]
mod tests;
