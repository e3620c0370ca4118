//! Erases what is personal of somebody, keys included, in the transaction of its receipt.
//! The keys of their actions, the log and the digests stay: AT MOST ONE EFFECT and every
//! proof hold as before.

use deadpool_postgres::Transaction;

use super::database::{first, run};
use super::fault::Fault;
use crate::ports::StoreError;
use crate::store::erasing::{held, in_flight};
use crate::store::known::damaged;
use crate::store::veiled::Erasure;
use crate::veil::PersonKey;

/// Whether rows under this key may still be written: whoever erases waits for this
/// transaction, and whoever comes after them writes nothing.
pub(super) async fn stands(db: &Transaction<'_>, key: &PersonKey) -> Result<(), Fault> {
    key.stands()?;
    let sql = "SELECT 1 FROM person_keys WHERE key_id = $1 AND key IS NOT NULL FOR SHARE";
    match first(db, sql, &[&key.id().as_slice()]).await? {
        Some(_) => Ok(()),
        None => {
            let why = "the person's data was erased just now: ask again".to_owned();
            Err(StoreError::Unavailable(why).into())
        }
    }
}

/// A hold begins or ends.
pub(super) async fn hold(db: &Transaction<'_>, person: &str, holds: bool) -> Result<(), Fault> {
    let sql = if holds {
        "INSERT INTO holds (person) VALUES ($1) ON CONFLICT DO NOTHING"
    } else {
        "DELETE FROM holds WHERE person = $1"
    };
    run(db, sql, &[&person]).await.map(drop)
}

/// Removes every row that holds something of theirs, and their key; refuses where it has
/// to wait.
pub(super) async fn erase(db: &Transaction<'_>, gone: &Erasure) -> Result<(), Fault> {
    let person = gone.person.as_str();
    run(db, "SELECT 1 FROM person_keys WHERE person = $1 FOR UPDATE", &[&person]).await?;
    waits(db, person).await?;
    clear(db, gone).await
}

/// The same where it was found before that nothing has to wait.
pub(super) async fn clear(db: &Transaction<'_>, gone: &Erasure) -> Result<(), Fault> {
    let person = gone.person.as_str();
    for sql in [
        "DELETE FROM journal WHERE action_id IN (SELECT action_id FROM actions WHERE person = $1)",
        "DELETE FROM actions WHERE person = $1 AND state = 'proposed'",
        "UPDATE actions SET erased = TRUE, rests_on = '' WHERE person = $1",
        "DELETE FROM observations WHERE person = $1",
        "DELETE FROM matches WHERE person = $1",
        "DELETE FROM escalations WHERE person = $1",
        "DELETE FROM openings WHERE person = $1",
        "DELETE FROM turns WHERE person = $1",
        "UPDATE turns SET guest = NULL WHERE guest = $1",
        "DELETE FROM persons_by_email WHERE person = $1",
        "UPDATE leaves SET external_ref = '' WHERE person = $1",
    ] {
        run(db, sql, &[&person]).await?;
    }
    // After the openings: whoever enters rows of theirs holds those until they are written.
    super::register::erase(db, person).await?;
    // Whatever the clocks of other executors said when they were made.
    let sql = "UPDATE person_keys SET key = NULL WHERE person = $1";
    run(db, sql, &[&person]).await.map(drop)
}

async fn waits(db: &Transaction<'_>, person: &str) -> Result<(), Fault> {
    const WAITS: &str = "
        SELECT EXISTS (SELECT 1 FROM holds WHERE person = $1),
               (SELECT count(*) FROM actions AS a WHERE person = $1
                AND (state NOT IN ('proposed', 'sealed') OR outcome = 'unknown'
                     OR EXISTS (SELECT 1 FROM claims AS c WHERE c.action_id = a.action_id)))";
    let row = first(db, WAITS, &[&person]).await?.ok_or_else(|| damaged("no answer"))?;
    let (hold, under_way): (bool, i64) = (row.try_get(0)?, row.try_get(1)?);
    if hold {
        return Err(Fault::Refused(Box::new(held())));
    }
    if under_way > 0 {
        return Err(Fault::Refused(Box::new(in_flight(under_way))));
    }
    Ok(())
}
