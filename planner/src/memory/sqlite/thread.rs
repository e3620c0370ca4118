//! One thread holds the connection, so that nobody who answers others waits for the disk.
//! Jobs are done in the order in which they came; those that wait together share a commit, and
//! what nobody waits for shares that of the next one that somebody does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::oneshot;

/// Batches of one commit at most.
const TOGETHER: usize = 128;

type Job = Box<dyn FnOnce(&Connection) -> Answer + Send>;
/// A job that somebody waits for, after those that nobody does.
type Batch = Vec<Job>;
/// Tells whoever asked, once it is known whether the commit held.
type Answer = Box<dyn FnOnce(bool)>;

/// The thread. Clones share it; it ends with the last one.
#[derive(Clone)]
pub(super) struct Thread(Arc<Desk>);

struct Desk {
    db: Mutex<Option<Connection>>,
    jobs: OnceLock<Sender<Batch>>,
    /// What nobody waits for.
    aside: Mutex<Batch>,
    /// Whether the log of writes is to be emptied after the next commit.
    shorten: Arc<AtomicBool>,
}

impl Thread {
    /// Over a connection. The thread itself begins with the first job: a process confines
    /// itself while it has one.
    pub(super) fn over(db: Connection) -> Self {
        let (db, jobs, aside) = (Mutex::new(Some(db)), OnceLock::new(), Mutex::default());
        // A process that was killed may have left in the log of writes what it had deleted.
        let shorten = Arc::new(AtomicBool::new(true));
        Self(Arc::new(Desk { db, jobs, aside, shorten }))
    }

    /// Empties the log of writes into the file, so that what was deleted is in neither.
    pub(super) async fn shorten(&self) {
        self.0.shorten.store(true, Ordering::Relaxed);
        let _told = self.ask(|_| Ok(())).await;
    }

    /// Puts a job aside that nobody waits for: it is done right before the next one that is asked
    /// for. Where it fails, that is logged.
    pub(super) fn put_aside<J>(&self, job: J)
    where
        J: FnOnce(&Connection) -> rusqlite::Result<()> + Send + 'static,
    {
        self.0.aside.lock().push(Box::new(move |db| {
            let _logged = logged(job(db));
            Box::new(|_held| {})
        }));
    }

    /// Queues a job before it returns; what is awaited is its answer, durable where it wrote.
    /// `None` where it failed, which is logged.
    pub(super) fn ask<T, J>(&self, job: J) -> impl Future<Output = Option<T>> + Send + use<T, J>
    where
        T: Send + 'static,
        J: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let job: Job = Box::new(move |db| {
            let done = logged(job(db));
            Box::new(move |held| {
                // Whoever asked may have left.
                let _left = tell.send(done.filter(|_| held));
            })
        });
        self.0.send(job);
        async move { told.await.ok().flatten() }
    }
}

impl Desk {
    fn send(&self, job: Job) {
        // Until it is sent: nothing that comes later goes before.
        let mut aside = self.aside.lock();
        let mut batch = std::mem::take(&mut *aside);
        batch.push(job);
        // A thread that could not begin answers nothing, and that is what is heard.
        let _gone = self.jobs().send(batch);
    }

    fn jobs(&self) -> &Sender<Batch> {
        self.jobs.get_or_init(|| {
            let (jobs, queue) = mpsc::channel();
            if let Some(db) = self.db.lock().take() {
                let thread = std::thread::Builder::new().name("memory".to_owned());
                let shorten = Arc::clone(&self.shorten);
                if let Err(error) = thread.spawn(move || work(&db, &queue, &shorten)) {
                    tracing::error!(%error, "no thread for what is remembered");
                }
            }
            jobs
        })
    }
}

impl Drop for Desk {
    /// What nobody waited for is done all the same.
    fn drop(&mut self) {
        let batch = std::mem::take(self.aside.get_mut());
        if !batch.is_empty() {
            let _gone = self.jobs().send(batch);
        }
    }
}

fn work(db: &Connection, queue: &Receiver<Batch>, shorten: &AtomicBool) {
    while let Ok(first) = queue.recv() {
        let begun = done(db, "BEGIN IMMEDIATE");
        let batches = std::iter::once(first).chain(queue.try_iter()).take(TOGETHER);
        let answers: Vec<Answer> = batches.flatten().map(|job| job(db)).collect();
        let held = logged(begun.and_then(|()| done(db, "COMMIT"))).is_some();
        if !held && !db.is_autocommit() {
            let _undone = logged(db.execute_batch("ROLLBACK"));
        }
        // Where it could not be done, it is tried again after the next commit.
        if shorten.swap(false, Ordering::Relaxed) && logged(shortened(db)).is_none() {
            shorten.store(true, Ordering::Relaxed);
        }
        for answer in answers {
            answer(held);
        }
    }
}

/// Begins or ends a transaction; the statement is kept.
fn done(db: &Connection, sql: &str) -> rusqlite::Result<()> {
    db.prepare_cached(sql)?.execute([]).map(drop)
}

/// Empties the log of writes into the file.
fn shortened(db: &Connection) -> rusqlite::Result<()> {
    let busy = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0))?;
    let held = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
    if busy { Err(rusqlite::Error::SqliteFailure(held, None)) } else { Ok(()) }
}

/// A memory that fails costs the customer a question asked twice, and nothing else: it is
/// logged, and the turn goes on.
fn logged<T>(done: rusqlite::Result<T>) -> Option<T> {
    done.inspect_err(|error| tracing::error!(%error, "a conversation was not remembered")).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[tokio::test]
    async fn jobs_are_done_in_order_and_one_that_fails_takes_none_with_it() {
        let thread = Thread::over(Connection::open_in_memory().unwrap());
        let made = thread.ask(|db| db.execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY)"));
        let put = |n: i64| thread.ask(move |db| db.execute("INSERT INTO t VALUES (?1)", [n]));
        let (one, twice, two) = (put(1), put(1), put(2));
        assert_eq!(made.await, Some(()));
        assert_eq!((one.await, twice.await, two.await), (Some(1), None, Some(1)));
        let sum = thread.ask(|db| db.query_row("SELECT sum(n) FROM t", [], |row| row.get(0)));
        assert_eq!(sum.await, Some(3_i64));
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_done_right_before_what_is_asked_next() {
        let thread = Thread::over(Connection::open_in_memory().unwrap());
        thread.put_aside(|db| db.execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY)"));
        for _once_and_in_vain in 0..2 {
            thread.put_aside(|db| db.execute("INSERT INTO t VALUES (1)", []).map(drop));
        }
        let found = thread.ask(|db| db.query_row("SELECT count(*) FROM t", [], |row| row.get(0)));
        assert_eq!(found.await, Some(1_i64));
        // Also where nothing is asked any more.
        let (tell, told) = mpsc::channel();
        thread.put_aside(move |_| tell.send(()).map_err(|_| rusqlite::Error::InvalidQuery));
        drop(thread);
        assert_eq!(told.recv(), Ok(()));
    }

    #[tokio::test]
    async fn whoever_leaves_has_asked_all_the_same() {
        let thread = Thread::over(Connection::open_in_memory().unwrap());
        drop(thread.ask(|db| db.execute_batch("CREATE TABLE t (n INTEGER)")));
        let found = thread.ask(|db| db.query_row("SELECT count(*) FROM t", [], |row| row.get(0)));
        assert_eq!(found.await, Some(0_i64));
    }
}
