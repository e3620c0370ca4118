//! The sandbox's clock: real time plus what a test has skipped.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// A clock that runs with real time and can be moved forward.
#[derive(Debug, Default, Clone, Copy)]
pub struct Clock {
    skipped: SignedDuration,
}

impl Clock {
    /// The sandbox's present moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        later(Timestamp::now(), self.skipped)
    }

    /// Skips `by`; jobs and settlements that fall due happen at the next look.
    pub fn advance(&mut self, by: Duration) {
        let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
        self.skipped = self.skipped.saturating_add(by);
    }
}

/// `at` plus `by`, stopping at the end of time instead of failing.
pub(crate) fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// `at` plus `by`, for spans that come as a plain duration.
pub(crate) fn after(at: Timestamp, by: Duration) -> Timestamp {
    later(at, SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX))
}
