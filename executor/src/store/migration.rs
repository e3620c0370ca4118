//! Changes of the store's layout.

pub(super) use countersign_shared::migration::Migration;

use crate::ports::StoreError;

/// What is left to apply, given what a store has: number and checksum, in order.
///
/// # Errors
/// A store that is newer, or that is not what this executor's files lead to.
pub(super) fn pending<'k>(
    known: &'k [Migration],
    applied: &[(i64, String)],
) -> Result<&'k [Migration], StoreError> {
    countersign_shared::migration::pending(known, applied, "executor")
        .map_err(StoreError::Unavailable)
}
