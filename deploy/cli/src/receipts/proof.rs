//! Whether a receipt is in the log, checked here.

use anyhow::Context;
use countersign_shared::tlog::key::VerifierKey;
use countersign_shared::tlog::proof::LogProof;

use super::Logged;

/// Checks a `.tlog-proof` text for a receipt; answers with a sentence about what holds.
///
/// # Errors
/// When there is no key, or the proof does not hold.
pub(crate) fn check(
    proof: &str,
    key: Option<&VerifierKey>,
    logged: &Logged,
) -> anyhow::Result<String> {
    let key =
        key.context("give the log's public key with --key: without it no proof can be checked")?;
    let id = &logged.receipt.receipt_id;
    let refused = || {
        format!(
            "the proof of {id} does not hold: keep it and the receipt, and have the log checked"
        )
    };
    let proof = LogProof::parse(proof.as_bytes()).with_context(refused)?;
    let checkpoint = proof.verify(key, &logged.body).with_context(refused)?;
    anyhow::ensure!(proof.index == logged.index, "{}: it is for entry {}", refused(), proof.index);
    Ok(format!(
        "verified: entry {} of the {} that {} signed for",
        logged.index,
        checkpoint.size(),
        checkpoint.origin(),
    ))
}

/// What to say where no key is known.
pub(crate) fn unchecked(logged: &Logged) -> String {
    format!("entry {}, NOT checked: give the log's public key with --key", logged.index)
}
