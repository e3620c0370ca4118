//! Brings the database to the newest layout. Executors that start together take turns by
//! the lock on one row.

use deadpool_postgres::Transaction;
use futures_util::FutureExt as _;
use tokio_postgres::error::SqlState;

use super::database::{Database, all, first, run};
use super::fault::Fault;
use crate::store::known::damaged;
use crate::store::migration::{Migration, pending};

pub(super) const KNOWN: [Migration; 8] = [
    Migration { number: 1, name: "schema", sql: include_str!("migrations/0001_schema.sql") },
    Migration { number: 2, name: "standing", sql: include_str!("migrations/0002_standing.sql") },
    Migration { number: 10, name: "persons", sql: include_str!("migrations/0010_persons.sql") },
    Migration { number: 11, name: "bundles", sql: include_str!("migrations/0011_bundles.sql") },
    Migration { number: 12, name: "sinks", sql: include_str!("migrations/0012_sinks.sql") },
    Migration { number: 14, name: "turns", sql: include_str!("migrations/0014_turns.sql") },
    Migration { number: 15, name: "register", sql: include_str!("migrations/0015_register.sql") },
    Migration {
        number: 16,
        name: "register_again",
        sql: include_str!("migrations/0016_register_again.sql"),
    },
];

/// Row 0 is the one that is locked.
const TABLE: &str = r#"
    CREATE TABLE IF NOT EXISTS migrations (
        number BIGINT PRIMARY KEY,
        name   TEXT COLLATE "C" NOT NULL,
        sha256 TEXT COLLATE "C" NOT NULL
    );
    INSERT INTO migrations (number, name, sha256) VALUES (0, '', '') ON CONFLICT DO NOTHING;"#;

/// Applies what is missing, each file in a transaction of its own.
pub(super) async fn migrate(db: &Database) -> Result<(), Fault> {
    prepare(db).await?;
    while db.write(|db| step(db).boxed()).await? {}
    Ok(())
}

/// Two that make the same table at once: the second is told so in several ways.
async fn prepare(db: &Database) -> Result<(), Fault> {
    let client = db.client().await?;
    let exists = "SELECT 1 FROM pg_tables WHERE schemaname = current_schema()
                  AND tablename = 'migrations'";
    let made = client.batch_execute(TABLE).await;
    match made {
        Err(error)
            if [SqlState::UNIQUE_VIOLATION, SqlState::DUPLICATE_TABLE]
                .iter()
                .any(|code| error.code() == Some(code)) =>
        {
            first(&client, exists, &[]).await?.ok_or(Fault::Db(error))?;
            Ok(client.batch_execute(TABLE).await?)
        }
        made => Ok(made?),
    }
}

/// Whether there was one to apply.
async fn step(db: &Transaction<'_>) -> Result<bool, Fault> {
    let turn = "SELECT number FROM migrations WHERE number = 0 FOR UPDATE";
    first(db, turn, &[]).await?.ok_or_else(|| damaged("the row to lock is gone"))?;
    let sql = "SELECT number, sha256 FROM migrations WHERE number > 0 ORDER BY number";
    let mut applied = Vec::new();
    for row in all(db, sql, &[]).await? {
        applied.push((row.try_get(0)?, row.try_get(1)?));
    }
    let Some(next) = pending(&KNOWN, &applied)?.first() else { return Ok(false) };
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
