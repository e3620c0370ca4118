//! Turns as planners told them, and whose address is whose, as rows.

use countersign_core::subject::Subject;
use countersign_shared::ids::TurnId;
use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};

use crate::ports::{Owner, StoreError, Turn, TurnQuery};
use crate::store::email;
use crate::store::known::damaged;
use crate::store::old::first_id;

pub(super) fn insert(db: &Connection, owner: &Subject, turn: &Turn) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT INTO turns (turn_id, tenant, issuer, subject, conversation, external_ref, trace, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        turn.id.as_str(),
        turn.owner.tenant,
        turn.owner.issuer,
        turn.owner.subject,
        turn.conversation,
        turn.external_ref,
        turn.trace,
        turn.body,
    ])?;
    known_by(db, owner)
}

/// Keeps by which address this subject may be asked for.
pub(super) fn known_by(db: &Connection, owner: &Subject) -> Result<(), StoreError> {
    let Some(email) = email::of(owner) else { return Ok(()) };
    db.prepare_cached(
        "INSERT INTO subjects_by_email (email, tenant, issuer, subject) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO NOTHING",
    )?
    .execute(params![email, owner.tenant, owner.issuer, owner.id])?;
    Ok(())
}

pub(super) fn subjects_of(db: &Connection, address: &str) -> Result<Vec<Owner>, StoreError> {
    let mut select = db
        .prepare_cached("SELECT tenant, issuer, subject FROM subjects_by_email WHERE email = ?1")?;
    let rows = select.query_map(params![email::digest_of(address)], |row| {
        Ok(Owner { tenant: row.get(0)?, issuer: row.get(1)?, subject: row.get(2)? })
    })?;
    rows.collect::<Result<_, _>>().map_err(Into::into)
}

pub(super) fn list(db: &Connection, query: &TurnQuery) -> Result<Vec<Turn>, StoreError> {
    let mut sql = "SELECT turn_id, tenant, issuer, subject, conversation, external_ref, trace, body
                   FROM turns WHERE 1"
        .to_owned();
    let mut values: Vec<Value> = Vec::new();
    let mut narrow = |condition: &str, value: &str| {
        values.push(value.to_owned().into());
        sql.push_str(&format!(" AND {condition} ?{}", values.len()));
    };
    if let Some(owner) = &query.owner {
        narrow("tenant =", &owner.tenant);
        narrow("issuer =", &owner.issuer);
        narrow("subject =", &owner.subject);
    }
    for (column, wanted) in query.texts() {
        narrow(&format!("{column} ="), wanted);
    }
    for (bound, at) in [("turn_id >=", query.from), ("turn_id <", query.to)] {
        if let Some(at) = at {
            narrow(bound, TurnId::from_uuid(first_id(at)).as_str());
        }
    }
    sql.push_str(&format!(" ORDER BY turn_id DESC LIMIT {}", query.limit));
    let mut select = db.prepare_cached(&sql)?;
    let mut rows = select.query(params_from_iter(values))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(Turn {
            id: row.get::<_, String>(0)?.parse().map_err(damaged)?,
            owner: Owner { tenant: row.get(1)?, issuer: row.get(2)?, subject: row.get(3)? },
            conversation: row.get(4)?,
            external_ref: row.get(5)?,
            trace: row.get(6)?,
            body: row.get(7)?,
        });
    }
    Ok(found)
}
