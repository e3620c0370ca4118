//! Is it worth it? Sums of days, put together: one function from rows to numbers, none of
//! which is an estimate.

use std::collections::BTreeMap;
use std::ops::Range;

use countersign_shared::money::{Currency, Money};
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::conversations::{Costs, Rated, Ratings, Spent};
use crate::ports::{Store, StoreError};
use crate::register::{Day, Wait, begin_of, day_of};

/// How wide a bucket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// A day, UTC.
    Day,
    /// A week from Monday on, UTC.
    Week,
}

/// The numbers of a time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Analytics {
    /// The whole time.
    pub total: Sums,
    /// Buckets in their order, empty ones too; each with the day that it begins with.
    pub buckets: Vec<(i64, Bucket)>,
    /// Why people had to look, most frequent first.
    pub reasons: Vec<(String, i64)>,
    /// Codes of refusals, most frequent first.
    pub refusals: Vec<(String, i64)>,
    /// By connector, most failures first: `unknown` and `not_applied`.
    pub errors: Vec<Errors>,
    /// Money that was moved, by tool and currency.
    pub moved: Vec<Moved>,
    /// From the proposal to the last answer of people of the house.
    pub waits: Waits,
    /// What conversations cost, by currency.
    pub costs: BTreeMap<String, Spent>,
    /// How conversations were rated.
    pub rated: Rated,
}

/// The numbers of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bucket {
    /// How many, and how they ended.
    pub sums: Sums,
    /// Why people had to look.
    pub reasons: BTreeMap<String, i64>,
    /// Codes of refusals.
    pub refusals: BTreeMap<String, i64>,
    /// Money that was moved, in minor units of each currency.
    pub moved: BTreeMap<String, i64>,
    /// From the proposal to the last answer of people of the house.
    pub waits: Waits,
    /// What conversations cost, by currency.
    pub costs: BTreeMap<String, Spent>,
    /// How conversations were rated.
    pub rated: Rated,
}

/// How many actions, and how they ended. Receipts that settle an earlier one are no
/// further action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    /// All.
    pub actions: i64,
    /// Ended without a person of the house.
    pub contained: i64,
    /// Applied.
    pub applied: i64,
    /// Proved not to be applied.
    pub not_applied: i64,
    /// Not known at first.
    pub unknown: i64,
    /// Refused.
    pub refused: i64,
    /// Answers of yes.
    pub approvals: i64,
    /// Answers of no: the house overrides what was asked for.
    pub rejections: i64,
    /// Ended by a person's word instead of the executor.
    pub by_hand: i64,
    /// Of the model, read and written.
    pub tokens: i64,
}

/// Failures of one connector.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Errors {
    /// The connector's pack.
    pub connector: String,
    /// Whose end was not known at first.
    pub unknown: i64,
    /// Proved not to be applied.
    pub not_applied: i64,
}

/// Money that one tool moved in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The tool.
    pub tool: String,
    /// The sum.
    pub sum: Money,
    /// In how many actions.
    pub actions: i64,
}

/// How long people were waited for, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Waits {
    /// How many actions waited.
    pub actions: usize,
    /// Half of them waited no longer.
    pub median: i64,
    /// Nine in ten waited no longer.
    pub p90: i64,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Only this tenant's; all of them where none is named.
    pub tenant: Option<String>,
    /// Days, counted from 1970-01-01, UTC.
    pub days: Range<i64>,
    /// How wide a bucket is.
    pub width: Width,
}

/// The numbers of whole days.
///
/// # Errors
/// When the rows cannot be read.
pub async fn read(store: &dyn Store, asked: &Asked) -> Result<Analytics, StoreError> {
    let days = store.days(asked.tenant.clone(), asked.days.clone()).await?;
    let within = begin_of(asked.days.start)..begin_of(asked.days.end);
    let waits = store.waits(asked.tenant.clone(), within).await?;
    let costs = store.costs(asked.tenant.clone(), asked.days.clone()).await?;
    let ratings = store.ratings(asked.tenant.clone(), asked.days.clone()).await?;
    let all = of(&days, &waits, &asked.days, asked.width);
    Ok(all.with_costs(&costs, asked.width).with_ratings(&ratings, asked.width))
}

/// The whole days from a time until another, both included.
#[must_use]
pub fn days(from: Timestamp, to: Timestamp) -> Range<i64> {
    day_of(from)..day_of(to).saturating_add(1)
}

/// Puts days together.
#[must_use]
pub fn of(days: &[Day], waits: &[Wait], range: &Range<i64>, width: Width) -> Analytics {
    let mut buckets: BTreeMap<i64, Bucket> = BTreeMap::new();
    for day in range.clone() {
        buckets.entry(width.begin(day)).or_default();
    }
    let mut waited: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for wait in waits {
        waited.entry(width.begin(wait.day)).or_default().push(wait.milliseconds);
    }
    let whole_time = waited.values().flatten().copied().collect();
    let mut all = Analytics { waits: Waits::of(whole_time), ..Analytics::default() };
    for (begins, waits) in waited {
        buckets.entry(begins).or_default().waits = Waits::of(waits);
    }
    let mut whole = Bucket::default();
    let mut errors: BTreeMap<String, Errors> = BTreeMap::new();
    let mut moved: BTreeMap<(String, String), (i64, i64)> = BTreeMap::new();
    for day in days {
        whole.add(day);
        buckets.entry(width.begin(day.day)).or_default().add(day);
        fail(&mut errors, day);
        if day.outcome == "applied" && !day.currency.is_empty() {
            let (sum, actions) = moved.entry((day.tool.clone(), day.currency.clone())).or_default();
            *sum = sum.saturating_add(day.minor);
            *actions = actions.saturating_add(day.actions);
        }
    }
    all.buckets = buckets.into_iter().collect();
    all.total = whole.sums;
    all.reasons = ranked(whole.reasons);
    all.refusals = ranked(whole.refusals);
    all.errors = errors.into_values().collect();
    all.errors.sort_by_key(|e| std::cmp::Reverse(e.unknown.saturating_add(e.not_applied)));
    all.moved = moved.into_iter().filter_map(money).collect();
    all
}

fn count(all: &mut BTreeMap<String, i64>, name: &str, more: i64) {
    if !name.is_empty() {
        let count = all.entry(name.to_owned()).or_default();
        *count = count.saturating_add(more);
    }
}

fn ranked(all: BTreeMap<String, i64>) -> Vec<(String, i64)> {
    let mut all: Vec<_> = all.into_iter().collect();
    all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    all
}

fn fail(errors: &mut BTreeMap<String, Errors>, day: &Day) {
    let (unknown, not_applied) = match day.outcome.as_str() {
        "unknown" => (day.actions, 0),
        "not_applied" => (0, day.actions),
        _ => return,
    };
    // A tool is named after its pack.
    let connector = day.tool.split('.').next().unwrap_or_default();
    if day.settles || connector.is_empty() {
        return;
    }
    let of = errors.entry(connector.to_owned()).or_default();
    connector.clone_into(&mut of.connector);
    of.unknown = of.unknown.saturating_add(unknown);
    of.not_applied = of.not_applied.saturating_add(not_applied);
}

fn money(((tool, currency), (minor, actions)): ((String, String), (i64, i64))) -> Option<Moved> {
    let currency: Currency = currency.parse().ok()?;
    Some(Moved { tool, sum: Money::from_minor(minor, currency), actions })
}

impl Analytics {
    /// The same with what conversations cost.
    #[must_use]
    pub fn with_costs(mut self, costs: &[Costs], width: Width) -> Self {
        for Costs { day, currency, spent } in costs {
            self.costs.entry(currency.clone()).or_default().add(*spent);
            if let Some(bucket) = self.bucket(width.begin(*day)) {
                bucket.costs.entry(currency.clone()).or_default().add(*spent);
            }
        }
        self
    }

    /// The same with how conversations were rated.
    #[must_use]
    pub fn with_ratings(mut self, ratings: &[Ratings], width: Width) -> Self {
        for Ratings { rating, count } in ratings {
            self.rated.add(rating.score, *count);
            if let Some(bucket) = self.bucket(width.begin(rating.day)) {
                bucket.rated.add(rating.score, *count);
            }
        }
        self
    }

    /// The bucket that begins with this day. Every day that was asked for has one.
    fn bucket(&mut self, begins: i64) -> Option<&mut Bucket> {
        self.buckets.iter_mut().find(|(day, _)| *day == begins).map(|(_, bucket)| bucket)
    }
}

impl Width {
    /// The day with which this day's bucket begins.
    #[must_use]
    pub fn begin(self, day: i64) -> i64 {
        match self {
            Self::Day => day,
            Self::Week => {
                let date = begin_of(day).to_zoned(TimeZone::UTC).date();
                let since = date.weekday().since(Weekday::Monday);
                day.saturating_sub(i64::from(since))
            }
        }
    }
}

impl Bucket {
    fn add(&mut self, day: &Day) {
        self.sums.add(day);
        count(&mut self.reasons, &day.reason, day.actions);
        if day.outcome == "refused" && !day.settles {
            count(&mut self.refusals, &day.code, day.actions);
        }
        if day.outcome == "applied" {
            count(&mut self.moved, &day.currency, day.minor);
        }
    }
}

impl Sums {
    fn add(&mut self, day: &Day) {
        let add = |sum: &mut i64, more: i64| *sum = sum.saturating_add(more);
        add(&mut self.tokens, day.tokens);
        if day.settles {
            // What is sealed as refused ended a matter, and settled no action.
            let settled = if day.outcome == "refused" { 0 } else { day.actions };
            add(&mut self.by_hand, settled);
            return;
        }
        add(&mut self.actions, day.actions);
        add(&mut self.contained, day.contained);
        add(&mut self.approvals, day.approvals);
        add(&mut self.rejections, day.rejections);
        match day.outcome.as_str() {
            "applied" => add(&mut self.applied, day.actions),
            "not_applied" => add(&mut self.not_applied, day.actions),
            "unknown" => add(&mut self.unknown, day.actions),
            _ => add(&mut self.refused, day.actions),
        }
    }

    /// The share that ended without a person of the house, in percent; `None` of nothing.
    #[must_use]
    pub fn containment(&self) -> Option<i64> {
        percent(self.contained, self.actions)
    }

    /// How many a person of the house answered, or had to look at.
    #[must_use]
    pub fn needed(&self) -> i64 {
        self.actions.saturating_sub(self.contained)
    }

    /// The share that was applied, in percent; `None` of nothing.
    #[must_use]
    pub fn success(&self) -> Option<i64> {
        percent(self.applied, self.actions)
    }

    /// Where a person's word stood against what was asked for, or in the executor's place.
    #[must_use]
    pub fn overrides(&self) -> i64 {
        self.rejections.saturating_add(self.by_hand)
    }
}

/// A share in whole percent; `None` of nothing.
#[must_use]
pub fn percent(part: i64, of: i64) -> Option<i64> {
    part.saturating_mul(100).saturating_add(of / 2).checked_div(of)
}

impl Waits {
    /// Of waits in milliseconds.
    #[must_use]
    pub fn of(mut waits: Vec<i64>) -> Self {
        waits.sort_unstable();
        Self { actions: waits.len(), median: rank(&waits, 50), p90: rank(&waits, 90) }
    }
}

/// The smallest value that so many percent do not exceed; 0 of nothing.
#[must_use]
pub fn rank(sorted: &[i64], percent: usize) -> i64 {
    let place = sorted.len().saturating_mul(percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or(0)
}

/// Milliseconds as people read them, in the two largest parts.
#[must_use]
pub fn duration(milliseconds: i64) -> String {
    let seconds = SignedDuration::from_millis(milliseconds).as_secs();
    match (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, seconds) => format!("{seconds} s"),
        (0, 0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (0, hours, minutes, _) => format!("{hours} h {minutes} min"),
        (days, hours, ..) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests;
