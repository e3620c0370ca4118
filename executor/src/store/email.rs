//! An address as the index of persons holds it, before it is digested.

use countersign_core::subject::Subject;

/// The address, however it was written.
#[must_use]
pub(super) fn normal(address: &str) -> String {
    address.trim().to_lowercase()
}

/// A subject's own, where the token or the match names one.
pub(super) fn of(subject: &Subject) -> Option<String> {
    subject.claim("email").map(normal).filter(|address| !address.is_empty())
}
