//! How many requests a minute.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

const MINUTE: Duration = Duration::from_secs(60);
/// Names that are counted at once; beyond, those whose minute is over are forgotten.
const MOST: usize = 50_000;

/// Counts requests by name, in windows of a minute.
#[derive(Debug)]
pub(crate) struct Pace {
    per_minute: u32,
    seen: Mutex<HashMap<String, Window>>,
}

#[derive(Debug)]
struct Window {
    since: Instant,
    count: u32,
}

impl Pace {
    pub(crate) fn new(per_minute: u32) -> Self {
        Self { per_minute, seen: Mutex::default() }
    }

    /// Counts one more of a frontend's customer, who may have a long name.
    pub(crate) fn take_of(
        &self,
        frontend: &str,
        customer: &str,
        now: Instant,
    ) -> Result<(), Duration> {
        let customer = hex::encode(Sha256::digest(customer));
        self.take(&format!("{frontend}\n{customer}"), now)
    }

    /// Counts one more; where there were too many, in how long the next one may come.
    pub(crate) fn take(&self, name: &str, now: Instant) -> Result<(), Duration> {
        let mut seen = self.seen.lock();
        let over = |window: &Window| now.duration_since(window.since) >= MINUTE;
        if seen.len() >= MOST && !seen.contains_key(name) {
            seen.retain(|_, window| !over(window));
            if seen.len() >= MOST {
                return Err(MINUTE);
            }
        }
        let fresh = || Window { since: now, count: 0 };
        let window = seen.entry(name.to_owned()).or_insert_with(fresh);
        if over(window) {
            *window = fresh();
        }
        if window.count >= self.per_minute {
            return Err(MINUTE.saturating_sub(now.duration_since(window.since)));
        }
        window.count = window.count.saturating_add(1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_minute_holds_so_many_of_each_and_the_next_begins_anew() {
        let (pace, start) = (Pace::new(2), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        pace.take("a", at(0)).unwrap();
        pace.take("a", at(10)).unwrap();
        assert_eq!(pace.take("a", at(20)), Err(Duration::from_secs(40)));
        pace.take("b", at(20)).unwrap();
        pace.take("a", at(60)).unwrap();
    }

    #[test]
    fn names_without_end_take_no_memory_without_end() {
        let (pace, start) = (Pace::new(1), Instant::now());
        for name in 0..MOST {
            pace.take(&name.to_string(), start).unwrap();
        }
        assert!(pace.take("one more", start).is_err());
        pace.take("one more", start + MINUTE).unwrap();
        assert_eq!(pace.seen.lock().len(), 1);
    }
}
