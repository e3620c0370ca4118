//! Without a folder: only what was spent is remembered, as long as the process lives.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::store::{Begun, Fence, Name, Row, Shared, Store, Taken, Unread};
use crate::budget::{Amount, Cap};

/// Accounts at most; the one idle longest goes first.
const MOST: usize = 50_000;

/// Accounts of this process.
#[derive(Default)]
pub(super) struct Volatile(Mutex<Accounts>);

#[derive(Default)]
struct Accounts {
    spent: HashMap<Name, (Amount, u64)>,
    /// Counts what happens, to tell which was idle longest.
    clock: u64,
}

impl Accounts {
    fn of(&self, account: &Name) -> Amount {
        self.spent.get(account).map(|(amount, _)| *amount).unwrap_or_default()
    }

    fn put(&mut self, account: Name, amount: Amount) {
        self.clock = self.clock.saturating_add(1);
        self.spent.insert(account, (amount, self.clock));
        if self.spent.len() > MOST {
            let idle = self.spent.iter().min_by_key(|(_, (_, touched))| *touched);
            if let Some(idle) = idle.map(|(account, _)| *account) {
                self.spent.remove(&idle);
            }
        }
    }
}

#[async_trait]
impl Store for Volatile {
    fn shared(&self) -> Option<&dyn Shared> {
        None
    }

    async fn take(&self, _: Name, _: Fence) -> Result<Option<Taken>, Unread> {
        Ok(Some(Taken { body: None }))
    }

    async fn keep(&self, _: Name, _: Fence, _: Vec<String>, _: String) -> Result<bool, Unread> {
        Ok(true)
    }

    async fn turns(&self, _: Name, _: i64) -> Result<Vec<Row>, Unread> {
        Ok(Vec::new())
    }

    async fn begin_turn(&self, _: Name, _: Row, _: Fence) -> Result<Begun, Unread> {
        Ok(Begun::Here)
    }

    async fn settled(&self) -> Result<(), Unread> {
        Ok(())
    }

    async fn end_turn(
        &self,
        _: Name,
        _: [u8; 32],
        _: Fence,
        _: Vec<String>,
        _: String,
    ) -> Result<bool, Unread> {
        Ok(true)
    }

    async fn belongs(&self, _: String, _: Vec<Name>) -> Result<(), Unread> {
        Ok(())
    }

    async fn keys(&self) -> Result<Vec<String>, Unread> {
        Ok(Vec::new())
    }

    async fn forget_all_of(&self, _: Vec<String>) -> Result<HashSet<Name>, Unread> {
        Ok(HashSet::new())
    }

    async fn forget_before(&self, _: i64) -> Result<(), Unread> {
        Ok(())
    }

    async fn spent(&self, account: Name) -> Result<Amount, Unread> {
        Ok(self.0.lock().of(&account))
    }

    async fn reserve(
        &self,
        accounts: [(Name, Cap); 3],
        most: Amount,
    ) -> Result<Result<(), usize>, Unread> {
        let mut at_hand = self.0.lock();
        let wanted = accounts.map(|(account, cap)| (account, cap, at_hand.of(&account).and(most)));
        if let Some(full) = wanted.iter().position(|(_, cap, wanted)| !cap.has_room(*wanted)) {
            return Ok(Err(full));
        }
        for (account, _, wanted) in wanted {
            at_hand.put(account, wanted);
        }
        Ok(Ok(()))
    }

    async fn settle(
        &self,
        accounts: [Name; 3],
        reserved: Amount,
        used: Amount,
    ) -> Result<(), Unread> {
        let mut at_hand = self.0.lock();
        for account in accounts {
            let now = at_hand.of(&account).less(reserved).and(used);
            at_hand.put(account, now);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::super::digest;
    use super::*;

    #[tokio::test]
    async fn many_conversations_push_no_days_spending_out() {
        let (store, one) = (Volatile::default(), Amount { calls: 1, ..Amount::default() });
        let day = Cap { calls: Some(2), ..Cap::default() };
        let reserve = async |conversation: &str| {
            let accounts = [(digest(conversation), Cap::default()), (digest("t"), Cap::default())];
            let [conversation, tenant] = accounts;
            store.reserve([conversation, tenant, (digest("day"), day)], one).await.unwrap()
        };
        assert_eq!(reserve("a").await, Ok(()));
        for n in 0..MOST {
            store.0.lock().put(digest(&n.to_string()), one);
            // As every reservation touches it.
            let today = store.0.lock().of(&digest("day"));
            store.0.lock().put(digest("day"), today);
        }
        assert_eq!(store.0.lock().spent.len(), MOST);
        assert_eq!(reserve("b").await, Ok(()));
        assert_eq!(reserve("c").await, Err(2));
        assert_eq!(store.spent(digest("a")).await.unwrap(), Amount::default(), "idle longest");
    }
}
