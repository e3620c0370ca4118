//! What is old, by its id.

use jiff::Timestamp;
use uuid::Uuid;

/// The first id that can be made at this time.
pub(super) fn first_id(at: Timestamp) -> Uuid {
    let millis = u64::try_from(at.as_millisecond()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid()
}
