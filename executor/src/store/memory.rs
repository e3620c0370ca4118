//! For tests only: one database in memory, shared by as many executors as like, with the
//! leases and fences of a real one. Nothing of it outlives the process.
//!
//! ```text
//! executor ──Line::there──▶ Database::commit ──Line::back──▶ executor
//!            lost: nothing was done            lost: it was done and nobody heard
//! ```
//!
//! A commit is the moment at which a write becomes durable: an executor that crashes on
//! the way there has written nothing.

mod claims;
mod executors;
mod log;
mod persons;
mod register;
mod tables;
mod turns;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::activation::{Active, Part};
use countersign_core::claim::{Latest, Taken};
use countersign_core::error::Refused;
use countersign_core::grant::Granted;
use countersign_core::lifecycle::{Event, State};
use countersign_core::limit::{Budget, Spent};
use countersign_core::resolve::{Evidence, Observation};
use countersign_core::seal::Leaf;
use countersign_core::subject::{Matched, Subject};
use countersign_core::switch::{Off, Reach, Switches};
use countersign_shared::ids::{ActionId, EscalationId, ObservationId, ReceiptId};
use countersign_shared::tlog::key::LogKey;
use jiff::Timestamp;
use parking_lot::Mutex;

use super::row::Row;
use crate::lease::Lease;
use crate::ports::{
    Activation, Escalation, EscalationQuery, Fed, Files, Named, Old, Open, ReceiptQuery,
    SealedReceipt, Store, StoreError, Turn, TurnQuery,
};
use crate::standing::{Quarantine, Standing};
use tables::Tables;
pub use tables::Written;

/// What every executor shares.
pub struct Database {
    tables: Mutex<Tables>,
    written: Mutex<Vec<Written>>,
    log: Arc<LogKey>,
    /// How long a lease lasts.
    lease: Duration,
    now: Box<dyn Fn() -> Timestamp + Send + Sync>,
}

/// The way between one executor and the database.
#[async_trait]
pub trait Line: Send + Sync + 'static {
    /// A question is on its way; after an error it never arrives.
    async fn there(&self) -> Result<(), StoreError>;
    /// An answer is on its way; after an error the executor does not hear it.
    async fn back(&self) -> Result<(), StoreError>;
}

/// One executor's connection.
pub struct Memory {
    database: Arc<Database>,
    line: Arc<dyn Line>,
    name: String,
    /// This executor's generation: what its writes are fenced by.
    me: AtomicU64,
    lease: Lease,
    /// Time that never goes back, which the lease is counted in.
    awake: Arc<dyn Fn() -> Duration + Send + Sync>,
    /// Claims to be given back with the next question.
    owed: Mutex<Vec<ActionId>>,
}

impl Database {
    /// An empty one. `now` is the clock that leases end by.
    #[must_use]
    pub fn new(
        log: Arc<LogKey>,
        lease: Duration,
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Self {
        Self { tables: Mutex::default(), written: Mutex::default(), log, lease, now: Box::new(now) }
    }

    /// Events that were written, in the order of the commits, some of the first left out.
    #[must_use]
    pub fn written(&self, from: usize) -> Vec<Written> {
        self.written.lock().iter().skip(from).cloned().collect()
    }

    /// How many actions were begun and have no receipt.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.tables.lock().actions.values().filter(|action| action.is_unfinished()).count()
    }

    /// Every leaf of the log, and the newest checkpoint.
    #[must_use]
    pub fn log(&self) -> (Vec<SealedReceipt>, String) {
        let tables = self.tables.lock();
        (tables.leaves(), tables.note.clone())
    }

    /// All of it, or nothing.
    fn commit<T>(
        &self,
        work: impl FnOnce(&mut Tables) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut tables = self.tables.lock();
        let mut next = tables.clone();
        let done = work(&mut next)?;
        next.sign(&self.log)?;
        self.written.lock().append(&mut next.written);
        *tables = next;
        Ok(done)
    }
}

impl Memory {
    /// Joins as an executor of this name: whoever had it before is dead. Renews its lease
    /// for as long as the result is in use.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn open(
        database: Arc<Database>,
        line: Arc<dyn Line>,
        name: &str,
        awake: Arc<dyn Fn() -> Duration + Send + Sync>,
    ) -> Result<Arc<Self>, StoreError> {
        let clock = Arc::clone(&awake);
        let store = Arc::new(Self {
            database,
            line,
            name: name.to_owned(),
            me: AtomicU64::new(0),
            lease: Lease::ended(move || clock()),
            awake,
            owed: Mutex::default(),
        });
        store.renew().await?;
        tokio::spawn(executors::keep(Arc::downgrade(&store)));
        Ok(store)
    }

    fn me(&self) -> u64 {
        self.me.load(Ordering::SeqCst)
    }

    /// One transaction: there, done, back.
    async fn transact<T: Send>(
        &self,
        work: impl FnOnce(&mut Tables) -> Result<T, StoreError> + Send,
    ) -> Result<T, StoreError> {
        self.line.there().await?;
        let owed = std::mem::take(&mut *self.owed.lock());
        let done = self.database.commit(|tables| {
            owed.iter().for_each(|action| tables.release(self.me(), action));
            work(tables)
        });
        if done.is_err() {
            self.owed.lock().extend(owed);
        }
        self.line.back().await?;
        done
    }

    /// One that a fenced executor may not make.
    async fn write<T: Send>(
        &self,
        work: impl FnOnce(&mut Tables, u64) -> Result<T, StoreError> + Send,
    ) -> Result<T, StoreError> {
        self.transact(|tables| {
            tables.stands(self.me())?;
            work(tables, self.me())
        })
        .await
    }

    /// A write that belongs to an action or to the log: never in quarantine.
    async fn act<T: Send>(
        &self,
        work: impl FnOnce(&mut Tables, u64) -> Result<T, StoreError> + Send,
    ) -> Result<T, StoreError> {
        self.write(|tables, me| match tables.standing.quarantine {
            Some(_) => Err(StoreError::Quarantined),
            None => work(tables, me),
        })
        .await
    }

    async fn read<T: Send>(
        &self,
        work: impl FnOnce(&Tables) -> Result<T, StoreError> + Send,
    ) -> Result<T, StoreError> {
        self.line.there().await?;
        let read = work(&self.database.tables.lock());
        self.line.back().await?;
        read
    }
}

#[async_trait]
impl Store for Memory {
    async fn claim(
        &self,
        granted: &Granted,
        budget: &Budget,
        now: Timestamp,
    ) -> Result<Result<Taken, Refused>, StoreError> {
        self.act(|tables, me| Ok(tables.claim(me, granted, budget, now))).await
    }

    async fn spent(&self, budget: &Budget, now: Timestamp) -> Result<Spent, StoreError> {
        self.read(|tables| Ok(tables.spent(budget, now))).await
    }

    async fn known(&self, intent: &str) -> Result<Option<Latest>, StoreError> {
        self.read(|tables| Ok(tables.latest(intent))).await
    }

    fn release(&self, action: &ActionId) {
        self.owed.lock().push(action.clone());
    }

    async fn append(&self, seq: u64, events: Vec<Event>, state: &State) -> Result<(), StoreError> {
        let row = Row::of(state);
        self.act(|tables, me| tables.append(me, row, seq, &events)).await
    }

    async fn seal(
        &self,
        leaf: Leaf,
        action: Option<(u64, Vec<Event>, &State)>,
    ) -> Result<SealedReceipt, StoreError> {
        let action = action.map(|(seq, events, state)| (seq, events, Row::of(state)));
        self.act(|tables, me| {
            match action {
                Some((seq, events, row)) => tables.append(me, row, seq, &events)?,
                None => tables.still_open(&leaf)?,
            }
            let index = tables.log(&leaf)?;
            tables.sealed(index)
        })
        .await
    }

    async fn replace(
        &self,
        leaf: Leaf,
        (seq, events, state): (u64, Vec<Event>, &State),
        (first, begun): (Vec<Event>, &State),
    ) -> Result<u64, StoreError> {
        let (old, new) = (Row::of(state), Row::of(begun));
        self.act(|tables, me| {
            tables.append(me, old, seq, &events)?;
            tables.append(me, new, 0, &first)?;
            tables.log(&leaf)
        })
        .await
    }

    async fn escalations(&self, query: EscalationQuery) -> Result<Vec<Escalation>, StoreError> {
        self.read(|tables| Ok(tables.matters(&query))).await
    }

    async fn take(
        &self,
        id: &EscalationId,
        from: Option<String>,
        to: Option<String>,
    ) -> Result<bool, StoreError> {
        self.write(|tables, _| Ok(tables.take(id, &from, to))).await
    }

    async fn observe(
        &self,
        owner: &Subject,
        conversation: &str,
        seen: Observation,
    ) -> Result<(), StoreError> {
        self.write(|tables, _| {
            tables.observe(owner, conversation, seen);
            Ok(())
        })
        .await
    }

    async fn evidence(
        &self,
        owner: &Subject,
        conversation: &str,
        observations: Vec<ObservationId>,
        receipts: Vec<ReceiptId>,
    ) -> Result<Evidence, StoreError> {
        self.read(|tables| tables.evidence(owner, conversation, observations, receipts)).await
    }

    async fn journal(&self, owner: &Subject, action: Named) -> Result<Vec<Event>, StoreError> {
        self.read(|tables| tables.journal(&action, Some(owner))).await
    }

    async fn waiting(&self) -> Result<Vec<Vec<Event>>, StoreError> {
        self.read(|tables| tables.journals(|action| action.row.state == "waiting")).await
    }

    async fn parked(&self, action: Named) -> Result<Vec<Event>, StoreError> {
        self.read(|tables| tables.journal(&action, None)).await
    }

    async fn open(
        &self,
        owner: &Subject,
        caller: &str,
        since: Timestamp,
    ) -> Result<Open, StoreError> {
        self.read(|tables| Ok(tables.open(owner, caller, since))).await
    }

    async fn unfinished(&self) -> Result<Vec<Vec<Event>>, StoreError> {
        self.read(|tables| tables.journals(tables::Action::is_unfinished)).await
    }

    async fn adopt(&self) -> Result<Vec<ActionId>, StoreError> {
        let quiet = self.database.lease / 2;
        let now = (self.database.now)();
        self.write(|tables, me| match tables.standing.quarantine {
            // What was sent waits for the recovery.
            Some(_) => Ok(Vec::new()),
            None => Ok(tables.adopt(me, &self.name, now, quiet)),
        })
        .await
    }

    async fn holds(&self, action: &ActionId) -> Result<bool, StoreError> {
        self.read(|tables| Ok(tables.holds(self.me(), action))).await
    }

    fn lease(&self) -> Lease {
        self.lease.clone()
    }

    async fn leave(&self) -> Result<(), StoreError> {
        let now = (self.database.now)();
        self.write(|tables, me| {
            tables.expire(me, now);
            Ok(())
        })
        .await
    }

    async fn purge(&self, old: Old, most: u32) -> Result<usize, StoreError> {
        self.write(|tables, _| Ok(tables.purge(old, most))).await
    }

    async fn receipts(&self, query: ReceiptQuery) -> Result<Vec<SealedReceipt>, StoreError> {
        self.read(|tables| Ok(tables.receipts(&query))).await
    }

    async fn standing(&self) -> Result<Standing, StoreError> {
        self.read(|tables| Ok(tables.standing.clone())).await
    }

    async fn newest(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read(|tables| Ok(tables.newest())).await
    }

    async fn quarantine(&self, why: Quarantine) -> Result<(), StoreError> {
        self.write(|tables, _| {
            tables.standing.quarantine.get_or_insert(why);
            Ok(())
        })
        .await
    }

    async fn switches(&self) -> Result<Switches, StoreError> {
        self.read(|tables| Ok(Switches::new(tables.switches.clone()))).await
    }

    async fn turn(&self, reach: Reach, off: Option<Off>, leaf: Leaf) -> Result<u64, StoreError> {
        self.act(|tables, _| {
            match off {
                Some(off) => tables.switches.insert(reach, off),
                None => tables.switches.remove(&reach),
            };
            tables.log(&leaf)
        })
        .await
    }

    async fn activated(&self) -> Result<BTreeMap<Part, Active>, StoreError> {
        self.read(|tables| Ok(tables.activated.clone())).await
    }

    async fn bundle(&self) -> Result<BTreeMap<String, String>, StoreError> {
        self.read(|tables| Ok(tables.bundle.clone())).await
    }

    async fn activate(&self, all: Vec<Activation>, receipts: Vec<Leaf>) -> Result<(), StoreError> {
        self.act(|tables, _| {
            for one in all {
                let standing = tables.activated.get(&one.part);
                if standing.is_some_and(|active| active.digest == one.active.digest) {
                    return Err(StoreError::Conflict);
                }
                if one.part == Part::Policy {
                    tables.bundle = one.bundle.unwrap_or_default();
                }
                tables.activated.insert(one.part, one.active);
            }
            receipts.iter().try_for_each(|leaf| tables.log(leaf).map(drop))
        })
        .await
    }

    async fn probe(&self) -> Result<Option<Timestamp>, StoreError> {
        self.write(|_, _| Ok(None)).await
    }

    async fn count_try(&self, against: [String; 2], now: Timestamp) -> Result<bool, StoreError> {
        self.write(|tables, _| Ok(tables.count_try(against, now))).await
    }

    async fn remember_match(
        &self,
        owner: &Subject,
        conversation: &str,
        matched: Matched,
    ) -> Result<(), StoreError> {
        self.write(|tables, _| {
            tables.matches.insert(tables::guest(owner, conversation), matched);
            Ok(())
        })
        .await
    }

    async fn matched(
        &self,
        owner: &Subject,
        conversation: &str,
    ) -> Result<Option<Matched>, StoreError> {
        self.read(|tables| Ok(tables.matches.get(&tables::guest(owner, conversation)).cloned()))
            .await
    }

    async fn checkpoint(&self) -> Result<String, StoreError> {
        self.read(|tables| Ok(tables.note.clone())).await
    }

    async fn inclusion(&self, index: u64, size: u64) -> Result<Vec<[u8; 32]>, StoreError> {
        self.read(|tables| tables.inclusion(index, size)).await
    }

    async fn consistency(&self, from: u64, to: u64) -> Result<Vec<[u8; 32]>, StoreError> {
        self.read(|tables| tables.consistency(from, to)).await
    }

    async fn keep_bundle(&self, digest: &str, files: Files) -> Result<(), StoreError> {
        self.write(|tables, _| {
            tables.bundles.entry(digest.to_owned()).or_insert(files);
            Ok(())
        })
        .await
    }

    async fn kept_bundle(&self, digest: &str) -> Result<Option<Files>, StoreError> {
        self.read(|tables| Ok(tables.bundles.get(digest).cloned())).await
    }

    async fn kept_bundles(&self) -> Result<Vec<String>, StoreError> {
        self.read(|tables| Ok(tables.bundles.keys().cloned().collect())).await
    }

    async fn leaves(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, StoreError> {
        self.read(|tables| Ok(tables.bytes(&range))).await
    }

    async fn fed(&self, sink: &str) -> Result<Option<Fed>, StoreError> {
        self.write(|tables, me| Ok(tables.take_sink(me, sink))).await
    }

    async fn feed(&self, sink: &str, fed: Fed) -> Result<(), StoreError> {
        self.act(|tables, me| tables.feed(me, sink, fed)).await
    }

    async fn hold(&self, person: String, holds: bool, leaf: Leaf) -> Result<u64, StoreError> {
        self.act(|tables, _| {
            if holds {
                tables.holds.insert(person);
            } else {
                tables.holds.remove(&person);
            }
            tables.log(&leaf)
        })
        .await
    }

    async fn erase(
        &self,
        persons: Vec<(String, Leaf)>,
        _now: Timestamp,
    ) -> Result<Result<(), Refused>, StoreError> {
        self.act(|tables, _| {
            if let Some(refused) = persons.iter().find_map(|(person, _)| tables.waits(person)) {
                return Ok(Err(refused));
            }
            for (person, leaf) in &persons {
                tables.erase(person);
                tables.log(leaf)?;
            }
            Ok(Ok(()))
        })
        .await
    }

    async fn record(&self, owner: &Subject, turn: Turn) -> Result<(), StoreError> {
        self.write(|tables, _| tables.record(owner, turn)).await
    }

    async fn turns(&self, query: TurnQuery) -> Result<Vec<Turn>, StoreError> {
        self.read(|tables| Ok(tables.told(&query))).await
    }

    async fn persons_of(&self, email: &str) -> Result<Vec<String>, StoreError> {
        self.read(|tables| Ok(tables.persons_of(email))).await
    }
}

#[cfg(test)]
mod tests;
