//! What conversations cost, as planners told it, and how they were rated, as frontends say.
//! Costs are millionths of a currency, since one call of a model costs less than a cent.

use std::ops::Range;

use async_trait::async_trait;
use countersign_core::subject::Subject;
use countersign_shared::turn::Told;

use crate::ports::StoreError;

/// Millionths.
const MILLION: i64 = 1_000_000;
/// The most that is kept of one turn, so that no sum is too large to be read.
const MOST: i64 = 1_000_000 * MILLION;

/// What stands beside the turns.
#[async_trait]
pub trait Conversations: Send + Sync {
    /// What conversations cost, by day and currency in their order; of one tenant or of all. A
    /// conversation counts once, with all that it cost, on the day on which it began.
    async fn costs(
        &self,
        tenant: Option<String>,
        days: Range<i64>,
    ) -> Result<Vec<Costs>, StoreError>;

    /// Keeps how a conversation was rated, in the place of an earlier score. False where no turn
    /// of this subject is kept there. A guest and whom they were matched to are one.
    async fn rate(
        &self,
        owner: &Subject,
        conversation: &str,
        rating: Rating,
    ) -> Result<bool, StoreError>;

    /// How conversations were rated, by day and score in their order; of one tenant or of all.
    async fn ratings(
        &self,
        tenant: Option<String>,
        days: Range<i64>,
    ) -> Result<Vec<Ratings>, StoreError>;
}

/// How a conversation was rated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rating {
    /// Which day, counted from 1970-01-01, UTC.
    pub day: i64,
    /// From 1, the worst, to 5.
    pub score: i64,
}

/// How many conversations were rated so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ratings {
    /// How, and on which day.
    pub rating: Rating,
    /// How many.
    pub count: i64,
}

/// How conversations were rated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rated {
    /// How many were.
    pub count: i64,
    /// Their scores, added up.
    pub sum: i64,
    /// How many of them were rated 4 or 5.
    pub high: i64,
}

/// What the models of one turn cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    /// Three letters.
    pub currency: String,
    /// In millionths.
    pub micros: i64,
}

/// What conversations that began on one day cost in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Costs {
    /// Which day, counted from 1970-01-01, UTC.
    pub day: i64,
    /// Three letters.
    pub currency: String,
    /// What they cost.
    pub spent: Spent,
}

/// What some conversations cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// In millionths of the currency.
    pub micros: i64,
    /// How many conversations.
    pub conversations: i64,
}

impl Cost {
    /// What a turn cost. `None` where nothing was priced, or not in one currency.
    #[must_use]
    pub fn of(told: &Told) -> Option<Self> {
        let mut all: Option<Self> = None;
        for (micros, currency) in told.models.iter().filter_map(|call| call.priced()) {
            let sum = all.get_or_insert_with(|| Self { currency: currency.to_owned(), micros: 0 });
            if sum.currency != currency {
                return None;
            }
            sum.micros = sum.micros.saturating_add(micros).min(MOST);
        }
        all
    }
}

impl Spent {
    /// Adds what others cost.
    pub fn add(&mut self, more: Self) {
        self.micros = self.micros.saturating_add(more.micros);
        self.conversations = self.conversations.saturating_add(more.conversations);
    }

    /// What one of them cost, in millionths; 0 of nothing.
    #[must_use]
    pub fn each(self) -> i64 {
        let half = self.conversations / 2;
        self.micros.saturating_add(half).checked_div(self.conversations).unwrap_or(0)
    }
}

impl Rated {
    /// Adds conversations with this score.
    pub fn add(&mut self, score: i64, count: i64) {
        self.count = self.count.saturating_add(count);
        self.sum = self.sum.saturating_add(score.saturating_mul(count));
        self.high = self.high.saturating_add(if score >= 4 { count } else { 0 });
    }

    /// Their mean in hundredths; 0 of nothing.
    #[must_use]
    pub fn mean(self) -> i64 {
        let sum = self.sum.saturating_mul(100).saturating_add(self.count / 2);
        sum.checked_div(self.count).unwrap_or(0)
    }
}

/// Hundredths as people read them: `4.50`.
#[must_use]
pub fn hundredths(mean: i64) -> String {
    format!("{}.{:02}", mean / 100, mean % 100)
}

/// Millionths as people read them: `0.003500`.
#[must_use]
pub fn amount(micros: i64) -> String {
    format!("{}.{:06}", micros / MILLION, micros % MILLION)
}

#[cfg(test)]
mod tests {
    use countersign_shared::turn::ModelCall;

    use super::*;

    fn told(costs: &[&str]) -> Told {
        let call = |cost: &&str| ModelCall { cost: (*cost).to_owned(), ..ModelCall::default() };
        Told { models: costs.iter().map(call).collect(), ..Told::default() }
    }

    #[test]
    fn a_turn_costs_what_its_calls_do_in_one_currency() {
        let usd = |micros| Some(Cost { currency: "USD".into(), micros });
        for (costs, is) in [
            (&["0.003500 USD", "", "1.000001 USD"][..], usd(1_003_501)),
            (&["0.000000 USD"], usd(0)),
            (&["9999999999.000000 USD"], usd(MOST)),
            (&["0.003500 USD", "0.003500 EUR"], None),
            (&["", "free", "1 USD", "-1.000000 USD", "1.000000 dollars"], None),
            (&[], None),
        ] {
            assert_eq!(Cost::of(&told(costs)), is, "{costs:?}");
        }
    }

    #[test]
    fn ratings_have_a_mean_and_a_share_of_good_ones() {
        let mut rated = Rated::default();
        assert_eq!(rated.mean(), 0);
        for (score, count) in [(5, 2), (4, 1), (1, 3)] {
            rated.add(score, count);
        }
        assert_eq!((rated.count, rated.high, rated.mean()), (6, 3, 283));
        assert_eq!(hundredths(rated.mean()), "2.83");
    }

    #[test]
    fn one_conversation_costs_its_share() {
        let spent = Spent { micros: 10, conversations: 4 };
        assert_eq!((spent.each(), Spent::default().each()), (3, 0));
        assert_eq!((amount(3), amount(12_000_000)), ("0.000003".into(), "12.000000".into()));
    }
}
