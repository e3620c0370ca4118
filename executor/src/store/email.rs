//! An address as the index of subjects holds it.

use countersign_core::digest;
use countersign_core::subject::Subject;

/// Digest of an address, however it is written.
#[must_use]
pub(super) fn digest_of(address: &str) -> String {
    digest::of("countersign email v1", &address.trim().to_lowercase())
}

/// The same of a subject's own, where the token or the match names one.
pub(super) fn of(subject: &Subject) -> Option<String> {
    subject.claim("email").map(digest_of)
}
