//! The one thread that writes: takes what waits, up to a bound, and commits it
//! together; among many callers it waits a moment for more. Where one operation fails, all
//! are done once more, each in a savepoint of its own, so that it takes nothing with it.
//!
//! Commit order: (1) operations, (2) the checkpoint over the leaves they added,
//! signed, (3) COMMIT, (4) the callers hear.

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_shared::tlog::checkpoint::Checkpoint;
use countersign_shared::tlog::key::{LogKey, Signer as _};
use countersign_shared::tlog::merkle::{Hash, Tree, leaf_hash};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{escalations, history};
use crate::kill;
use crate::ports::StoreError;
use crate::store::veiled::LeafRow;

/// Most operations that wait in the queue; their callers wait for a place in it.
const QUEUE: usize = 1024;
/// Most operations of one commit.
const BATCH: usize = 256;
/// Operations of a commit that show that many callers are at it.
const CROWD: usize = 4;
/// Longest wait for more of them.
const GATHER: Duration = Duration::from_millis(2);

/// The queue in front of the writing thread.
pub(super) struct Writer {
    queue: mpsc::Sender<Box<dyn Job>>,
}

/// One commit in the making.
pub(super) struct Batch<'a> {
    db: &'a Connection,
    tree: &'a mut Tree,
}

/// An operation that waits for its commit.
trait Job: Send {
    /// Does it; `false` where it failed. What was undone is done again.
    fn run(&mut self, batch: &mut Batch<'_>) -> bool;
    /// Tells the caller, after the commit.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Waiting<T, F> {
    work: F,
    result: Option<Result<T, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl Writer {
    pub(super) fn start(db: Connection, log: Arc<LogKey>) -> Result<Self, StoreError> {
        let tree = history::load(&db, &[log.verifier_key()])?;
        let (queue, jobs) = mpsc::channel(QUEUE);
        std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || run(&db, tree, &log, jobs))
            .map_err(|e| StoreError::Unavailable(e.to_string()))?;
        Ok(Self { queue })
    }

    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Batch<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, done) = oneshot::channel();
        let job = Box::new(Waiting { work, result: None, answer });
        let gone = |_| StoreError::Unavailable("the writing thread has stopped".to_owned());
        self.queue.send(job).await.map_err(|_| gone(()))?;
        done.await.map_err(|_| gone(()))?
    }
}

impl<'a> Batch<'a> {
    /// For a commit of one's own.
    pub(super) fn over(db: &'a Connection, tree: &'a mut Tree) -> Self {
        Self { db, tree }
    }

    pub(super) fn size(&self) -> u64 {
        self.tree.size()
    }

    pub(super) fn root(&self) -> Hash {
        self.tree.root()
    }

    pub(super) fn db(&self) -> &Connection {
        self.db
    }

    /// Appends a leaf to the log, with what it does to the queue of people, and answers
    /// with its index.
    pub(super) fn log(&mut self, leaf: &LeafRow) -> Result<u64, StoreError> {
        leaf.key.as_ref().map_or(Ok(()), |key| key.stands())?;
        escalations::follow(self.db, leaf)?;
        let index = self.tree.size();
        let nodes = self.tree.append(leaf_hash(&leaf.bytes));
        history::insert(self.db, index, leaf, &nodes)?;
        Ok(index)
    }
}

impl<T, F> Job for Waiting<T, F>
where
    T: Send,
    F: Fn(&mut Batch<'_>) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, batch: &mut Batch<'_>) -> bool {
        self.result = Some((self.work)(batch));
        matches!(self.result, Some(Ok(_)))
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let result = match (committed, self.result) {
            (Err(error), Some(Ok(_)) | None) => Err(error),
            (_, Some(result)) => result,
            (Ok(()), None) => Err(StoreError::Unavailable("not run".to_owned())),
        };
        // A caller that has gone changes nothing: what is committed stands.
        let _ = self.answer.send(result);
    }
}

fn run(db: &Connection, mut tree: Tree, log: &LogKey, mut jobs: mpsc::Receiver<Box<dyn Job>>) {
    let (mut batch, mut pause) = (Vec::new(), Duration::ZERO);
    loop {
        let taken = jobs.blocking_recv();
        let Some(first) = taken else { return };
        batch.push(first);
        std::thread::sleep(pause);
        while batch.len() < BATCH {
            let Ok(next) = jobs.try_recv() else { break };
            batch.push(next);
        }
        let (before, begun) = (tree.clone(), Instant::now());
        let committed = commit(db, &mut tree, log, &mut batch);
        pause = gather(batch.len(), begun.elapsed());
        if let Err(error) = &committed {
            tracing::error!(%error, "a commit failed; nothing of it was done");
            tree = before;
            let _ = db.execute_batch("ROLLBACK");
        }
        for job in batch.drain(..) {
            job.answer(committed.clone());
        }
    }
}

/// Among many callers a commit waits for more of them as long as the last one took: it costs
/// them nearly the same for twice as many. Whoever is alone, or nearly, waits for nobody.
fn gather(done: usize, took: Duration) -> Duration {
    if done < CROWD { Duration::ZERO } else { took.min(GATHER) }
}

fn commit(
    db: &Connection,
    tree: &mut Tree,
    log: &LogKey,
    jobs: &mut [Box<dyn Job>],
) -> Result<(), StoreError> {
    let before = tree.clone();
    if !together(db, tree, jobs)? {
        // The file may have ended the transaction already.
        if !db.is_autocommit() {
            run_kept(db, "ROLLBACK")?;
        }
        *tree = before.clone();
        one_by_one(db, tree, jobs)?;
    }
    if tree.size() > before.size() {
        checkpoint(db, tree, log)?;
    }
    kill::Step::Commit.before();
    run_kept(db, "COMMIT")?;
    kill::Step::Commit.after();
    Ok(())
}

/// `false` where one of them failed. Nearly none does, and a savepoint for each would keep
/// a copy of every page that is changed.
fn together(
    db: &Connection,
    tree: &mut Tree,
    jobs: &mut [Box<dyn Job>],
) -> Result<bool, StoreError> {
    run_kept(db, "BEGIN IMMEDIATE")?;
    Ok(jobs.iter_mut().all(|job| job.run(&mut Batch { db, tree })))
}

fn one_by_one(
    db: &Connection,
    tree: &mut Tree,
    jobs: &mut [Box<dyn Job>],
) -> Result<(), StoreError> {
    run_kept(db, "BEGIN IMMEDIATE")?;
    for job in jobs {
        let before = tree.clone();
        run_kept(db, "SAVEPOINT job")?;
        if job.run(&mut Batch { db, tree }) {
            run_kept(db, "RELEASE job")?;
        } else {
            *tree = before;
            db.execute_batch("ROLLBACK TO job; RELEASE job")?;
        }
    }
    Ok(())
}

/// The same few statements around each operation.
fn run_kept(db: &Connection, sql: &str) -> Result<(), StoreError> {
    db.prepare_cached(sql)?.execute([])?;
    Ok(())
}

/// Signs the log as it stands.
pub(super) fn checkpoint(db: &Connection, tree: &Tree, log: &LogKey) -> Result<(), StoreError> {
    let failed = |e: &dyn std::fmt::Display| StoreError::Unavailable(format!("checkpoint: {e}"));
    let key = log.verifier_key();
    let checkpoint =
        Checkpoint::new(key.name(), tree.size(), tree.root()).map_err(|e| failed(&e))?;
    let note = checkpoint.sign(log).map_err(|e| failed(&e))?;
    history::set_checkpoint(db, tree.size(), &note.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::super::migrate;
    use super::*;
    use crate::store::conformance::key;

    type Answer = oneshot::Receiver<Result<i64, StoreError>>;

    fn job(n: i64, fails: bool) -> (Box<dyn Job>, Answer) {
        let (answer, done) = oneshot::channel();
        let work = move |batch: &mut Batch<'_>| {
            batch.db.execute("INSERT INTO done VALUES (?1)", [n])?;
            batch.tree.append(leaf_hash(&n.to_be_bytes()));
            if fails { Err(StoreError::Conflict) } else { Ok(n) }
        };
        (Box::new(Waiting { work, result: None, answer }), done)
    }

    #[test]
    fn a_commit_waits_for_others_only_among_many_and_never_long() {
        let took = Duration::from_micros(700);
        assert_eq!(gather(1, took), Duration::ZERO);
        assert_eq!(gather(CROWD - 1, took), Duration::ZERO);
        assert_eq!(gather(CROWD, took), took);
        assert_eq!(gather(BATCH, Duration::from_secs(9)), GATHER);
    }

    #[test]
    fn where_one_fails_the_others_are_done_once_and_the_log_holds_no_more() {
        let db = Connection::open_in_memory().unwrap();
        migrate::migrate(&db).unwrap();
        db.execute_batch("CREATE TABLE done (n INTEGER)").unwrap();
        let (mut tree, log) = (Tree::default(), key());
        for (first, failing) in [(1, Some(2)), (4, None), (7, Some(7)), (10, Some(12))] {
            let each = (first..first + 3).map(|n| job(n, failing == Some(n)));
            let (mut jobs, answers): (Vec<_>, Vec<_>) = each.unzip();
            commit(&db, &mut tree, &log, &mut jobs).unwrap();
            jobs.into_iter().for_each(|job| job.answer(Ok(())));
            for (n, answer) in (first..).zip(answers) {
                let told = answer.blocking_recv().unwrap();
                let wanted = if failing == Some(n) { Err(StoreError::Conflict) } else { Ok(n) };
                assert_eq!(told, wanted);
            }
        }
        let mut select = db.prepare("SELECT n FROM done").unwrap();
        let done = select.query_map([], |row| row.get(0)).unwrap();
        let done: Vec<i64> = done.collect::<Result<_, _>>().unwrap();
        assert_eq!(done, [1, 3, 4, 5, 6, 8, 9, 10, 11]);
        let mut wanted = Tree::default();
        done.iter().for_each(|n| drop(wanted.append(leaf_hash(&n.to_be_bytes()))));
        assert_eq!((tree.size(), tree.root()), (wanted.size(), wanted.root()));
        let note = history::checkpoint(&db).unwrap();
        let (signed, _) = Checkpoint::open(note.as_bytes(), &log.verifier_key()).unwrap();
        assert_eq!((signed.size(), signed.root()), (tree.size(), &tree.root()));
    }
}
