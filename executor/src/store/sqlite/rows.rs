//! Actions, journals and observations as rows.

use countersign_core::gates::Gate;
use countersign_core::lifecycle::{Event, Outcome};
use countersign_core::resolve::{Evidence, Observation};
use countersign_core::subject::Subject;
use countersign_shared::ids::{ActionId, ObservationId, ReceiptId};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value as Json;

use super::{spending, turns};
use crate::ports::{Named, Open, StoreError};
use crate::store::known::damaged;
use crate::store::row::Row;

/// Appends to a journal and brings the columns and locks in line.
pub(super) fn append(
    db: &Connection,
    row: &Row,
    seq: u64,
    events: &[Event],
) -> Result<(), StoreError> {
    upsert(db, row)?;
    if seq == 0 {
        turns::known_by(db, &row.proposal.asked().subject)?;
    }
    let action = row.proposal.action().as_str();
    let mut insert =
        db.prepare_cached("INSERT INTO journal (action_id, seq, event) VALUES (?1, ?2, ?3)")?;
    for (at, event) in (seq..).zip(events) {
        let text = serde_json::to_string(event).map_err(damaged)?;
        let at = i64::try_from(at).map_err(damaged)?;
        insert.execute(params![action, at, text]).map_err(conflict)?;
    }
    spending::book(db, action, row.booking.as_ref())?;
    locks(db, row)
}

/// A second writer of the same place in a journal loses.
fn conflict(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::ConstraintViolation) => StoreError::Conflict,
        _ => error.into(),
    }
}

fn upsert(db: &Connection, row: &Row) -> Result<(), StoreError> {
    let (p, who) = (&row.proposal, &row.proposal.asked().subject);
    db.prepare_cached(
        "INSERT INTO actions (action_id, proposal_id, tenant, issuer, subject, tool, intent,
                              occasion, state, outcome, receipt_id, caller, at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
         ON CONFLICT (action_id) DO UPDATE SET
            occasion = ?8, state = ?9, outcome = ?10, receipt_id = ?11",
    )?
    .execute(params![
        p.action().as_str(),
        p.id().as_str(),
        who.tenant,
        who.issuer,
        who.id,
        p.tool(),
        p.intent(),
        row.occasion,
        row.state,
        row.outcome.map(Outcome::name),
        row.receipt.as_ref().map(ReceiptId::as_str),
        p.asked().caller,
        p.at().as_second(),
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
    owner: &Subject,
    named: &Named,
) -> Result<Vec<Event>, StoreError> {
    let (condition, id) = condition(named);
    let anyone = !Gate::JournalPerson.is_on();
    let found: Option<String> = db
        .prepare_cached(&format!(
            "SELECT action_id FROM actions
             WHERE {condition} AND (tenant = ?2 AND issuer = ?3 AND subject = ?4 OR ?5)"
        ))?
        .query_row(params![id, owner.tenant, owner.issuer, owner.id, anyone], |r| r.get(0))
        .optional()?;
    found.map_or_else(|| Ok(Vec::new()), |action| events(db, &action))
}

fn condition(named: &Named) -> (&'static str, &str) {
    match named {
        Named::Action(id) => ("action_id = ?1", id.as_str()),
        Named::Proposal(id) => ("proposal_id = ?1", id.as_str()),
        Named::Intent(intent) => ("intent = ?1 AND state = 'waiting'", intent),
    }
}

pub(super) fn parked(db: &Connection, named: &Named) -> Result<Vec<Event>, StoreError> {
    let (condition, id) = condition(named);
    let found: Option<String> = db
        .prepare_cached(&format!("SELECT action_id FROM actions WHERE {condition} LIMIT 1"))?
        .query_row(params![id], |r| r.get(0))
        .optional()?;
    found.map_or_else(|| Ok(Vec::new()), |action| events(db, &action))
}

pub(super) fn waiting(db: &Connection) -> Result<Vec<Vec<Event>>, StoreError> {
    let mut select =
        db.prepare_cached("SELECT action_id FROM actions WHERE state = 'waiting' ORDER BY at")?;
    let ids = select.query_map([], |r| r.get::<_, String>(0))?;
    ids.map(|id| events(db, &id?)).collect()
}

pub(super) fn open(
    db: &Connection,
    owner: &Subject,
    caller: &str,
    since: Timestamp,
) -> Result<Open, StoreError> {
    let since = since.as_second();
    let subject = db
        .prepare_cached(
            "SELECT count(*) FROM actions WHERE tenant = ?1 AND issuer = ?2 AND subject = ?3
             AND at > ?4 AND state IN ('proposed', 'waiting')",
        )?
        .query_row(params![owner.tenant, owner.issuer, owner.id, since], |r| r.get(0))?;
    let planner = db
        .prepare_cached(
            "SELECT count(*) FROM actions
             WHERE caller = ?1 AND at > ?2 AND state IN ('proposed', 'waiting')",
        )?
        .query_row(params![caller, since], |r| r.get(0))?;
    Ok(Open { subject, planner })
}

pub(super) fn events(db: &Connection, action: &str) -> Result<Vec<Event>, StoreError> {
    let mut select =
        db.prepare_cached("SELECT event FROM journal WHERE action_id = ?1 ORDER BY seq")?;
    let texts = select.query_map(params![action], |r| r.get::<_, String>(0))?;
    texts.map(|text| serde_json::from_str(&text?).map_err(damaged)).collect()
}

pub(super) fn unfinished(db: &Connection) -> Result<Vec<Vec<Event>>, StoreError> {
    begun(db)?.iter().map(|action| events(db, action.as_str())).collect()
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
    owner: &Subject,
    conversation: &str,
    seen: &Observation,
) -> Result<(), StoreError> {
    let body = serde_json::to_string(seen).map_err(damaged)?;
    db.prepare_cached(
        "INSERT INTO observations (observation_id, tenant, issuer, subject, conversation, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        seen.id.as_str(),
        owner.tenant,
        owner.issuer,
        owner.id,
        conversation,
        body
    ])?;
    Ok(())
}

pub(super) fn evidence(
    db: &Connection,
    owner: &Subject,
    conversation: &str,
    observations: &[ObservationId],
    receipts: &[ReceiptId],
) -> Result<Evidence, StoreError> {
    let mut evidence = Evidence::default();
    let mut seen = db.prepare_cached(
        "SELECT body FROM observations WHERE observation_id = ?1
         AND (tenant = ?2 AND issuer = ?3 AND subject = ?4 OR ?6) AND (conversation = ?5 OR ?7)",
    )?;
    for id in observations {
        let who = params![
            id.as_str(),
            owner.tenant,
            owner.issuer,
            owner.id,
            conversation,
            !Gate::EvidencePerson.is_on(),
            !Gate::EvidenceConversation.is_on(),
        ];
        let body: Option<String> = seen.query_row(who, |r| r.get(0)).optional()?;
        if let Some(body) = body {
            evidence.observations.insert(id.clone(), serde_json::from_str(&body).map_err(damaged)?);
        }
    }
    let mut sealed = db.prepare_cached(
        "SELECT body FROM leaves WHERE receipt_id = ?1
         AND (tenant = ?2 AND issuer = ?3 AND subject = ?4 OR ?5)",
    )?;
    for id in receipts {
        let anyone = !Gate::EvidencePerson.is_on();
        let who = params![id.as_str(), owner.tenant, owner.issuer, owner.id, anyone];
        let body: Option<Vec<u8>> = sealed.query_row(who, |r| r.get(0)).optional()?;
        if let Some(body) = body {
            let receipt: Json = serde_json::from_slice(&body).map_err(damaged)?;
            let output = receipt.get("output").cloned().unwrap_or_default();
            evidence.receipts.insert(id.clone(), output);
        }
    }
    Ok(evidence)
}
