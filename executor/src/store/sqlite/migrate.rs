//! Brings a file to the newest layout. `PRAGMA user_version` has its number too, by which
//! executors from before there were migrations tell that they are too old.

use rusqlite::{Connection, params};

use crate::ports::StoreError;
use crate::store::migration::{Migration, pending};

/// Five layouts came before the first file.
const KNOWN: [Migration; 16] = [
    Migration { number: 5, name: "schema", sql: include_str!("migrations/0005_schema.sql") },
    Migration { number: 6, name: "standing", sql: include_str!("migrations/0006_standing.sql") },
    Migration { number: 10, name: "persons", sql: include_str!("migrations/0010_persons.sql") },
    Migration { number: 11, name: "bundles", sql: include_str!("migrations/0011_bundles.sql") },
    Migration { number: 12, name: "sinks", sql: include_str!("migrations/0012_sinks.sql") },
    Migration { number: 14, name: "turns", sql: include_str!("migrations/0014_turns.sql") },
    Migration { number: 15, name: "register", sql: include_str!("migrations/0015_register.sql") },
    Migration {
        number: 16,
        name: "register_again",
        sql: include_str!("migrations/0016_register_again.sql"),
    },
    Migration { number: 17, name: "waits", sql: include_str!("migrations/0017_waits.sql") },
    Migration { number: 18, name: "overrides", sql: include_str!("migrations/0018_overrides.sql") },
    Migration { number: 19, name: "costs", sql: include_str!("migrations/0019_costs.sql") },
    Migration { number: 20, name: "ratings", sql: include_str!("migrations/0020_ratings.sql") },
    Migration {
        number: 21,
        name: "conversation_days",
        sql: include_str!("migrations/0021_conversation_days.sql"),
    },
    Migration { number: 22, name: "guests", sql: include_str!("migrations/0022_guests.sql") },
    Migration { number: 23, name: "owners", sql: include_str!("migrations/0023_owners.sql") },
    Migration { number: 24, name: "ended", sql: include_str!("migrations/0024_ended.sql") },
];

const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS migrations (
        number INTEGER PRIMARY KEY,
        name   TEXT NOT NULL,
        sha256 TEXT NOT NULL
    ) STRICT;";

/// Applies what is missing, each file in a transaction of its own.
pub(super) fn migrate(db: &Connection) -> Result<(), StoreError> {
    loop {
        db.execute_batch("BEGIN IMMEDIATE")?;
        let done = step(db);
        db.execute_batch(if done.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
        if !done? {
            return Ok(());
        }
    }
}

/// Whether there was one to apply.
fn step(db: &Connection) -> Result<bool, StoreError> {
    let layout: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    db.execute_batch(TABLE)?;
    let mut applied = applied(db)?;
    if applied.is_empty() && layout != 0 {
        applied = adopt(db, layout)?;
    }
    let Some(next) = pending(&KNOWN, &applied)?.first() else { return Ok(false) };
    db.execute_batch(next.sql)?;
    record(db, next)?;
    db.pragma_update(None, "user_version", next.number)?;
    Ok(true)
}

fn applied(db: &Connection) -> Result<Vec<(i64, String)>, StoreError> {
    let mut select = db.prepare("SELECT number, sha256 FROM migrations ORDER BY number")?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A file from before migrations were recorded.
fn adopt(db: &Connection, layout: i64) -> Result<Vec<(i64, String)>, StoreError> {
    match KNOWN.first() {
        Some(first) if first.number == layout => {
            record(db, first)?;
            Ok(vec![(first.number, first.checksum())])
        }
        Some(first) if first.number > layout => Err(StoreError::Unavailable(format!(
            "layout {layout} is older than this executor can bring up to date (layout {}): its \
             receipts can be read by the version that wrote it",
            first.number
        ))),
        Some(_) | None => Ok(vec![(layout, String::new())]),
    }
}

fn record(db: &Connection, migration: &Migration) -> Result<(), StoreError> {
    db.execute(
        "INSERT INTO migrations (number, name, sha256) VALUES (?1, ?2, ?3)",
        params![migration.number, migration.name, migration.checksum()],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    fn with(sql: &str) -> (Connection, Result<(), StoreError>) {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(sql).unwrap();
        let done = migrate(&db);
        (db, done)
    }

    #[test]
    fn a_file_from_before_is_taken_as_it_is_and_migrated_once() {
        let before = format!("{} PRAGMA user_version = 5;", KNOWN[0].sql);
        let (db, done) = with(&before);
        done.unwrap();
        migrate(&db).unwrap();
        assert_eq!(applied(&db).unwrap(), KNOWN.map(|one| (one.number, one.checksum())));
        let (new, done) = with("");
        done.unwrap();
        assert_eq!(applied(&new).unwrap(), applied(&db).unwrap());
        let layout: i64 = new.pragma_query_value(None, "user_version", |r| r.get(0)).unwrap();
        assert_eq!(
            layout,
            KNOWN.last().unwrap().number,
            "older executors refuse newer files by it"
        );
    }

    #[test]
    fn what_is_not_known_is_left_as_it_is() {
        for (layout, says) in [(4, "older than this executor"), (1000, "newer executor")] {
            let (db, done) = with(&format!("PRAGMA user_version = {layout};"));
            let why = done.unwrap_err().to_string();
            assert!(why.contains(says), "{why}");
            let tables: i64 =
                db.query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0)).unwrap();
            assert_eq!(tables, 0, "nothing was written");
        }
    }
}
