//! How many requests a minute.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

const MINUTE: Duration = Duration::from_secs(60);
/// Names that are counted at once; beyond, those whose minute is over are forgotten.
const MOST: usize = 50_000;

/// A frontend's pace, and that of each of its customers: none of them uses up another's minute,
/// nor that of all.
#[derive(Debug)]
pub(crate) struct Paces {
    all: Pace,
    each: Pace,
}

impl Paces {
    pub(crate) fn new(all: u32, each: u32) -> Self {
        Self { all: Pace::new(all), each: Pace::new(each) }
    }

    /// Counts one more of a frontend, before anything is done for it.
    pub(crate) fn take(&self, frontend: &str, now: Instant) -> Result<(), Duration> {
        self.all.take(frontend, now)
    }

    /// Whether its customer has had theirs, if it is them: the executor is not asked for that.
    pub(crate) fn look_at(
        &self,
        frontend: &str,
        customer: &str,
        now: Instant,
    ) -> Result<(), Duration> {
        let left = self.each.look_at(&name(frontend, customer), now);
        left.inspect_err(|_again| self.all.give_back(frontend))
    }

    /// Counts one more of its customer; where they had theirs, it was none of the frontend's.
    pub(crate) fn take_of(
        &self,
        frontend: &str,
        customer: &str,
        now: Instant,
    ) -> Result<(), Duration> {
        let taken = self.each.take(&name(frontend, customer), now);
        taken.inspect_err(|_again| self.all.give_back(frontend))
    }
}

/// Of a customer, who may have a long one.
fn name(frontend: &str, customer: &str) -> String {
    format!("{frontend}\n{}", hex::encode(Sha256::digest(customer)))
}

/// Counts requests by name, in windows of a minute.
#[derive(Debug)]
struct Pace {
    per_minute: u32,
    seen: Mutex<HashMap<String, Window>>,
}

#[derive(Debug)]
struct Window {
    since: Instant,
    count: u32,
}

impl Window {
    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.since) >= MINUTE
    }

    fn has_room(&self, per_minute: u32, now: Instant) -> Result<(), Duration> {
        if self.count < per_minute {
            return Ok(());
        }
        Err(MINUTE.saturating_sub(now.duration_since(self.since)))
    }
}

impl Pace {
    fn new(per_minute: u32) -> Self {
        Self { per_minute, seen: Mutex::default() }
    }

    /// Counts one more; where there were too many, in how long the next one may come.
    fn take(&self, name: &str, now: Instant) -> Result<(), Duration> {
        let mut seen = self.seen.lock();
        if seen.len() >= MOST && !seen.contains_key(name) {
            seen.retain(|_, window| !window.is_over(now));
            if seen.len() >= MOST {
                return Err(MINUTE);
            }
        }
        let fresh = || Window { since: now, count: 0 };
        let window = seen.entry(name.to_owned()).or_insert_with(fresh);
        if window.is_over(now) {
            *window = fresh();
        }
        window.has_room(self.per_minute, now)?;
        window.count = window.count.saturating_add(1);
        Ok(())
    }

    /// The same, and counts nothing.
    fn look_at(&self, name: &str, now: Instant) -> Result<(), Duration> {
        match self.seen.lock().get(name) {
            Some(window) if !window.is_over(now) => window.has_room(self.per_minute, now),
            Some(_) | None => Ok(()),
        }
    }

    fn give_back(&self, name: &str) {
        if let Some(window) = self.seen.lock().get_mut(name) {
            window.count = window.count.saturating_sub(1);
        }
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
    fn one_customer_uses_up_neither_anothers_minute_nor_everybodys() {
        let (paces, now) = (Paces::new(3, 2), Instant::now());
        paces.look_at("web", "ada", now).unwrap();
        let say = |customer: &str| {
            paces.take("web", now)?;
            paces.take_of("web", customer, now)
        };
        let ada: Vec<bool> = (0..9).map(|_| say("ada").is_ok()).collect();
        assert_eq!(ada.iter().filter(|taken| **taken).count(), 2);
        for _again_and_again in 0..9 {
            paces.take("web", now).unwrap();
            assert!(paces.look_at("web", "ada", now).is_err());
        }
        say("bob").unwrap();
        assert!(say("eve").is_err(), "that is the frontend's minute");
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
