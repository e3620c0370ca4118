//! Removes rows that nobody needs any more. Ids sort by the time they were made.

use countersign_shared::ids::{ActionId, ObservationId, TurnId};
use deadpool_postgres::Transaction;

use super::database::run;
use super::fault::Fault;
use crate::ports::{Old, StoreError};
use crate::store::old::first_id;

const OBSERVATIONS: &str = "
    DELETE FROM observations WHERE observation_id IN (
        SELECT observation_id FROM observations AS o WHERE observation_id < $1
        AND NOT EXISTS (
            SELECT 1 FROM actions AS a JOIN journal AS j ON j.action_id = a.action_id AND j.seq = 0
            WHERE a.state NOT IN ('proposed', 'waiting', 'sealed')
            AND strpos(j.event, o.observation_id) > 0)
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

const TURNS: &str = "
    DELETE FROM turns WHERE turn_id IN (
        SELECT turn_id FROM turns WHERE turn_id < $1 ORDER BY turn_id LIMIT $2)";

pub(super) async fn purge(db: &Transaction<'_>, old: Old, most: u32) -> Result<usize, Fault> {
    let (observed, proposed) = (
        ObservationId::from_uuid(first_id(old.observed)),
        ActionId::from_uuid(first_id(old.proposed)),
    );
    let most = i64::from(most);
    let observations = run(db, OBSERVATIONS, &[&observed.as_str(), &most]).await?;
    let proposals = super::database::first(db, PROPOSALS, &[&proposed.as_str(), &most]).await?;
    let proposals = proposals.map_or(Ok(0), |row| row.try_get::<_, i64>(0))?;
    let told = TurnId::from_uuid(first_id(old.told));
    let turns = run(db, TURNS, &[&told.as_str(), &most]).await?;
    let gone =
        observations.saturating_add(turns).saturating_add(u64::try_from(proposals).unwrap_or(0));
    usize::try_from(gone).map_err(|e| StoreError::Damaged(e.to_string()).into())
}
