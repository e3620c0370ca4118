//! Turns as planners told them, and whose address is whose.

use std::sync::Arc;

use countersign_core::subject::Subject;
use countersign_shared::ids::TurnId;

use super::tables::Tables;
use crate::ports::{Owner, StoreError, Turn, TurnQuery};
use crate::store::email;
use crate::store::old::first_id;

impl Tables {
    pub(super) fn record(&mut self, owner: &Subject, turn: Turn) -> Result<(), StoreError> {
        if self.turns.insert(turn.id.clone(), Arc::new(turn)).is_some() {
            return Err(StoreError::Conflict);
        }
        self.known_by(owner);
        Ok(())
    }

    /// Keeps by which address this subject may be asked for.
    pub(super) fn known_by(&mut self, who: &Subject) {
        if let Some(email) = email::of(who) {
            self.emails.insert((email, owner(who)));
        }
    }

    pub(super) fn subjects_of(&self, address: &str) -> Vec<Owner> {
        let email = email::digest_of(address);
        let of = self.emails.iter().filter(|(known, _)| *known == email);
        of.map(|(_, owner)| owner.clone()).collect()
    }

    pub(super) fn told(&self, query: &TurnQuery) -> Vec<Turn> {
        let bound = |at: Option<_>| at.map(|at| TurnId::from_uuid(first_id(at)));
        let (from, to) = (bound(query.from), bound(query.to));
        let matches = |turn: &&Arc<Turn>| {
            let is = |(column, wanted): (&str, &str)| match column {
                "tenant" => turn.owner.tenant == wanted,
                "subject" => turn.owner.subject == wanted,
                "conversation" => turn.conversation == wanted,
                _external_ref => turn.external_ref == wanted,
            };
            query.owner.as_ref().is_none_or(|owner| *owner == turn.owner)
                && query.texts().all(is)
                && from.as_ref().is_none_or(|from| turn.id >= *from)
                && to.as_ref().is_none_or(|to| turn.id < *to)
        };
        let most = usize::try_from(query.limit).unwrap_or(usize::MAX);
        let found = self.turns.values().rev().filter(matches).take(most);
        found.map(|turn| Turn::clone(turn)).collect()
    }

    pub(super) fn forget_turns(&mut self, before: &TurnId, most: usize) -> usize {
        let old: Vec<_> = self.turns.range(..before.clone()).map(|(id, _)| id.clone()).collect();
        old.iter().take(most).filter(|id| self.turns.remove(*id).is_some()).count()
    }
}

fn owner(who: &Subject) -> Owner {
    let [tenant, issuer, subject] = [&who.tenant, &who.issuer, &who.id].map(Clone::clone);
    Owner { tenant, issuer, subject }
}
