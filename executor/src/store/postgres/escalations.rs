//! The queue of people as rows.

use countersign_shared::ids::EscalationId;
use deadpool_postgres::{GenericClient, Transaction};
use tokio_postgres::Row;

use super::database::{With, all, plain, run};
use super::fault::Fault;
use crate::ports::EscalationQuery;
use crate::store::matters::{after, stands};
use crate::store::veiled::{CaseRow, LeafRow, MatterRow, QueueRow, seen_rows, seen_text};

/// What a receipt does to the queue, and whether it did: a matter that is open already stays
/// as it is, and one that is not open cannot be ended.
pub(super) async fn follow(db: &Transaction<'_>, leaf: &LeafRow) -> Result<bool, Fault> {
    match &leaf.queue {
        QueueRow::Stays => {}
        QueueRow::Opens(case) => open(db, case).await?,
        QueueRow::Closes(matter) => {
            let sql =
                "UPDATE escalations SET closed_by = $1 WHERE matter = $2 AND closed_by IS NULL";
            let ended = run(db, sql, &[&leaf.receipt_id, &plain(matter)]).await?;
            free(db, matter).await?;
            return Ok(ended > 0);
        }
    }
    Ok(true)
}

/// An action that came back as a receipt has no journal that could settle it: a person's
/// word frees its object.
async fn free(db: &Transaction<'_>, action: &str) -> Result<(), Fault> {
    let sql = "DELETE FROM locks WHERE action_id = $1
               AND NOT EXISTS (SELECT 1 FROM journal WHERE action_id = $1)";
    run(db, sql, &[&plain(action)]).await.map(drop)
}

/// The reads go with it: a purge takes them away later.
async fn open(db: &Transaction<'_>, case: &CaseRow) -> Result<(), Fault> {
    let seen = seen_text(&seen(db, case).await?)?;
    let sql = "
        INSERT INTO escalations (escalation_id, matter, tenant, body, seen, person)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
    let tenant = plain(&case.whose.tenant);
    let with: With<'_> =
        &[&case.id, &plain(&case.matter), &tenant, &case.body, &seen, &case.person];
    run(db, sql, with).await.map(drop)
}

/// Only what is this subject's own, of this conversation.
async fn seen(db: &Transaction<'_>, case: &CaseRow) -> Result<Vec<(String, Vec<u8>)>, Fault> {
    let (ids, who) = (&case.observations, &case.whose);
    let sql = "
        SELECT observation_id, body FROM observations
        JOIN unnest($1::text[]) WITH ORDINALITY AS wanted (id, n) ON observation_id = id
        WHERE tenant = $2 AND issuer = $3 AND subject = $4 AND conversation = $5 ORDER BY n";
    let (tenant, issuer) = (plain(&who.tenant), plain(&who.issuer));
    let with: With<'_> = &[ids, &tenant, &issuer, &who.subject, &who.conversation];
    let rows = all(db, sql, with).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Matters that match.
pub(super) async fn list(
    db: &impl GenericClient,
    query: &EscalationQuery,
) -> Result<Vec<MatterRow>, Fault> {
    // Spelt so that indexes are used: planners ask of a matter at each turn.
    let of = if query.matter.is_empty() { "$4::text = ''" } else { "matter = $4" };
    let last = query.after.as_ref();
    let after = last.map_or("$6::text IS NULL".to_owned(), |_| after(query.stand, "$6"));
    let sql = format!(
        "SELECT escalation_id, body, seen, taken_by, closed_by FROM escalations
        WHERE ($1::text IS NULL OR escalation_id = $1) AND ($2 = '' OR tenant = $2)
        AND ($3 = '' OR taken_by = $3) AND {of} AND {after} AND {} LIMIT $5",
        stands(query.stand)
    );
    let with: With<'_> = &[
        &query.id.as_ref().map(EscalationId::as_str),
        &plain(&query.tenant),
        &query.taken_by,
        &plain(&query.matter),
        &i64::from(query.limit),
        &query.after.as_ref().map(EscalationId::as_str),
    ];
    all(db, &sql, with).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<MatterRow, Fault> {
    Ok(MatterRow {
        id: row.try_get(0)?,
        body: row.try_get(1)?,
        seen: seen_rows(row.try_get(2)?)?,
        taken_by: row.try_get(3)?,
        closed_by: row.try_get(4)?,
    })
}

/// An open matter goes out of one hand into another.
pub(super) async fn take(
    db: &Transaction<'_>,
    (id, from, to): &(EscalationId, Option<String>, Option<String>),
) -> Result<bool, Fault> {
    let sql = "
        UPDATE escalations SET taken_by = $1 WHERE escalation_id = $2
        AND closed_by IS NULL AND (taken_by IS NOT DISTINCT FROM $3 OR taken_by = $1)";
    Ok(run(db, sql, &[to, &id.as_str(), from]).await? == 1)
}
