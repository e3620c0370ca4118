//! Actions, journals and observations as rows.

use countersign_core::gates::Gate;
use countersign_core::lifecycle::Outcome;
use countersign_shared::ids::{ActionId, ObservationId, ReceiptId};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::{spending, turns};
use crate::ports::{Named, Open, StoreError};
use crate::store::known::damaged;
use crate::store::row::Row;
use crate::store::veiled::{Append, JournalRows, ReceiptRow, SeenRow, Whose};

/// Appends to a journal and brings the columns and locks in line.
pub(super) fn append(db: &Connection, append: &Append) -> Result<(), StoreError> {
    append.key.stands()?;
    upsert(db, append)?;
    let row = &append.row;
    if append.seq == 0 {
        turns::known_by(db, append.email.as_deref(), &append.whose)?;
    }
    let action = row.proposal.action().as_str();
    let seq = i64::try_from(append.seq).map_err(damaged)?;
    // Nothing follows on what was erased meanwhile.
    if seq > 0 && !has(db, action, seq - 1)? {
        return Err(StoreError::Conflict);
    }
    let mut insert =
        db.prepare_cached("INSERT INTO journal (action_id, seq, event) VALUES (?1, ?2, ?3)")?;
    for (at, event) in (seq..).zip(&append.events) {
        insert.execute(params![action, at, event]).map_err(conflict)?;
    }
    spending::book(db, action, row.booking.as_ref())?;
    locks(db, row)
}

fn has(db: &Connection, action: &str, seq: i64) -> Result<bool, StoreError> {
    let mut select =
        db.prepare_cached("SELECT 1 FROM journal WHERE action_id = ?1 AND seq = ?2")?;
    Ok(select.exists(params![action, seq])?)
}

/// A second writer of the same place in a journal loses.
fn conflict(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::ConstraintViolation) => StoreError::Conflict,
        _ => error.into(),
    }
}

fn upsert(db: &Connection, append: &Append) -> Result<(), StoreError> {
    let (row, who) = (&append.row, &append.whose);
    let p = &row.proposal;
    db.prepare_cached(
        "INSERT INTO actions (action_id, proposal_id, tenant, issuer, subject, tool, intent,
                              occasion, state, outcome, receipt_id, caller, at, person, rests_on)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
         ON CONFLICT (action_id) DO UPDATE SET
            occasion = ?8, state = ?9, outcome = ?10, receipt_id = ?11",
    )?
    .execute(params![
        p.action().as_str(),
        p.id().as_str(),
        who.tenant,
        who.issuer,
        who.subject,
        p.tool(),
        p.intent(),
        row.occasion,
        row.state,
        row.outcome.map(Outcome::name),
        row.receipt.as_ref().map(ReceiptId::as_str),
        p.asked().caller,
        p.at().as_second(),
        append.person,
        append.rests_on,
    ])
    .map_err(conflict)?;
    Ok(())
}

fn locks(db: &Connection, row: &Row) -> Result<(), StoreError> {
    let action = row.proposal.action().as_str();
    if !row.locked() {
        db.prepare_cached("DELETE FROM locks WHERE action_id = ?1")?.execute(params![action])?;
        return Ok(());
    }
    let mut insert = db.prepare_cached(
        "INSERT INTO locks (object, action_id) VALUES (?1, ?2)
         ON CONFLICT (object) DO UPDATE SET action_id = action_id WHERE action_id = ?2",
    )?;
    for object in row.proposal.locks() {
        if insert.execute(params![object, action])? == 0 && Gate::Lock.is_on() {
            return Err(StoreError::Conflict);
        }
    }
    Ok(())
}

pub(super) fn journal(
    db: &Connection,
    owner: &Whose,
    named: &Named,
) -> Result<JournalRows, StoreError> {
    let (condition, id) = condition(named);
    let anyone = !Gate::JournalPerson.is_on();
    let found: Option<(String, bool)> = db
        .prepare_cached(&format!(
            "SELECT action_id, erased FROM actions
             WHERE {condition} AND (tenant = ?2 AND issuer = ?3 AND subject = ?4 OR ?5)"
        ))?
        .query_row(params![id, owner.tenant, owner.issuer, owner.subject, anyone], named_row)
        .optional()?;
    found.map_or_else(|| Ok(JournalRows::default()), |found| events(db, found))
}

fn condition(named: &Named) -> (&'static str, &str) {
    match named {
        Named::Action(id) => ("action_id = ?1", id.as_str()),
        Named::Proposal(id) => ("proposal_id = ?1", id.as_str()),
        Named::Intent(intent) => ("intent = ?1 AND state = 'waiting'", intent),
    }
}

/// An action's id, and whether its journal is erased.
fn named_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<(String, bool)> {
    Ok((row.get(0)?, row.get(1)?))
}

pub(super) fn parked(db: &Connection, named: &Named) -> Result<JournalRows, StoreError> {
    let (condition, id) = condition(named);
    let sql = format!("SELECT action_id, erased FROM actions WHERE {condition} LIMIT 1");
    let found = db.prepare_cached(&sql)?.query_row(params![id], named_row).optional()?;
    found.map_or_else(|| Ok(JournalRows::default()), |found| events(db, found))
}

pub(super) fn waiting(db: &Connection) -> Result<Vec<JournalRows>, StoreError> {
    let mut select =
        db.prepare_cached("SELECT action_id FROM actions WHERE state = 'waiting' ORDER BY at")?;
    let ids = select.query_map([], |r| r.get::<_, String>(0))?;
    ids.map(|id| events(db, (id?, false))).collect()
}

pub(super) fn open(
    db: &Connection,
    owner: &Whose,
    caller: &str,
    since: Timestamp,
) -> Result<Open, StoreError> {
    let since = since.as_second();
    let subject = db
        .prepare_cached(
            "SELECT count(*) FROM actions WHERE tenant = ?1 AND issuer = ?2 AND subject = ?3
             AND at > ?4 AND state IN ('proposed', 'waiting')",
        )?
        .query_row(params![owner.tenant, owner.issuer, owner.subject, since], |r| r.get(0))?;
    let planner = db
        .prepare_cached(
            "SELECT count(*) FROM actions
             WHERE caller = ?1 AND at > ?2 AND state IN ('proposed', 'waiting')",
        )?
        .query_row(params![caller, since], |r| r.get(0))?;
    Ok(Open { subject, planner })
}

pub(super) fn events(
    db: &Connection,
    (action, erased): (String, bool),
) -> Result<JournalRows, StoreError> {
    let mut select =
        db.prepare_cached("SELECT seq, event FROM journal WHERE action_id = ?1 ORDER BY seq")?;
    let rows = select.query_map(params![action], |r| Ok((r.get::<_, i64>(0)?, r.get(1)?)))?;
    let mut events = Vec::new();
    for row in rows {
        let (seq, event) = row?;
        events.push((u64::try_from(seq).map_err(damaged)?, event));
    }
    Ok(JournalRows { action, erased, events })
}

pub(super) fn unfinished(db: &Connection) -> Result<Vec<JournalRows>, StoreError> {
    begun(db)?.iter().map(|action| events(db, (action.to_string(), false))).collect()
}

/// Begun, and without a receipt.
pub(super) fn begun(db: &Connection) -> Result<Vec<ActionId>, StoreError> {
    let mut select = db.prepare_cached(
        "SELECT action_id FROM actions WHERE state NOT IN ('proposed', 'waiting', 'sealed')",
    )?;
    let ids = select.query_map([], |r| r.get::<_, String>(0))?;
    ids.map(|id| id?.parse().map_err(damaged)).collect()
}

pub(super) fn observe(
    db: &Connection,
    id: &ObservationId,
    seen: &SeenRow,
) -> Result<(), StoreError> {
    seen.key.stands()?;
    let who = &seen.whose;
    db.prepare_cached(
        "INSERT INTO observations (observation_id, tenant, issuer, subject, conversation, person,
                                   body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        id.as_str(),
        who.tenant,
        who.issuer,
        who.subject,
        who.conversation,
        seen.person,
        seen.body
    ])?;
    Ok(())
}

pub(super) fn observed(
    db: &Connection,
    owner: &Whose,
    observations: &[ObservationId],
) -> Result<Vec<(ObservationId, Vec<u8>)>, StoreError> {
    let mut select = db.prepare_cached(
        "SELECT body FROM observations WHERE observation_id = ?1
         AND (tenant = ?2 AND issuer = ?3 AND subject = ?4 OR ?6) AND (conversation = ?5 OR ?7)",
    )?;
    let mut found = Vec::new();
    for id in observations {
        let who = params![
            id.as_str(),
            owner.tenant,
            owner.issuer,
            owner.subject,
            owner.conversation,
            !Gate::EvidencePerson.is_on(),
            !Gate::EvidenceConversation.is_on(),
        ];
        let body = select.query_row(who, |r| r.get(0)).optional()?;
        found.extend(body.map(|body| (id.clone(), body)));
    }
    Ok(found)
}

pub(super) fn sealed(
    db: &Connection,
    owner: &Whose,
    receipts: &[ReceiptId],
) -> Result<Vec<ReceiptRow>, StoreError> {
    let mut select = db.prepare_cached(
        "SELECT l.receipt_id, l.idx, l.body, o.body
         FROM leaves AS l LEFT JOIN openings AS o ON o.receipt_id = l.receipt_id
         WHERE l.receipt_id = ?1 AND (l.tenant = ?2 AND l.issuer = ?3 AND l.subject = ?4 OR ?5)",
    )?;
    let anyone = !Gate::EvidencePerson.is_on();
    let mut found = Vec::new();
    for id in receipts {
        let who = params![id.as_str(), owner.tenant, owner.issuer, owner.subject, anyone];
        let mut rows = select.query(who)?;
        while let Some(row) = rows.next()? {
            found.push(super::history::receipt(row)?);
        }
    }
    Ok(found)
}
