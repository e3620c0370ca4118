//! Removes rows that nobody needs any more. Ids sort by the time they were made.

use countersign_shared::ids::{ActionId, EscalationId, ObservationId, ReceiptId, TurnId};
use deadpool_postgres::Transaction;

use super::database::run;
use super::fault::Fault;
use crate::ports::{Old, StoreError};
use crate::store::old::first_id;

const OBSERVATIONS: &str = "
    DELETE FROM observations WHERE observation_id IN (
        SELECT observation_id FROM observations AS o WHERE observation_id < $1
        AND NOT EXISTS (
            SELECT 1 FROM actions AS a WHERE a.state NOT IN ('proposed', 'waiting', 'sealed')
            AND strpos(a.rests_on, o.observation_id) > 0)
        ORDER BY observation_id LIMIT $2)";
/// The row goes with a condition of its own: somebody may carry the action out meanwhile.
const PROPOSALS: &str = "
    WITH gone AS (
        DELETE FROM actions WHERE state = 'proposed' AND action_id IN (
            SELECT action_id FROM actions WHERE state = 'proposed' AND action_id < $1
            ORDER BY action_id LIMIT $2)
        RETURNING action_id),
    journals AS (DELETE FROM journal WHERE action_id IN (SELECT action_id FROM gone))
    SELECT count(*) FROM gone";

/// Plaintext whose time is over, unless a legal hold stands; what is in doubt stays.
const JOURNALS: &str = "
    WITH gone AS (
        UPDATE actions SET erased = TRUE WHERE action_id IN (
            SELECT action_id FROM actions WHERE state = 'sealed' AND NOT erased
            AND outcome IS DISTINCT FROM 'unknown' AND action_id < $1
            AND person NOT IN (SELECT person FROM holds) ORDER BY action_id LIMIT $2)
        RETURNING action_id),
    journals AS (DELETE FROM journal WHERE action_id IN (SELECT action_id FROM gone))
    SELECT count(*) FROM gone";
const OPENINGS: &str = "
    DELETE FROM openings WHERE receipt_id IN (
        SELECT receipt_id FROM openings WHERE receipt_id < $1
        AND person NOT IN (SELECT person FROM holds) ORDER BY receipt_id LIMIT $2)";
const MATTERS: &str = "
    DELETE FROM escalations WHERE escalation_id IN (
        SELECT escalation_id FROM escalations WHERE escalation_id < $1
        AND closed_by IS NOT NULL AND person NOT IN (SELECT person FROM holds)
        ORDER BY escalation_id LIMIT $2)";
const TURNS: &str = "
    DELETE FROM turns WHERE turn_id IN (
        SELECT turn_id FROM turns WHERE turn_id < $1
        AND person NOT IN (SELECT person FROM holds) ORDER BY turn_id LIMIT $2)";

pub(super) async fn purge(db: &Transaction<'_>, old: Old, most: u32) -> Result<usize, Fault> {
    let (observed, proposed) = (
        ObservationId::from_uuid(first_id(old.observed)),
        ActionId::from_uuid(first_id(old.proposed)),
    );
    let most = i64::from(most);
    let observations = run(db, OBSERVATIONS, &[&observed.as_str(), &most]).await?;
    let proposals = super::database::first(db, PROPOSALS, &[&proposed.as_str(), &most]).await?;
    let proposals = proposals.map_or(Ok(0), |row| row.try_get::<_, i64>(0))?;
    let matched = old.matched.as_second();
    let matches = run(db, "DELETE FROM matches WHERE at <= $1", &[&matched]).await?;
    let gone =
        observations.saturating_add(matches).saturating_add(u64::try_from(proposals).unwrap_or(0));
    let gone = gone.saturating_add(plaintext(db, old, most).await?);
    usize::try_from(gone).map_err(|e| StoreError::Damaged(e.to_string()).into())
}

async fn plaintext(db: &Transaction<'_>, old: Old, most: i64) -> Result<u64, Fault> {
    let first = first_id(old.sealed);
    let action = ActionId::from_uuid(first);
    let journals = super::database::first(db, JOURNALS, &[&action.as_str(), &most]).await?;
    let journals = journals.map_or(Ok(0), |row| row.try_get::<_, i64>(0))?;
    let receipt = ReceiptId::from_uuid(first);
    let openings = run(db, OPENINGS, &[&receipt.as_str(), &most]).await?;
    let matters = run(db, MATTERS, &[&EscalationId::from_uuid(first).as_str(), &most]).await?;
    let turns = run(db, TURNS, &[&TurnId::from_uuid(first).as_str(), &most]).await?;
    let rows = openings.saturating_add(matters).saturating_add(turns);
    Ok(u64::try_from(journals).unwrap_or(0).saturating_add(rows))
}
