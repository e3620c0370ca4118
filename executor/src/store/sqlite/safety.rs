//! Refuses a place or a setting under which a commit would not be durable.

use std::path::Path;

use rusqlite::Connection;

use crate::ports::StoreError;

/// The oldest SQLite without a known fault that loses what the log said: 3.51.3 mended
/// a race of the write-ahead log's reset.
const OLDEST: i32 = 3_051_003;
/// `PRAGMA synchronous` FULL.
const FULL: i64 = 2;
/// File systems over a network, by the magic number of statfs(2): their locks and their
/// syncs are not those that SQLite needs (sqlite.org/howtocorrupt.html, 2.1).
const NETWORK: [(i64, &str); 7] = [
    (0x6969, "NFS"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB2"),
    (0x517B, "SMB"),
    (0x00C3_6400, "Ceph"),
    (0x5346_414F, "AFS"),
    (0x0102_1997, "9P"),
];

/// # Errors
/// What is unsafe, and what to use instead.
pub(super) fn check(db: &Connection, path: &Path) -> Result<(), StoreError> {
    let mode: String = db.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    let synchronous: i64 = db.pragma_query_value(None, "synchronous", |row| row.get(0))?;
    version(rusqlite::version_number())
        .and_then(|()| durable(&mode, synchronous))
        .and_then(|()| place(kind(path)))
        .map_err(|why| StoreError::Unavailable(format!("{}: {why}", path.display())))
}

fn version(found: i32) -> Result<(), String> {
    if found >= OLDEST {
        return Ok(());
    }
    Err(format!("SQLite {found} can lose commits: build with {OLDEST} or newer"))
}

fn durable(mode: &str, synchronous: i64) -> Result<(), String> {
    if mode == "wal" && synchronous >= FULL {
        return Ok(());
    }
    Err(format!(
        "journal mode {mode}, synchronous {synchronous}: commits would not be durable. \
         Put the state folder on a local disk"
    ))
}

fn place(kind: Option<i64>) -> Result<(), String> {
    let network = NETWORK.iter().find(|(magic, _)| Some(*magic) == kind);
    let Some((_, name)) = network else { return Ok(()) };
    Err(format!("a store on {name} loses commits: put the state folder on a local disk"))
}

/// What the path lies on, where that can be told.
fn kind(path: &Path) -> Option<i64> {
    #[allow(clippy::useless_conversion, reason = "its width differs between targets")]
    rustix::fs::statfs(path).ok().map(|disk| i64::from(disk.f_type))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_would_lose_commits_is_refused() {
        assert!(version(3_051_002).unwrap_err().contains("can lose commits"));
        version(3_051_003).unwrap();
        version(rusqlite::version_number()).unwrap();
        for (mode, synchronous) in [("wal", 1), ("delete", 2), ("memory", 3)] {
            assert!(durable(mode, synchronous).is_err(), "{mode} {synchronous}");
        }
        durable("wal", 2).unwrap();
        assert!(place(Some(0x6969)).unwrap_err().contains("NFS"));
        place(Some(0xEF53)).unwrap();
        place(None).unwrap();
    }
}
