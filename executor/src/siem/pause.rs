//! How long to wait after a failure: twice as long each time, up to a minute, and never
//! quite the same, so that sinks that failed together do not come back together.

use std::time::Duration;

/// Before the second try.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(60);

/// The wait after so many failures in a row, from 1; `chance` is any number.
pub(super) fn after(failures: u32, chance: u32) -> Duration {
    let doubled = FIRST.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(60));
    let whole = doubled.min(LONGEST);
    // Between half of it and all of it.
    whole / 2 + (whole / 2).mul_f64(f64::from(chance) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute_and_differ() {
        let seconds = |failures, chance| after(failures, chance).as_millis();
        assert_eq!((seconds(1, 0), seconds(1, u32::MAX)), (500, 1000));
        assert_eq!((seconds(3, 0), seconds(3, u32::MAX)), (2000, 4000));
        for failures in [7, 31, 33, 1000, u32::MAX] {
            assert_eq!((seconds(failures, 0), seconds(failures, u32::MAX)), (30_000, 60_000));
        }
    }
}
