//! The queue of people as rows.

use countersign_shared::ids::EscalationId;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::ports::{EscalationQuery, StoreError};
use crate::store::matters::{after, stands};
use crate::store::veiled::{CaseRow, LeafRow, MatterRow, QueueRow, seen_rows, seen_text};

const COLUMNS: &str = "SELECT escalation_id, body, seen, taken_by, closed_by FROM escalations";

/// What a receipt does to the queue. A matter that is open already stays as it is.
pub(super) fn follow(db: &Connection, leaf: &LeafRow) -> Result<(), StoreError> {
    match &leaf.queue {
        QueueRow::Stays => {}
        QueueRow::Opens(case) => open(db, case)?,
        QueueRow::Closes(matter) => {
            db.prepare_cached(
                "UPDATE escalations SET closed_by = ?1 WHERE matter = ?2 AND closed_by IS NULL",
            )?
            .execute(params![leaf.receipt_id, matter])?;
            free(db, matter)?;
        }
    }
    Ok(())
}

/// Whether a matter that this ends is open: another word may have ended it.
///
/// # Errors
/// `Conflict` where it is not.
pub(super) fn still_open(db: &Connection, leaf: &LeafRow) -> Result<(), StoreError> {
    let QueueRow::Closes(matter) = &leaf.queue else { return Ok(()) };
    let sql = "SELECT 1 FROM escalations WHERE matter = ?1 AND closed_by IS NULL";
    let open = db.prepare_cached(sql)?.exists(params![matter])?;
    if open { Ok(()) } else { Err(StoreError::Conflict) }
}

/// An action that came back as a receipt has no journal that could settle it: a person's
/// word frees its object.
fn free(db: &Connection, action: &str) -> Result<(), StoreError> {
    db.prepare_cached(
        "DELETE FROM locks WHERE action_id = ?1
         AND NOT EXISTS (SELECT 1 FROM journal WHERE action_id = ?1)",
    )?
    .execute(params![action])?;
    Ok(())
}

/// The reads go with it: a purge takes them away later.
fn open(db: &Connection, case: &CaseRow) -> Result<(), StoreError> {
    let seen = seen_text(&seen(db, case)?)?;
    db.prepare_cached(
        "INSERT INTO escalations (escalation_id, matter, tenant, person, body, seen)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
    )?
    .execute(params![
        case.id,
        case.matter,
        case.whose.tenant,
        case.person,
        case.body,
        seen
    ])?;
    Ok(())
}

/// Only what is this subject's own, of this conversation.
fn seen(db: &Connection, case: &CaseRow) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
    let mut select = db.prepare_cached(
        "SELECT body FROM observations WHERE observation_id = ?1
         AND tenant = ?2 AND issuer = ?3 AND subject = ?4 AND conversation = ?5",
    )?;
    let mut found = Vec::new();
    for id in &case.observations {
        let who = &case.whose;
        let who = params![id, who.tenant, who.issuer, who.subject, who.conversation];
        let body = select.query_row(who, |r| r.get(0)).optional()?;
        found.extend(body.map(|body| (id.clone(), body)));
    }
    Ok(found)
}

/// Matters that match.
pub(super) fn list(db: &Connection, query: &EscalationQuery) -> Result<Vec<MatterRow>, StoreError> {
    let (id, tenant) = (query.id.as_ref().map(EscalationId::as_str), &query.tenant);
    let mut select = db.prepare_cached(&that_match(query))?;
    let (matter, after) = (&query.matter, query.after.as_ref().map(EscalationId::as_str));
    let with = params![id, tenant, query.taken_by, matter, query.limit, after];
    let rows = select.query_map(with, columns)?;
    rows.map(|row| read(row?)).collect()
}

/// As SQL. Spelt so that indexes are used: planners ask of a matter at each turn.
pub(super) fn that_match(query: &EscalationQuery) -> String {
    let of = if query.matter.is_empty() { "?4 = ''" } else { "matter = ?4" };
    let last = query.after.as_ref();
    let after = last.map_or("?6 IS NULL".to_owned(), |_| after(query.stand, "?6"));
    format!(
        "{COLUMNS} WHERE (?1 IS NULL OR escalation_id = ?1) AND (?2 = '' OR tenant = ?2)
         AND (?3 = '' OR taken_by = ?3) AND {of} AND {after} AND {} LIMIT ?5",
        stands(query.stand)
    )
}

type Columns = (String, Vec<u8>, Vec<u8>, Option<String>, Option<String>);

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}

fn read((id, body, seen, taken_by, closed_by): Columns) -> Result<MatterRow, StoreError> {
    Ok(MatterRow { id, body, seen: seen_rows(&seen)?, taken_by, closed_by })
}

/// An open matter goes out of one hand into another.
pub(super) fn take(
    db: &Connection,
    id: &EscalationId,
    (from, to): (Option<&str>, Option<&str>),
) -> Result<bool, StoreError> {
    let changed = db
        .prepare_cached(
            "UPDATE escalations SET taken_by = ?1 WHERE escalation_id = ?2
             AND closed_by IS NULL AND (taken_by IS ?3 OR taken_by = ?1)",
        )?
        .execute(params![to, id.as_str(), from])?;
    Ok(changed == 1)
}
