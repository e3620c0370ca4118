//! Actions that a lost key of a person opens: they end without their journals.

use countersign_core::lifecycle::Outcome;
use countersign_core::seal::{self, Lost};
use countersign_shared::ids::{ActionId, ReceiptId};
use jiff::Timestamp;
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::restored::forget;
use super::rows;
use crate::ports::StoreError;
use crate::store::known::damaged;
use crate::store::restored::is_unsent;
use crate::store::veiled::{self, LeafRow};
use crate::veil::Veil;

/// Those that have no receipt yet.
pub(super) fn unsealed(db: &Connection) -> Result<Vec<ActionId>, StoreError> {
    let mut select = db.prepare("SELECT action_id FROM actions WHERE state <> 'sealed'")?;
    let ids = select.query_map([], |row| row.get::<_, String>(0))?;
    ids.map(|id| id?.parse().map_err(damaged)).collect()
}

/// Ends those of `all` that cannot be read. What was not sent goes, to be asked again; what was
/// is in doubt, and a person is asked by a matter that can be read. One is asked anew where an
/// action is in doubt by a matter that cannot. Answers with how many went, and with receipts of
/// the others.
pub(super) fn end(
    db: &Connection,
    veil: &Veil,
    all: &[ActionId],
    now: Timestamp,
) -> Result<(usize, Vec<LeafRow>), StoreError> {
    let (mut gone, mut leaves) = (0, Vec::new());
    for action in all {
        let id = action.as_str();
        match veiled::journal_now(veil, &rows::events(db, (id.to_owned(), false))?) {
            Err(StoreError::KeyLost) if is_unsent(&state(db, id)?) => {
                forget(db, id)?;
                gone += 1;
            }
            Err(StoreError::KeyLost) => leaves.push(in_doubt(db, veil, id, now)?),
            Ok(_) | Err(_) => {}
        }
    }
    let sql = "SELECT escalation_id, body, action_id FROM escalations
               JOIN actions ON action_id = matter
               WHERE closed_by IS NULL AND state = 'sealed' AND outcome = 'unknown'";
    for (_, action) in unreadable(db, veil, sql)? {
        leaves.push(in_doubt(db, veil, &action, now)?);
    }
    Ok((gone, leaves))
}

/// Matters that nobody can read would keep others of the same from the queue: they go.
pub(super) fn clear(db: &Connection, veil: &Veil) -> Result<(), StoreError> {
    let mut delete = db.prepare_cached("DELETE FROM escalations WHERE escalation_id = ?1")?;
    let sql = "SELECT escalation_id, body, matter FROM escalations";
    let gone = unreadable(db, veil, sql)?;
    gone.iter().try_for_each(|(id, _)| Ok(delete.execute(params![id]).map(drop)?))
}

fn state(db: &Connection, action: &str) -> Result<String, StoreError> {
    let mut select = db.prepare_cached("SELECT state FROM actions WHERE action_id = ?1")?;
    Ok(select.query_row(params![action], |row| row.get(0))?)
}

/// The matters among these whose key is lost: id, and the last column.
fn unreadable(
    db: &Connection,
    veil: &Veil,
    sql: &str,
) -> Result<Vec<(String, String)>, StoreError> {
    let mut select = db.prepare_cached(sql)?;
    let all = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let mut gone = Vec::new();
    for row in all {
        let (id, body, of): (String, Vec<u8>, String) = row?;
        if veiled::is_lost_now(veil, &id, &body)? {
            gone.push((id, of));
        }
    }
    Ok(gone)
}

/// Ends an action as `unknown` without its journal, and takes a matter of it away that nobody can
/// read.
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
    for sql in [
        "DELETE FROM journal WHERE action_id = ?1",
        "DELETE FROM escalations WHERE matter = ?1 AND closed_by IS NULL",
    ] {
        db.prepare_cached(sql)?.execute(params![action])?;
    }
    db.prepare_cached(
        "UPDATE actions SET state = 'sealed', outcome = ?2, receipt_id = ?3 WHERE action_id = ?1",
    )?
    .execute(params![action, Outcome::Unknown.name(), receipt.as_str()])?;
    veiled::lost_now(veil, seal::lost(of, &receipt, now))
}
