//! Who holds which intent and which object: what memory reserves and what the
//! file remembers, asked together (AT MOST ONE EFFECT).

use std::collections::HashMap;

use async_trait::async_trait;
use countersign_core::claim::{self, Known, Latest, Taken};
use countersign_core::error::Refused;
use countersign_core::grant::Granted;
use countersign_core::limit::{Budget, Spent, Sum};
use countersign_shared::ids::ActionId;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::{Sqlite, spending};
use crate::ports::{Occasions, StoreError};
use crate::store::booking::{self, Booking};
use crate::store::known::{self, damaged};

/// Claims between `claim` and the end of the action.
#[derive(Default)]
pub(super) struct Reservations {
    intents: HashMap<String, ActionId>,
    objects: HashMap<String, ActionId>,
    booked: HashMap<ActionId, Booking>,
}

impl Reservations {
    /// One decision, made under the mutex that guards `self`.
    pub(super) fn claim(
        &mut self,
        db: &Connection,
        granted: &Granted,
        budget: &Budget,
        now: Timestamp,
    ) -> Result<Result<Taken, Refused>, StoreError> {
        let proposal = granted.proposal();
        let known = Known {
            latest: self.latest(db, proposal.intent())?,
            lock_held_by: self.holder(db, proposal.locks())?,
            spent: self.spent(db, budget, now)?,
        };
        let taken = claim::decide(granted, &known, budget, now);
        if let Ok(taken) = &taken {
            let action = proposal.action().clone();
            self.intents.insert(proposal.intent().to_owned(), action.clone());
            for object in proposal.locks() {
                self.objects.insert(object.clone(), action.clone());
            }
            self.booked.insert(action, Booking::of(taken, proposal));
        }
        Ok(taken)
    }

    /// What is booked, in memory or in the file: each action once.
    pub(super) fn spent(
        &self,
        db: &Connection,
        budget: &Budget,
        now: Timestamp,
    ) -> Result<Spent, StoreError> {
        let mut spent = Spent::default();
        for (account, within) in budget.questions() {
            let since = booking::since(now, within);
            let here = self.booked.iter().filter(|(_, b)| b.counts(&account, since));
            let mut ids = Vec::new();
            for (action, booking) in here {
                spent.add(&account, within, &booking.tool, &Sum::one(booking.money));
                ids.push(action.as_str());
            }
            for (tool, sum) in spending::sums(db, &account, since, &ids)? {
                spent.add(&account, within, &tool, &sum);
            }
        }
        Ok(spent)
    }

    /// The newest action that claimed the intent.
    pub(super) fn latest(
        &self,
        db: &Connection,
        intent: &str,
    ) -> Result<Option<Latest>, StoreError> {
        Ok(known::latest(self.intents.get(intent).cloned(), stored(db, intent)?))
    }

    fn holder(&self, db: &Connection, objects: &[String]) -> Result<Option<ActionId>, StoreError> {
        for object in objects {
            if let Some(action) = self.objects.get(object) {
                return Ok(Some(action.clone()));
            }
            let row: Option<String> = db
                .prepare_cached("SELECT action_id FROM locks WHERE object = ?1")?
                .query_row(params![object], |row| row.get(0))
                .optional()?;
            if let Some(action) = row {
                return action.parse().map(Some).map_err(damaged);
            }
        }
        Ok(None)
    }

    pub(super) fn release(&mut self, action: &ActionId) {
        self.intents.retain(|_, holder| holder != action);
        self.objects.retain(|_, holder| holder != action);
        self.booked.remove(action);
    }
}

fn stored(db: &Connection, intent: &str) -> Result<Option<Latest>, StoreError> {
    type Row = (String, u32, Option<String>, Option<String>);
    let row: Option<Row> = db
        .prepare_cached(
            "SELECT action_id, occasion, outcome, receipt_id FROM actions
             WHERE intent = ?1 AND occasion IS NOT NULL ORDER BY occasion DESC LIMIT 1",
        )?
        .query_row(params![intent], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)))
        .optional()?;
    let Some((action, occasion, outcome, receipt)) = row else { return Ok(None) };
    known::stored(&action, occasion, outcome.as_deref(), receipt.as_deref()).map(Some)
}

#[async_trait]
impl Occasions for Sqlite {
    async fn refused(&self, intent: &str) -> Result<Vec<u32>, StoreError> {
        self.readers.with(|db| {
            let mut select = db.prepare_cached(
                "SELECT occasion FROM actions
                 WHERE intent = ?1 AND occasion IS NOT NULL AND outcome = 'refused'
                 ORDER BY occasion",
            )?;
            let rows = select.query_map(params![intent], |row| row.get(0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}
