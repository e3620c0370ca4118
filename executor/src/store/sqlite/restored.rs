//! What receipts from outside bring back: keys, locks, bookings, the ends of journals.

use countersign_core::lifecycle::Outcome;
use countersign_core::seal::{self, Lost};
use countersign_shared::ids::ReceiptId;
use countersign_shared::money::Money;
use countersign_shared::receipt::Receipt;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::{erase, rows};
use crate::ports::StoreError;
use crate::store::restored::{Ending, ending, is_unsent, refusal};
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

fn forget(db: &Connection, action: &str) -> Result<(), StoreError> {
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

/// Actions that have not ended, or are in doubt, and whose journal opens with a key that is lost:
/// without it. What was not sent goes, and is looked for when it is asked for again; what was is
/// in doubt, and a person is asked by a matter that can be read. Answers with how many went, and
/// with receipts of the others.
pub(super) fn lost(
    db: &Connection,
    veil: &Veil,
    now: Timestamp,
) -> Result<(usize, Vec<LeafRow>), StoreError> {
    unreadable(db, veil)?;
    let mut select = db.prepare(
        "SELECT action_id, state FROM actions WHERE state <> 'sealed' OR outcome = 'unknown'",
    )?;
    let all = select.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
    let (mut gone, mut leaves) = (0, Vec::new());
    for row in all?.collect::<Result<Vec<_>, _>>()? {
        let (id, state) = row;
        match veiled::journal_now(veil, &rows::events(db, (id.clone(), false))?) {
            Err(StoreError::KeyLost) if is_unsent(&state) => {
                forget(db, &id)?;
                gone += 1;
            }
            Err(StoreError::KeyLost) => leaves.push(in_doubt(db, veil, &id, now)?),
            Ok(_) | Err(_) => {}
        }
    }
    Ok((gone, leaves))
}

/// Matters that nobody can read would keep others of the same from the queue: they go.
fn unreadable(db: &Connection, veil: &Veil) -> Result<(), StoreError> {
    let mut select = db.prepare("SELECT escalation_id, body FROM escalations")?;
    let all = select.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?)));
    let mut gone = Vec::new();
    for row in all? {
        let (id, body) = row?;
        if veiled::is_lost_now(veil, &id, &body)? {
            gone.push(id);
        }
    }
    let mut delete = db.prepare_cached("DELETE FROM escalations WHERE escalation_id = ?1")?;
    gone.iter().try_for_each(|id| Ok(delete.execute(params![id]).map(drop)?))
}

/// Ends an action as `unknown` without its journal.
fn in_doubt(
    db: &Connection,
    veil: &Veil,
    action: &str,
    now: Timestamp,
) -> Result<LeafRow, StoreError> {
    let receipt = ReceiptId::from_uuid(Uuid::now_v7());
    let texts = |column: &str, table: &str| {
        let sql = format!("SELECT {column} FROM {table} WHERE action_id = ?1 ORDER BY 1");
        let mut select = db.prepare_cached(&sql)?;
        let found = select.query_map(params![action], |row| row.get(0))?;
        found.collect::<Result<Vec<String>, _>>()
    };
    let (locks, booked) = (texts("object", "locks")?, texts("account", "spending")?);
    let of = db
        .prepare_cached(
            "SELECT proposal_id, intent, coalesce(occasion, 0), tenant, issuer, person, caller, tool
             FROM actions WHERE action_id = ?1",
        )?
        .query_row(params![action], |row| {
            Ok(Lost {
                action: action.to_owned(),
                proposal: row.get(0)?,
                intent: row.get(1)?,
                occasion: row.get(2)?,
                tenant: row.get(3)?,
                issuer: row.get(4)?,
                person: row.get(5)?,
                caller: row.get(6)?,
                tool: row.get(7)?,
                locks,
                booked,
            })
        })?;
    db.prepare_cached("DELETE FROM journal WHERE action_id = ?1")?.execute(params![action])?;
    db.prepare_cached(
        "UPDATE actions SET state = 'sealed', outcome = ?2, receipt_id = ?3 WHERE action_id = ?1",
    )?
    .execute(params![action, Outcome::Unknown.name(), receipt.as_str()])?;
    veiled::lost(veil, seal::lost(of, &receipt, now))
}
