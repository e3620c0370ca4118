//! Removes rows that nobody needs any more. Ids sort by the time they were made.

use countersign_shared::ids::{ActionId, ObservationId, TurnId};
use rusqlite::{Connection, params};

use crate::ports::{Old, StoreError};
use crate::store::old::first_id;

const OBSERVATIONS: &str = "
    DELETE FROM observations WHERE observation_id IN (
        SELECT observation_id FROM observations AS o WHERE observation_id < ?1
        AND NOT EXISTS (
            SELECT 1 FROM actions AS a JOIN journal AS j ON j.action_id = a.action_id AND j.seq = 0
            WHERE a.state NOT IN ('proposed', 'waiting', 'sealed') AND instr(j.event, o.observation_id) > 0)
        ORDER BY observation_id LIMIT ?2)";

const WAITING: &str = "
    SELECT action_id FROM actions WHERE state = 'proposed' AND action_id < ?1
    ORDER BY action_id LIMIT ?2";

const TURNS: &str = "
    DELETE FROM turns WHERE turn_id IN (
        SELECT turn_id FROM turns WHERE turn_id < ?1 ORDER BY turn_id LIMIT ?2)";

pub(super) fn purge(db: &Connection, old: Old, most: u32) -> Result<usize, StoreError> {
    let observed = ObservationId::from_uuid(first_id(old.observed));
    let observations =
        db.prepare_cached(OBSERVATIONS)?.execute(params![observed.as_str(), most])?;
    let proposed = ActionId::from_uuid(first_id(old.proposed));
    let remove = |table: &str| {
        let sql = format!("DELETE FROM {table} WHERE action_id IN ({WAITING})");
        db.prepare_cached(&sql)?.execute(params![proposed.as_str(), most])
    };
    // The journal first: afterwards nothing says which rows of it were these.
    remove("journal")?;
    let proposals = remove("actions")?;
    let told = TurnId::from_uuid(first_id(old.told));
    let turns = db.prepare_cached(TURNS)?.execute(params![told.as_str(), most])?;
    Ok(observations + proposals + turns)
}
