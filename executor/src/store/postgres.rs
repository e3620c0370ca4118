//! Several executors on one PostgreSQL. Each has a row, whose generation fences it; keys,
//! locks and budget are taken in a transaction of their own before the intent.
//!
//! ```text
//! claim ─▶ append (Claimed, Cleared, Intended) ─▶ … ─▶ seal (…, Sealed + leaf)
//! first commit      second commit                        third commit, in the seat
//! ```
//!
//! A commit counts only where the generation stands in the same transaction.

mod bundles;
mod claims;
#[cfg(test)]
pub(crate) mod cluster;
mod connect;
mod controls;
mod database;
mod erase;
mod escalations;
mod fault;
mod history;
mod instance;
mod keys;
mod looks;
mod lost;
mod matches;
mod migrate;
mod offline;
mod persons;
mod purge;
mod register;
mod remembered;
mod reserved;
mod restored;
mod rows;
mod seat;
mod sinks;
mod standing;
mod turns;
mod vital;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
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
use countersign_shared::tlog::folder::Source;
use countersign_shared::tlog::key::{LogKey, Signer as _};
use deadpool_postgres::Transaction;
use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::lease::Lease;
use crate::ports::{
    Activation, Escalation, EscalationQuery, Fed, Files, Named, Old, Open, ReceiptQuery,
    SealedReceipt, Store, StoreError, Turn, TurnQuery,
};
use crate::standing::{Quarantine, Standing};
use crate::store::veiled::{self, Erasure, LeafRow, Whose};
use crate::vault::Vault;
use crate::veil::Veil;

pub(crate) use connect::Login;
use connect::connector;
pub use countersign_shared::postgres::{PostgresConfig, Tls, Verified};
use database::Database;
use fault::Fault;
use instance::{Instance, fence};
use remembered::Remembered;
use reserved::Reserved;
use seat::{Entry, Refusal, Seat};
pub use {looks::activated, looks::standing, offline::Offline};

/// Connections beside the pool, which no number of callers can use up: one renews the
/// lease, one seals, one looks at the switches, one is the vitals'.
const OWN: usize = 4;
/// Longest wait for an answer on them; a commit may have to wait for the seat first.
const ANSWER: Duration = Duration::from_secs(5);
const COMMIT: Duration = Duration::from_secs(20);

/// The store in a PostgreSQL database.
pub struct Postgres {
    db: Database,
    own: Database,
    instance: Instance,
    seat: Seat,
    reserved: Arc<Reserved>,
    /// Turns of claims: they wait for each other's rows, and leave connections for what does not.
    claiming: Arc<Semaphore>,
    remembered: Remembered,
    veil: Veil,
    _renewing: AbortOnDropHandle<()>,
    _following: AbortOnDropHandle<()>,
    _filling: AbortOnDropHandle<()>,
}

impl Postgres {
    /// Joins the executors of a database, and makes its tables where there are none. `name`
    /// is that of the state folder, whose lock this process holds; `kek` the file of the
    /// key-encryption key, the same for all of them.
    ///
    /// # Errors
    /// When the server cannot be reached, would lose commits, or holds a newer store or a
    /// log with another key.
    pub async fn open(
        config: &PostgresConfig,
        vault: &Vault,
        name: &str,
        kek: &Path,
        log: Arc<LogKey>,
    ) -> Result<Self, StoreError> {
        let lease = config.lease().map_err(StoreError::Unavailable)?;
        let connector = connector(config, vault, name)?;
        let db = Database::new(connector.clone(), config.pool)?;
        let own = Database::new(connector, OWN)?.within(ANSWER);
        migrate::migrate(&db).await?;
        let tree = history::load(&db.client().await?, &[log.verifier_key()]).await?;
        let remembered = Remembered::of(&tree);
        let veil = keys::open_veil(&db, kek).await?;
        let filled = register::fill(&db, &veil, 0).await?;
        let instance = Instance::register(&own, name, lease).await?;
        let reserved = Arc::new(Reserved::default());
        let keep = instance.clone().keep(own.clone(), db.clone(), Arc::clone(&reserved));
        Ok(Self {
            seat: Seat::take(own.within(COMMIT), instance.generation, log, remembered.clone()),
            own,
            reserved,
            claiming: Arc::new(Semaphore::new(config.pool.div_ceil(2))),
            remembered,
            _renewing: AbortOnDropHandle::new(tokio::spawn(keep)),
            _following: AbortOnDropHandle::new(tokio::spawn(veil.clone().follow())),
            _filling: AbortOnDropHandle::new(tokio::spawn(register::follow(
                db.clone(),
                veil.clone(),
                filled,
            ))),
            veil,
            instance,
            db,
        })
    }

    /// Whether the settings can be used, as far as that can be told without connecting.
    ///
    /// # Errors
    /// What is wrong, with what to do about it.
    pub fn check(config: &PostgresConfig, vault: &Vault) -> Result<(), StoreError> {
        config.lease().map_err(StoreError::Unavailable)?;
        connector(config, vault, "").map(drop)
    }

    /// Where the published log is fed from.
    #[must_use]
    pub fn log_source(&self) -> impl Source<Error = StoreError> + Send + use<> {
        history::LogSource { db: self.db.clone(), runtime: Handle::current() }
    }

    /// Cancelled once another executor took over from this one, which has to stop then.
    #[must_use]
    pub fn fenced(&self) -> CancellationToken {
        self.instance.fenced.clone()
    }

    /// One transaction of this generation.
    async fn write<T, W>(&self, work: W) -> Result<T, Fault>
    where
        T: Send + 'static,
        W: for<'a> Fn(&'a Transaction<'_>) -> BoxFuture<'a, Result<T, Fault>>
            + Send
            + Sync
            + 'static,
    {
        let (me, work) = (self.instance.generation, Arc::new(work));
        let fenced = self.db.write(move |db| {
            let work = Arc::clone(&work);
            async move {
                let work = async { work(db).await };
                Ok(tokio::try_join!(biased; fence(db, me), work)?.1)
            }
            .boxed()
        });
        self.remembered.heard(fenced.await)
    }

    async fn covered(&self, leaves: Vec<Leaf>) -> Result<Vec<LeafRow>, StoreError> {
        let mut rows = Vec::with_capacity(leaves.len());
        for leaf in leaves {
            rows.push(veiled::leaf(&self.veil, leaf).await?);
        }
        Ok(rows)
    }
}

#[async_trait]
impl Store for Postgres {
    async fn claim(
        &self,
        granted: &Granted,
        budget: &Budget,
        now: Timestamp,
    ) -> Result<Result<Taken, Refused>, StoreError> {
        let action = granted.proposal().action();
        self.reserved.taking(action);
        match self.claimed(granted, budget, now).await {
            Ok(taken) => Ok(Ok(taken)),
            Err(Fault::Refused(refused)) => {
                self.reserved.settled(action);
                Ok(Err(*refused))
            }
            Err(fault) => Err(fault.into()),
        }
    }

    async fn spent(&self, budget: &Budget, now: Timestamp) -> Result<Spent, StoreError> {
        Ok(claims::spent(&self.db.client().await?, budget, now).await?)
    }

    async fn known(&self, intent: &str) -> Result<Option<Latest>, StoreError> {
        Ok(claims::latest(&self.db.client().await?, intent).await?)
    }

    fn release(&self, action: &ActionId) {
        self.reserved.release(&self.db, self.instance.generation, action);
    }

    async fn append(&self, seq: u64, events: Vec<Event>, state: &State) -> Result<(), StoreError> {
        let append = Arc::new(veiled::append(&self.veil, seq, &events, state).await?);
        let me = self.instance.generation;
        let work = Arc::new((Arc::clone(&append), self.remembered.clone()));
        let written = self.write(move |db| {
            let work = Arc::clone(&work);
            async move {
                let wall = work.1.wall(db);
                tokio::try_join!(biased; wall, work.0.write(db, me)).map(drop)
            }
            .boxed()
        });
        written.await?;
        self.reserved.settled(append.action());
        Ok(())
    }

    async fn seal(
        &self,
        leaf: Leaf,
        action: Option<(u64, Vec<Event>, &State)>,
    ) -> Result<SealedReceipt, StoreError> {
        let mut appends = Vec::new();
        if let Some((seq, events, state)) = action {
            appends.push(veiled::append(&self.veil, seq, &events, state).await?);
        }
        let mut leaf = veiled::leaf(&self.veil, leaf).await?;
        let sealed = leaf.receipt()?;
        let entry = Entry { appends, leaves: vec![leaf], ..Entry::default() };
        Ok(SealedReceipt { index: self.seal_entry(entry).await?, ..sealed })
    }

    async fn replace(
        &self,
        leaf: Leaf,
        (seq, events, state): (u64, Vec<Event>, &State),
        (first, begun): (Vec<Event>, &State),
    ) -> Result<u64, StoreError> {
        let old = veiled::append(&self.veil, seq, &events, state).await?;
        let appends = vec![old, veiled::append(&self.veil, 0, &first, begun).await?];
        let leaves = self.covered(vec![leaf]).await?;
        self.seal_entry(Entry { appends, leaves, ..Entry::default() }).await
    }

    async fn escalations(&self, query: EscalationQuery) -> Result<Vec<Escalation>, StoreError> {
        veiled::matters(&self.veil, query, |query| async move {
            Ok(escalations::list(&self.db.client().await?, &query).await?)
        })
        .await
    }

    async fn take(
        &self,
        id: &EscalationId,
        from: Option<String>,
        to: Option<String>,
    ) -> Result<bool, StoreError> {
        let asked = Arc::new((id.clone(), from, to));
        let done = self.write(move |db| {
            let asked = Arc::clone(&asked);
            async move { escalations::take(db, &asked).await }.boxed()
        });
        Ok(done.await?)
    }

    async fn observe(
        &self,
        owner: &Subject,
        conversation: &str,
        seen: Observation,
    ) -> Result<(), StoreError> {
        let row = veiled::observation(&self.veil, owner, conversation, &seen).await?;
        let seen = Arc::new((seen.id, row));
        let done = self.write(move |db| {
            let seen = Arc::clone(&seen);
            async move { rows::observe(db, &seen.0, &seen.1).await }.boxed()
        });
        Ok(done.await?)
    }

    async fn evidence(
        &self,
        owner: &Subject,
        conversation: &str,
        observations: Vec<ObservationId>,
        receipts: Vec<ReceiptId>,
    ) -> Result<Evidence, StoreError> {
        let owner = Whose::of(&self.veil, owner, conversation);
        let db = self.db.client().await?;
        let seen = rows::observed(&db, &owner, &observations).await?;
        let sealed = rows::sealed(&db, &owner, &receipts).await?;
        drop(db);
        veiled::evidence(&self.veil, seen, sealed).await
    }

    async fn journal(&self, owner: &Subject, action: Named) -> Result<Vec<Event>, StoreError> {
        let owner = Whose::of(&self.veil, owner, "");
        let found = rows::journal(&self.db.client().await?, &owner, &action).await?;
        veiled::journal(&self.veil, found).await
    }

    async fn waiting(&self) -> Result<Vec<Vec<Event>>, StoreError> {
        let found = rows::waiting(&self.db.client().await?).await?;
        veiled::journals(&self.veil, found).await
    }

    async fn parked(&self, action: Named) -> Result<Vec<Event>, StoreError> {
        let found = rows::parked(&self.db.client().await?, &action).await?;
        veiled::journal(&self.veil, found).await
    }

    async fn open(
        &self,
        owner: &Subject,
        caller: &str,
        since: Timestamp,
    ) -> Result<Open, StoreError> {
        let owner = Whose::of(&self.veil, owner, "");
        Ok(rows::open(&self.db.client().await?, &owner, caller, since).await?)
    }

    async fn unfinished(&self) -> Result<Vec<Vec<Event>>, StoreError> {
        let found = rows::unfinished(&self.db.client().await?).await?;
        veiled::journals(&self.veil, found).await
    }

    async fn adopt(&self) -> Result<Vec<ActionId>, StoreError> {
        // What was sent waits for the recovery.
        let db = self.db.client().await?;
        if standing::read(&db).await?.quarantine.is_some() {
            return Ok(Vec::new());
        }
        let dead = self.instance.dead(&db).await?;
        drop(db);
        for dead in dead {
            let instance = self.instance.clone();
            let taken = self.db.write(move |db| {
                let instance = instance.clone();
                async move { instance.take_over(db, dead).await }.boxed()
            });
            taken.await?;
        }
        Ok(rows::held(&self.db.client().await?, self.instance.generation).await?)
    }

    async fn holds(&self, action: &ActionId) -> Result<bool, StoreError> {
        let db = self.db.client().await?;
        Ok(rows::holds(&db, self.instance.generation, action).await?)
    }

    fn lease(&self) -> Lease {
        self.instance.lease.clone()
    }

    async fn leave(&self) -> Result<(), StoreError> {
        Ok(self.instance.leave(&self.db).await?)
    }

    async fn purge(&self, old: Old, most: u32) -> Result<usize, StoreError> {
        let done = self.write(move |db| async move { purge::purge(db, old, most).await }.boxed());
        Ok(done.await?)
    }

    async fn receipts(&self, query: ReceiptQuery) -> Result<Vec<SealedReceipt>, StoreError> {
        let query = veiled::query(&self.veil, query);
        let found = history::receipts(&self.db.client().await?, &query).await?;
        veiled::receipts(&self.veil, found).await
    }

    async fn switches(&self) -> Result<Switches, StoreError> {
        Ok(self.own.ask(|db| controls::switches(db).boxed()).await?)
    }

    async fn turn(&self, reach: Reach, off: Option<Off>, leaf: Leaf) -> Result<u64, StoreError> {
        let turned = Some((reach, off));
        let leaves = self.covered(vec![leaf]).await?;
        self.seal_entry(Entry { turned, leaves, ..Entry::default() }).await
    }

    async fn activated(&self) -> Result<BTreeMap<Part, Active>, StoreError> {
        Ok(controls::activated(&self.db.client().await?).await?)
    }

    async fn bundle(&self) -> Result<BTreeMap<String, String>, StoreError> {
        Ok(controls::bundle(&self.db.client().await?).await?)
    }

    async fn activate(&self, all: Vec<Activation>, receipts: Vec<Leaf>) -> Result<(), StoreError> {
        let leaves = self.covered(receipts).await?;
        let entry = Entry { activated: all, leaves, ..Entry::default() };
        self.seal_entry(entry).await.map(drop)
    }

    async fn standing(&self) -> Result<Standing, StoreError> {
        self.stands().await
    }

    async fn newest(&self) -> Result<Option<Timestamp>, StoreError> {
        self.newest_sealed().await
    }

    async fn quarantine(&self, why: Quarantine) -> Result<(), StoreError> {
        Ok(standing::quarantine(&self.db, why).await?)
    }

    async fn probe(&self) -> Result<Option<Timestamp>, StoreError> {
        self.probed().await
    }

    async fn count_try(&self, against: [String; 2], now: Timestamp) -> Result<bool, StoreError> {
        let against = Arc::new(veiled::tries(&self.veil, against));
        let done = self.write(move |db| {
            let against = Arc::clone(&against);
            async move { matches::count(db, &against, now).await }.boxed()
        });
        Ok(done.await?)
    }

    async fn remember_match(
        &self,
        owner: &Subject,
        conversation: &str,
        matched: Matched,
    ) -> Result<(), StoreError> {
        let row = veiled::matched(&self.veil, owner, conversation, &matched).await?;
        let asked = Arc::new((row, matched.at));
        let done = self.write(move |db| {
            let asked = Arc::clone(&asked);
            async move { matches::remember(db, &asked.0, asked.1).await }.boxed()
        });
        Ok(done.await?)
    }

    async fn matched(
        &self,
        owner: &Subject,
        conversation: &str,
    ) -> Result<Option<Matched>, StoreError> {
        let owner = Whose::guest(&self.veil, owner, conversation);
        let body = matches::matched(&self.db.client().await?, &owner).await?;
        veiled::match_of(&self.veil, &owner, body).await
    }

    async fn checkpoint(&self) -> Result<String, StoreError> {
        Ok(history::checkpoint(&self.db.client().await?).await?)
    }

    async fn inclusion(&self, index: u64, size: u64) -> Result<Vec<[u8; 32]>, StoreError> {
        Ok(history::inclusion(&self.db.client().await?, index, size).await?)
    }

    async fn consistency(&self, from: u64, to: u64) -> Result<Vec<[u8; 32]>, StoreError> {
        Ok(history::consistency(&self.db.client().await?, from, to).await?)
    }

    async fn keep_bundle(&self, digest: &str, files: Files) -> Result<(), StoreError> {
        Ok(bundles::keep(&self.db.client().await?, digest, &files).await?)
    }

    async fn kept_bundle(&self, digest: &str) -> Result<Option<Files>, StoreError> {
        Ok(bundles::kept(&self.db.client().await?, digest).await?)
    }

    async fn kept_bundles(&self) -> Result<Vec<String>, StoreError> {
        Ok(bundles::all(&self.db.client().await?).await?)
    }

    async fn leaves(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, StoreError> {
        Ok(history::leaves(&self.db.client().await?, &range).await?)
    }

    async fn fed(&self, sink: &str) -> Result<Option<Fed>, StoreError> {
        let me = self.instance.generation;
        if let Some(fed) = sinks::read(&self.db.client().await?, me, sink).await? {
            return Ok(Some(fed));
        }
        let sink: Arc<str> = sink.into();
        let taken = self.write(move |db| {
            let sink = Arc::clone(&sink);
            async move { sinks::take(db, me, &sink).await }.boxed()
        });
        Ok(taken.await?)
    }

    async fn feed(&self, sink: &str, fed: Fed) -> Result<(), StoreError> {
        let me = self.instance.generation;
        let asked = Arc::new((sink.to_owned(), fed, self.remembered.clone()));
        let done = self.write(move |db| {
            let asked = Arc::clone(&asked);
            async move {
                asked.2.wall(db).await?;
                sinks::feed(db, me, &asked.0, &asked.1).await
            }
            .boxed()
        });
        Ok(done.await?)
    }

    async fn hold(&self, person: String, holds: bool, leaf: Leaf) -> Result<u64, StoreError> {
        let leaves = self.covered(vec![leaf]).await?;
        let held = Some((person, holds));
        self.seal_entry(Entry { held, leaves, ..Entry::default() }).await
    }

    async fn erase(
        &self,
        persons: Vec<(String, Leaf)>,
        now: Timestamp,
    ) -> Result<Result<(), Refused>, StoreError> {
        let (persons, leaves): (Vec<_>, Vec<_>) = persons.into_iter().unzip();
        let leaves = self.covered(leaves).await?;
        let gone = persons.iter().map(|person| Erasure { person: person.clone(), at: now });
        let entry = Entry { erased: gone.collect(), leaves, ..Entry::default() };
        let done = self.seat.seal(entry).await;
        // The next to seal for them asks the database which key stands.
        for person in &persons {
            self.veil.end(person);
            self.veil.erased(person);
        }
        match done {
            Ok(_) => Ok(Ok(())),
            Err(Refusal::No(refused)) => Ok(Err(*refused)),
            Err(Refusal::Failed(error)) => Err(error),
        }
    }

    async fn record(&self, owner: &Subject, turn: Turn) -> Result<(), StoreError> {
        let row = Arc::new(veiled::turn(&self.veil, owner, &turn).await?);
        let done = self.write(move |db| {
            let row = Arc::clone(&row);
            async move { turns::insert(db, &row).await }.boxed()
        });
        Ok(done.await?)
    }

    async fn turns(&self, query: TurnQuery) -> Result<Vec<Turn>, StoreError> {
        let query = veiled::turn_query(&self.veil, query);
        let found = turns::list(&self.db.client().await?, &query).await?;
        veiled::turns(&self.veil, found).await
    }

    async fn persons_of(&self, email: &str) -> Result<Vec<String>, StoreError> {
        let email = veiled::email(&self.veil, email);
        Ok(turns::persons_of(&self.db.client().await?, &email).await?)
    }
}

#[cfg(test)]
mod tests;
