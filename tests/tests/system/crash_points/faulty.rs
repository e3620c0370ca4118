//! A store that fails, or takes its process with it, at one durable step.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use async_trait::async_trait;
use countersign_core::activation::{Active, Part};
use countersign_core::claim::{Latest, Taken};
use countersign_core::error::Refused;
use countersign_core::grant::Granted;
use countersign_core::lifecycle::{Event, State};
use countersign_core::limit::{Budget, Spent};
use countersign_core::person::Person;
use countersign_core::resolve::{Evidence, Observation};
use countersign_core::seal::Leaf;
use countersign_core::subject::{Matched, Subject};
use countersign_core::switch::{Off, Reach, Switches};
use countersign_executor::conversations::{Conversations, Costs, Rating, Ratings};
use countersign_executor::lease::Lease;
use countersign_executor::ports::{
    Activation, Escalation, EscalationQuery, Fed, Files, Named, Occasions, Old, Open, Persons,
    ReceiptQuery, SealedReceipt, Store, StoreError, Turn, TurnQuery,
};
use countersign_executor::register::{Day, Found, Register, Search, Wait};
use countersign_executor::standing::{Quarantine, Standing};
use countersign_shared::ids::{ActionId, EscalationId, ObservationId, ReceiptId};
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Calls that a store which is down turns away after the first.
const DOWN: u32 = 3;

/// What happens at a durable step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It fails and nothing persisted.
    FailsBefore,
    /// It persisted, and the caller is told that it failed.
    FailsAfter,
    /// It and the next ones fail, and nothing persisted.
    DownBefore,
    /// It persisted, and the caller is told that it failed; the next ones fail.
    DownAfter,
    /// The process is gone, nothing persisted.
    CrashBefore,
    /// It persisted, and the process is gone.
    CrashAfter,
}

impl How {
    pub const ALL: [Self; 6] = [
        Self::FailsBefore,
        Self::FailsAfter,
        Self::DownBefore,
        Self::DownAfter,
        Self::CrashBefore,
        Self::CrashAfter,
    ];
}

/// Whether a store takes no writes for a while, and who heard of it.
#[derive(Default)]
pub struct ReadOnly {
    on: AtomicBool,
    refused: Notify,
}

impl ReadOnly {
    pub fn set(&self, on: bool) {
        self.on.store(on, Ordering::SeqCst);
    }

    /// Until an action's step is refused.
    pub async fn refuses(&self) {
        self.refused.notified().await;
    }
}

/// The real store, with one fault in it.
pub struct Faulty {
    inner: Arc<dyn Store>,
    read_only: Arc<ReadOnly>,
    fault: Option<(u32, How)>,
    steps: AtomicU32,
    gone: AtomicBool,
    /// Rung when the process is gone.
    pub crashed: Notify,
    /// Mutations that reached the shop so far.
    mutations: Box<dyn Fn() -> usize + Send + Sync>,
    /// What was seen that must never be.
    pub wrong: Mutex<Vec<String>>,
}

impl Faulty {
    pub fn new(
        (inner, read_only): (Arc<dyn Store>, Arc<ReadOnly>),
        fault: Option<(u32, How)>,
        mutations: impl Fn() -> usize + Send + Sync + 'static,
    ) -> Self {
        Self {
            inner,
            read_only,
            fault,
            steps: AtomicU32::new(0),
            gone: AtomicBool::new(false),
            crashed: Notify::new(),
            mutations: Box::new(mutations),
            wrong: Mutex::default(),
        }
    }

    /// Whether the step of the fault was reached.
    pub fn met(&self) -> bool {
        self.fault.is_some_and(|(at, _)| self.steps.load(Ordering::SeqCst) >= at)
    }

    async fn durable<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.alive().await;
        if self.read_only.on.load(Ordering::SeqCst) {
            return failed();
        }
        let step = self.steps.fetch_add(1, Ordering::SeqCst) + 1;
        if self.down(step) {
            return failed();
        }
        match self.fault.filter(|(at, _)| *at == step).map(|(_, how)| how) {
            None => work.await,
            Some(How::FailsBefore | How::DownBefore) => failed(),
            Some(How::FailsAfter | How::DownAfter) => {
                work.await?;
                failed()
            }
            Some(How::CrashBefore) => self.crash().await,
            Some(How::CrashAfter) => {
                work.await?;
                self.crash().await
            }
        }
    }

    /// A durable step of an action.
    async fn step<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let taken = self.durable(work).await;
        if self.read_only.on.load(Ordering::SeqCst) {
            self.read_only.refused.notify_one();
        }
        taken
    }

    /// Whether the store is still down at this step, or for a reader now.
    fn down(&self, step: u32) -> bool {
        self.fault.is_some_and(|(at, how)| {
            matches!(how, How::DownBefore | How::DownAfter) && (at + 1..=at + DOWN).contains(&step)
        })
    }

    /// A read: none after the crash, none while the store is down.
    async fn reads<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.alive().await;
        let next = self.steps.load(Ordering::SeqCst) + 1;
        if self.down(next) {
            // Each look at a store that is down brings the end of it nearer.
            self.steps.fetch_add(1, Ordering::SeqCst);
            return failed();
        }
        work.await
    }

    async fn crash<T>(&self) -> T {
        self.gone.store(true, Ordering::SeqCst);
        self.crashed.notify_one();
        std::future::pending().await
    }

    /// After the crash nothing of the process goes on.
    async fn alive(&self) {
        if self.gone.load(Ordering::SeqCst) {
            std::future::pending().await
        }
    }

    /// INTENT FIRST, seen from the journal's side: what is only now about to be
    /// written down has not been sent.
    fn intent_first(&self, events: &[Event], state: &State) {
        let sent = (self.mutations)();
        let begins = |e: &&Event| matches!(e, Event::Intended(_) | Event::Resent(_));
        if !events.iter().any(|e| begins(&e)) {
            return;
        }
        if let State::Sent(dispatch) = state
            && sent >= dispatch.attempts().len()
        {
            let attempts = dispatch.attempts().len();
            self.wrong.lock().push(format!("{sent} sent before attempt {attempts} was durable"));
        }
    }
}

fn failed<T>() -> Result<T, StoreError> {
    Err(StoreError::Unavailable("as the test wants it".to_owned()))
}

#[async_trait]
impl Register for Faulty {
    async fn search(&self, search: Search) -> Result<Vec<Found>, StoreError> {
        self.reads(self.inner.search(search)).await
    }

    async fn days(&self, tenant: Option<String>, days: Range<i64>) -> Result<Vec<Day>, StoreError> {
        self.reads(self.inner.days(tenant, days)).await
    }

    async fn waits(
        &self,
        tenant: Option<String>,
        within: Range<Timestamp>,
    ) -> Result<Vec<Wait>, StoreError> {
        self.reads(self.inner.waits(tenant, within)).await
    }
}

#[async_trait]
impl Conversations for Faulty {
    async fn costs(
        &self,
        tenant: Option<String>,
        days: Range<i64>,
    ) -> Result<Vec<Costs>, StoreError> {
        self.reads(self.inner.costs(tenant, days)).await
    }

    async fn rate(
        &self,
        owner: &Subject,
        conversation: &str,
        rating: Rating,
    ) -> Result<bool, StoreError> {
        self.inner.rate(owner, conversation, rating).await
    }

    async fn ratings(
        &self,
        tenant: Option<String>,
        days: Range<i64>,
    ) -> Result<Vec<Ratings>, StoreError> {
        self.reads(self.inner.ratings(tenant, days)).await
    }
}

#[async_trait]
impl Persons for Faulty {
    fn person(&self, person: &Person) -> String {
        self.inner.person(person)
    }

    async fn knows(&self, person: &str) -> Result<bool, StoreError> {
        self.inner.knows(person).await
    }

    async fn kept_under(&self, person: &str) -> Result<String, StoreError> {
        self.inner.kept_under(person).await
    }

    async fn erased(&self, kept_under: &[String]) -> Result<Vec<String>, StoreError> {
        self.inner.erased(kept_under).await
    }

    async fn end_unreadable(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.reads(self.inner.end_unreadable(now)).await
    }
}

#[async_trait]
impl Occasions for Faulty {
    async fn refused(&self, intent: &str) -> Result<Vec<u32>, StoreError> {
        self.reads(self.inner.refused(intent)).await
    }
}

#[async_trait]
impl Store for Faulty {
    async fn claim(
        &self,
        granted: &Granted,
        budget: &Budget,
        now: Timestamp,
    ) -> Result<Result<Taken, Refused>, StoreError> {
        self.reads(self.inner.claim(granted, budget, now)).await
    }

    async fn spent(&self, budget: &Budget, now: Timestamp) -> Result<Spent, StoreError> {
        self.reads(self.inner.spent(budget, now)).await
    }

    async fn waiting(&self) -> Result<Vec<Vec<Event>>, StoreError> {
        self.reads(self.inner.waiting()).await
    }

    async fn parked(&self, action: Named) -> Result<Vec<Event>, StoreError> {
        self.reads(self.inner.parked(action)).await
    }

    async fn open(
        &self,
        owner: &Subject,
        caller: &str,
        since: Timestamp,
    ) -> Result<Open, StoreError> {
        self.reads(self.inner.open(owner, caller, since)).await
    }

    async fn known(&self, intent: &str) -> Result<Option<Latest>, StoreError> {
        self.reads(self.inner.known(intent)).await
    }

    fn release(&self, action: &ActionId) {
        self.inner.release(action);
    }

    async fn append(&self, seq: u64, events: Vec<Event>, state: &State) -> Result<(), StoreError> {
        self.intent_first(&events, state);
        self.step(self.inner.append(seq, events, state)).await
    }

    async fn seal(
        &self,
        leaf: Leaf,
        action: Option<(u64, Vec<Event>, &State)>,
    ) -> Result<SealedReceipt, StoreError> {
        self.step(self.inner.seal(leaf, action)).await
    }

    async fn replace(
        &self,
        leaf: Leaf,
        ended: (u64, Vec<Event>, &State),
        begun: (Vec<Event>, &State),
    ) -> Result<u64, StoreError> {
        self.durable(self.inner.replace(leaf, ended, begun)).await
    }

    async fn observe(
        &self,
        owner: &Subject,
        conversation: &str,
        seen: Observation,
    ) -> Result<(), StoreError> {
        self.durable(self.inner.observe(owner, conversation, seen)).await
    }

    async fn evidence(
        &self,
        owner: &Subject,
        conversation: &str,
        observations: Vec<ObservationId>,
        receipts: Vec<ReceiptId>,
    ) -> Result<Evidence, StoreError> {
        self.reads(self.inner.evidence(owner, conversation, observations, receipts)).await
    }

    async fn journal(&self, owner: &Subject, action: Named) -> Result<Vec<Event>, StoreError> {
        self.reads(self.inner.journal(owner, action)).await
    }

    async fn unfinished(&self) -> Result<Vec<Vec<Event>>, StoreError> {
        self.reads(self.inner.unfinished()).await
    }

    async fn adopt(&self) -> Result<Vec<ActionId>, StoreError> {
        self.reads(self.inner.adopt()).await
    }

    async fn holds(&self, action: &ActionId) -> Result<bool, StoreError> {
        self.reads(self.inner.holds(action)).await
    }

    fn lease(&self) -> Lease {
        self.inner.lease()
    }

    async fn leave(&self) -> Result<(), StoreError> {
        self.durable(self.inner.leave()).await
    }

    async fn purge(&self, old: Old, most: u32) -> Result<usize, StoreError> {
        self.durable(self.inner.purge(old, most)).await
    }

    async fn receipts(&self, query: ReceiptQuery) -> Result<Vec<SealedReceipt>, StoreError> {
        self.reads(self.inner.receipts(query)).await
    }

    async fn switches(&self) -> Result<Switches, StoreError> {
        self.reads(self.inner.switches()).await
    }

    async fn turn(&self, reach: Reach, off: Option<Off>, leaf: Leaf) -> Result<u64, StoreError> {
        self.durable(self.inner.turn(reach, off, leaf)).await
    }

    async fn activated(&self) -> Result<BTreeMap<Part, Active>, StoreError> {
        self.reads(self.inner.activated()).await
    }

    async fn bundle(&self) -> Result<BTreeMap<String, String>, StoreError> {
        self.reads(self.inner.bundle()).await
    }

    async fn activate(&self, all: Vec<Activation>, receipts: Vec<Leaf>) -> Result<(), StoreError> {
        self.durable(self.inner.activate(all, receipts)).await
    }

    async fn escalations(&self, query: EscalationQuery) -> Result<Vec<Escalation>, StoreError> {
        self.reads(self.inner.escalations(query)).await
    }

    async fn take(
        &self,
        id: &EscalationId,
        from: Option<String>,
        to: Option<String>,
    ) -> Result<bool, StoreError> {
        self.durable(self.inner.take(id, from, to)).await
    }

    async fn standing(&self) -> Result<Standing, StoreError> {
        self.reads(self.inner.standing()).await
    }

    async fn newest(&self) -> Result<Option<Timestamp>, StoreError> {
        self.reads(self.inner.newest()).await
    }

    async fn quarantine(&self, why: Quarantine) -> Result<(), StoreError> {
        self.durable(self.inner.quarantine(why)).await
    }

    async fn probe(&self) -> Result<Option<Timestamp>, StoreError> {
        self.durable(self.inner.probe()).await
    }

    async fn count_try(&self, against: [String; 2], now: Timestamp) -> Result<bool, StoreError> {
        self.durable(self.inner.count_try(against, now)).await
    }

    async fn remember_match(
        &self,
        owner: &Subject,
        conversation: &str,
        matched: Matched,
    ) -> Result<(), StoreError> {
        self.durable(self.inner.remember_match(owner, conversation, matched)).await
    }

    async fn matched(
        &self,
        owner: &Subject,
        conversation: &str,
    ) -> Result<Option<Matched>, StoreError> {
        self.reads(self.inner.matched(owner, conversation)).await
    }

    async fn checkpoint(&self) -> Result<String, StoreError> {
        self.reads(self.inner.checkpoint()).await
    }

    async fn inclusion(&self, index: u64, size: u64) -> Result<Vec<[u8; 32]>, StoreError> {
        self.reads(self.inner.inclusion(index, size)).await
    }

    async fn consistency(&self, from: u64, to: u64) -> Result<Vec<[u8; 32]>, StoreError> {
        self.reads(self.inner.consistency(from, to)).await
    }

    async fn keep_bundle(&self, digest: &str, files: Files) -> Result<(), StoreError> {
        self.inner.keep_bundle(digest, files).await
    }

    async fn kept_bundle(&self, digest: &str) -> Result<Option<Files>, StoreError> {
        self.reads(self.inner.kept_bundle(digest)).await
    }

    async fn kept_bundles(&self) -> Result<Vec<String>, StoreError> {
        self.reads(self.inner.kept_bundles()).await
    }

    async fn leaves(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, StoreError> {
        self.reads(self.inner.leaves(range)).await
    }

    async fn fed(&self, sink: &str) -> Result<Option<Fed>, StoreError> {
        self.reads(self.inner.fed(sink)).await
    }

    async fn feed(&self, sink: &str, fed: Fed) -> Result<(), StoreError> {
        self.durable(self.inner.feed(sink, fed)).await
    }

    async fn hold(&self, person: String, holds: bool, leaf: Leaf) -> Result<u64, StoreError> {
        self.durable(self.inner.hold(person, holds, leaf)).await
    }

    async fn erase(
        &self,
        persons: Vec<(String, Leaf)>,
        now: Timestamp,
    ) -> Result<Result<(), Refused>, StoreError> {
        self.durable(self.inner.erase(persons, now)).await
    }

    async fn record(&self, owner: &Subject, turn: Turn) -> Result<(), StoreError> {
        self.inner.record(owner, turn).await
    }

    async fn turns(&self, query: TurnQuery) -> Result<Vec<Turn>, StoreError> {
        self.reads(self.inner.turns(query)).await
    }

    async fn persons_of(&self, email: &str) -> Result<Vec<String>, StoreError> {
        self.reads(self.inner.persons_of(email)).await
    }
}
