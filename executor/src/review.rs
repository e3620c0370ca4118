//! What was out of the ordinary in a week: a pure function over rows, so that planted
//! anomalies are found again in a test. It judges nobody; each number leads to its actions.

mod habits;
mod odd;
mod text;

use std::ops::Range;

use countersign_shared::money::Money;
use jiff::Timestamp;
use jiff::civil::{ISOWeekDate, Weekday};
use jiff::tz::TimeZone;

use crate::analytics::{self, Sums, Width};
use crate::ports::StoreError;
use crate::register::{Day, Entry, Found, Part, Register, Search, begin_of, day_of};

pub use habits::Habits;
pub use text::{ANSWERED, FIRST, link, markdown};

/// Weeks that a week is held against.
pub const EARLIER: i64 = 4;
/// Rows that are read at once, and for one question.
const PAGE: u32 = 2_000;
const MOST: usize = 60_000;

/// A week from Monday on, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Week {
    monday: i64,
}

/// What a review is made of.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    /// Sums of the week and of those before it.
    pub days: Vec<Day>,
    /// Applied actions with an amount, of the week and of those before it.
    pub paid: Vec<Entry>,
    /// What people of the house answered or settled in the week.
    pub judged: Vec<Entry>,
    /// Whether there was more than was read.
    pub cut: bool,
}

/// The review of a week.
#[derive(Debug, Clone, PartialEq)]
pub struct Review {
    /// Which week.
    pub week: Week,
    /// Of one tenant, or of all.
    pub tenant: Option<String>,
    /// The week.
    pub sums: Sums,
    /// The weeks before, together.
    pub before: Sums,
    /// Amounts far from what is usual for their tool, the farthest first.
    pub amounts: Vec<OddAmount>,
    /// Refusals by code, those that grew first.
    pub refusals: Vec<Refusals>,
    /// Where a person's word stood against what was asked for, or in the executor's place.
    pub overrides: Vec<Override>,
    /// How people of the house answered.
    pub habits: Vec<Habits>,
    /// Whether there was more than was read.
    pub cut: bool,
}

/// An amount far from the usual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OddAmount {
    /// The receipt.
    pub receipt: String,
    /// When it was sealed.
    pub at: Timestamp,
    /// The tool.
    pub tool: String,
    /// The amount.
    pub money: Money,
    /// The tool's median.
    pub median: Money,
    /// Its distance in median absolute deviations; `None` where nearly all are the same.
    pub deviations: Option<i64>,
}

/// Refusals of one code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusals {
    /// The code.
    pub code: String,
    /// In the week.
    pub now: i64,
    /// In the weeks before, together.
    pub before: i64,
}

/// A person's word against a request, or in the executor's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The receipt.
    pub receipt: String,
    /// When it was sealed.
    pub at: Timestamp,
    /// The tool.
    pub tool: String,
    /// Who said no; empty where somebody settled it.
    pub by: String,
}

impl Week {
    /// As ISO 8601 names it: `2026-W47`.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (year, week) = text.trim().split_once("-W")?;
        let monday = ISOWeekDate::new(year.parse().ok()?, week.parse().ok()?, Weekday::Monday);
        let begins = monday.ok()?.date().to_zoned(TimeZone::UTC).ok()?;
        Some(Self { monday: day_of(begins.timestamp()) })
    }

    /// The one that a point in time is in.
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        Self { monday: Width::Week.begin(day_of(at)) }
    }

    /// The one before.
    #[must_use]
    pub fn previous(self) -> Self {
        Self { monday: self.monday.saturating_sub(7) }
    }

    /// Its days, counted from 1970-01-01.
    #[must_use]
    pub fn days(self) -> Range<i64> {
        self.monday..self.monday.saturating_add(7)
    }

    /// From when until when.
    #[must_use]
    pub fn time(self) -> Range<Timestamp> {
        begin_of(self.days().start)..begin_of(self.days().end)
    }

    /// Its name: `2026-W47`.
    #[must_use]
    pub fn name(self) -> String {
        let week = begin_of(self.monday).to_zoned(TimeZone::UTC).date().iso_week_date();
        format!("{}-W{:02}", week.year(), week.week())
    }
}

/// Reads a week's rows and reviews them.
///
/// # Errors
/// When the rows cannot be read.
pub async fn read(
    register: &dyn Register,
    tenant: Option<String>,
    week: Week,
) -> Result<Review, StoreError> {
    let first = week.days().start.saturating_sub(EARLIER.saturating_mul(7));
    let now = week.time();
    let search = Search { tenant: tenant.clone(), limit: PAGE, ..Search::default() };
    let search = Search { to: Some(now.end), ..search };
    let this = Search { from: Some(now.start), ..search.clone() };
    let applied = Some("applied".to_owned());
    let paid = Search { outcome: applied, from: Some(begin_of(first)), paid: true, ..search };
    let (paid, cut) = all(register, paid).await?;
    let (voted, more) =
        all(register, Search { part: Some(Part::Answered), ..this.clone() }).await?;
    let (settled, yet_more) = all(register, Search { part: Some(Part::Settled), ..this }).await?;
    let rows = Rows {
        days: register.days(tenant.clone(), first..week.days().end).await?,
        paid,
        judged: voted.into_iter().chain(settled).collect(),
        cut: cut || more || yet_more,
    };
    Ok(of(&rows, tenant, week))
}

/// Every row that matches, up to a bound, and whether there are more.
async fn all(register: &dyn Register, search: Search) -> Result<(Vec<Entry>, bool), StoreError> {
    let (mut rows, mut after) = (Vec::new(), None);
    loop {
        let found = register.search(Search { after, ..search.clone() }).await?;
        let full = u32::try_from(found.len()).is_ok_and(|count| count == search.limit);
        after = found.last().map(Found::place);
        rows.extend(found.into_iter().map(|found| found.entry));
        if !full || rows.len() >= MOST {
            return Ok((rows, full));
        }
    }
}

/// Reviews a week.
#[must_use]
pub fn of(rows: &Rows, tenant: Option<String>, week: Week) -> Review {
    let days = week.days();
    let (now, before): (Vec<Day>, Vec<Day>) =
        rows.days.iter().cloned().partition(|day| days.contains(&day.day));
    let sums = |days: &[Day]| analytics::of(days, &[], &(0..0), Width::Week);
    let (now, before) = (sums(&now), sums(&before));
    Review {
        week,
        tenant,
        sums: now.total,
        before: before.total,
        amounts: odd::amounts(&rows.paid, &week.time()),
        refusals: odd::refusals(&now.refusals, &before.refusals),
        overrides: overrides(&rows.judged),
        habits: habits::of(&rows.judged),
        cut: rows.cut,
    }
}

fn overrides(judged: &[Entry]) -> Vec<Override> {
    let one = |entry: &Entry, by: &str| Override {
        receipt: entry.receipt.clone(),
        at: entry.at,
        tool: entry.tool.clone(),
        by: by.to_owned(),
    };
    let mut all = Vec::new();
    for entry in judged {
        let no = entry.votes.iter().filter(|vote| !vote.yes);
        all.extend(no.map(|vote| one(entry, &vote.by)));
        if entry.settles_an_action() {
            all.push(one(entry, ""));
        }
    }
    all
}

#[cfg(test)]
mod tests;
