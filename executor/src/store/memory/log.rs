//! The log with its tree, and the queue of people that receipts open and close.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use countersign_core::escalation::Case;
use countersign_core::person::Person;
use countersign_core::seal::{Leaf, Queue};
use countersign_core::subject::Subject;
use countersign_shared::ids::{EscalationId, ReceiptId};
use countersign_shared::receipt::{self, Openings, Receipt};
use countersign_shared::tlog::checkpoint::Checkpoint;
use countersign_shared::tlog::key::{LogKey, Signer as _};
use countersign_shared::tlog::merkle::{HashReader, leaf_hash};
use countersign_shared::tlog::path::{PathError, consistency_path, inclusion_path};
use jiff::Timestamp;
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use super::register::digest;
use super::tables::Tables;
use crate::ports::{Escalation, EscalationQuery, ReceiptQuery, SealedReceipt, Stand, StoreError};
use crate::store::known::damaged;
use crate::store::register::EntryRow;

/// A receipt, its exact bytes, and what opens them until it is erased.
#[derive(Clone)]
pub(super) struct Stored {
    receipt: Receipt,
    bytes: Vec<u8>,
    openings: Openings,
    pub(super) person: String,
}

/// Nothing here outlives the process: a digest without a key tells persons apart.
pub(super) fn named(person: &Person) -> String {
    match person {
        Person::Digest(digest) => digest.clone(),
        Person::Named { .. } => {
            let names = serde_json::to_vec(person).unwrap_or_default();
            hex::encode(Sha256::digest(names))
        }
    }
}

impl Tables {
    /// Puts a leaf into the log, once, and answers with its index.
    pub(super) fn log(&mut self, leaf: &Leaf) -> Result<u64, StoreError> {
        if self.stored.iter().any(|s| s.receipt.receipt_id == leaf.receipt.receipt_id) {
            return Err(StoreError::Unavailable("the receipt is in the log already".to_owned()));
        }
        match &leaf.queue {
            Queue::Stays => {}
            Queue::Opens(case) => self.raise(case),
            Queue::Closes(matter) => self.settle(matter, &leaf.receipt.receipt_id),
        }
        let index = self.tree.size();
        let person = named(&leaf.person);
        let mut receipt = leaf.receipt.clone();
        receipt.asked.person.clone_from(&person);
        // The same seed makes the same log.
        let secret = Sha256::digest(&receipt.receipt_id).into();
        let (bytes, openings) = receipt::cover(receipt.clone(), &secret).map_err(damaged)?;
        for node in self.tree.append(leaf_hash(&bytes)) {
            self.nodes.insert((node.level, node.index), node.hash);
        }
        let row = EntryRow::opened(&receipt, &leaf.queue, &person, &digest);
        self.register.push(Arc::new(row));
        self.stored.push(Arc::new(Stored { receipt, bytes, openings, person }));
        Ok(index)
    }

    /// Signs the tree, where it has grown.
    pub(super) fn sign(&mut self, key: &LogKey) -> Result<(), StoreError> {
        let size = Checkpoint::open(self.note.as_bytes(), &key.verifier_key());
        if size.map_or(0, |(checkpoint, _)| checkpoint.size()) == self.tree.size() {
            return Ok(());
        }
        let checkpoint =
            Checkpoint::new(key.verifier_key().name(), self.tree.size(), self.tree.root());
        let note = checkpoint.map_err(damaged)?.sign(key).map_err(damaged)?;
        self.note = note.to_string();
        Ok(())
    }

    fn raise(&mut self, case: &Case) {
        let open = |e: &Escalation| e.case.matter == case.matter && e.closed_by.is_none();
        if self.escalations.values().any(open) {
            return;
        }
        let who = [&case.tenant, &case.issuer, &case.subject, &case.conversation].map(Clone::clone);
        let seen = case.observations.iter().filter_map(|id| self.seen_by(id, &who)).collect();
        let matter = Escalation { case: case.clone(), seen, taken_by: None, closed_by: None };
        self.escalations.insert(case.id.to_string(), matter);
    }

    /// A matter that this ends has to be open: another word may have ended it.
    pub(super) fn still_open(&self, leaf: &Leaf) -> Result<(), StoreError> {
        let Queue::Closes(matter) = &leaf.queue else { return Ok(()) };
        let open = |e: &Escalation| e.case.matter == *matter && e.closed_by.is_none();
        if self.escalations.values().any(open) { Ok(()) } else { Err(StoreError::Conflict) }
    }

    fn settle(&mut self, matter: &str, receipt: &str) {
        let open = |e: &&mut Escalation| e.case.matter == matter && e.closed_by.is_none();
        for escalation in self.escalations.values_mut().filter(open) {
            escalation.closed_by = receipt.parse().ok();
        }
    }

    pub(super) fn take(
        &mut self,
        id: &EscalationId,
        from: &Option<String>,
        to: Option<String>,
    ) -> bool {
        let Some(matter) = self.escalations.get_mut(id.as_str()) else { return false };
        let there = to.is_some() && matter.taken_by == to;
        if matter.closed_by.is_some() || (matter.taken_by != *from && !there) {
            return false;
        }
        matter.taken_by = to;
        true
    }

    pub(super) fn matters(&self, query: &EscalationQuery) -> Vec<Escalation> {
        let asked = |wanted: &str, is: &str| wanted.is_empty() || wanted == is;
        let after = |e: &Escalation, last: &EscalationId| match query.stand {
            Stand::Open | Stand::Any => e.case.id > *last,
            Stand::Untaken => e.case.id < *last,
            Stand::Ended => self
                .escalations
                .get(last.as_str())
                .is_some_and(|last| (&e.closed_by, &e.case.id) < (&last.closed_by, &last.case.id)),
        };
        let matches = |e: &&Escalation| {
            query.id.as_ref().is_none_or(|id| *id == e.case.id)
                && query.after.as_ref().is_none_or(|last| after(e, last))
                && asked(&query.tenant, &e.case.tenant)
                && asked(&query.matter, &e.case.matter)
                && asked(&query.taken_by, e.taken_by.as_deref().unwrap_or_default())
                && match query.stand {
                    Stand::Open => e.closed_by.is_none(),
                    Stand::Untaken => e.closed_by.is_none() && e.taken_by.is_none(),
                    Stand::Ended => e.closed_by.is_some(),
                    Stand::Any => true,
                }
        };
        let mut found: Vec<_> = self.escalations.values().filter(matches).cloned().collect();
        match query.stand {
            Stand::Open | Stand::Any => {}
            Stand::Untaken => found.reverse(),
            Stand::Ended => {
                found.sort_by(|a, b| (&b.closed_by, &b.case.id).cmp(&(&a.closed_by, &a.case.id)))
            }
        }
        found.truncate(usize::try_from(query.limit).unwrap_or(usize::MAX));
        found
    }

    pub(super) fn sealed(&self, index: u64) -> Result<SealedReceipt, StoreError> {
        let place = usize::try_from(index).unwrap_or(usize::MAX);
        let found = self.stored.get(place).and_then(|stored| stored.sealed(index));
        found.ok_or_else(|| damaged("no such leaf"))
    }

    pub(super) fn leaves(&self) -> Vec<SealedReceipt> {
        (0..).zip(&self.stored).filter_map(|(index, stored)| stored.sealed(index)).collect()
    }

    pub(super) fn receipts(&self, query: &ReceiptQuery) -> Vec<SealedReceipt> {
        let matches = |(index, stored): &(u64, &Arc<Stored>)| {
            query.before.is_none_or(|before| *index < before) && stored.matches(query)
        };
        let most = usize::try_from(query.limit).unwrap_or(usize::MAX);
        let all: Vec<_> = (0..).zip(&self.stored).filter(matches).collect();
        all.into_iter().rev().take(most).filter_map(|(index, s)| s.sealed(index)).collect()
    }

    /// When the newest receipt was sealed.
    pub(super) fn newest(&self) -> Option<Timestamp> {
        self.stored.last().map(|stored| stored.receipt.sealed_at)
    }

    /// What a receipt says of the effect, for its own subject.
    pub(super) fn output(
        &self,
        id: &ReceiptId,
        owner: &Subject,
    ) -> Result<Option<Json>, StoreError> {
        let theirs = |s: &&Arc<Stored>| {
            let r = &s.receipt;
            r.receipt_id == id.as_str()
                && (&r.tenant, &r.asked.issuer, &r.asked.subject)
                    == (&owner.tenant, &owner.issuer, &owner.id)
        };
        let Some(stored) = self.stored.iter().find(theirs) else { return Ok(None) };
        Ok((!stored.openings.0.is_empty()).then(|| stored.receipt.output.clone()))
    }

    /// What opened the leaves of a person is gone.
    pub(super) fn close(&mut self, person: &str) {
        for stored in self.stored.iter_mut().filter(|stored| stored.person == person) {
            let closed = Stored { openings: Openings::default(), ..Stored::clone(stored) };
            *stored = Arc::new(closed);
        }
        self.escalations.retain(|_, matter| named(&matter.case.person) != person);
    }

    /// Whether a leaf of theirs still opens.
    pub(super) fn opens(&self, person: &str) -> bool {
        self.stored.iter().any(|stored| !stored.openings.0.is_empty() && stored.person == person)
    }

    /// What opened leaves from before this one is gone, but for persons on hold.
    pub(super) fn forget(&mut self, first: &ReceiptId, holds: &BTreeSet<String>) -> usize {
        let mut gone = 0;
        for stored in &mut self.stored {
            let old = stored.receipt.receipt_id.as_str() < first.as_str();
            if old && !stored.openings.0.is_empty() && !holds.contains(&stored.person) {
                *stored =
                    Arc::new(Stored { openings: Openings::default(), ..Stored::clone(stored) });
                gone += 1;
            }
        }
        gone
    }

    pub(super) fn bytes(&self, range: &Range<u64>) -> Vec<Vec<u8>> {
        let within = (0..).zip(&self.stored).filter(|(index, _)| range.contains(index));
        within.map(|(_, stored)| stored.bytes.clone()).collect()
    }

    pub(super) fn inclusion(&self, index: u64, size: u64) -> Result<Vec<[u8; 32]>, StoreError> {
        inclusion_path(index, size, self).map_err(out_of_range)
    }

    pub(super) fn consistency(&self, from: u64, to: u64) -> Result<Vec<[u8; 32]>, StoreError> {
        consistency_path(from, to, self).map_err(out_of_range)
    }
}

impl Stored {
    fn sealed(&self, index: u64) -> Option<SealedReceipt> {
        let id = self.receipt.receipt_id.parse().ok()?;
        let (body, openings) = (self.bytes.clone(), self.openings.clone());
        Some(SealedReceipt { id, index, body, openings, lost: false })
    }

    fn matches(&self, query: &ReceiptQuery) -> bool {
        let r = &self.receipt;
        let is = |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|w| w == is);
        let owner = |(tenant, issuer, subject): &(String, String, String)| {
            (tenant, issuer, subject) == (&r.tenant, &r.asked.issuer, &r.asked.subject)
        };
        query.id.as_ref().is_none_or(|id| id.as_str() == r.receipt_id)
            && query.owner.as_ref().is_none_or(owner)
            && is(&query.tenant, &r.tenant)
            && is(&query.external_ref, &r.asked.external_ref)
            && is(&query.tool, &r.tool)
            && query.from.is_none_or(|from| r.sealed_at >= from)
            && query.to.is_none_or(|to| r.sealed_at < to)
    }
}

impl HashReader for Tables {
    type Error = StoreError;

    fn hash(&self, level: u8, index: u64) -> Result<[u8; 32], StoreError> {
        let missing = || StoreError::Damaged(format!("tree node {level}/{index} is missing"));
        self.nodes.get(&(level, index)).copied().ok_or_else(missing)
    }
}

fn out_of_range(error: PathError<StoreError>) -> StoreError {
    match error {
        PathError::OutOfRange { .. } => StoreError::OutOfRange,
        PathError::Read(error) => error,
    }
}
