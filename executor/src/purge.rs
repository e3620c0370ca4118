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
/// A clock that is ahead by more than this of what is known may have been set wrong.
const LEAP: SignedDuration = SignedDuration::from_hours(48);
/// Running for so long without anybody setting it right, it is believed: a store in which
/// nothing happened for a month knows no better.
const DOUBTED: Duration = Duration::from_secs(24 * 3600);

/// How long things are kept.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    /// A proposal that waits for its grants.
    pub proposals: Duration,
    /// What is personal of what was done, in months.
    pub plaintext: u32,
}

/// Keeps the store tidy.
pub struct Purge {
    store: Arc<dyn Store>,
    keep: Keep,
    wall: Wall,
}

impl Purge {
    /// Before anything new is written: the newest receipt tells what time it is at least.
    ///
    /// # Errors
    /// When the newest receipt cannot be read.
    pub async fn begin(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        keep: Keep,
    ) -> Result<Self, StoreError> {
        let wall = Wall::since(store.newest().await?, clock);
        Ok(Self { store, keep, wall })
    }

    /// Works for as long as the task lives.
    pub async fn run(mut self) {
        loop {
            match self.once().await {
                Ok(None | Some(0)) => {}
                Ok(Some(gone)) => {
                    tracing::info!(gone, "old observations, proposals and plaintext are removed");
                }
                Err(error) => tracing::warn!(%error, "old rows stay until the next round"),
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// One round, unless the clock may be wrong: what goes does not come back.
    async fn once(&mut self) -> Result<Option<usize>, StoreError> {
        match self.wall.now() {
            Ok(now) => round(&*self.store, now, self.keep).await.map(Some),
            Err(ahead) => {
                let days = ahead.as_hours() / 24;
                tracing::warn!(
                    "the clock is {days} days ahead of what was written: nothing old is removed \
                     until it is set right, or the executor ran for a day with it"
                );
                Ok(None)
            }
        }
    }
}

/// The wall clock, as far as it can be believed.
struct Wall {
    clock: Arc<dyn Clock>,
    /// A time that was believed, and what the clock that nobody sets said then.
    known: (Timestamp, Duration),
    /// Since when it says what cannot be.
    doubted: Option<Duration>,
}

impl Wall {
    /// An empty store has nothing to lose.
    fn since(known: Option<Timestamp>, clock: Arc<dyn Clock>) -> Self {
        let known = (known.unwrap_or_else(|| clock.now()), clock.awake());
        Self { clock, known, doubted: None }
    }

    /// # Errors
    /// How far it is ahead, where that may be wrong.
    fn now(&mut self) -> Result<Timestamp, SignedDuration> {
        let (now, awake) = (self.clock.now(), self.clock.awake());
        let (at, then) = self.known;
        let passed = SignedDuration::try_from(awake.saturating_sub(then)).unwrap_or_default();
        let ahead = now.duration_since(at).saturating_sub(passed);
        let doubted = *self.doubted.get_or_insert(awake);
        if ahead > LEAP && awake.saturating_sub(doubted) < DOUBTED {
            return Err(ahead);
        }
        (self.known, self.doubted) = ((now, awake), None);
        Ok(now)
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

#[cfg(test)]
mod tests;
