//! Tables, and what is done to them. A copy is cheap: what is large is shared.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use countersign_core::activation::{Active, Part};
use countersign_core::error::Refused;
use countersign_core::lifecycle::{Event, Outcome};
use countersign_core::person::Person;
use countersign_core::planted::Bug;
use countersign_core::resolve::{Evidence, Observation};
use countersign_core::subject::{Matched, Subject};
use countersign_core::switch::{Off, Reach};
use countersign_shared::ids::{ActionId, ObservationId, ReceiptId, TurnId};
use countersign_shared::tlog::merkle::Tree;
use jiff::Timestamp;

use super::claims::Claim;
use super::executors::Executor;
use super::log::{Stored, named};
use super::turns::Told;
use crate::conversations::Spent;
use crate::ports::{Escalation, Fed, Named, Old, Open, StoreError};
use crate::standing::Standing;
use crate::store::erasing::{held, in_flight};
use crate::store::known::damaged;
use crate::store::old::first_id;
use crate::store::register::EntryRow;
use crate::store::row::Row;
use crate::store::tries;

/// One event as it was written.
#[derive(Debug, Clone)]
pub struct Written {
    /// Whose journal.
    pub action: ActionId,
    /// Where in it.
    pub seq: u64,
    /// The event, as JSON.
    pub event: Arc<str>,
}

#[derive(Clone, Default)]
pub(super) struct Tables {
    pub(super) executors: BTreeMap<u64, Executor>,
    pub(super) generations: u64,
    pub(super) actions: BTreeMap<ActionId, Action>,
    pub(super) claims: BTreeMap<ActionId, Claim>,
    pub(super) locks: BTreeMap<String, ActionId>,
    pub(super) stored: Vec<Arc<Stored>>,
    pub(super) register: Vec<Arc<EntryRow>>,
    pub(super) tree: Tree,
    pub(super) nodes: BTreeMap<(u8, u64), [u8; 32]>,
    pub(super) note: String,
    pub(super) escalations: BTreeMap<String, Escalation>,
    pub(super) switches: BTreeMap<Reach, Off>,
    pub(super) activated: BTreeMap<Part, Active>,
    pub(super) bundle: BTreeMap<String, String>,
    pub(super) bundles: BTreeMap<String, crate::ports::Files>,
    pub(super) standing: Standing,
    /// Who feeds each sink, and how far.
    pub(super) sinks: BTreeMap<String, (u64, Fed)>,
    pub(super) matches: BTreeMap<[String; 4], Matched>,
    pub(super) turns: BTreeMap<TurnId, Arc<Told>>,
    /// What conversations cost, by tenant, the day on which they began, and currency.
    pub(super) costs: BTreeMap<(String, i64, String), Spent>,
    /// How many conversations were rated so, by tenant, day and score.
    pub(super) ratings: BTreeMap<(String, i64, i64), i64>,
    pub(super) emails: BTreeSet<(String, String)>,
    /// By the transaction under way.
    pub(super) written: Vec<Written>,
    pub(super) holds: BTreeSet<String>,
    /// Each time that somebody was erased.
    erased: Vec<String>,
    seen: BTreeMap<ObservationId, Arc<Seen>>,
    tries: Vec<(String, Timestamp)>,
}

#[derive(Clone)]
pub(super) struct Action {
    pub(super) row: Arc<Row>,
    pub(super) journal: Vec<Arc<str>>,
    pub(super) holder: Option<u64>,
}

struct Seen {
    owner: [String; 4],
    person: String,
    observation: Observation,
}

impl Action {
    pub(super) fn is_unfinished(&self) -> bool {
        !matches!(self.row.state, "proposed" | "waiting" | "sealed")
    }

    fn person(&self) -> String {
        named(&Person::about(&self.row.proposal))
    }

    fn events(&self) -> Result<Vec<Event>, StoreError> {
        // Every action begins with an event.
        if self.journal.is_empty() {
            return Err(StoreError::Erased);
        }
        self.journal.iter().map(|text| serde_json::from_str(text).map_err(damaged)).collect()
    }

    fn is_of(&self, owner: &Subject) -> bool {
        let who = &self.row.proposal.asked().subject;
        (&who.tenant, &who.issuer, &who.id) == (&owner.tenant, &owner.issuer, &owner.id)
    }

    fn is_named(&self, named: &Named) -> bool {
        let proposal = &self.row.proposal;
        match named {
            Named::Action(id) => proposal.action() == id,
            Named::Proposal(id) => proposal.id() == id,
            Named::Intent(intent) => proposal.intent() == intent && self.row.state == "waiting",
        }
    }
}

impl Tables {
    /// Appends to a journal, where this executor may, and brings the rest in line.
    pub(super) fn append(
        &mut self,
        me: u64,
        row: Row,
        seq: u64,
        events: &[Event],
    ) -> Result<(), StoreError> {
        let id = row.proposal.action().clone();
        let holder = self.holder_after(me, &row)?;
        let mut journal = self.actions.get(&id).map(|a| a.journal.clone()).unwrap_or_default();
        let expected = u64::try_from(journal.len()).map_err(damaged)?;
        if seq != expected && !Bug::WritesAfterTakeover.is_planted() {
            return Err(StoreError::Conflict);
        }
        for (seq, event) in (expected..).zip(events) {
            let event: Arc<str> = serde_json::to_string(event).map_err(damaged)?.into();
            self.written.push(Written { action: id.clone(), seq, event: Arc::clone(&event) });
            journal.push(event);
        }
        self.claims.remove(&id);
        self.lock(&row)?;
        if seq == 0 {
            self.known_by(&row.proposal.asked().subject);
        }
        self.actions.insert(id, Action { row: Arc::new(row), journal, holder });
        Ok(())
    }

    /// Who holds the action once this executor has written; an error where it may not.
    fn holder_after(&self, me: u64, row: &Row) -> Result<Option<u64>, StoreError> {
        let id = row.proposal.action();
        let before = self.actions.get(id);
        let taken = before.is_some_and(|b| b.row.occasion.is_some());
        let other = |a: &Action| a.row.proposal.action() != id && a.is_occasion_of(row);
        if row.occasion.is_some() && self.actions.values().any(other) {
            return Err(StoreError::Conflict);
        }
        // Nobody holds what has ended.
        let mine = (row.state != "sealed").then_some(me);
        match (self.claims.get(id), before.and_then(|b| b.holder)) {
            (Some(claim), _) if claim.holder == me => Ok(mine),
            (_, Some(holder)) if holder == me => Ok(mine),
            (_, Some(_)) if Bug::WritesAfterTakeover.is_planted() => Ok(mine),
            (Some(_), _) | (_, Some(_)) => Err(StoreError::Conflict),
            // What was reserved has gone with the lease.
            (None, None) if row.occasion.is_some() && !taken => Err(StoreError::Conflict),
            (None, None) => Ok(None),
        }
    }

    fn lock(&mut self, row: &Row) -> Result<(), StoreError> {
        let id = row.proposal.action();
        if !row.locked() {
            self.locks.retain(|_, holder| holder != id);
            return Ok(());
        }
        for object in row.proposal.locks() {
            if self.locks.get(object).is_some_and(|holder| holder != id) {
                return Err(StoreError::Conflict);
            }
            self.locks.insert(object.clone(), id.clone());
        }
        Ok(())
    }

    pub(super) fn journal(
        &self,
        named: &Named,
        owner: Option<&Subject>,
    ) -> Result<Vec<Event>, StoreError> {
        let is_it = |a: &&Action| a.is_named(named) && owner.is_none_or(|owner| a.is_of(owner));
        self.actions.values().find(is_it).map_or_else(|| Ok(Vec::new()), Action::events)
    }

    pub(super) fn journals(
        &self,
        which: impl Fn(&Action) -> bool,
    ) -> Result<Vec<Vec<Event>>, StoreError> {
        self.actions.values().filter(|a| which(a)).map(Action::events).collect()
    }

    pub(super) fn open(&self, owner: &Subject, caller: &str, since: Timestamp) -> Open {
        let open = |a: &&Action| {
            matches!(a.row.state, "proposed" | "waiting") && a.row.proposal.at() > since
        };
        let count = |which: &dyn Fn(&Action) -> bool| {
            let count = self.actions.values().filter(open).filter(|a| which(a)).count();
            u32::try_from(count).unwrap_or(u32::MAX)
        };
        Open {
            subject: count(&|a| a.is_of(owner)),
            planner: count(&|a| a.row.proposal.asked().caller == caller),
        }
    }

    pub(super) fn observe(&mut self, owner: &Subject, conversation: &str, seen: Observation) {
        let whose = named(&Person::of(owner));
        let owner = person(owner, conversation);
        let kept = Seen { owner, person: whose, observation: seen.clone() };
        self.seen.insert(seen.id, Arc::new(kept));
    }

    pub(super) fn evidence(
        &self,
        owner: &Subject,
        conversation: &str,
        observations: Vec<ObservationId>,
        receipts: Vec<ReceiptId>,
    ) -> Result<Evidence, StoreError> {
        let mut evidence = Evidence::default();
        let own = person(owner, conversation);
        for id in observations {
            if let Some(seen) = self.seen.get(&id).filter(|seen| seen.owner == own) {
                evidence.observations.insert(id, seen.observation.clone());
            }
        }
        for id in receipts {
            if let Some(output) = self.output(&id, owner)? {
                evidence.receipts.insert(id, output);
            }
        }
        Ok(evidence)
    }

    /// An observation of exactly this person and conversation.
    pub(super) fn seen_by(&self, id: &ObservationId, who: &[String; 4]) -> Option<Observation> {
        let seen = self.seen.get(id).filter(|seen| seen.owner == *who)?;
        Some(seen.observation.clone())
    }

    pub(super) fn count_try(&mut self, against: [String; 2], now: Timestamp) -> bool {
        let begins = tries::before(now, tries::WINDOW);
        self.tries.retain(|(_, at)| at.as_second() > begins);
        let mut within = true;
        for what in against {
            let tried = self.tries.iter().filter(|(tried, _)| *tried == what).count();
            let left = u32::try_from(tried).is_ok_and(|tried| tried < tries::MOST);
            within &= left;
            if left {
                self.tries.push((what, now));
            }
        }
        within
    }

    pub(super) fn purge(&mut self, old: Old, most: u32) -> usize {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let oldest = ActionId::from_uuid(first_id(old.proposed));
        let is_old = |a: &Action| a.row.state == "proposed" && *a.row.proposal.action() < oldest;
        let proposed = self.actions.iter().filter(|(_, a)| is_old(a)).map(|(id, _)| id.clone());
        let proposed: Vec<_> = proposed.take(most).collect();
        proposed.iter().for_each(|id| drop(self.actions.remove(id)));
        let needed = |id: &ObservationId| {
            let first = self.actions.values().filter(|a| a.is_unfinished());
            first.filter_map(|a| a.journal.first()).any(|event| event.contains(id.as_str()))
        };
        let oldest = ObservationId::from_uuid(first_id(old.observed));
        let seen = self.seen.keys().filter(|id| **id < oldest && !needed(id));
        let seen: Vec<_> = seen.take(most).cloned().collect();
        seen.iter().for_each(|id| drop(self.seen.remove(id)));
        let matches = self.matches.len();
        self.matches.retain(|_, matched| matched.at > old.matched);
        let matches = matches - self.matches.len();
        matches + proposed.len() + seen.len() + self.plaintext(old)
    }

    /// What is personal of what was done long ago.
    fn plaintext(&mut self, old: Old) -> usize {
        let oldest = ActionId::from_uuid(first_id(old.sealed));
        let past = |action: &Action| {
            let settled = action.row.outcome != Some(Outcome::Unknown);
            action.row.state == "sealed" && settled && *action.row.proposal.action() < oldest
        };
        let holds = self.holds.clone();
        let kept = |person: &str| holds.contains(person);
        let mut gone = 0;
        for action in self.actions.values_mut().filter(|a| past(a) && !a.journal.is_empty()) {
            if !kept(&action.person()) {
                action.journal.clear();
                gone += 1;
            }
        }
        let first = first_id(old.sealed);
        gone += self.forget(&ReceiptId::from_uuid(first), &holds);
        gone + self.forget_turns(&TurnId::from_uuid(first))
    }
}

impl Tables {
    /// Whether anything of theirs is there.
    pub(super) fn knows(&self, person: &str) -> bool {
        let acted = self.actions.values().any(|a| !a.journal.is_empty() && a.person() == person);
        let matched = self.matches.keys().any(|guest| named_by(guest) == person);
        acted || matched || self.opens(person) || self.has_told(person)
    }

    /// Why an erasure has to wait.
    pub(super) fn waits(&self, person: &str) -> Option<Refused> {
        let of_theirs = |action: &Action| {
            let at_rest = matches!(action.row.state, "proposed" | "sealed");
            let unknown = action.row.outcome == Some(Outcome::Unknown);
            action.person() == person && (!at_rest || unknown)
        };
        if self.holds.contains(person) {
            return Some(held());
        }
        let waiting = self.actions.values().filter(|a| of_theirs(a)).count();
        (waiting > 0).then(|| in_flight(i64::try_from(waiting).unwrap_or(i64::MAX)))
    }

    /// How often somebody was erased.
    pub(super) fn times_erased(&self, person: &str) -> usize {
        self.erased.iter().filter(|gone| *gone == person).count()
    }

    pub(super) fn erase(&mut self, person: &str) {
        self.erased.push(person.to_owned());
        self.actions.retain(|_, a| a.row.state != "proposed" || a.person() != person);
        for action in self.actions.values_mut().filter(|a| a.person() == person) {
            action.journal.clear();
        }
        self.seen.retain(|_, seen| seen.person != person);
        self.matches.retain(|guest, _| named_by(guest) != person);
        self.erase_turns(person);
        super::register::erase(&mut self.register, person);
        self.close(person);
    }
}

impl Action {
    fn is_occasion_of(&self, row: &Row) -> bool {
        self.row.proposal.intent() == row.proposal.intent() && self.row.occasion == row.occasion
    }
}

fn person(owner: &Subject, conversation: &str) -> [String; 4] {
    [&owner.tenant, &owner.issuer, &owner.id, conversation].map(str::to_owned)
}

/// Whose match it is.
fn named_by([tenant, issuer, id, _]: &[String; 4]) -> String {
    let [tenant, issuer, id] = [tenant, issuer, id].map(Clone::clone);
    named(&Person::Named { tenant, issuer, id })
}

/// A guest goes by the name in the token.
pub(super) fn guest(owner: &Subject, conversation: &str) -> [String; 4] {
    [&owner.tenant, &owner.issuer, &owner.signs_as, conversation].map(str::to_owned)
}
