//! Turns as planners told them, and whose address is whose, as rows.

use countersign_core::subject::Subject;
use countersign_shared::ids::TurnId;
use deadpool_postgres::{GenericClient, Transaction};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::database::{all, plain, run};
use super::fault::Fault;
use crate::ports::{Owner, Turn, TurnQuery};
use crate::store::email;
use crate::store::known::damaged;
use crate::store::old::first_id;

const TURN: &str = "
    INSERT INTO turns (turn_id, tenant, issuer, subject, conversation, external_ref, trace, body)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const EMAIL: &str = "
    INSERT INTO subjects_by_email (email, tenant, issuer, subject) VALUES ($1, $2, $3, $4)
    ON CONFLICT DO NOTHING";

pub(super) async fn insert(
    db: &Transaction<'_>,
    owner: &Subject,
    turn: &Turn,
) -> Result<(), Fault> {
    let with: super::database::With<'_> = &[
        &turn.id.as_str(),
        &plain(&turn.owner.tenant),
        &plain(&turn.owner.issuer),
        &plain(&turn.owner.subject),
        &plain(&turn.conversation),
        &plain(&turn.external_ref),
        &plain(&turn.trace),
        &plain(&turn.body),
    ];
    run(db, TURN, with).await?;
    known_by(db, owner).await
}

/// Keeps by which address this subject may be asked for.
pub(super) async fn known_by(db: &Transaction<'_>, owner: &Subject) -> Result<(), Fault> {
    let Some(email) = email::of(owner) else { return Ok(()) };
    let (tenant, issuer, subject) = (plain(&owner.tenant), plain(&owner.issuer), plain(&owner.id));
    run(db, EMAIL, &[&email, &tenant, &issuer, &subject]).await.map(drop)
}

pub(super) async fn subjects_of(
    db: &impl GenericClient,
    address: &str,
) -> Result<Vec<Owner>, Fault> {
    let sql = "SELECT tenant, issuer, subject FROM subjects_by_email WHERE email = $1";
    let rows = all(db, sql, &[&email::digest_of(address)]).await?;
    rows.iter().map(|row| owner(row, 0)).collect()
}

pub(super) async fn list(db: &impl GenericClient, query: &TurnQuery) -> Result<Vec<Turn>, Fault> {
    let mut sql = "SELECT turn_id, conversation, external_ref, trace, body, tenant, issuer, subject
                   FROM turns WHERE TRUE"
        .to_owned();
    let mut values: Vec<String> = Vec::new();
    let mut narrow = |condition: &str, value: &str| {
        values.push(plain(value).into_owned());
        sql.push_str(&format!(" AND {condition} ${}", values.len()));
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
    let with: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
    all(db, &sql, &with).await?.iter().map(turn).collect()
}

fn turn(row: &Row) -> Result<Turn, Fault> {
    Ok(Turn {
        id: row.try_get::<_, &str>(0)?.parse().map_err(damaged)?,
        owner: owner(row, 5)?,
        conversation: row.try_get(1)?,
        external_ref: row.try_get(2)?,
        trace: row.try_get(3)?,
        body: row.try_get(4)?,
    })
}

fn owner(row: &Row, from: usize) -> Result<Owner, Fault> {
    Ok(Owner {
        tenant: row.try_get(from)?,
        issuer: row.try_get(from + 1)?,
        subject: row.try_get(from + 2)?,
    })
}
