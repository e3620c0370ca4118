//! How the store stands towards its own history: one row, absent while nothing is to say.

use std::sync::Arc;

use deadpool_postgres::{GenericClient, Transaction};
use futures_util::FutureExt as _;

use super::database::{Database, first, run};
use super::fault::Fault;
use crate::standing::{Quarantine, Standing};
use crate::store::known::damaged;

const READ: &str = "SELECT body FROM standing WHERE one = 1";

pub(super) async fn read(db: &impl GenericClient) -> Result<Standing, Fault> {
    let row = first(db, READ, &[]).await?;
    of(row.as_ref().map(|row| row.try_get(0)).transpose()?)
}

/// What the row says.
pub(super) fn of(body: Option<&str>) -> Result<Standing, Fault> {
    let Some(body) = body else { return Ok(Standing::default()) };
    Ok(serde_json::from_str(body).map_err(damaged)?)
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

/// The first reason stays. Without the fence: an older database may not know who asks.
pub(super) async fn quarantine(db: &Database, why: Quarantine) -> Result<(), Fault> {
    let why = Arc::new(why);
    let set = db.write(move |db| {
        let why = Arc::clone(&why);
        async move {
            let mut standing = read(db).await?;
            if standing.quarantine.is_some() {
                return Ok(());
            }
            standing.quarantine = Some(Quarantine::clone(&why));
            write(db, &standing).await
        }
        .boxed()
    });
    set.await
}

pub(super) async fn write(db: &Transaction<'_>, standing: &Standing) -> Result<(), Fault> {
    let body = serde_json::to_string(standing).map_err(damaged)?;
    let sql = "INSERT INTO standing (one, body) VALUES (1, $1)
               ON CONFLICT (one) DO UPDATE SET body = excluded.body";
    run(db, sql, &[&body]).await.map(drop)
}
