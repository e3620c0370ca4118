//! How the store stands towards its own history: one row, absent while nothing is to say.

use rusqlite::{Connection, OptionalExtension, params};

use crate::ports::StoreError;
use crate::standing::{Quarantine, Standing};
use crate::store::known::damaged;

pub(super) fn read(db: &Connection) -> Result<Standing, StoreError> {
    // An older layout has no such table, and nothing to say.
    let find = "SELECT 1 FROM sqlite_schema WHERE name = 'standing'";
    let known: Option<i64> = db.query_row(find, [], |row| row.get(0)).optional()?;
    if known.is_none() {
        return Ok(Standing::default());
    }
    let body: Option<String> =
        db.query_row("SELECT body FROM standing", [], |row| row.get(0)).optional()?;
    let read = body.map(|body| serde_json::from_str(&body).map_err(damaged));
    Ok(read.transpose()?.unwrap_or_default())
}

pub(super) fn write(db: &Connection, standing: &Standing) -> Result<(), StoreError> {
    let body = serde_json::to_string(standing).map_err(damaged)?;
    db.execute(
        "INSERT INTO standing (one, body) VALUES (1, ?1) ON CONFLICT (one) DO UPDATE SET body = ?1",
        params![body],
    )?;
    Ok(())
}

/// The first reason stays.
pub(super) fn quarantine(db: &Connection, why: &Quarantine) -> Result<(), StoreError> {
    let mut standing = read(db)?;
    if standing.quarantine.is_none() {
        standing.quarantine = Some(why.clone());
        write(db, &standing)?;
    }
    Ok(())
}
