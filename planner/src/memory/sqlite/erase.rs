//! Whose what is kept is, and that it goes with them.

use std::collections::HashSet;

use rusqlite::{Connection, params};

use super::super::now;
use super::super::store::Name;

/// That this name is kept under this key.
pub(super) fn own(db: &Connection, kept_under: &str, name: &Name) -> rusqlite::Result<()> {
    let mut put = db.prepare_cached(
        "INSERT INTO belongs (kept_under, name, touched) VALUES (?1, ?2, ?3) \
         ON CONFLICT (kept_under, name) DO UPDATE SET touched = ?3",
    )?;
    put.execute(params![kept_under, name, now()]).map(drop)
}

/// Forgets everything that is kept under these; answers with its names.
pub(super) fn forget_all_of(db: &Connection, keys: &[String]) -> rusqlite::Result<HashSet<Name>> {
    let mut ask = db.prepare_cached("SELECT name FROM belongs WHERE kept_under = ?1")?;
    let mut names = HashSet::new();
    for key in keys {
        for name in ask.query_map([key], |row| row.get(0))? {
            names.insert(name?);
        }
    }
    for name in &names {
        for sql in [
            "DELETE FROM conversations WHERE name = ?1",
            "DELETE FROM turns WHERE thread = ?1",
            "DELETE FROM spent WHERE account = ?1",
        ] {
            db.execute(sql, [name])?;
        }
    }
    // Last: as long as one of these failed, the next look finds them again.
    for key in keys {
        db.execute("DELETE FROM belongs WHERE kept_under = ?1", [key])?;
    }
    Ok(names)
}
