//! How often a match may be tried.

use std::time::Duration;

use jiff::Timestamp;

/// Tries of one subject, or at one order, within [`WINDOW`].
pub(super) const MOST: u32 = 5;
/// How long a try counts.
pub(super) const WINDOW: Duration = Duration::from_secs(24 * 3600);

/// Seconds since 1970, so long before now.
pub(super) fn before(now: Timestamp, by: Duration) -> i64 {
    now.checked_sub(by).unwrap_or(Timestamp::MIN).as_second()
}
