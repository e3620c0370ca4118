//! The sequencer's seat: one task of this executor seals what waits together, and among
//! executors the lock on the tree's row says whose turn it is. A holder that stops loses
//! its transaction to the server's time-out for idle ones.
//!
//! Commit order: (1) what the entries do, (2) the tree's row locked, (3) leaves, nodes and
//! the signed checkpoint, (4) COMMIT, (5) the callers hear.

use std::sync::Arc;

use countersign_core::error::Refused;
use countersign_core::switch::{Off, Reach};
use countersign_shared::tlog::checkpoint::Checkpoint;
use countersign_shared::tlog::key::{LogKey, Signer as _};
use countersign_shared::tlog::merkle::{Tree, leaf_hash};
use deadpool_postgres::Transaction;
use futures_util::FutureExt as _;
use futures_util::future::try_join_all;
use tokio::sync::{mpsc, oneshot};

use super::database::{Database, first};
use super::fault::Fault;
use super::instance::fence;
use super::lost::Ended;
use super::remembered::{Log, Remembered, goes_on};
use super::{Postgres, controls, erase, escalations, history};
use crate::kill;
use crate::ports::{Activation, StoreError};
use crate::store::known::damaged;
use crate::store::veiled::{Append, Erasure, LeafRow};

/// Most entries that wait; their callers wait for a place.
const QUEUE: usize = 1024;
/// Most entries of one commit.
const BATCH: usize = 256;

/// Receipts for the log, with what becomes durable with them.
#[derive(Default)]
pub(super) struct Entry {
    pub(super) appends: Vec<Append>,
    pub(super) turned: Option<(Reach, Option<Off>)>,
    pub(super) activated: Vec<Activation>,
    pub(super) held: Option<(String, bool)>,
    pub(super) erased: Vec<Erasure>,
    pub(super) lost: Vec<Ended>,
    pub(super) leaves: Vec<LeafRow>,
}

/// The queue in front of the seat.
pub(super) struct Seat(mpsc::Sender<Waiting>);

struct Waiting {
    entry: Arc<Entry>,
    answer: oneshot::Sender<Sealed>,
}

/// The index of an entry's first leaf, or why it does not stand.
type Sealed = Result<u64, Refusal>;

/// Why an entry was not sealed.
#[derive(Debug, Clone)]
pub(super) enum Refusal {
    /// The answer is no.
    No(Box<Refused>),
    /// The store failed.
    Failed(StoreError),
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refused(refused) => Self::No(refused),
            Fault::Store(_)
            | Fault::Db(_)
            | Fault::Away(_)
            | Fault::Fenced
            | Fault::Faster
            | Fault::Back(_) => Self::Failed(fault.into()),
        }
    }
}

/// What a commit needs to know.
#[derive(Clone)]
struct Sequencer {
    db: Database,
    me: i64,
    log: Arc<LogKey>,
    remembered: Remembered,
}

impl Seat {
    pub(super) fn take(db: Database, me: i64, log: Arc<LogKey>, remembered: Remembered) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(Sequencer { db, me, log, remembered }.run(waiting));
        Self(queue)
    }

    /// Seals an entry; answers with the index of its first leaf.
    pub(super) async fn seal(&self, entry: Entry) -> Sealed {
        let (answer, done) = oneshot::channel();
        let stopped = || StoreError::Unavailable("the sealing task has stopped".to_owned());
        let gone = || Refusal::Failed(stopped());
        let waiting = Waiting { entry: Arc::new(entry), answer };
        self.0.send(waiting).await.map_err(|_| gone())?;
        done.await.map_err(|_| gone())?
    }
}

impl Postgres {
    /// Writes an entry, and remembers which reservations the journal has now.
    pub(super) async fn seal_entry(&self, entry: Entry) -> Result<u64, StoreError> {
        let begun: Vec<_> = entry.appends.iter().map(|append| append.action().clone()).collect();
        let sealed = self.seat.seal(entry).await;
        let index = sealed.map_err(|why| match why {
            Refusal::No(refused) => StoreError::Unavailable(refused.message),
            Refusal::Failed(error) => error,
        })?;
        begun.iter().for_each(|action| self.reserved.settled(action));
        Ok(index)
    }
}

impl Sequencer {
    async fn run(self, mut waiting: mpsc::Receiver<Waiting>) {
        let mut batch = Vec::new();
        while waiting.recv_many(&mut batch, BATCH).await > 0 {
            let (entries, answers): (Vec<_>, Vec<_>) =
                batch.drain(..).map(|one| (one.entry, one.answer)).unzip();
            for (answer, sealed) in answers.into_iter().zip(self.seal(entries).await) {
                // A caller that has gone changes nothing: what is committed stands.
                let _ = answer.send(sealed);
            }
        }
    }

    /// Together, or each alone where one of them is at fault.
    async fn seal(&self, entries: Vec<Arc<Entry>>) -> Vec<Sealed> {
        let count = entries.len();
        match self.commit(entries.clone()).await {
            Ok(indices) => indices.into_iter().map(Ok).collect(),
            Err(fault) if fault.is_of_the_work() && count > 1 => {
                let mut sealed = Vec::with_capacity(count);
                for entry in entries {
                    let alone = self.commit(vec![entry]).await.map_err(Refusal::from);
                    sealed.push(alone.and_then(|indices| {
                        let first = indices.first().copied();
                        first.ok_or_else(|| Refusal::Failed(damaged("nothing was sealed")))
                    }));
                }
                sealed
            }
            Err(fault) => {
                let why = Refusal::from(fault);
                if let Refusal::Failed(error) = &why {
                    tracing::error!(%error, receipts = count, "a commit failed; nothing of it was done");
                }
                vec![Err(why); count]
            }
        }
    }

    async fn commit(&self, entries: Vec<Arc<Entry>>) -> Result<Vec<u64>, Fault> {
        let (this, entries) = (self.clone(), Arc::new(entries));
        let written = self.db.write(move |db| {
            let (this, entries) = (this.clone(), Arc::clone(&entries));
            async move { this.write(db, &entries).await }.boxed()
        });
        let (log, indices) = self.remembered.heard(written.await)?;
        kill::Step::Commit.after();
        self.remembered.grew(log);
        Ok(indices)
    }

    async fn write(
        &self,
        db: &Transaction<'_>,
        entries: &[Arc<Entry>],
    ) -> Result<(Log, Vec<u64>), Fault> {
        let each = try_join_all(entries.iter().map(|entry| entry.write(db, self.me)));
        let ((), (), _, (mut tree, before)) = tokio::try_join!(
            biased;
            fence(db, self.me),
            self.remembered.wall(db),
            each,
            self.lock(db)
        )?;
        let (mut indices, mut nodes) = (Vec::with_capacity(entries.len()), Vec::new());
        let from = tree.size();
        for entry in entries {
            indices.push(tree.size());
            for leaf in &entry.leaves {
                nodes.extend(tree.append(leaf_hash(&leaf.bytes)));
            }
        }
        let leaves: Vec<_> = entries.iter().flat_map(|entry| &entry.leaves).collect();
        let note = self.sign(&tree)?;
        tokio::try_join!(
            biased;
            history::insert_leaves(db, from, &leaves),
            history::insert_nodes(db, &nodes),
            history::advance(db, &before, &tree, &note),
        )?;
        kill::Step::Commit.before();
        Ok(((tree.size(), tree.root()), indices))
    }

    /// Waits for the seat. Answers with the tree to append to, and as it stands.
    async fn lock(&self, db: &Transaction<'_>) -> Result<(Tree, Log), Fault> {
        let known = self.remembered.log();
        let sql = "SELECT size, edge, root, note FROM tree WHERE one = 1 FOR UPDATE";
        let row = first(db, sql, &[]).await?.ok_or_else(|| damaged("the tree's row is gone"))?;
        let tree = history::tree(&row, &self.log)?;
        let now = (tree.size(), tree.root());
        // TWO KEEP THE HISTORY: a server that went back to an earlier state forks it.
        goes_on(db, known, now).await?;
        Ok((tree, now))
    }

    fn sign(&self, tree: &Tree) -> Result<String, StoreError> {
        let failed =
            |e: &dyn std::fmt::Display| StoreError::Unavailable(format!("checkpoint: {e}"));
        let name = self.log.verifier_key();
        let checkpoint =
            Checkpoint::new(name.name(), tree.size(), tree.root()).map_err(|e| failed(&e))?;
        Ok(checkpoint.sign(&*self.log).map_err(|e| failed(&e))?.to_string())
    }
}

impl Entry {
    /// All but the leaves themselves.
    async fn write(&self, db: &Transaction<'_>, me: i64) -> Result<(), Fault> {
        try_join_all(self.appends.iter().map(|append| append.write(db, me))).await?;
        for gone in &self.erased {
            erase::erase(db, gone).await?;
        }
        for ended in &self.lost {
            ended.write(db).await?;
        }
        for leaf in &self.leaves {
            if let Some(key) = &leaf.key {
                erase::stands(db, key).await?;
            }
            let followed = escalations::follow(db, leaf).await?;
            // Another word may have ended it; what ends its own action needs no open matter.
            if !followed && self.appends.is_empty() {
                return Err(StoreError::Conflict.into());
            }
        }
        if let Some((person, holds)) = &self.held {
            erase::hold(db, person, *holds).await?;
        }
        if let Some((reach, off)) = &self.turned {
            controls::turn(db, reach, off.as_ref()).await?;
        }
        for one in &self.activated {
            controls::activate(db, one).await?;
        }
        Ok(())
    }
}
