//! Removes, once an hour, what nobody needs any more.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::ports::{Clock, Old, Store, StoreError};

/// How long an observation may be pointed into.
const OBSERVATIONS: SignedDuration = SignedDuration::from_hours(24);
/// How long a proposal is kept after it is void.
const VOID: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long planners' words on their turns are kept: 13 months.
const TURNS: SignedDuration = SignedDuration::from_hours(396 * 24);
/// Most rows of a kind that one commit removes.
const BATCH: u32 = 500;
/// Between two rounds.
const EVERY: Duration = Duration::from_secs(3600);

/// Keeps the store tidy for as long as the task lives.
pub async fn run(store: Arc<dyn Store>, clock: Arc<dyn Clock>, lives: Duration) {
    loop {
        match round(&*store, clock.now(), lives).await {
            Ok(0) => {}
            Ok(gone) => tracing::info!(gone, "old observations, proposals and turns are removed"),
            Err(error) => tracing::warn!(%error, "old rows stay until the next round"),
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Removes all that is old by now, batch by batch, and answers with how much it was.
///
/// # Errors
/// When the store cannot be written; what went before is gone.
pub async fn round(
    store: &dyn Store,
    now: Timestamp,
    lives: Duration,
) -> Result<usize, StoreError> {
    let lives = SignedDuration::try_from(lives).unwrap_or(SignedDuration::ZERO);
    let before = |age: SignedDuration| now.saturating_sub(age).unwrap_or(Timestamp::MIN);
    let old =
        Old { observed: before(OBSERVATIONS), proposed: before(lives + VOID), told: before(TURNS) };
    let mut gone = 0;
    loop {
        match store.purge(old, BATCH).await? {
            0 => return Ok(gone),
            batch => gone += batch,
        }
    }
}
