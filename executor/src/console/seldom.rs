//! What strangers can cause as often as they like fills no log: it is counted, and told
//! now and again.

use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;

/// Least time between two lines.
const EACH: Duration = Duration::from_secs(60);

/// Counts what is told seldom.
#[derive(Default)]
pub(super) struct Seldom(Mutex<Counted>);

#[derive(Default)]
struct Counted {
    told: Option<Timestamp>,
    since: u64,
}

impl Seldom {
    /// Counts one more; how many there were since the last line, where one is due.
    pub(super) fn count(&self, now: Timestamp) -> Option<u64> {
        let mut counted = self.0.lock();
        counted.since = counted.since.saturating_add(1);
        let due = counted.told.is_none_or(|told| now.duration_since(told).unsigned_abs() >= EACH);
        due.then(|| {
            counted.told = Some(now);
            std::mem::take(&mut counted.since)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_and_the_rest_once_a_minute() {
        let (seldom, now) = (Seldom::default(), Timestamp::UNIX_EPOCH);
        let told: Vec<_> =
            [0, 1, 59, 60, 61, 300].map(|at| seldom.count(now + Duration::from_secs(at))).into();
        assert_eq!(told, [Some(1), None, None, Some(3), None, Some(2)]);
    }
}
