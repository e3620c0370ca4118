//! What limits add up, as rows.

use countersign_core::limit::Sum;
use rusqlite::{Connection, params};

use crate::ports::StoreError;
use crate::store::booking::{self, Booking};
use crate::store::known::damaged;

/// Brings an action's rows in line with where it stands.
pub(super) fn book(
    db: &Connection,
    action: &str,
    booking: Option<&Booking>,
) -> Result<(), StoreError> {
    let Some(booking) = booking else {
        db.prepare_cached("DELETE FROM spending WHERE action_id = ?1")?.execute(params![action])?;
        return Ok(());
    };
    let mut insert = db.prepare_cached(
        "INSERT INTO spending (account, at, action_id, tool, currency, minor)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
    )?;
    let (currency, minor) = booking.amount();
    for account in &booking.accounts {
        insert.execute(params![account, booking.at, action, booking.tool, currency, minor])?;
    }
    Ok(())
}

/// What the file has on an account since then, tool by tool, some actions left out.
pub(super) fn sums(
    db: &Connection,
    account: &str,
    since: i64,
    without: &[&str],
) -> Result<Vec<(String, Sum)>, StoreError> {
    let without = serde_json::to_string(without).map_err(damaged)?;
    let mut select = db.prepare_cached(
        "SELECT tool, currency, count(*), sum(minor) FROM spending
         WHERE account = ?1 AND at > ?2 AND action_id NOT IN (SELECT value FROM json_each(?3))
         GROUP BY tool, currency",
    )?;
    let rows = select.query_map(params![account, since, without], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get::<_, i64>(3)?))
    })?;
    let mut sums = Vec::new();
    for row in rows {
        let (tool, currency, count, minor) = row?;
        sums.push((tool, booking::sum(count, &currency, minor)?));
    }
    Ok(sums)
}
