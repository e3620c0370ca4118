//! What models may cost: calls, tokens and money, of a conversation, of a tenant a day, and
//! of all together a day. The most that a call can cost is reserved before it is made, so
//! that callers at once are never over by one; what it did cost takes its place after.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::memory::{Memory, Unread};

/// Calls, tokens and money.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// Calls of a model.
    pub calls: u64,
    /// Tokens read and written.
    pub tokens: u64,
    /// Millionths of the prices' currency.
    pub micros: u64,
}

/// At most so much; what is absent is unbounded.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cap {
    /// Calls of a model.
    pub calls: Option<u64>,
    /// Tokens read and written.
    pub tokens: Option<u64>,
    /// Money, in the prices' currency.
    pub money: Option<f64>,
}

/// What may be spent.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Caps {
    /// In one conversation.
    pub conversation: Cap,
    /// For one tenant, in a day of UTC.
    pub tenant_day: Cap,
    /// For all, in a day of UTC.
    pub day: Cap,
}

impl Caps {
    /// Whether any of them is of money.
    pub(crate) fn count_money(&self) -> bool {
        [self.conversation, self.tenant_day, self.day].iter().any(|cap| cap.money.is_some())
    }
}

/// Who pays.
#[derive(Debug, Clone, Default)]
pub struct Purse {
    /// The conversation and its subject.
    pub conversation: String,
    /// The tenant.
    pub tenant: String,
}

/// What is left of today's cap for all, 0 to 1; `None` where there is no cap.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Left {
    /// Of the calls.
    pub calls: Option<f64>,
    /// Of the tokens.
    pub tokens: Option<f64>,
    /// Of the money.
    pub money: Option<f64>,
}

/// Nothing was reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoRoom {
    /// Something would be over its cap.
    #[error("the budget of {0} is used up")]
    UsedUp(&'static str),
    /// ERRORS REFUSE: what was spent and cannot be read is no room.
    #[error("what models have cost cannot be read: see why the planners' memory does not answer")]
    Unread,
}

/// Whose each of the three accounts of a call is.
const WHOSE: [&str; 3] = ["this conversation", "the tenant for today", "today"];

/// All accounts; they lie in memory. Clones share them.
#[derive(Clone, Default)]
pub struct Budgets {
    caps: Caps,
    memory: Memory,
}

/// What was set aside for one call. Dropped without an end, all of it stays spent: nobody
/// knows what the call cost.
#[must_use]
pub struct Reserved {
    budgets: Budgets,
    accounts: [String; 3],
    most: Amount,
}

impl Budgets {
    /// With these caps; what was spent before is in memory.
    #[must_use]
    pub fn new(caps: Caps, memory: Memory) -> Self {
        Self { caps, memory }
    }

    /// Sets aside the most that a call can cost. Kept before the call is made: a restart forgets
    /// nothing of it.
    ///
    /// # Errors
    /// Whose budget has no room for it, or that this cannot be told.
    pub async fn reserve(
        &self,
        purse: &Purse,
        most: Amount,
        now: Timestamp,
    ) -> Result<Reserved, NoRoom> {
        let date = now.to_zoned(TimeZone::UTC).date();
        let accounts = [account(purse), format!("tenant\n{}\n{date}", purse.tenant), day(now)];
        let [conversation, tenant, all] = &accounts;
        let Caps { conversation: own, tenant_day, day } = self.caps;
        let wanted = [(&**conversation, own), (&**tenant, tenant_day), (&**all, day)];
        match self.memory.reserve(wanted, most).await {
            Ok(Ok(())) => Ok(Reserved { budgets: self.clone(), accounts, most }),
            Ok(Err(full)) => Err(NoRoom::UsedUp(WHOSE.get(full).copied().unwrap_or("today"))),
            Err(Unread) => Err(NoRoom::Unread),
        }
    }

    /// What is left for today; `None` where that cannot be told.
    #[must_use]
    pub async fn left(&self, now: Timestamp) -> Option<Left> {
        let spent = self.memory.spent(&day(now)).await.ok()?;
        let Cap { calls, tokens, money } = self.caps.day;
        let left = |cap: Option<u64>, spent: u64| {
            let cap = cap?;
            Some(ratio(cap.saturating_sub(spent), cap))
        };
        Some(Left {
            calls: left(calls, spent.calls),
            tokens: left(tokens, spent.tokens),
            money: left(money.map(micros), spent.micros),
        })
    }
}

/// The account of a conversation.
pub(crate) fn account(purse: &Purse) -> String {
    format!("conversation\n{}", purse.conversation)
}

impl Reserved {
    /// The call is over and cost so much.
    pub async fn settle(self, used: Amount) {
        let Self { budgets, accounts, most } = self;
        budgets.memory.settle(accounts.each_ref().map(String::as_str), most, used).await;
    }
}

impl Cap {
    pub(crate) fn has_room(self, wanted: Amount) -> bool {
        let within = |cap: Option<u64>, wanted: u64| cap.is_none_or(|cap| wanted <= cap);
        within(self.calls, wanted.calls)
            && within(self.tokens, wanted.tokens)
            && within(self.money.map(micros), wanted.micros)
    }
}

impl Amount {
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_add(other.calls),
            tokens: self.tokens.saturating_add(other.tokens),
            micros: self.micros.saturating_add(other.micros),
        }
    }

    pub(crate) fn less(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_sub(other.calls),
            tokens: self.tokens.saturating_sub(other.tokens),
            micros: self.micros.saturating_sub(other.micros),
        }
    }
}

/// The account of all, for a day of UTC.
fn day(now: Timestamp) -> String {
    format!("day\n{}", now.to_zoned(TimeZone::UTC).date())
}

#[expect(clippy::cast_precision_loss, reason = "a share that people look at")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Millionths of a configured sum, never below zero.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and a negative sum is none"
)]
pub(crate) fn micros(money: f64) -> u64 {
    (money * 1_000_000.0).round() as u64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use futures_util::future::join_all;

    use super::*;

    fn purse(conversation: &str) -> Purse {
        Purse { conversation: conversation.to_owned(), tenant: "shop".to_owned() }
    }

    fn call(tokens: u64) -> Amount {
        Amount { calls: 1, tokens, micros: tokens }
    }

    fn caps(conversation: u64, tenant: u64, day: u64) -> Caps {
        let tokens = |tokens| Cap { tokens: Some(tokens), ..Cap::default() };
        Caps { conversation: tokens(conversation), tenant_day: tokens(tenant), day: tokens(day) }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn budget_reservation_of_many_at_once_is_never_over_by_one_call() {
        let cap = Cap { calls: Some(57), money: Some(0.00057), ..Cap::default() };
        let caps = Caps { tenant_day: cap, ..Caps::default() };
        let budgets = Budgets::new(caps, Memory::default());
        let turns = (0..200).map(|turn| {
            let budgets = budgets.clone();
            tokio::spawn(async move {
                let (name, now, mut made) = (format!("c{turn}"), Timestamp::UNIX_EPOCH, 0);
                for _ in 0..5 {
                    if let Ok(reserved) = budgets.reserve(&purse(&name), call(10), now).await {
                        made += 1;
                        // Some settle, some break off.
                        if turn % 2 == 0 {
                            reserved.settle(call(10)).await;
                        }
                    }
                }
                made
            })
        });
        let turns: Vec<_> = turns.collect();
        let made: usize = join_all(turns).await.into_iter().map(Result::unwrap).sum();
        assert_eq!(made, 57);
    }

    #[tokio::test]
    async fn each_cap_ends_it_and_only_its_own() {
        let budgets = Budgets::new(caps(100, 150, 1_000), Memory::default());
        let now = Timestamp::UNIX_EPOCH;
        let over =
            async |name: &str, tokens| budgets.reserve(&purse(name), call(tokens), now).await.err();
        assert_eq!(over("a", 100).await, None);
        assert_eq!(over("a", 1).await, Some(NoRoom::UsedUp("this conversation")));
        assert_eq!(over("b", 51).await, Some(NoRoom::UsedUp("the tenant for today")));
        assert_eq!(over("b", 50).await, None);
        let tomorrow = now.checked_add(jiff::SignedDuration::from_hours(24)).unwrap();
        assert!(budgets.reserve(&purse("c"), call(50), tomorrow).await.is_ok());
    }

    #[tokio::test]
    async fn what_it_cost_takes_the_place_of_what_it_could_have() {
        let budgets = Budgets::new(caps(100, 1_000, 1_000), Memory::default());
        let now = Timestamp::UNIX_EPOCH;
        for _ in 0..9 {
            budgets.reserve(&purse("a"), call(90), now).await.unwrap().settle(call(1)).await;
        }
        assert!(budgets.reserve(&purse("a"), call(92), now).await.is_err());
        assert!(budgets.reserve(&purse("a"), call(91), now).await.is_ok());
    }

    #[tokio::test]
    async fn a_restart_forgets_nothing_that_was_spent() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Budgets::new(caps(100, 1_000, 1_000), Memory::open(folder.path()).unwrap());
        let now = Timestamp::UNIX_EPOCH;
        let _broken_off = open().reserve(&purse("a"), call(60), now).await.unwrap();
        assert!(open().reserve(&purse("a"), call(41), now).await.is_err());
        open().reserve(&purse("a"), call(40), now).await.unwrap().settle(call(40)).await;
        assert!(open().reserve(&purse("a"), call(1), now).await.is_err());
    }
}
