//! Who holds which intent and which object, decided by the core (AT MOST ONE EFFECT).

use std::sync::Arc;

use async_trait::async_trait;
use countersign_core::claim::{self, Known, Latest, Taken};
use countersign_core::error::Refused;
use countersign_core::grant::Granted;
use countersign_core::lifecycle::Outcome;
use countersign_core::limit::{Budget, Spent, Sum};
use countersign_shared::ids::ActionId;
use jiff::Timestamp;

use super::Memory;
use super::tables::{Action, Tables};
use crate::ports::{Occasions, StoreError};
use crate::store::booking::{Booking, since};
use crate::store::known;

/// A reservation: the journal does not know of it yet.
#[derive(Clone)]
pub(super) struct Claim {
    pub(super) holder: u64,
    intent: String,
    booking: Arc<Booking>,
}

impl Tables {
    pub(super) fn claim(
        &mut self,
        me: u64,
        granted: &Granted,
        budget: &Budget,
        now: Timestamp,
    ) -> Result<Taken, Refused> {
        let proposal = granted.proposal();
        let known = Known {
            latest: self.latest(proposal.intent()),
            lock_held_by: proposal.locks().iter().find_map(|o| self.locks.get(o)).cloned(),
            spent: self.spent(budget, now),
        };
        let taken = claim::decide(granted, &known, budget, now)?;
        let action = proposal.action().clone();
        for object in proposal.locks() {
            self.locks.insert(object.clone(), action.clone());
        }
        let booking = Arc::new(Booking::of(&taken, proposal));
        let intent = proposal.intent().to_owned();
        self.claims.insert(action, Claim { holder: me, intent, booking });
        Ok(taken)
    }

    /// The newest action that claimed the intent.
    pub(super) fn latest(&self, intent: &str) -> Option<Latest> {
        let of_it = |a: &&Action| a.row.proposal.intent() == intent && a.row.occasion.is_some();
        let stored = self.actions.values().filter(of_it).max_by_key(|a| a.row.occasion);
        let stored = stored.map(|a| Latest {
            action: a.row.proposal.action().clone(),
            occasion: a.row.occasion.unwrap_or(0),
            outcome: a.row.outcome,
            receipt: a.row.receipt.clone(),
        });
        let reserved = self.claims.iter().find(|(_, claim)| claim.intent == intent);
        known::latest(reserved.map(|(action, _)| action.clone()), stored)
    }

    /// What is booked: each action once.
    pub(super) fn spent(&self, budget: &Budget, now: Timestamp) -> Spent {
        let mut spent = Spent::default();
        let begun = self.actions.values().filter_map(|a| a.row.booking.as_ref());
        let reserved = self.claims.iter().filter(|(id, _)| !self.is_booked(id));
        let all: Vec<&Booking> = begun.chain(reserved.map(|(_, claim)| &*claim.booking)).collect();
        for (account, within) in budget.questions() {
            let since = since(now, within);
            for booking in all.iter().filter(|b| b.counts(&account, since)) {
                spent.add(&account, within, &booking.tool, &Sum::one(booking.money));
            }
        }
        spent
    }

    fn is_booked(&self, action: &ActionId) -> bool {
        self.actions.get(action).is_some_and(|a| a.row.booking.is_some())
    }

    /// Gives back what this executor reserved and did not write.
    pub(super) fn release(&mut self, me: u64, action: &ActionId) {
        if self.claims.get(action).is_some_and(|claim| claim.holder == me) {
            self.claims.remove(action);
            self.locks.retain(|_, holder| holder != action);
        }
    }
}

#[async_trait]
impl Occasions for Memory {
    async fn refused(&self, intent: &str) -> Result<Vec<u32>, StoreError> {
        self.read(|tables| {
            let rows = tables.actions.values().map(|action| &action.row);
            let of_it = rows.filter(|row| row.proposal.intent() == intent);
            let refused = of_it.filter(|row| row.outcome == Some(Outcome::Refused));
            Ok(refused.filter_map(|row| row.occasion).collect())
        })
        .await
    }
}
