//! Brings the database to the newest layout. Those who start together take turns by the lock
//! on one row.

use deadpool_postgres::Transaction;
use futures_util::FutureExt as _;
use tokio_postgres::error::SqlState;

use super::database::{Database, all, first, run};
use super::{Unavailable, said};
use crate::migration::{Migration, pending};

/// Row 0 is the one that is locked.
const TABLE: &str = r#"
    CREATE TABLE IF NOT EXISTS migrations (
        number BIGINT PRIMARY KEY,
        name   TEXT COLLATE "C" NOT NULL,
        sha256 TEXT COLLATE "C" NOT NULL
    );
    INSERT INTO migrations (number, name, sha256) VALUES (0, '', '') ON CONFLICT DO NOTHING;"#;

/// Applies what is missing, each file in a transaction of its own. `whose` is the service that
/// the files are of.
///
/// # Errors
/// When the database cannot be used, or is newer or another service's.
pub async fn migrate(
    db: &Database,
    known: &'static [Migration],
    whose: &'static str,
) -> Result<(), Unavailable> {
    prepare(db).await?;
    while db.write(move |db| step(db, known, whose).boxed()).await? {}
    Ok(())
}

/// Two that make the same table at once: the second is told so in several ways.
async fn prepare(db: &Database) -> Result<(), Unavailable> {
    let client = db.client().await?;
    let exists = "SELECT 1 FROM pg_tables WHERE schemaname = current_schema()
                  AND tablename = 'migrations'";
    let made = client.batch_execute(TABLE).await;
    match made {
        Err(error)
            if [
                SqlState::UNIQUE_VIOLATION,
                SqlState::DUPLICATE_TABLE,
                SqlState::DUPLICATE_OBJECT,
            ]
            .iter()
            .any(|code| error.code() == Some(code)) =>
        {
            let found = first(&client, exists, &[]).await?;
            found.ok_or_else(|| Unavailable::because(said(&error)))?;
            Ok(client.batch_execute(TABLE).await?)
        }
        made => Ok(made?),
    }
}

/// Whether there was one to apply.
async fn step(
    db: &Transaction<'_>,
    known: &'static [Migration],
    whose: &str,
) -> Result<bool, Unavailable> {
    let turn = "SELECT number FROM migrations WHERE number = 0 FOR UPDATE";
    let gone = || Unavailable::because("this store is damaged: the row to lock is gone");
    first(db, turn, &[]).await?.ok_or_else(gone)?;
    let sql = "SELECT number, sha256 FROM migrations WHERE number > 0 ORDER BY number";
    let mut applied = Vec::new();
    for row in all(db, sql, &[]).await? {
        applied.push((row.try_get(0)?, row.try_get(1)?));
    }
    let left = pending(known, &applied, whose).map_err(Unavailable::because)?;
    let Some(next) = left.first() else { return Ok(false) };
    db.batch_execute(next.sql).await?;
    let sql = "INSERT INTO migrations (number, name, sha256) VALUES ($1, $2, $3)";
    run(db, sql, &[&next.number, &next.name, &next.checksum()]).await?;
    tracing::info!(
        number = next.number,
        name = next.name,
        "the store's layout is brought up to date"
    );
    Ok(true)
}
