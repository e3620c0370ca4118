//! The queue of people as rows.

use countersign_core::escalation::Case;
use countersign_core::resolve::Observation;
use countersign_core::seal::{Leaf, Queue};
use countersign_shared::ids::{EscalationId, ObservationId};
use deadpool_postgres::{GenericClient, Transaction};
use tokio_postgres::Row;

use super::database::{With, all, plain, run};
use super::fault::Fault;
use crate::ports::{Escalation, EscalationQuery};
use crate::store::known::damaged;

/// What a receipt does to the queue. A matter that is open already stays as it is.
pub(super) async fn follow(db: &Transaction<'_>, leaf: &Leaf) -> Result<(), Fault> {
    match &leaf.queue {
        Queue::Stays => Ok(()),
        Queue::Opens(case) => open(db, case).await,
        Queue::Closes(matter) => {
            let sql =
                "UPDATE escalations SET closed_by = $1 WHERE matter = $2 AND closed_by IS NULL";
            run(db, sql, &[&leaf.receipt.receipt_id, &plain(matter)]).await.map(drop)
        }
    }
}

/// The reads go with it: a purge takes them away later.
async fn open(db: &Transaction<'_>, case: &Case) -> Result<(), Fault> {
    let body = serde_json::to_string(case).map_err(damaged)?;
    let seen = serde_json::to_string(&seen(db, case).await?).map_err(damaged)?;
    let sql = "
        INSERT INTO escalations (escalation_id, matter, tenant, body, seen)
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
    let with: With<'_> =
        &[&case.id.as_str(), &plain(&case.matter), &plain(&case.tenant), &body, &seen];
    run(db, sql, with).await.map(drop)
}

/// Only what is this subject's own, of this conversation.
async fn seen(db: &Transaction<'_>, case: &Case) -> Result<Vec<Observation>, Fault> {
    let ids: Vec<_> = case.observations.iter().map(ObservationId::as_str).collect();
    let sql = "
        SELECT body FROM observations
        JOIN unnest($1::text[]) WITH ORDINALITY AS wanted (id, n) ON observation_id = id
        WHERE tenant = $2 AND issuer = $3 AND subject = $4 AND conversation = $5 ORDER BY n";
    let with: With<'_> = &[
        &ids,
        &plain(&case.tenant),
        &plain(&case.issuer),
        &plain(&case.subject),
        &plain(&case.conversation),
    ];
    let rows = all(db, sql, with).await?;
    rows.iter().map(|row| Ok(serde_json::from_str(row.try_get(0)?).map_err(damaged)?)).collect()
}

/// Matters that match, oldest first.
pub(super) async fn list(
    db: &impl GenericClient,
    query: &EscalationQuery,
) -> Result<Vec<Escalation>, Fault> {
    let sql = "
        SELECT body, seen, taken_by, closed_by FROM escalations
        WHERE ($1::text IS NULL OR escalation_id = $1) AND ($2 = '' OR tenant = $2)
        AND ($3 OR closed_by IS NULL) AND ($4 = '' OR matter = $4)
        AND (NOT $6 OR taken_by IS NULL)
        ORDER BY CASE WHEN $6 THEN escalation_id END DESC, escalation_id LIMIT $5";
    let with: With<'_> = &[
        &query.id.as_ref().map(EscalationId::as_str),
        &plain(&query.tenant),
        &query.closed,
        &plain(&query.matter),
        &i64::from(query.limit),
        &query.untaken,
    ];
    all(db, sql, with).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Escalation, Fault> {
    let closed_by: Option<&str> = row.try_get(3)?;
    Ok(Escalation {
        case: serde_json::from_str(row.try_get(0)?).map_err(damaged)?,
        seen: serde_json::from_str(row.try_get(1)?).map_err(damaged)?,
        taken_by: row.try_get(2)?,
        closed_by: closed_by.map(|id| id.parse().map_err(damaged)).transpose()?,
    })
}

/// Somebody takes an open matter that nobody else has, or gives it back.
pub(super) async fn take(
    db: &Transaction<'_>,
    id: &EscalationId,
    who: Option<&str>,
) -> Result<bool, Fault> {
    let sql = "
        UPDATE escalations SET taken_by = $1 WHERE escalation_id = $2
        AND closed_by IS NULL AND ($1::text IS NULL OR taken_by IS NULL OR taken_by = $1)";
    Ok(run(db, sql, &[&who, &id.as_str()]).await? == 1)
}
