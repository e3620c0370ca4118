//! How far each sink of events is fed, and by which generation.

use deadpool_postgres::{GenericClient, Transaction};

use super::database::{first, run};
use super::fault::Fault;
use crate::ports::{Fed, StoreError};
use crate::store::known::damaged;

/// Nobody else feeds it as long as its holder has a row among the executors.
const TAKE: &str = "
    INSERT INTO sinks (sink, holder, origin, next, upto, attempt) VALUES ($1, $2, '', 0, 0, 0)
    ON CONFLICT (sink) DO UPDATE SET holder = excluded.holder
    WHERE NOT EXISTS (SELECT 1 FROM executors WHERE generation = sinks.holder)";
const READ: &str = "
    SELECT origin, next, upto, attempt FROM sinks WHERE sink = $1 AND holder = $2";
const FEED: &str = "
    UPDATE sinks SET origin = $3, next = $4, upto = $5, attempt = $6
    WHERE sink = $1 AND holder = $2";

/// As this generation has it.
pub(super) async fn read(
    db: &impl GenericClient,
    me: i64,
    sink: &str,
) -> Result<Option<Fed>, Fault> {
    let Some(row) = first(db, READ, &[&sink, &me]).await? else { return Ok(None) };
    let number = |at: usize| -> Result<u64, Fault> {
        Ok(u64::try_from(row.try_get::<_, i64>(at)?).map_err(damaged)?)
    };
    let attempt = u32::try_from(number(3)?).map_err(damaged)?;
    Ok(Some(Fed { origin: row.try_get(0)?, next: number(1)?, upto: number(2)?, attempt }))
}

/// Takes it where nobody has it.
pub(super) async fn take(db: &Transaction<'_>, me: i64, sink: &str) -> Result<Option<Fed>, Fault> {
    run(db, TAKE, &[&sink, &me]).await?;
    read(db, me, sink).await
}

pub(super) async fn feed(
    db: &Transaction<'_>,
    me: i64,
    sink: &str,
    fed: &Fed,
) -> Result<(), Fault> {
    let number = |n: u64| i64::try_from(n).map_err(damaged);
    let (next, upto, attempt) = (number(fed.next)?, number(fed.upto)?, i64::from(fed.attempt));
    match run(db, FEED, &[&sink, &me, &fed.origin, &next, &upto, &attempt]).await? {
        1 => Ok(()),
        _ => Err(StoreError::Conflict.into()),
    }
}
