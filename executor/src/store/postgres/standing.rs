//! How the store stands towards its own history: one row, absent while nothing is to say.

use deadpool_postgres::{GenericClient, Transaction};

use super::database::{first, run};
use super::fault::Fault;
use crate::ports::StoreError;
use crate::standing::{Quarantine, Standing};
use crate::store::known::damaged;

const READ: &str = "SELECT body FROM standing WHERE one = 1";

pub(super) async fn read(db: &impl GenericClient) -> Result<Standing, Fault> {
    let Some(row) = first(db, READ, &[]).await? else { return Ok(Standing::default()) };
    Ok(serde_json::from_str(row.try_get(0)?).map_err(damaged)?)
}

/// The same of a database of any layout. An older one has nothing to say.
pub(super) async fn of_any(db: &impl GenericClient) -> Result<Standing, Fault> {
    let sql = "SELECT 1 FROM pg_tables WHERE schemaname = current_schema()
               AND tablename = 'standing'";
    match first(db, sql, &[]).await? {
        Some(_) => read(db).await,
        None => Ok(Standing::default()),
    }
}

/// Nothing that belongs to an action or to the log is written in quarantine.
pub(super) async fn wall(db: &impl GenericClient) -> Result<(), Fault> {
    match read(db).await?.quarantine {
        Some(_) => Err(StoreError::Quarantined.into()),
        None => Ok(()),
    }
}

/// The first reason stays.
pub(super) async fn quarantine(db: &Transaction<'_>, why: &Quarantine) -> Result<(), Fault> {
    let mut standing = read(db).await?;
    if standing.quarantine.is_some() {
        return Ok(());
    }
    standing.quarantine = Some(why.clone());
    write(db, &standing).await
}

pub(super) async fn write(db: &Transaction<'_>, standing: &Standing) -> Result<(), Fault> {
    let body = serde_json::to_string(standing).map_err(damaged)?;
    let sql = "INSERT INTO standing (one, body) VALUES (1, $1)
               ON CONFLICT (one) DO UPDATE SET body = excluded.body";
    run(db, sql, &[&body]).await.map(drop)
}
