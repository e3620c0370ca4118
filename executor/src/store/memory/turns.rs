//! Turns as planners told them, what they cost, how they were rated, and whose address
//! is whose.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use countersign_core::person::Person;
use countersign_core::subject::Subject;
use countersign_shared::ids::TurnId;

use super::Memory;
use super::log::named;
use super::tables::Tables;
use crate::conversations::{Conversations, Costs, Rating, Ratings, Spent};
use crate::ports::{StoreError, Turn, TurnQuery};
use crate::store::email;
use crate::store::old::first_id;

/// A turn, and whose it is.
#[derive(Clone)]
pub(super) struct Told {
    person: String,
    turn: Turn,
    rating: Option<Rating>,
}

#[async_trait]
impl Conversations for Memory {
    async fn costs(
        &self,
        tenant: Option<String>,
        days: Range<i64>,
    ) -> Result<Vec<Costs>, StoreError> {
        self.read(|tables| Ok(tables.costs(tenant.as_deref(), &days))).await
    }

    async fn rate(
        &self,
        owner: &Subject,
        conversation: &str,
        rating: Rating,
    ) -> Result<bool, StoreError> {
        let person = named(&Person::of(owner));
        self.write(|tables, _| Ok(tables.rate(&person, conversation, rating))).await
    }

    async fn ratings(
        &self,
        tenant: Option<String>,
        days: Range<i64>,
    ) -> Result<Vec<Ratings>, StoreError> {
        self.read(|tables| Ok(tables.ratings(tenant.as_deref(), &days))).await
    }
}

impl Turn {
    fn day(&self) -> i64 {
        self.id.made_at().div_euclid(24 * 60 * 60 * 1000)
    }
}

impl Tables {
    /// What the SQL says, in Rust.
    fn costs(&self, tenant: Option<&str>, days: &Range<i64>) -> Vec<Costs> {
        let mut each: BTreeMap<_, (i64, Spent)> = BTreeMap::new();
        for told in self.turns.values() {
            let (turn, day) = (&told.turn, told.turn.day());
            let Some(cost) = &turn.cost else { continue };
            if days.contains(&day) && tenant.is_none_or(|tenant| tenant == turn.tenant) {
                let key = (&turn.tenant, &told.person, &turn.conversation, &cost.currency);
                let (_, spent) = each.entry(key).or_insert((day, Spent::default()));
                spent.micros += cost.micros;
                spent.conversations = 1;
            }
        }
        let mut all: BTreeMap<_, Spent> = BTreeMap::new();
        for ((.., currency), (day, spent)) in each {
            all.entry((day, currency.clone())).or_default().add(spent);
        }
        let costs = |((day, currency), spent)| Costs { day, currency, spent };
        all.into_iter().map(costs).collect()
    }

    fn rate(&mut self, person: &str, conversation: &str, rating: Rating) -> bool {
        let first = self
            .turns
            .values_mut()
            .find(|told| told.person == person && told.turn.conversation == conversation);
        let Some(first) = first else { return false };
        *first = Arc::new(Told { rating: Some(rating), ..Told::clone(first) });
        true
    }

    fn ratings(&self, tenant: Option<&str>, days: &Range<i64>) -> Vec<Ratings> {
        let mut all: BTreeMap<(i64, i64), i64> = BTreeMap::new();
        for told in self.turns.values() {
            let Some(Rating { day, score }) = told.rating else { continue };
            if days.contains(&day) && tenant.is_none_or(|tenant| tenant == told.turn.tenant) {
                *all.entry((day, score)).or_default() += 1;
            }
        }
        let ratings = |((day, score), count)| Ratings { rating: Rating { day, score }, count };
        all.into_iter().map(ratings).collect()
    }

    pub(super) fn record(&mut self, owner: &Subject, turn: Turn) -> Result<(), StoreError> {
        let person = named(&Person::of(owner));
        let told = Told { person, turn, rating: None };
        if self.turns.insert(told.turn.id.clone(), Arc::new(told)).is_some() {
            return Err(StoreError::Conflict);
        }
        self.known_by(owner);
        Ok(())
    }

    /// Keeps by which address this subject may be asked for.
    pub(super) fn known_by(&mut self, who: &Subject) {
        if let Some(email) = email::of(who) {
            self.emails.insert((email, named(&Person::of(who))));
        }
    }

    pub(super) fn persons_of(&self, address: &str) -> Vec<String> {
        let email = email::normal(address);
        let of = self.emails.iter().filter(|(known, _)| *known == email);
        of.map(|(_, person)| person.clone()).collect()
    }

    pub(super) fn told(&self, query: &TurnQuery) -> Vec<Turn> {
        let bound = |at: Option<_>| at.map(|at| TurnId::from_uuid(first_id(at)));
        let (from, to) = (bound(query.from), bound(query.to));
        let asked = |wanted: &str, is: &str| wanted.is_empty() || wanted == is;
        let matches = |told: &&Arc<Told>| {
            asked(&query.person, &told.person)
                && asked(&query.tenant, &told.turn.tenant)
                && asked(&query.conversation, &told.turn.conversation)
                && asked(&query.external_ref, &told.turn.external_ref)
                && from.as_ref().is_none_or(|from| told.turn.id >= *from)
                && to.as_ref().is_none_or(|to| told.turn.id < *to)
        };
        let most = usize::try_from(query.limit).unwrap_or(usize::MAX);
        let found = self.turns.values().rev().filter(matches).take(most);
        found.map(|told| told.turn.clone()).collect()
    }

    /// What was told long ago is gone, but for persons on hold.
    pub(super) fn forget_turns(&mut self, before: &TurnId) -> usize {
        let old = self.turns.range(..before.clone());
        let old = old.filter(|(_, told)| !self.holds.contains(&told.person));
        let old: Vec<_> = old.map(|(id, _)| id.clone()).collect();
        old.iter().filter(|id| self.turns.remove(*id).is_some()).count()
    }

    pub(super) fn has_told(&self, person: &str) -> bool {
        self.turns.values().any(|told| told.person == person)
    }

    pub(super) fn erase_turns(&mut self, person: &str) {
        self.turns.retain(|_, told| told.person != person);
        self.emails.retain(|(_, of)| of != person);
    }
}
