//! What models have cost. One thread asks, so nobody is between what is read and what is
//! written.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::super::now;
use super::super::store::Name;
use crate::budget::{Amount, Cap};

/// What an account has spent.
pub(super) fn of(db: &Connection, account: &Name) -> rusqlite::Result<Amount> {
    let read = |row: &rusqlite::Row<'_>| {
        let part = |at| row.get::<_, i64>(at).map(|n| u64::try_from(n).unwrap_or_default());
        Ok(Amount { calls: part(0)?, tokens: part(1)?, micros: part(2)? })
    };
    let mut ask =
        db.prepare_cached("SELECT calls, tokens, micros FROM spent WHERE account = ?1")?;
    Ok(ask.query_row([account], read).optional()?.unwrap_or_default())
}

/// Adds it to all, or says which one has no room for it.
pub(super) fn reserve(
    db: &Connection,
    accounts: &[(Name, Cap); 3],
    most: Amount,
) -> rusqlite::Result<Result<(), usize>> {
    let mut wanted = Vec::with_capacity(accounts.len());
    for (place, (account, cap)) in accounts.iter().enumerate() {
        let spent = of(db, account)?.and(most);
        if !cap.has_room(spent) {
            return Ok(Err(place));
        }
        wanted.push((account, spent));
    }
    for (account, spent) in wanted {
        put(db, account, spent)?;
    }
    Ok(Ok(()))
}

/// What was used takes the place of what was reserved.
pub(super) fn settle(
    db: &Connection,
    accounts: &[Name; 3],
    reserved: Amount,
    used: Amount,
) -> rusqlite::Result<()> {
    for account in accounts {
        let spent = of(db, account)?.less(reserved).and(used);
        put(db, account, spent)?;
    }
    Ok(())
}

fn put(db: &Connection, account: &Name, spent: Amount) -> rusqlite::Result<()> {
    let whole = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let mut put = db.prepare_cached(
        "INSERT OR REPLACE INTO spent (account, touched, calls, tokens, micros) \
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    let Amount { calls, tokens, micros } = spent;
    put.execute(params![account, now(), whole(calls), whole(tokens), whole(micros)]).map(drop)
}
