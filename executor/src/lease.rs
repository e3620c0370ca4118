//! Until when this executor may let bytes leave for what it holds. Several executors
//! share a store by leases: whoever does not renew in time is taken for dead, and its
//! actions are somebody else's. A process that was stopped and wakes must notice before
//! it goes on writing.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A store's promise, as this process may count on it. Clones see the same.
#[derive(Clone, Default)]
pub struct Lease(Option<Arc<Held>>);

struct Held {
    /// When it ends, in nanoseconds of `now`.
    ends: AtomicU64,
    now: Box<dyn Fn() -> Duration + Send + Sync>,
}

impl Lease {
    /// For a store that only this process uses.
    #[must_use]
    pub fn forever() -> Self {
        Self(None)
    }

    /// One that has ended, until it is renewed. `now` is a clock that never goes back.
    #[must_use]
    pub fn ended(now: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(Held { ends: AtomicU64::new(0), now: Box::new(now) })))
    }

    /// Holds it until then. To be counted from *before* the store was asked.
    pub fn renew(&self, until: Duration) {
        if let Some(held) = &self.0 {
            let nanos = u64::try_from(until.as_nanos()).unwrap_or(u64::MAX);
            held.ends.store(nanos, Ordering::SeqCst);
        }
    }

    /// How long it holds from now on; the longest duration where it does not end.
    #[must_use]
    pub fn left(&self) -> Duration {
        let Some(held) = &self.0 else { return Duration::MAX };
        Duration::from_nanos(held.ends.load(Ordering::SeqCst)).saturating_sub((held.now)())
    }

    /// Works as long as the lease holds; `None` where it ended before the work did. Asked
    /// before each step of the work, so that nothing is written after a long stop.
    pub async fn guard<F: Future>(&self, work: F) -> Option<F::Output> {
        let mut work = pin!(work);
        std::future::poll_fn(|context| {
            if self.left().is_zero() {
                return Poll::Ready(None);
            }
            work.as_mut().poll(context).map(Some)
        })
        .await
    }
}

/// Time since the machine started, suspended or not: what leases are counted in.
#[must_use]
pub fn awake() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn clock() -> (Arc<AtomicU64>, Lease) {
        let time = Arc::new(AtomicU64::new(100));
        let seen = Arc::clone(&time);
        (time, Lease::ended(move || Duration::from_secs(seen.load(Ordering::SeqCst))))
    }

    #[tokio::test]
    async fn work_that_wakes_after_its_lease_takes_no_further_step() {
        let (time, lease) = clock();
        lease.renew(Duration::from_secs(130));
        let steps = AtomicU64::new(0);
        let work = async {
            for _ in 0..3 {
                steps.fetch_add(1, Ordering::SeqCst);
                time.fetch_add(20, Ordering::SeqCst);
                tokio::task::yield_now().await;
            }
        };
        assert_eq!(lease.guard(work).await, None);
        assert_eq!(steps.load(Ordering::SeqCst), 2, "the second began at 120, none after 130");
    }

    #[tokio::test]
    async fn a_lease_is_not_held_before_it_is_renewed_and_may_be_for_ever() {
        let (_, lease) = clock();
        assert!(lease.left().is_zero());
        assert_eq!(lease.guard(async { 1 }).await, None);
        lease.renew(Duration::from_secs(101));
        assert_eq!(lease.left(), Duration::from_secs(1));
        assert_eq!(lease.guard(async { 1 }).await, Some(1));
        assert_eq!(Lease::forever().guard(async { 1 }).await, Some(1));
        assert!(awake() <= awake());
    }
}
