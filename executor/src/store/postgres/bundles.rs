//! Policies and packs as rows, by digest.

use deadpool_postgres::GenericClient;

use super::database::{all as rows, first, run};
use super::fault::Fault;
use crate::ports::Files;
use crate::store::known::damaged;

pub(super) async fn keep(
    db: &impl GenericClient,
    digest: &str,
    files: &Files,
) -> Result<(), Fault> {
    let files = serde_json::to_string(files).map_err(damaged)?;
    let sql = "INSERT INTO bundles (digest, files) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    run(db, sql, &[&digest, &files]).await.map(drop)
}

pub(super) async fn kept(db: &impl GenericClient, digest: &str) -> Result<Option<Files>, Fault> {
    let sql = "SELECT files FROM bundles WHERE digest = $1";
    let Some(row) = first(db, sql, &[&digest]).await? else { return Ok(None) };
    Ok(Some(serde_json::from_str(row.try_get(0)?).map_err(damaged)?))
}

pub(super) async fn all(db: &impl GenericClient) -> Result<Vec<String>, Fault> {
    let found = rows(db, "SELECT digest FROM bundles ORDER BY digest", &[]).await?;
    found.iter().map(|row| Ok(row.try_get(0)?)).collect()
}
