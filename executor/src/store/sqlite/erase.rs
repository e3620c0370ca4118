//! Erases what is personal of somebody. The keys of their actions, the log and the digests
//! stay: AT MOST ONE EFFECT and every proof hold as before.

use countersign_core::error::Refused;
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::ports::StoreError;
use crate::store::erasing::{held, in_flight};
use crate::store::veiled::Erasure;

/// A hold begins or ends.
pub(super) fn hold(db: &Connection, person: &str, holds: bool) -> Result<(), StoreError> {
    let sql = if holds {
        "INSERT INTO holds (person) VALUES (?1) ON CONFLICT DO NOTHING"
    } else {
        "DELETE FROM holds WHERE person = ?1"
    };
    db.execute(sql, params![person])?;
    Ok(())
}

/// Why it has to wait: a legal hold, or an action whose end is not known.
pub(super) fn waits(db: &Connection, person: &str) -> Result<Option<Refused>, StoreError> {
    let count = |sql: &str| db.query_row(sql, params![person], |row| row.get::<_, i64>(0));
    if count("SELECT count(*) FROM holds WHERE person = ?1")? > 0 {
        return Ok(Some(held()));
    }
    let under_way = count(
        "SELECT count(*) FROM actions WHERE person = ?1
         AND (state NOT IN ('proposed', 'sealed') OR outcome = 'unknown')",
    )?;
    Ok((under_way > 0).then(|| in_flight(under_way)))
}

/// Removes every row that holds something of theirs.
pub(super) fn erase(db: &Connection, gone: &Erasure) -> Result<(), StoreError> {
    let person = &gone.person;
    super::register::erase(db, person)?;
    for sql in [
        "DELETE FROM journal WHERE action_id IN (SELECT action_id FROM actions WHERE person = ?1)",
        "DELETE FROM actions WHERE person = ?1 AND state = 'proposed'",
        "UPDATE actions SET erased = 1, rests_on = '' WHERE person = ?1",
        "DELETE FROM observations WHERE person = ?1",
        "DELETE FROM matches WHERE person = ?1",
        "DELETE FROM escalations WHERE person = ?1",
        "DELETE FROM openings WHERE person = ?1",
        "DELETE FROM turns WHERE person = ?1",
        "UPDATE turns SET guest = NULL WHERE guest = ?1",
        "DELETE FROM persons_by_email WHERE person = ?1",
        "UPDATE leaves SET external_ref = '' WHERE person = ?1",
    ] {
        db.execute(sql, params![person])?;
    }
    db.execute(
        "INSERT INTO erasures (person, at) VALUES (?1, ?2)
         ON CONFLICT (person) DO UPDATE SET at = excluded.at",
        params![person, gone.at.as_millisecond()],
    )?;
    Ok(())
}

/// Everybody who was erased.
pub(super) fn erasures(db: &Connection) -> Result<Vec<Erasure>, StoreError> {
    let mut select = db.prepare("SELECT person, at FROM erasures")?;
    let rows = select.query_map([], |r| Ok((r.get::<_, String>(0)?, r.get::<_, i64>(1)?)))?;
    rows.map(|row| {
        let (person, at) = row?;
        let at = Timestamp::from_millisecond(at).map_err(crate::store::known::damaged)?;
        Ok(Erasure { person, at })
    })
    .collect()
}
