//! What models may cost: calls, tokens and money, of a conversation, of a tenant a day, and
//! of all together a day. The most that a call can cost is reserved before it is made, so
//! that callers at once are never over by one; what it did cost takes its place after.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use parking_lot::Mutex;
use serde::Deserialize;

use crate::memory::{Memory, Unread};

/// What the accounts of conversations begin with.
const CONVERSATION: &str = "conversation\n";
/// Accounts in memory at once; beyond, those of conversations are read from the folder again.
const MOST: usize = 50_000;

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

/// Something would be over its cap: nothing was reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the budget of {0} is used up")]
pub struct Exhausted(&'static str);

/// All accounts. Clones share them.
#[derive(Clone, Default)]
pub struct Budgets {
    caps: Caps,
    spent: Arc<Mutex<Accounts>>,
    memory: Memory,
}

/// Accounts at hand. Nobody waits for a disk while they are locked.
#[derive(Default)]
struct Accounts {
    spent: HashMap<String, Amount>,
    /// How often some were put away: what was read before that may be old.
    put_away: u64,
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
        let spent: Arc<Mutex<Accounts>> = Arc::default();
        let at_hand = Arc::clone(&spent);
        memory.tell(move |gone| at_hand.lock().put_away(|account| gone.has(account)));
        Self { caps, spent, memory }
    }

    /// Sets aside the most that a call can cost.
    ///
    /// # Errors
    /// Whose budget has no room for it.
    pub async fn reserve(
        &self,
        purse: &Purse,
        most: Amount,
        now: Timestamp,
    ) -> Result<Reserved, Exhausted> {
        let date = now.to_zoned(TimeZone::UTC).date();
        let accounts = [account(purse), format!("tenant\n{}\n{date}", purse.tenant), day(now)];
        let caps = [
            (self.caps.conversation, "this conversation"),
            (self.caps.tenant_day, "the tenant for today"),
            (self.caps.day, "today"),
        ];
        let reserved = self.with(&accounts, |at_hand| {
            let full = accounts
                .iter()
                .zip(caps)
                .find(|(account, (cap, _))| !cap.has_room(at_hand.of(account).and(most)));
            match full {
                Some((_, (_, whose))) => Err(Exhausted(whose)),
                None => Ok(self.change(at_hand, &accounts, |so_far| so_far.and(most))),
            }
        });
        // ERRORS REFUSE: what was spent and cannot be read is no room.
        let kept = reserved.await.map_err(|Unread| Exhausted("today"))??;
        // Before the call is made: a restart forgets nothing of it.
        join_all(kept).await;
        Ok(Reserved { budgets: self.clone(), accounts, most })
    }

    /// What is left for today.
    #[must_use]
    pub async fn left(&self, now: Timestamp) -> Left {
        let account = day(now);
        let spent = self.with(std::slice::from_ref(&account), |at_hand| at_hand.of(&account)).await;
        let spent = spent.unwrap_or_default();
        let Cap { calls, tokens, money } = self.caps.day;
        let left = |cap: Option<u64>, spent: u64| {
            let cap = cap?;
            Some(ratio(cap.saturating_sub(spent), cap))
        };
        Left {
            calls: left(calls, spent.calls),
            tokens: left(tokens, spent.tokens),
            money: left(money.map(micros), spent.micros),
        }
    }

    /// Acts on the accounts with these among them. Memory is read while nobody is kept
    /// waiting; what was put away meanwhile is read again.
    async fn with<T>(
        &self,
        wanted: &[String],
        act: impl FnOnce(&mut Accounts) -> T,
    ) -> Result<T, Unread> {
        loop {
            let (missing, put_away) = {
                let accounts = self.spent.lock();
                let missing = wanted.iter().filter(|name| !accounts.spent.contains_key(*name));
                (missing.cloned().collect::<Vec<_>>(), accounts.put_away)
            };
            let mut read = Vec::with_capacity(missing.len());
            for account in missing {
                let so_far = self.memory.spent(&account).await?.unwrap_or_default();
                read.push((account, so_far));
            }
            let mut accounts = self.spent.lock();
            if accounts.put_away == put_away {
                for (account, so_far) in read {
                    accounts.spent.entry(account).or_insert(so_far);
                }
                return Ok(act(&mut accounts));
            }
        }
    }

    /// Queued for memory in this order; to be awaited once others may go on.
    fn change(
        &self,
        at_hand: &mut Accounts,
        accounts: &[String],
        change: impl Fn(Amount) -> Amount,
    ) -> Vec<BoxFuture<'static, ()>> {
        let mut kept = Vec::with_capacity(accounts.len());
        for account in accounts {
            let now = change(at_hand.of(account));
            at_hand.spent.insert(account.clone(), now);
            kept.push(self.memory.keep_spent(account, now).boxed());
        }
        if at_hand.spent.len() >= MOST {
            // Those of tenants and of days are few, and stay.
            at_hand.put_away(|account| account.starts_with(CONVERSATION));
        }
        kept
    }
}

impl Accounts {
    fn of(&self, account: &str) -> Amount {
        self.spent.get(account).copied().unwrap_or_default()
    }

    fn put_away(&mut self, which: impl Fn(&str) -> bool) {
        self.spent.retain(|account, _| !which(account));
        self.put_away += 1;
    }
}

/// The account of a conversation.
pub(crate) fn account(purse: &Purse) -> String {
    format!("{CONVERSATION}{}", purse.conversation)
}

impl Reserved {
    /// The call is over and cost so much.
    pub async fn settle(self, used: Amount) {
        let Self { budgets, accounts, most } = self;
        let settled = budgets.with(&accounts, |at_hand| {
            budgets.change(at_hand, &accounts, |so_far| so_far.less(most).and(used))
        });
        // What cannot be read now keeps what it had.
        if let Ok(kept) = settled.await {
            join_all(kept).await;
        }
    }
}

impl Cap {
    fn has_room(self, wanted: Amount) -> bool {
        let within = |cap: Option<u64>, wanted: u64| cap.is_none_or(|cap| wanted <= cap);
        within(self.calls, wanted.calls)
            && within(self.tokens, wanted.tokens)
            && within(self.money.map(micros), wanted.micros)
    }
}

impl Amount {
    fn and(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_add(other.calls),
            tokens: self.tokens.saturating_add(other.tokens),
            micros: self.micros.saturating_add(other.micros),
        }
    }

    fn less(self, other: Self) -> Self {
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
        assert_eq!(over("a", 1).await, Some(Exhausted("this conversation")));
        assert_eq!(over("b", 51).await, Some(Exhausted("the tenant for today")));
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
    async fn many_conversations_push_no_days_spending_out() {
        let caps = Caps { day: Cap { calls: Some(2), ..Cap::default() }, ..Caps::default() };
        let budgets = Budgets::new(caps, Memory::default());
        let now = Timestamp::UNIX_EPOCH;
        let first = budgets.reserve(&purse("a"), call(1), now).await.unwrap();
        for n in 0..MOST {
            budgets.spent.lock().spent.insert(format!("{CONVERSATION}{n}"), Amount::default());
        }
        budgets.reserve(&purse("b"), call(1), now).await.unwrap().settle(call(1)).await;
        first.settle(call(1)).await;
        assert!(budgets.reserve(&purse("c"), call(1), now).await.is_err());
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
