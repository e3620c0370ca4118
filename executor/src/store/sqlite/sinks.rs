//! How far each sink of events is fed. One process has the file, so it has every sink.

use rusqlite::{Connection, OptionalExtension, params};

use crate::ports::{Fed, StoreError};
use crate::store::known::damaged;

pub(super) fn fed(db: &Connection, sink: &str) -> Result<Fed, StoreError> {
    let mut select =
        db.prepare_cached("SELECT origin, next, upto, attempt FROM sinks WHERE sink = ?1")?;
    let row = select
        .query_row([sink], |row| {
            let columns: (String, i64, i64, u32) =
                (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            Ok(columns)
        })
        .optional()?;
    let Some((origin, next, upto, attempt)) = row else { return Ok(Fed::default()) };
    let number = |n: i64| u64::try_from(n).map_err(damaged);
    Ok(Fed { origin, next: number(next)?, upto: number(upto)?, attempt })
}

/// A store of before is back: all that its log has by now may have been sent.
pub(super) fn perhaps_sent(db: &Connection, size: u64) -> Result<(), StoreError> {
    let size = i64::try_from(size).map_err(damaged)?;
    let sql = "UPDATE sinks SET upto = max(upto, ?1), attempt = max(attempt, 1)";
    db.execute(sql, [size]).map(drop).map_err(Into::into)
}

pub(super) fn feed(db: &Connection, sink: &str, fed: &Fed) -> Result<(), StoreError> {
    let number = |n: u64| i64::try_from(n).map_err(damaged);
    db.prepare_cached(
        "INSERT INTO sinks (sink, origin, next, upto, attempt) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (sink) DO UPDATE SET origin = ?2, next = ?3, upto = ?4, attempt = ?5",
    )?
    .execute(params![sink, fed.origin, number(fed.next)?, number(fed.upto)?, fed.attempt])?;
    Ok(())
}
