//! What the storm took: deaths by place, and how fast the next process was there.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::aim::Place;

#[derive(Default)]
pub struct Toll {
    deaths: BTreeMap<Place, u32>,
    at_start: u32,
    /// Of each start that served.
    ready: Vec<Duration>,
    /// Actions that were found begun.
    left: usize,
    /// Ends that somebody was told of by a process that died then.
    heard: usize,
}

impl Toll {
    /// It died before it served.
    pub fn died_at_start(&mut self, place: Place) {
        self.at_start += 1;
        *self.deaths.entry(place).or_default() += 1;
    }

    /// It died, and so many ends had been told.
    pub fn died(&mut self, place: Place, heard: usize) {
        self.heard += heard;
        *self.deaths.entry(place).or_default() += 1;
    }

    /// A start served after so long, with so many actions taken up.
    pub fn ready_after(&mut self, time: Duration, left: usize) {
        self.ready.push(time);
        self.left += left;
    }

    /// Deaths between an intent and its receipt.
    pub fn between(&self) -> u32 {
        self.deaths.iter().filter(|(place, _)| place.is_between()).map(|(_, times)| times).sum()
    }
}

impl fmt::Display for Toll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: u32 = self.deaths.values().sum();
        let between = self.between();
        writeln!(
            f,
            "{all} kills, {between} between intent and receipt, {} at start",
            self.at_start
        )?;
        for (place, times) in &self.deaths {
            writeln!(f, "  {place}: {times}")?;
        }
        let mut ready = self.ready.clone();
        ready.sort();
        let median = ready.get(ready.len() / 2).copied().unwrap_or_default();
        let slowest = ready.last().copied().unwrap_or_default();
        let (left, heard) = (self.left, self.heard);
        writeln!(
            f,
            "ready after {median:.1?}, at most {slowest:.1?}; {left} actions taken up; {heard} ends told"
        )
    }
}
