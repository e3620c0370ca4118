//! Connections that only read, as many as read at once: a few of what may take long, and one for
//! each thread that serves.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{connect, reading};
use crate::ports::StoreError;

/// Statements that a connection keeps: all that actions need, several times over.
const STATEMENTS: usize = 128;

/// Most reads that may take long, at once; and most connections that are kept for later. Each has
/// files open, and memory for pages.
pub(super) const MOST: usize = 16;

/// Connections that only read.
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    turns: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn of(path: &Path) -> Self {
        let turns = Arc::new(Semaphore::new(MOST));
        Self { path: path.to_owned(), idle: Mutex::default(), turns }
    }

    /// Waits until a read that may take long has its turn, which ends with what is given here.
    pub(super) async fn turn(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        turn.map_err(|error| StoreError::Unavailable(error.to_string()))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn with<T>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let idle = self.idle.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => {
                let connection = connect(&self.path, reading())?;
                plan_once(&connection)?;
                connection
            }
        };
        let answer = job(&connection);
        let mut idle = self.idle.lock();
        if idle.len() < MOST {
            idle.push(connection);
        }
        answer
    }
}

/// A prepared statement is kept, with its plan, whatever is bound to it: reading it and
/// finding the plan cost more than most of our queries.
pub(super) fn plan_once(connection: &Connection) -> Result<(), StoreError> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::Barrier;

    use super::*;

    #[test]
    fn connections_of_a_burst_are_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("executor.db");
        Connection::open(&path).unwrap().pragma_update(None, "journal_mode", "wal").unwrap();
        let readers = Readers::of(&path);
        let all_read = Barrier::new(2 * MOST);
        let read = || readers.with(|_| Ok(all_read.wait())).map(drop).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..2 * MOST {
                scope.spawn(read);
            }
        });
        assert_eq!(readers.idle.lock().len(), MOST);
    }
}
