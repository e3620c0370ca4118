//! How people of the house answer.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use crate::analytics::rank;
use crate::register::{Entry, Vote};

/// From this many answers on, a yes to all of them is worth a look.
const MANY: i64 = 10;
/// Hours of the day, UTC, in which people of the house are at work.
const HOURS: std::ops::Range<i8> = 6..20;

/// One person's answers of a week.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Habits {
    /// Who.
    pub by: String,
    /// Answers of yes.
    pub yes: i64,
    /// Answers of no.
    pub no: i64,
    /// From proposal to answer, milliseconds: half of them took no longer.
    pub median: i64,
    /// The fastest, milliseconds.
    pub fastest: i64,
    /// Given at night or at the weekend, UTC.
    pub out_of_hours: i64,
}

impl Habits {
    /// Whether many were asked and nothing was ever refused.
    #[must_use]
    pub fn always_yes(&self) -> bool {
        self.no == 0 && self.yes >= MANY
    }
}

/// Each person's, those with most answers first.
pub(super) fn of(judged: &[Entry]) -> Vec<Habits> {
    let mut all: BTreeMap<&str, (Habits, Vec<i64>)> = BTreeMap::new();
    for entry in judged {
        for vote in &entry.votes {
            let (habits, waits) = all.entry(&vote.by).or_default();
            vote.by.clone_into(&mut habits.by);
            let count = if vote.yes { &mut habits.yes } else { &mut habits.no };
            *count = count.saturating_add(1);
            habits.out_of_hours = habits.out_of_hours.saturating_add(i64::from(is_out(vote.at)));
            waits.extend(took(entry, vote));
        }
    }
    let each = all.into_values().map(|(habits, mut waits)| {
        waits.sort_unstable();
        let fastest = waits.first().copied().unwrap_or(0);
        Habits { median: rank(&waits, 50), fastest, ..habits }
    });
    let mut all: Vec<_> = each.collect();
    all.sort_by_key(|habits| std::cmp::Reverse(habits.yes.saturating_add(habits.no)));
    all
}

/// From proposal to answer, in milliseconds.
fn took(entry: &Entry, vote: &Vote) -> Option<i64> {
    let proposed = entry.at.as_millisecond().checked_sub(entry.took?)?;
    Some(vote.at.as_millisecond().saturating_sub(proposed).max(0))
}

fn is_out(at: Timestamp) -> bool {
    let at = at.to_zoned(TimeZone::UTC);
    let weekend = matches!(at.weekday(), Weekday::Saturday | Weekday::Sunday);
    weekend || !HOURS.contains(&at.hour())
}
