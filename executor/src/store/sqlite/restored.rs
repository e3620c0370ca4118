//! What receipts from outside bring back: keys, locks, bookings, the ends of journals.

use countersign_core::lifecycle::Outcome;
use countersign_shared::money::Money;
use countersign_shared::receipt::Receipt;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::{erase, rows};
use crate::ports::StoreError;
use crate::store::restored::{Ending, ending, refusal};
use crate::store::veiled::{self, Append, Erasure, LeafRow};
use crate::veil::Veil;

/// Takes the key of a receipt's action again (AT MOST ONE EFFECT), as it ended. A journal
/// that knows of the sending is ended by it; any other goes, the receipt is the record.
pub(super) fn take(
    db: &Connection,
    veil: &Veil,
    receipt: &Receipt,
    outcome: Outcome,
) -> Result<(), StoreError> {
    if end(db, veil, receipt, outcome)? {
        return Ok(());
    }
    forget(db, &receipt.action_id)?;
    action(db, receipt, outcome)?;
    if matches!(outcome, Outcome::Applied | Outcome::Unknown) {
        book(db, receipt)?;
    }
    if outcome == Outcome::Unknown {
        let mut insert = db.prepare_cached(
            "INSERT INTO locks (object, action_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        )?;
        for object in &receipt.locks {
            insert.execute(params![object, receipt.action_id])?;
        }
    }
    Ok(())
}

pub(super) fn forget(db: &Connection, action: &str) -> Result<(), StoreError> {
    for table in ["journal", "actions", "spending", "locks"] {
        let sql = format!("DELETE FROM {table} WHERE action_id = ?1");
        db.prepare_cached(&sql)?.execute(params![action])?;
    }
    Ok(())
}

/// Ends a journal in which the sending is, as the receipt says; `false` where there is none.
fn end(
    db: &Connection,
    veil: &Veil,
    receipt: &Receipt,
    outcome: Outcome,
) -> Result<bool, StoreError> {
    let found = rows::events(db, (receipt.action_id.clone(), false))?;
    let journal = match veiled::journal_now(veil, &found) {
        // Erased since the backup, or under a key that is lost: the receipt is the record.
        Err(StoreError::Erased | StoreError::KeyLost) => return Ok(false),
        read => read?,
    };
    let Some(Ending { seq, events, state }) = ending(journal, receipt, outcome)? else {
        return Ok(false);
    };
    rows::append(db, &veiled::append_now(veil, seq, &events, &state)?)?;
    Ok(true)
}

fn action(db: &Connection, receipt: &Receipt, outcome: Outcome) -> Result<(), StoreError> {
    // A store that went on before anybody noticed may have used the key a second time.
    let last: Option<u32> = db
        .prepare_cached("SELECT max(occasion) FROM actions WHERE intent = ?1")?
        .query_row(params![receipt.intent], |row| row.get(0))?;
    let taken: Option<i64> = db
        .prepare_cached("SELECT 1 FROM actions WHERE intent = ?1 AND occasion = ?2")?
        .query_row(params![receipt.intent, receipt.occasion], |row| row.get(0))
        .optional()?;
    let next = last.map_or(0, |last| last.saturating_add(1));
    let occasion = if taken.is_some() { next } else { receipt.occasion };
    db.prepare_cached(
        "INSERT INTO actions (action_id, proposal_id, tenant, issuer, subject, tool, intent,
                              caller, at, occasion, state, outcome, receipt_id, person)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 'sealed', ?11, ?12, ?5)",
    )?
    .execute(params![
        receipt.action_id,
        receipt.proposal_id,
        receipt.tenant,
        receipt.asked.issuer,
        // A customer's own digest; for a colleague, whom they acted for.
        receipt.asked.person,
        receipt.tool,
        receipt.intent,
        receipt.asked.caller,
        receipt.sealed_at.as_second(),
        occasion,
        outcome.name(),
        receipt.receipt_id,
    ])?;
    Ok(())
}

/// From its first sending on: a little later than the claim, so it counts no shorter.
fn book(db: &Connection, receipt: &Receipt) -> Result<(), StoreError> {
    let at = receipt.attempts.first().map_or(receipt.sealed_at, |attempt| attempt.at);
    let mut insert = db.prepare_cached(
        "INSERT INTO spending (account, at, action_id, tool, currency, minor)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
    )?;
    let currency = receipt.money.map_or("", |m| m.currency().code());
    let minor = receipt.money.map_or(0, Money::minor);
    let (at, action, tool) = (at.as_millisecond(), &receipt.action_id, &receipt.tool);
    for account in &receipt.booked {
        insert.execute(params![account, at, action, tool, currency, minor])?;
    }
    Ok(())
}

/// An action that ends without having been sent.
pub(super) struct Ended {
    append: Append,
    pub(super) leaf: LeafRow,
}

impl Ended {
    pub(super) fn write(&self, db: &Connection) -> Result<(), StoreError> {
        rows::append(db, &self.append)
    }
}

/// Whoever was erased or held since is so again; their keys go when the store is opened.
pub(super) fn person(db: &Connection, receipt: &Receipt) -> Result<(), StoreError> {
    let Some(change) = &receipt.change else { return Ok(()) };
    let Some(person) = change.what.strip_prefix("person/") else { return Ok(()) };
    match change.new.as_str() {
        "erased" => erase::erase(db, &Erasure { person: person.to_owned(), at: receipt.sealed_at }),
        state => erase::hold(db, person, state == "held"),
    }
}

/// What waits or was begun and, by this store, not sent, each refused.
pub(super) fn stale(
    db: &Connection,
    veil: &Veil,
    now: Timestamp,
) -> Result<Vec<Ended>, StoreError> {
    let mut select = db.prepare(
        "SELECT action_id FROM actions
         WHERE state IN ('proposed', 'waiting', 'granted', 'claimed', 'cleared')",
    )?;
    let ids = select.query_map([], |row| row.get::<_, String>(0))?;
    let mut all = Vec::new();
    for id in ids {
        let journal = match veiled::journal_now(veil, &rows::events(db, (id?, false))?) {
            // Nobody is left whom it could be done for.
            Err(StoreError::Erased) => continue,
            read => read?,
        };
        let Some((Ending { seq, events, state }, leaf)) = refusal(journal, now)? else { continue };
        let append = veiled::append_now(veil, seq, &events, &state)?;
        all.push(Ended { append, leaf: veiled::leaf_now(veil, leaf)? });
    }
    Ok(all)
}
