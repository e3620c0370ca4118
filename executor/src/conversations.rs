//! What conversations cost, as planners told it: millionths of a currency, since one call of a
//! model costs less than a cent.

use std::ops::Range;

use async_trait::async_trait;
use countersign_shared::turn::Told;

use crate::ports::StoreError;

/// Millionths.
const MILLION: i64 = 1_000_000;
/// The most that is kept of one turn, so that no sum is too large to be read.
const MOST: i64 = 1_000_000 * MILLION;

/// Reads what stands beside the turns.
#[async_trait]
pub trait Conversations: Send + Sync {
    /// What conversations cost, by day and currency in their order; of one tenant or of all. A
    /// conversation counts once, on the first of these days on which it cost something.
    async fn costs(
        &self,
        tenant: Option<String>,
        days: Range<i64>,
    ) -> Result<Vec<Costs>, StoreError>;
}

/// What the models of one turn cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    /// Three letters.
    pub currency: String,
    /// In millionths.
    pub micros: i64,
}

/// What conversations of one day cost in one currency.
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
    fn one_conversation_costs_its_share() {
        let spent = Spent { micros: 10, conversations: 4 };
        assert_eq!((spent.each(), Spent::default().each()), (3, 0));
        assert_eq!((amount(3), amount(12_000_000)), ("0.000003".into(), "12.000000".into()));
    }
}
