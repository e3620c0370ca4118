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
use crate::store::conversations::moved;
use crate::store::email;
use crate::store::old::first_id;

/// A turn, and whose it is.
#[derive(Clone)]
pub(super) struct Told {
    person: String,
    /// Whom the token names: whose the conversation is.
    owner: String,
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
        let owner = token(owner);
        self.write(|tables, _| Ok(tables.rate(&owner, conversation, rating))).await
    }

    async fn ratings(
        &self,
        tenant: Option<String>,
        days: Range<i64>,
    ) -> Result<Vec<Ratings>, StoreError> {
        self.read(|tables| Ok(tables.ratings(tenant.as_deref(), &days))).await
    }
}

/// Whom the token names, also once they are matched to somebody.
fn token(owner: &Subject) -> String {
    named(&Person::of(&Subject { id: owner.signs_as.clone(), ..owner.clone() }))
}

impl Turn {
    fn day(&self) -> i64 {
        self.id.made_at().div_euclid(24 * 60 * 60 * 1000)
    }
}

impl Tables {
    /// What the SQL says, in Rust.
    fn costs(&self, tenant: Option<&str>, days: &Range<i64>) -> Vec<Costs> {
        let mut all: BTreeMap<_, Spent> = BTreeMap::new();
        for ((of, day, currency), spent) in &self.costs {
            if days.contains(day) && tenant.is_none_or(|tenant| tenant == of) {
                all.entry((*day, currency)).or_default().add(*spent);
            }
        }
        let costs = |((day, currency), spent): ((i64, &String), Spent)| Costs {
            day,
            currency: currency.clone(),
            spent,
        };
        all.into_iter().map(costs).collect()
    }

    /// Adds what a turn cost, which is there.
    fn count(&mut self, told: &Told) {
        let Some(cost) = &told.turn.cost else { return };
        let same = |other: &&Arc<Told>| {
            other.owner == told.owner && other.turn.conversation == told.turn.conversation
        };
        let turns = || self.turns.values().filter(same).map(|told| &told.turn);
        let began = turns().map(Turn::day).min().unwrap_or_default();
        let priced = |turn: &Turn| {
            turn.id != told.turn.id
                && turn.cost.as_ref().is_some_and(|other| other.currency == cost.currency)
        };
        let conversations = i64::from(!turns().any(priced));
        let day = (told.turn.tenant.clone(), began, cost.currency.clone());
        let spent = Spent { micros: cost.micros, conversations };
        self.costs.entry(day).or_default().add(spent);
    }

    fn rate(&mut self, owner: &str, conversation: &str, rating: Rating) -> bool {
        let first = self
            .turns
            .values_mut()
            .find(|told| told.owner == owner && told.turn.conversation == conversation);
        let Some(first) = first else { return false };
        let (earlier, tenant) = (first.rating, first.turn.tenant.clone());
        *first = Arc::new(Told { rating: Some(rating), ..Told::clone(first) });
        for (Rating { day, score }, count) in moved(earlier, rating) {
            *self.ratings.entry((tenant.clone(), day, score)).or_default() += count;
        }
        true
    }

    fn ratings(&self, tenant: Option<&str>, days: &Range<i64>) -> Vec<Ratings> {
        let mut all: BTreeMap<(i64, i64), i64> = BTreeMap::new();
        for ((of, day, score), count) in self.ratings.iter().filter(|(_, count)| **count > 0) {
            if days.contains(day) && tenant.is_none_or(|tenant| tenant == of) {
                *all.entry((*day, *score)).or_default() += count;
            }
        }
        let ratings = |((day, score), count)| Ratings { rating: Rating { day, score }, count };
        all.into_iter().map(ratings).collect()
    }

    pub(super) fn record(&mut self, owner: &Subject, turn: Turn) -> Result<(), StoreError> {
        let person = named(&Person::of(owner));
        // Erased since they were matched, nothing names them.
        let named = Some(token(owner)).filter(|name| self.knows(name));
        let owned = named.unwrap_or_else(|| person.clone());
        let told = Arc::new(Told { person, owner: owned, turn, rating: None });
        if self.turns.insert(told.turn.id.clone(), Arc::clone(&told)).is_some() {
            return Err(StoreError::Conflict);
        }
        self.count(&told);
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
        for told in self.turns.values_mut().filter(|told| told.owner == person) {
            *told = Arc::new(Told { owner: told.person.clone(), ..Told::clone(told) });
        }
        self.emails.retain(|(_, of)| of != person);
    }
}
