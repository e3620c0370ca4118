//! Policies and packs as rows, by digest.

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::ports::{Files, StoreError};
use crate::store::known::damaged;

pub(super) fn keep(db: &Connection, digest: &str, files: &Files) -> Result<(), StoreError> {
    let files = serde_json::to_string(files).map_err(damaged)?;
    let sql = "INSERT INTO bundles (digest, files) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    db.execute(sql, params![digest, files])?;
    Ok(())
}

pub(super) fn kept(db: &Connection, digest: &str) -> Result<Option<Files>, StoreError> {
    let find = "SELECT files FROM bundles WHERE digest = ?1";
    let stored: Option<String> =
        db.query_row(find, params![digest], |row| row.get(0)).optional()?;
    stored.map(|files| serde_json::from_str(&files).map_err(damaged)).transpose()
}

pub(super) fn all(db: &Connection) -> Result<Vec<String>, StoreError> {
    let mut select = db.prepare_cached("SELECT digest FROM bundles ORDER BY digest")?;
    let rows = select.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
