//! Switches and activations as rows.

use std::collections::BTreeMap;

use countersign_core::activation::{Active, Part};
use countersign_core::switch::{Off, Reach, Switches};
use deadpool_postgres::{GenericClient, Transaction};

use super::database::{all, first, run};
use super::fault::Fault;
use crate::ports::{Activation, StoreError};
use crate::store::known::damaged;

pub(super) async fn switches(db: &impl GenericClient) -> Result<Switches, Fault> {
    let mut off = BTreeMap::new();
    for row in all(db, "SELECT reach, off FROM switches", &[]).await? {
        let (reach, switch): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
        off.insert(reach.parse().map_err(damaged)?, serde_json::from_str(switch).map_err(damaged)?);
    }
    Ok(Switches::new(off))
}

pub(super) async fn turn(
    db: &Transaction<'_>,
    reach: &Reach,
    off: Option<&Off>,
) -> Result<(), Fault> {
    let reach = reach.to_string();
    let Some(off) = off else {
        run(db, "DELETE FROM switches WHERE reach = $1", &[&reach]).await?;
        return Ok(());
    };
    let off = serde_json::to_string(off).map_err(damaged)?;
    let sql = "INSERT INTO switches (reach, off) VALUES ($1, $2)
               ON CONFLICT (reach) DO UPDATE SET off = excluded.off";
    run(db, sql, &[&reach, &off]).await.map(drop)
}

pub(super) async fn activated(db: &impl GenericClient) -> Result<BTreeMap<Part, Active>, Fault> {
    let mut parts = BTreeMap::new();
    for row in all(db, "SELECT part, digest, at FROM activated", &[]).await? {
        let (part, at): (&str, &str) = (row.try_get(0)?, row.try_get(2)?);
        let active = Active { digest: row.try_get(1)?, at: at.parse().map_err(damaged)? };
        parts.insert(part.parse().map_err(damaged)?, active);
    }
    Ok(parts)
}

pub(super) async fn bundle(db: &impl GenericClient) -> Result<BTreeMap<String, String>, Fault> {
    let sql = "SELECT bundle FROM activated WHERE part = $1 AND bundle IS NOT NULL";
    let Some(row) = first(db, sql, &[&Part::Policy.to_string()]).await? else {
        return Ok(BTreeMap::new());
    };
    Ok(serde_json::from_str(row.try_get(0)?).map_err(damaged)?)
}

pub(super) async fn activate(db: &Transaction<'_>, one: &Activation) -> Result<(), Fault> {
    let bundle = one.bundle.as_ref().map(serde_json::to_string).transpose().map_err(damaged)?;
    let sql = "
        INSERT INTO activated (part, digest, at, bundle) VALUES ($1, $2, $3, $4)
        ON CONFLICT (part) DO UPDATE
        SET digest = excluded.digest, at = excluded.at, bundle = excluded.bundle
        WHERE activated.digest <> excluded.digest";
    let (part, at) = (one.part.to_string(), one.active.at.to_string());
    match run(db, sql, &[&part, &one.active.digest, &at, &bundle]).await? {
        1 => Ok(()),
        _ => Err(StoreError::Conflict.into()),
    }
}
