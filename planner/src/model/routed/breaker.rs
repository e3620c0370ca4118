//! A model that fails is left alone for a while.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// After so many failures in a row.
const PATIENCE: u32 = 3;
/// For so long at first; each failed try doubles it.
const FIRST_REST: Duration = Duration::from_secs(10);
const LONGEST_REST: Duration = Duration::from_secs(300);

/// Counts failures in a row.
#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<Standing>);

#[derive(Debug, Default)]
struct Standing {
    failures: u32,
    rests_until: Option<Instant>,
    /// Somebody tries after a rest.
    probing: bool,
}

impl Breaker {
    /// Whether it may be asked now. After a rest one caller tries; the others wait for it.
    pub(super) fn lets_through(&self) -> bool {
        self.lets_through_at(Instant::now())
    }

    fn lets_through_at(&self, now: Instant) -> bool {
        let mut standing = self.0.lock();
        match standing.rests_until {
            Some(until) if now < until => false,
            Some(_over) => {
                standing.rests_until = Some(now + rest(standing.failures));
                standing.probing = true;
                true
            }
            None => true,
        }
    }

    /// Whether it is left alone, or only tried.
    pub(super) fn is_open(&self) -> bool {
        self.0.lock().rests_until.is_some()
    }

    pub(super) fn worked(&self) {
        *self.0.lock() = Standing::default();
    }

    pub(super) fn failed(&self) {
        self.failed_at(Instant::now());
    }

    fn failed_at(&self, now: Instant) {
        let mut standing = self.0.lock();
        let rests = standing.rests_until.is_some_and(|until| now < until);
        // Calls that were on their way when it began to rest say nothing new.
        if rests && !std::mem::take(&mut standing.probing) {
            return;
        }
        standing.failures = standing.failures.saturating_add(1);
        if standing.failures >= PATIENCE {
            standing.rests_until = Some(now + rest(standing.failures));
        }
    }
}

fn rest(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(PATIENCE).min(8);
    FIRST_REST.saturating_mul(1 << doublings).min(LONGEST_REST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_failures_in_a_row_are_a_rest_and_one_success_ends_it() {
        let (breaker, start) = (Breaker::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        breaker.failed_at(start);
        breaker.failed_at(start);
        assert!(breaker.lets_through_at(start));
        breaker.failed_at(start);
        for _ in 0..8 {
            breaker.failed_at(at(1));
        }
        assert!(!breaker.lets_through_at(at(9)));
        // One tries, the others wait.
        assert!(breaker.lets_through_at(at(10)));
        assert!(!breaker.lets_through_at(at(11)));
        breaker.failed_at(at(12));
        assert!(!breaker.lets_through_at(at(31)));
        assert!(breaker.lets_through_at(at(32)));
        breaker.worked();
        assert!(breaker.lets_through_at(at(33)));
        assert!(rest(100) == LONGEST_REST);
    }
}
