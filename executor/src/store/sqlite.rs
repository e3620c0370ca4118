//! One process owns the file: claims are reserved in memory and become durable
//! with the intent, so that a write costs two commits.
//!
//! ```text
//! claim ──reserve──▶ append (Claimed, Cleared, Intended) ──▶ … ──▶ seal (…, Sealed + leaf)
//!            in memory      first commit                            second commit
//! ```
//!
//! One thread writes; what waits for it shares its commit.

mod backup;
mod bundles;
mod claims;
mod controls;
mod erase;
mod escalations;
mod history;
mod keys;
mod lost;
mod matches;
mod migrate;
mod offline;
mod persons;
mod probe;
mod purge;
mod readers;
mod register;
mod restored;
mod rows;
mod safety;
mod sinks;
mod spending;
mod standing;
mod turns;
mod writer;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
use rusqlite::{Connection, OpenFlags};

use crate::keys::{Kek, Keys as _};
use crate::lease::Lease;
use crate::ports::{
    Activation, Escalation, EscalationQuery, Fed, Files, Named, Old, Open, ReceiptQuery,
    SealedReceipt, Store, StoreError, Turn, TurnQuery,
};
use crate::standing::{Quarantine, Standing};
use crate::store::Activated;
use crate::store::veiled::{self, Erasure, LeafRow, Whose};
use crate::veil::Veil;
pub use backup::{Copied, backup};
use claims::Reservations;
pub use history::LogSource;
pub use offline::Offline;
use readers::{Readers, plan_once};
use writer::{Batch, Writer};

/// Memory for pages of the connection that writes: KiB, below zero as SQLite wants it.
/// Digests fall everywhere in their indexes, so most of these are needed at every commit.
const CACHE: i64 = -32 * 1024;
/// Pages of the write-ahead log before they go into the file: the same pages are written
/// again and again, and go there once. 16 MiB, which a start reads in a moment.
const AHEAD: u32 = 4096;

/// The store in one SQLite file.
pub struct Sqlite {
    writer: Writer,
    readers: Arc<Readers>,
    veil: Veil,
    reserved: Mutex<Reservations>,
    /// Whether it only reads; set before that is written down.
    quarantined: Arc<AtomicBool>,
}

impl Sqlite {
    /// Opens or creates the store, with the keys of persons beside it. `kek` is the file
    /// of the key-encryption key; without it, it lies beside them.
    ///
    /// # Errors
    /// When the file cannot be used, is of another layout, or belongs to a log with
    /// another key.
    pub fn open(path: &Path, kek: Option<&Path>, log: Arc<LogKey>) -> Result<Self, StoreError> {
        let connection = open_for_writing(path)?;
        let veil = open_veil(path, kek, &connection)?;
        register::fill(&connection, &veil)?;
        let readers = Arc::new(Readers::of(path));
        let quarantined = standing::read(&connection)?.quarantine.is_some();
        Ok(Self {
            writer: Writer::start(connection, log)?,
            readers,
            veil,
            reserved: Mutex::default(),
            quarantined: Arc::new(AtomicBool::new(quarantined)),
        })
    }

    /// Where the published log is fed from.
    #[must_use]
    pub fn log_source(&self) -> LogSource {
        LogSource::new(Arc::clone(&self.readers))
    }

    /// A write that belongs to an action or to the log: never in quarantine.
    async fn act<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Batch<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let quarantined = Arc::clone(&self.quarantined);
        self.writer
            .write(move |batch| {
                if quarantined.load(Ordering::SeqCst) {
                    return Err(StoreError::Quarantined);
                }
                work(batch)
            })
            .await
    }

    async fn covered(&self, leaves: Vec<Leaf>) -> Result<Vec<LeafRow>, StoreError> {
        let mut rows = Vec::with_capacity(leaves.len());
        for leaf in leaves {
            rows.push(veiled::leaf(&self.veil, leaf).await?);
        }
        Ok(rows)
    }

    /// What is not looked up by a key: it may take long, holds no thread that serves, and waits
    /// for its turn. A row by its key is there before another thread would have woken up.
    async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let readers = Arc::clone(&self.readers);
        let turn = readers.turn().await?;
        let done = tokio::task::spawn_blocking(move || {
            let _until_it_ends = turn;
            readers.with(job)
        });
        let done = done.await;
        done.map_err(|e| StoreError::Unavailable(e.to_string()))?
    }
}

/// The keys beside a store. Whoever was erased stays so, also where an older copy of the
/// keys was brought back.
fn open_veil(path: &Path, kek: Option<&Path>, db: &Connection) -> Result<Veil, StoreError> {
    let file = keys::KeyFile::open(&path.with_file_name("keys.db"))?;
    let beside = path.with_file_name("keys.kek");
    let kek = Kek::open(kek.unwrap_or(&beside), file.is_new()?);
    let kek = kek.map_err(|e| StoreError::Unavailable(format!("{e:#}")))?;
    for gone in erase::erasures(db)? {
        file.destroy(&gone.person, gone.at)?;
    }
    Veil::over(Arc::new(file), kek)
}

/// What is activated in a store, and the active policy's files, without opening it for
/// writing.
///
/// # Errors
/// When the file cannot be read.
pub fn activated(path: &Path) -> Result<Activated, StoreError> {
    Readers::of(path).with(|db| Ok((controls::activated(db)?, controls::bundle(db)?)))
}

/// How a store stands towards its own history, without opening it for writing; as new
/// where there is none.
///
/// # Errors
/// When the file cannot be read.
pub fn standing(path: &Path) -> Result<Standing, StoreError> {
    if !path.exists() {
        return Ok(Standing::default());
    }
    Readers::of(path).with(standing::read)
}

/// What is sorted, and what a savepoint may have to undo, stays in memory: there need not be a
/// folder for temporary files that can be written.
fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path, flags)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    Ok(connection)
}

/// Flags of a connection that only reads, and that one thread at a time uses.
fn reading() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

fn open_for_writing(path: &Path) -> Result<Connection, StoreError> {
    let connection = connect(path, OpenFlags::default())?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    safety::check(&connection, path)?;
    // What is deleted is overwritten.
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "cache_size", CACHE)?;
    connection.pragma_update(None, "wal_autocheckpoint", AHEAD)?;
    plan_once(&connection)?;
    migrate::migrate(&connection)?;
    Ok(connection)
}

#[async_trait]
impl Store for Sqlite {
    async fn claim(
        &self,
        granted: &Granted,
        budget: &Budget,
        now: Timestamp,
    ) -> Result<Result<Taken, Refused>, StoreError> {
        if self.quarantined.load(Ordering::SeqCst) {
            return Err(StoreError::Quarantined);
        }
        let mut reserved = self.reserved.lock();
        self.readers.with(|db| reserved.claim(db, granted, budget, now))
    }

    async fn spent(&self, budget: &Budget, now: Timestamp) -> Result<Spent, StoreError> {
        let reserved = self.reserved.lock();
        self.readers.with(|db| reserved.spent(db, budget, now))
    }

    async fn known(&self, intent: &str) -> Result<Option<Latest>, StoreError> {
        let reserved = self.reserved.lock();
        self.readers.with(|db| reserved.latest(db, intent))
    }

    fn release(&self, action: &ActionId) {
        self.reserved.lock().release(action);
    }

    async fn append(&self, seq: u64, events: Vec<Event>, state: &State) -> Result<(), StoreError> {
        let append = veiled::append(&self.veil, seq, &events, state).await?;
        self.act(move |batch| rows::append(batch.db(), &append)).await
    }

    async fn seal(
        &self,
        leaf: Leaf,
        action: Option<(u64, Vec<Event>, &State)>,
    ) -> Result<SealedReceipt, StoreError> {
        let mut leaf = veiled::leaf(&self.veil, leaf).await?;
        let sealed = leaf.receipt()?;
        let append = match action {
            Some((seq, events, state)) => {
                Some(veiled::append(&self.veil, seq, &events, state).await?)
            }
            None => None,
        };
        let index = self.act(move |batch| {
            match &append {
                Some(append) => rows::append(batch.db(), append)?,
                None => escalations::still_open(batch.db(), &leaf)?,
            }
            batch.log(&leaf)
        });
        Ok(SealedReceipt { index: index.await?, ..sealed })
    }

    async fn replace(
        &self,
        leaf: Leaf,
        (seq, events, state): (u64, Vec<Event>, &State),
        (first, begun): (Vec<Event>, &State),
    ) -> Result<u64, StoreError> {
        let leaf = veiled::leaf(&self.veil, leaf).await?;
        let old = veiled::append(&self.veil, seq, &events, state).await?;
        let new = veiled::append(&self.veil, 0, &first, begun).await?;
        self.act(move |batch| {
            rows::append(batch.db(), &old)?;
            rows::append(batch.db(), &new)?;
            batch.log(&leaf)
        })
        .await
    }

    async fn escalations(&self, query: EscalationQuery) -> Result<Vec<Escalation>, StoreError> {
        let rows = |query| self.read(move |db| escalations::list(db, &query));
        veiled::matters(&self.veil, query, rows).await
    }

    async fn take(
        &self,
        id: &EscalationId,
        from: Option<String>,
        to: Option<String>,
    ) -> Result<bool, StoreError> {
        let id = id.clone();
        let hands = (from, to);
        self.writer
            .write(move |batch| {
                escalations::take(batch.db(), &id, (hands.0.as_deref(), hands.1.as_deref()))
            })
            .await
    }

    async fn observe(
        &self,
        owner: &Subject,
        conversation: &str,
        seen: Observation,
    ) -> Result<(), StoreError> {
        let row = veiled::observation(&self.veil, owner, conversation, &seen).await?;
        self.writer.write(move |batch| rows::observe(batch.db(), &seen.id, &row)).await
    }

    async fn evidence(
        &self,
        owner: &Subject,
        conversation: &str,
        observations: Vec<ObservationId>,
        receipts: Vec<ReceiptId>,
    ) -> Result<Evidence, StoreError> {
        let owner = Whose::of(&self.veil, owner, conversation);
        let (seen, sealed) = self.readers.with(|db| {
            let seen = rows::observed(db, &owner, &observations)?;
            Ok((seen, rows::sealed(db, &owner, &receipts)?))
        })?;
        veiled::evidence(&self.veil, seen, sealed).await
    }

    async fn journal(&self, owner: &Subject, action: Named) -> Result<Vec<Event>, StoreError> {
        let owner = Whose::of(&self.veil, owner, "");
        let found = self.readers.with(|db| rows::journal(db, &owner, &action))?;
        veiled::journal(&self.veil, found).await
    }

    async fn waiting(&self) -> Result<Vec<Vec<Event>>, StoreError> {
        veiled::journals(&self.veil, self.read(rows::waiting).await?).await
    }

    async fn parked(&self, action: Named) -> Result<Vec<Event>, StoreError> {
        let found = self.readers.with(|db| rows::parked(db, &action))?;
        veiled::journal(&self.veil, found).await
    }

    async fn open(
        &self,
        owner: &Subject,
        caller: &str,
        since: Timestamp,
    ) -> Result<Open, StoreError> {
        let owner = Whose::of(&self.veil, owner, "");
        self.readers.with(|db| rows::open(db, &owner, caller, since))
    }

    async fn unfinished(&self) -> Result<Vec<Vec<Event>>, StoreError> {
        veiled::journals(&self.veil, self.read(rows::unfinished).await?).await
    }

    async fn adopt(&self) -> Result<Vec<ActionId>, StoreError> {
        // What was sent waits for the recovery.
        if self.quarantined.load(Ordering::SeqCst) {
            return Ok(Vec::new());
        }
        self.read(rows::begun).await
    }

    async fn holds(&self, _action: &ActionId) -> Result<bool, StoreError> {
        Ok(true)
    }

    fn lease(&self) -> Lease {
        Lease::forever()
    }

    async fn leave(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn purge(&self, old: Old, most: u32) -> Result<usize, StoreError> {
        self.writer.write(move |batch| purge::purge(batch.db(), old, most)).await
    }

    async fn receipts(&self, query: ReceiptQuery) -> Result<Vec<SealedReceipt>, StoreError> {
        let query = veiled::query(&self.veil, query);
        let found = match &query.id {
            Some(_) => self.readers.with(|db| history::receipts(db, &query))?,
            None => self.read(move |db| history::receipts(db, &query)).await?,
        };
        veiled::receipts(&self.veil, found).await
    }

    async fn switches(&self) -> Result<Switches, StoreError> {
        self.readers.with(controls::switches)
    }

    async fn turn(&self, reach: Reach, off: Option<Off>, leaf: Leaf) -> Result<u64, StoreError> {
        let leaf = veiled::leaf(&self.veil, leaf).await?;
        self.act(move |batch| {
            controls::turn(batch.db(), &reach, off.as_ref())?;
            batch.log(&leaf)
        })
        .await
    }

    async fn activated(&self) -> Result<BTreeMap<Part, Active>, StoreError> {
        self.read(controls::activated).await
    }

    async fn bundle(&self) -> Result<BTreeMap<String, String>, StoreError> {
        self.read(controls::bundle).await
    }

    async fn activate(&self, all: Vec<Activation>, receipts: Vec<Leaf>) -> Result<(), StoreError> {
        let receipts = self.covered(receipts).await?;
        self.act(move |batch| {
            all.iter().try_for_each(|one| controls::activate(batch.db(), one))?;
            receipts.iter().try_for_each(|leaf| batch.log(leaf).map(drop))
        })
        .await
    }

    async fn standing(&self) -> Result<Standing, StoreError> {
        self.readers.with(standing::read)
    }

    async fn newest(&self) -> Result<Option<Timestamp>, StoreError> {
        let newest = ReceiptQuery { limit: 1, ..ReceiptQuery::default() };
        let found = self.readers.with(|db| history::receipts(db, &newest))?;
        found.first().map(veiled::sealed_at).transpose()
    }

    async fn quarantine(&self, why: Quarantine) -> Result<(), StoreError> {
        // First: it holds also where whoever asked is gone before it is written down.
        self.quarantined.store(true, Ordering::SeqCst);
        self.writer.write(move |batch| standing::quarantine(batch.db(), &why)).await
    }

    async fn probe(&self) -> Result<Option<Timestamp>, StoreError> {
        self.writer.write(|batch| probe::write(batch.db())).await?;
        let beside = self.readers.path().with_extension("probe");
        let done = tokio::task::spawn_blocking(move || probe::room(&beside)).await;
        done.map_err(|e| StoreError::Unavailable(e.to_string()))??;
        Ok(None)
    }

    async fn count_try(&self, against: [String; 2], now: Timestamp) -> Result<bool, StoreError> {
        let against = veiled::tries(&self.veil, against);
        self.writer.write(move |batch| matches::count(batch.db(), &against, now)).await
    }

    async fn remember_match(
        &self,
        owner: &Subject,
        conversation: &str,
        matched: Matched,
    ) -> Result<(), StoreError> {
        let row = veiled::matched(&self.veil, owner, conversation, &matched).await?;
        self.writer.write(move |batch| matches::remember(batch.db(), &row, matched.at)).await
    }

    async fn matched(
        &self,
        owner: &Subject,
        conversation: &str,
    ) -> Result<Option<Matched>, StoreError> {
        let owner = Whose::guest(&self.veil, owner, conversation);
        let body = self.readers.with(|db| matches::matched(db, &owner))?;
        veiled::match_of(&self.veil, &owner, body).await
    }

    async fn checkpoint(&self) -> Result<String, StoreError> {
        self.readers.with(history::checkpoint)
    }

    async fn inclusion(&self, index: u64, size: u64) -> Result<Vec<[u8; 32]>, StoreError> {
        self.readers.with(|db| history::inclusion(db, index, size))
    }

    async fn consistency(&self, from: u64, to: u64) -> Result<Vec<[u8; 32]>, StoreError> {
        self.read(move |db| history::consistency(db, from, to)).await
    }

    async fn keep_bundle(&self, digest: &str, files: Files) -> Result<(), StoreError> {
        let digest = digest.to_owned();
        self.writer.write(move |batch| bundles::keep(batch.db(), &digest, &files)).await
    }

    async fn kept_bundle(&self, digest: &str) -> Result<Option<Files>, StoreError> {
        let digest = digest.to_owned();
        self.read(move |db| bundles::kept(db, &digest)).await
    }

    async fn kept_bundles(&self) -> Result<Vec<String>, StoreError> {
        self.read(bundles::all).await
    }

    async fn leaves(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, StoreError> {
        self.read(move |db| history::leaves(db, &range)).await
    }

    async fn fed(&self, sink: &str) -> Result<Option<Fed>, StoreError> {
        let sink = sink.to_owned();
        self.read(move |db| sinks::fed(db, &sink).map(Some)).await
    }

    async fn feed(&self, sink: &str, fed: Fed) -> Result<(), StoreError> {
        let sink = sink.to_owned();
        self.act(move |batch| sinks::feed(batch.db(), &sink, &fed)).await
    }

    async fn hold(&self, person: String, holds: bool, leaf: Leaf) -> Result<u64, StoreError> {
        let leaf = veiled::leaf(&self.veil, leaf).await?;
        self.act(move |batch| {
            erase::hold(batch.db(), &person, holds)?;
            batch.log(&leaf)
        })
        .await
    }

    async fn erase(
        &self,
        persons: Vec<(String, Leaf)>,
        now: Timestamp,
    ) -> Result<Result<(), Refused>, StoreError> {
        let (persons, leaves): (Vec<_>, Vec<_>) = persons.into_iter().unzip();
        let leaves = self.covered(leaves).await?;
        let gone: Vec<_> = persons.into_iter().map(|person| Erasure { person, at: now }).collect();
        // From here on nothing is written that would be unreadable afterwards.
        gone.iter().for_each(|one| self.veil.end(&one.person));
        let erased = gone.clone();
        let done = self.act(move |batch| {
            for one in &erased {
                if let Some(refused) = erase::waits(batch.db(), &one.person)? {
                    return Ok(Err(refused));
                }
            }
            erased.iter().try_for_each(|one| erase::erase(batch.db(), one))?;
            leaves.iter().try_for_each(|leaf| batch.log(leaf).map(drop))?;
            Ok(Ok(()))
        });
        let done = done.await;
        for one in &gone {
            if matches!(done, Ok(Ok(()))) {
                self.veil.destroy(&one.person).await?;
            } else {
                self.veil.erased(&one.person);
            }
        }
        done
    }

    async fn record(&self, owner: &Subject, turn: Turn) -> Result<(), StoreError> {
        let row = veiled::turn(&self.veil, owner, &turn).await?;
        self.writer.write(move |batch| turns::insert(batch.db(), &row)).await
    }

    async fn turns(&self, query: TurnQuery) -> Result<Vec<Turn>, StoreError> {
        let query = veiled::turn_query(&self.veil, query);
        let found = self.read(move |db| turns::list(db, &query)).await?;
        veiled::turns(&self.veil, found).await
    }

    async fn persons_of(&self, email: &str) -> Result<Vec<String>, StoreError> {
        let email = veiled::email(&self.veil, email);
        self.read(move |db| turns::persons_of(db, &email)).await
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}

#[cfg(test)]
mod tests;
