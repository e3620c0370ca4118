//! Statements, with what they fail of as the store's own code meets it.

pub(super) use countersign_shared::postgres::{Database, With, plain};

use countersign_shared::postgres;
use deadpool_postgres::GenericClient;
use tokio_postgres::{Row, Statement};

use super::fault::Fault;
use crate::ports::StoreError;

/// Every row of a query, prepared once per connection.
pub(super) async fn all(
    db: &impl GenericClient,
    sql: &str,
    with: With<'_>,
) -> Result<Vec<Row>, Fault> {
    Ok(postgres::all(db, sql, with).await?)
}

/// The one row of a query, if there is any.
pub(super) async fn first(
    db: &impl GenericClient,
    sql: &str,
    with: With<'_>,
) -> Result<Option<Row>, Fault> {
    Ok(postgres::first(db, sql, with).await?)
}

/// How many rows a statement changed.
pub(super) async fn run(db: &impl GenericClient, sql: &str, with: With<'_>) -> Result<u64, Fault> {
    Ok(postgres::run(db, sql, with).await?)
}

/// Statements for a pipeline: prepared before the first is sent, they go out in the order
/// in which they are polled.
pub(super) async fn prepare<const N: usize>(
    db: &impl GenericClient,
    sql: [&str; N],
) -> Result<[Statement; N], Fault> {
    let mut statements = Vec::with_capacity(N);
    for sql in sql {
        statements.push(db.prepare_cached(sql).await?);
    }
    let count = |_| StoreError::Unavailable("a statement was not prepared".to_owned());
    Ok(statements.try_into().map_err(count)?)
}
