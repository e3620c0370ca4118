//! How fast a backend may be called over one connection: so many requests at once, so
//! many a second. What waits here holds up no other connection.

use std::num::NonZeroU32;
use std::time::Duration;

use countersign_core::contract::Limits;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until, timeout_at};

/// Longest wait for a turn.
const PATIENCE: Duration = Duration::from_secs(2);

/// One connection's pace.
pub(super) struct Pace {
    places: Option<Semaphore>,
    bucket: Option<Mutex<Bucket>>,
}

/// No turn came in time; nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Busy {
    #[error("every place is taken (`limits.concurrent`)")]
    Places,
    #[error("too many requests a second (`limits.per_second`)")]
    Rate,
}

impl Pace {
    pub(super) fn new(limits: Limits) -> Self {
        let places = limits.concurrent.map(|most| Semaphore::new(most.get() as usize));
        Self { places, bucket: limits.per_second.map(|rate| Mutex::new(Bucket::new(rate))) }
    }

    /// Waits for a turn, no longer than until `deadline`; it lasts until dropped.
    pub(super) async fn turn(
        &self,
        deadline: Instant,
    ) -> Result<Option<SemaphorePermit<'_>>, Busy> {
        let latest = deadline.min(Instant::now() + PATIENCE);
        let place = match &self.places {
            None => None,
            Some(places) => match timeout_at(latest, places.acquire()).await {
                Ok(Ok(place)) => Some(place),
                Ok(Err(_)) | Err(_) => return Err(Busy::Places),
            },
        };
        if let Some(bucket) = &self.bucket {
            let at = bucket.lock().take(Instant::now(), latest);
            sleep_until(at.ok_or(Busy::Rate)?).await;
        }
        Ok(place)
    }
}

/// Fills evenly and holds one second's worth.
struct Bucket {
    every: Duration,
    /// When it will be full again, less what it holds: behind `now` it is full.
    spent_until: Option<Instant>,
}

impl Bucket {
    fn new(per_second: NonZeroU32) -> Self {
        Self { every: Duration::from_secs(1) / per_second.get(), spent_until: None }
    }

    /// The time of the next turn; `None`, and nothing is taken, where it is too late.
    fn take(&mut self, now: Instant, latest: Instant) -> Option<Instant> {
        let spent = self.spent_until.unwrap_or(now).max(now);
        let room = Duration::from_secs(1).saturating_sub(self.every);
        let at = spent.checked_sub(room).map_or(now, |at| at.max(now));
        if at > latest {
            return None;
        }
        self.spent_until = Some(spent + self.every);
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn limits(concurrent: Option<u32>, per_second: Option<u32>) -> Limits {
        let some = |n: Option<u32>| n.and_then(NonZeroU32::new);
        Limits { concurrent: some(concurrent), per_second: some(per_second) }
    }

    #[test]
    fn a_second_holds_so_many_and_what_follows_comes_evenly() {
        let mut bucket = Bucket::new(NonZeroU32::new(4).unwrap());
        let (now, far) = (Instant::now(), Instant::now() + Duration::from_secs(60));
        let mut waits = (0..7).map(|_| (bucket.take(now, far).unwrap() - now).as_millis());
        assert_eq!(waits.by_ref().take(4).collect::<Vec<_>>(), [0, 0, 0, 0]);
        assert_eq!(waits.collect::<Vec<_>>(), [250, 500, 750]);
        // Ten seconds later it holds one second's worth, not ten.
        let later = now + Duration::from_secs(10);
        let at_once = (0..9).filter(|_| bucket.take(later, far) == Some(later)).count();
        assert_eq!(at_once, 4);
    }

    #[test]
    fn who_would_wait_too_long_takes_nothing() {
        let mut bucket = Bucket::new(NonZeroU32::new(1).unwrap());
        let now = Instant::now();
        let soon = now + Duration::from_millis(999);
        assert_eq!(bucket.take(now, soon), Some(now));
        assert_eq!(bucket.take(now, soon), None);
        assert_eq!(
            bucket.take(now, soon + Duration::from_secs(1)),
            Some(now + Duration::from_secs(1))
        );
    }

    #[tokio::test]
    async fn a_place_is_free_again_when_the_answer_is_there() {
        let pace = Pace::new(limits(Some(1), None));
        let now = Instant::now();
        let turn = pace.turn(now).await.unwrap();
        assert_eq!(pace.turn(now).await.err(), Some(Busy::Places));
        drop(turn);
        assert!(pace.turn(now).await.is_ok());
    }

    #[tokio::test]
    async fn one_connection_holds_up_no_other_and_no_limit_is_none() {
        let (slow, other, free) = (
            Pace::new(limits(None, Some(1))),
            Pace::new(limits(None, Some(1))),
            Pace::new(limits(None, None)),
        );
        let now = Instant::now();
        let far = now + Duration::from_secs(3600);
        assert!(slow.turn(far).await.is_ok());
        assert_eq!(slow.turn(now).await.err(), Some(Busy::Rate));
        assert!(other.turn(far).await.is_ok());
        for _ in 0..100 {
            assert!(free.turn(far).await.is_ok_and(|place| place.is_none()));
        }
    }
}
