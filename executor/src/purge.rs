//! Removes, once an hour, what nobody needs any more.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::subject::MATCH_LIVES;
use jiff::{SignedDuration, Timestamp};

use crate::ports::{Clock, Old, Store, StoreError};

/// How long an observation may be pointed into.
const OBSERVATIONS: SignedDuration = SignedDuration::from_hours(24);
/// How long a proposal is kept after it is void.
const VOID: SignedDuration = SignedDuration::from_hours(7 * 24);
/// A month of the retention of plaintext, in hours: a twelfth of a year and a bit.
const MONTH_HOURS: i64 = 731;
/// Most rows of a kind that one commit removes.
const BATCH: u32 = 500;
/// Between two rounds.
const EVERY: Duration = Duration::from_secs(3600);

/// How long things are kept.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    /// A proposal that waits for its grants.
    pub proposals: Duration,
    /// What is personal of what was done, in months.
    pub plaintext: u32,
}

/// Keeps the store tidy for as long as the task lives.
pub async fn run(store: Arc<dyn Store>, clock: Arc<dyn Clock>, keep: Keep) {
    loop {
        match round(&*store, clock.now(), keep).await {
            Ok(0) => {}
            Ok(gone) => {
                tracing::info!(gone, "old observations, proposals and plaintext are removed")
            }
            Err(error) => tracing::warn!(%error, "old rows stay until the next round"),
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Removes all that is old by now, batch by batch, and answers with how much it was.
///
/// # Errors
/// When the store cannot be written; what went before is gone.
pub async fn round(store: &dyn Store, now: Timestamp, keep: Keep) -> Result<usize, StoreError> {
    let lives = SignedDuration::try_from(keep.proposals).unwrap_or(SignedDuration::ZERO);
    let plaintext = SignedDuration::from_hours(i64::from(keep.plaintext) * MONTH_HOURS);
    let before = |age: SignedDuration| now.saturating_sub(age).unwrap_or(Timestamp::MIN);
    let old = Old {
        matched: now.checked_sub(MATCH_LIVES).unwrap_or(Timestamp::MIN),
        observed: before(OBSERVATIONS),
        proposed: before(lives + VOID),
        sealed: before(plaintext),
    };
    let mut gone = 0;
    loop {
        match store.purge(old, BATCH).await? {
            0 => return Ok(gone),
            batch => gone += batch,
        }
    }
}
