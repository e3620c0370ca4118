//! Amounts and refusals that are not as usual.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;

use countersign_shared::money::{Currency, Money};
use jiff::Timestamp;

use super::{EARLIER, OddAmount, Refusals};
use crate::analytics::rank;
use crate::register::Entry;

/// Fewer amounts than this say nothing of what is usual.
const FEWEST: usize = 10;
/// How many median absolute deviations are far: 3.5 by Iglewicz and Hoaglin, over the 0.6745
/// that makes them comparable to standard deviations.
const FAR: i64 = 5;
/// Refusals of a code below this many a week are noise.
const NOISE: i64 = 5;

/// Amounts of this time that are far from their tool's median, the farthest first. Median
/// and deviation hardly move with the very amounts that are looked for.
pub(super) fn amounts(paid: &[Entry], within: &Range<Timestamp>) -> Vec<OddAmount> {
    let mut usual: BTreeMap<(&str, &str), Vec<i64>> = BTreeMap::new();
    for entry in paid {
        let minor = entry.money.map_or(0, Money::minor);
        usual.entry((&entry.tool, entry.currency())).or_default().push(minor);
    }
    let usual: BTreeMap<_, _> =
        usual.into_iter().filter_map(|(of, all)| Some((of, spread(all)?))).collect();
    let mut found = Vec::new();
    for entry in paid.iter().filter(|entry| within.contains(&entry.at)) {
        let spread = usual.get(&(entry.tool.as_str(), entry.currency()));
        found
            .extend(entry.money.zip(spread).and_then(|(money, spread)| odd(entry, money, *spread)));
    }
    found.sort_by_key(|odd| Reverse(odd.deviations.unwrap_or(i64::MAX)));
    found
}

/// Median and median absolute deviation.
fn spread(mut amounts: Vec<i64>) -> Option<(i64, i64)> {
    if amounts.len() < FEWEST {
        return None;
    }
    amounts.sort_unstable();
    let median = rank(&amounts, 50);
    let mut apart: Vec<_> =
        amounts.iter().map(|a| a.saturating_sub(median).saturating_abs()).collect();
    apart.sort_unstable();
    Some((median, rank(&apart, 50)))
}

fn odd(entry: &Entry, money: Money, (median, deviation): (i64, i64)) -> Option<OddAmount> {
    let apart = money.minor().saturating_sub(median).saturating_abs();
    // Where nearly all are the same, twice as much is far.
    let bound =
        if deviation == 0 { median.saturating_abs() } else { deviation.saturating_mul(FAR) };
    let currency: Currency = money.currency();
    (apart > bound).then(|| OddAmount {
        receipt: entry.receipt.clone(),
        at: entry.at,
        tool: entry.tool.clone(),
        money,
        median: Money::from_minor(median, currency),
        deviations: apart.checked_div(deviation),
    })
}

/// Refusals by code, those that grew first.
pub(super) fn refusals(now: &[(String, i64)], before: &[(String, i64)]) -> Vec<Refusals> {
    let mut all: BTreeMap<&str, Refusals> = BTreeMap::new();
    for (code, count) in now {
        let refusals = Refusals { code: code.clone(), now: *count, before: 0 };
        all.insert(code, refusals);
    }
    for (code, count) in before {
        let refusals = Refusals { code: code.clone(), now: 0, before: 0 };
        all.entry(code).or_insert(refusals).before = *count;
    }
    let mut all: Vec<_> = all.into_values().collect();
    all.sort_by_key(|r| (Reverse(r.grew()), Reverse(r.now)));
    all
}

impl Refusals {
    /// Whether there were more than thrice as many as in a usual week.
    #[must_use]
    pub fn grew(&self) -> bool {
        self.now >= NOISE && self.now.saturating_mul(EARLIER) > self.before.saturating_mul(3)
    }
}
