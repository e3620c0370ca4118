//! What passes while an action is carried on, by the clock that says less. A wall clock
//! that is set forward has waited for nothing: an effect may still show, and absence would
//! be believed too early. Across a restart there is only the wall clock.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::ports::Clock;

/// Time from one moment on, by both clocks.
pub(crate) struct Steady {
    clock: Arc<dyn Clock>,
    since: Timestamp,
    awake: Duration,
}

impl Steady {
    /// From now on.
    pub(crate) fn begin(clock: &Arc<dyn Clock>) -> Self {
        Self { clock: Arc::clone(clock), since: clock.now(), awake: clock.awake() }
    }

    /// Now, and no later than what has passed by a clock that nobody sets.
    pub(crate) fn now(&self) -> Timestamp {
        let passed = self.clock.awake().saturating_sub(self.awake);
        let passed = SignedDuration::try_from(passed).unwrap_or(SignedDuration::MAX);
        let latest = self.since.saturating_add(passed).unwrap_or(Timestamp::MAX);
        self.clock.now().min(latest)
    }

    /// When its own time is then, by the clock that nobody sets: a wait that is decided on
    /// does not become longer where the wall clock was ahead and is put right.
    pub(crate) fn due(&self, at: Timestamp) -> Duration {
        let rest = Duration::try_from(at.duration_since(self.now())).unwrap_or_default();
        self.clock.awake().saturating_add(rest)
    }

    /// Waits until that is due.
    pub(crate) async fn until(&self, due: Duration) {
        let rest = due.saturating_sub(self.clock.awake());
        let until = self.clock.now().saturating_add(rest).unwrap_or(Timestamp::MAX);
        self.clock.until(until).await;
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use parking_lot::Mutex;

    use super::*;

    /// A wall clock that is set by hand, beside time that only passes.
    struct Hands(Mutex<(Timestamp, Duration)>);

    impl Hands {
        fn set(&self, by: i64) {
            self.0.lock().0 += SignedDuration::from_secs(by);
        }
    }

    #[async_trait]
    impl Clock for Hands {
        fn now(&self) -> Timestamp {
            self.0.lock().0
        }

        async fn until(&self, at: Timestamp) {
            let mut hands = self.0.lock();
            let wait = at.duration_since(hands.0);
            if wait.is_positive() {
                hands.0 = at;
                hands.1 += wait.unsigned_abs();
            }
        }

        fn awake(&self) -> Duration {
            self.0.lock().1
        }
    }

    #[tokio::test]
    async fn a_clock_that_is_set_forward_has_waited_for_nothing() {
        let start = Timestamp::UNIX_EPOCH;
        let hands = Arc::new(Hands(Mutex::new((start, Duration::from_secs(7)))));
        let clock = Arc::clone(&hands) as Arc<dyn Clock>;
        let steady = Steady::begin(&clock);
        let after = |seconds| start + SignedDuration::from_secs(seconds);
        steady.until(steady.due(after(10))).await;
        assert_eq!(steady.now(), after(10));
        hands.set(3600);
        assert_eq!(steady.now(), after(10), "ten seconds passed, whatever the wall says");
        steady.until(steady.due(after(80))).await;
        assert_eq!((steady.now(), clock.now()), (after(80), after(3680)));
        assert_eq!(Steady::begin(&clock).now(), after(3680), "what begins now begins there");
        // One that is set back says less by itself.
        hands.set(-3700);
        assert_eq!(steady.now(), after(-20));
    }

    #[tokio::test]
    async fn a_wait_is_no_longer_because_the_clock_is_put_right_before_it_begins() {
        let hands = Arc::new(Hands(Mutex::new((Timestamp::UNIX_EPOCH, Duration::ZERO))));
        hands.set(3600);
        let clock = Arc::clone(&hands) as Arc<dyn Clock>;
        let steady = Steady::begin(&clock);
        let due = steady.due(steady.now() + SignedDuration::from_secs(5));
        hands.set(-3600);
        steady.until(due).await;
        assert_eq!(clock.awake(), Duration::from_secs(5));
        steady.until(Duration::ZERO).await;
        assert_eq!(clock.awake(), Duration::from_secs(5), "what is due is not waited for");
    }
}
