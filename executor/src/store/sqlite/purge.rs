//! Removes rows that nobody needs any more. Ids sort by the time they were made.

use countersign_shared::ids::{ActionId, EscalationId, ObservationId, ReceiptId, TurnId};
use rusqlite::{Connection, params};

use crate::ports::{Old, StoreError};
use crate::store::old::first_id;

const OBSERVATIONS: &str = "
    DELETE FROM observations WHERE observation_id IN (
        SELECT observation_id FROM observations AS o WHERE observation_id < ?1
        AND NOT EXISTS (
            SELECT 1 FROM actions AS a WHERE a.state NOT IN ('proposed', 'waiting', 'sealed')
            AND instr(a.rests_on, o.observation_id) > 0)
        ORDER BY observation_id LIMIT ?2)";

const WAITING: &str = "
    SELECT action_id FROM actions WHERE state = 'proposed' AND action_id < ?1
    ORDER BY action_id LIMIT ?2";

/// Plaintext whose time is over, unless a legal hold stands; what is in doubt stays.
const HELD: &str = "person IN (SELECT person FROM holds)";
const PAST: &str = "
    SELECT action_id FROM actions WHERE state = 'sealed' AND outcome IS NOT 'unknown'
    AND erased = 0 AND action_id < ?1";

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
    let matches = db
        .prepare_cached("DELETE FROM matches WHERE at <= ?1")?
        .execute(params![old.matched.as_second()])?;
    Ok(matches + observations + proposals + plaintext(db, old, most)?)
}

fn plaintext(db: &Connection, old: Old, most: u32) -> Result<usize, StoreError> {
    let first = first_id(old.sealed);
    let action = ActionId::from_uuid(first);
    let which = format!("{PAST} AND NOT {HELD} ORDER BY action_id LIMIT ?2");
    let run = |sql: &str, id: &str| db.prepare_cached(sql)?.execute(params![id, most]);
    run(&format!("DELETE FROM journal WHERE action_id IN ({which})"), action.as_str())?;
    let sql = format!("UPDATE actions SET erased = 1 WHERE action_id IN ({which})");
    let actions = run(&sql, action.as_str())?;
    let sql = format!(
        "DELETE FROM openings WHERE receipt_id IN (
             SELECT receipt_id FROM openings WHERE receipt_id < ?1 AND NOT {HELD}
             ORDER BY receipt_id LIMIT ?2)"
    );
    let openings = run(&sql, ReceiptId::from_uuid(first).as_str())?;
    let sql = format!(
        "DELETE FROM escalations WHERE escalation_id IN (
             SELECT escalation_id FROM escalations WHERE escalation_id < ?1
             AND closed_by IS NOT NULL AND NOT {HELD} ORDER BY escalation_id LIMIT ?2)"
    );
    let matters = run(&sql, EscalationId::from_uuid(first).as_str())?;
    let sql = format!(
        "DELETE FROM turns WHERE turn_id IN (
             SELECT turn_id FROM turns WHERE turn_id < ?1 AND NOT {HELD}
             ORDER BY turn_id LIMIT ?2)"
    );
    let turns = run(&sql, TurnId::from_uuid(first).as_str())?;
    Ok(actions + openings + matters + turns)
}
