//! Switches and activations as rows.

use std::collections::BTreeMap;

use countersign_core::activation::{Active, Part};
use countersign_core::switch::{Off, Reach, Switches};
use rusqlite::{Connection, OptionalExtension, params};

use crate::ports::{Activation, StoreError};
use crate::store::known::damaged;

pub(super) fn switches(db: &Connection) -> Result<Switches, StoreError> {
    let mut select = db.prepare_cached("SELECT reach, off FROM switches")?;
    let rows = select.query_map([], |r| Ok((r.get::<_, String>(0)?, r.get::<_, String>(1)?)))?;
    let mut off = BTreeMap::new();
    for row in rows {
        let (reach, switch) = row?;
        off.insert(
            reach.parse().map_err(damaged)?,
            serde_json::from_str(&switch).map_err(damaged)?,
        );
    }
    Ok(Switches::new(off))
}

pub(super) fn turn(db: &Connection, reach: &Reach, off: Option<&Off>) -> Result<(), StoreError> {
    let reach = reach.to_string();
    match off {
        None => db.execute("DELETE FROM switches WHERE reach = ?1", params![reach])?,
        Some(off) => db.execute(
            "INSERT OR REPLACE INTO switches (reach, off) VALUES (?1, ?2)",
            params![reach, serde_json::to_string(off).map_err(damaged)?],
        )?,
    };
    Ok(())
}

pub(super) fn activated(db: &Connection) -> Result<BTreeMap<Part, Active>, StoreError> {
    let mut select = db.prepare_cached("SELECT part, digest, at FROM activated")?;
    let mut rows = select.query([])?;
    let mut all = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let (part, at): (String, String) = (row.get(0)?, row.get(2)?);
        let active = Active { digest: row.get(1)?, at: at.parse().map_err(damaged)? };
        all.insert(part.parse().map_err(damaged)?, active);
    }
    Ok(all)
}

pub(super) fn bundle(db: &Connection) -> Result<BTreeMap<String, String>, StoreError> {
    let find = "SELECT bundle FROM activated WHERE part = ?1";
    let stored: Option<Option<String>> =
        db.query_row(find, params![Part::Policy.to_string()], |row| row.get(0)).optional()?;
    let files = stored.flatten().map(|files| serde_json::from_str(&files).map_err(damaged));
    Ok(files.transpose()?.unwrap_or_default())
}

pub(super) fn activate(db: &Connection, one: &Activation) -> Result<(), StoreError> {
    let bundle = one.bundle.as_ref().map(serde_json::to_string).transpose().map_err(damaged)?;
    let changed = db.execute(
        "INSERT INTO activated (part, digest, at, bundle) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (part) DO UPDATE
         SET digest = excluded.digest, at = excluded.at, bundle = excluded.bundle
         WHERE digest <> excluded.digest",
        params![one.part.to_string(), one.active.digest, one.active.at.to_string(), bundle],
    )?;
    if changed == 1 { Ok(()) } else { Err(StoreError::Conflict) }
}
