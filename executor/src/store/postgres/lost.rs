//! Actions that a lost key of a person opens: they end without their journals.

use countersign_core::lifecycle::Outcome;
use countersign_core::seal::{self, Lost};
use countersign_shared::ids::{ActionId, ReceiptId};
use deadpool_postgres::{GenericClient, Transaction};
use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::database::{all, first, run};
use super::fault::Fault;
use super::restored::forget;
use super::rows;
use crate::ports::{Named, StoreError};
use crate::store::known::damaged;
use crate::store::restored::is_unsent;
use crate::store::veiled::{self, LeafRow};
use crate::veil::Veil;

/// One that ends as it was found.
pub(super) struct Ended {
    action: String,
    state: String,
    /// Of how it was in doubt before, where it was.
    earlier: Option<String>,
    /// Of how it ends; none where it was not sent.
    receipt: Option<ReceiptId>,
}

/// Those that have no receipt yet.
pub(super) async fn unsealed(db: &impl GenericClient) -> Result<Vec<ActionId>, Fault> {
    let rows = all(db, "SELECT action_id FROM actions WHERE state <> 'sealed'", &[]).await?;
    rows.iter().map(|row| Ok(row.try_get::<_, &str>(0)?.parse().map_err(damaged)?)).collect()
}

/// Those of `begun` that cannot be read. What was not sent goes, to be asked again; what was is
/// in doubt, and a person is asked by a matter that can be read. One is asked anew where an
/// action is in doubt by a matter that cannot. Answers also with the receipts.
pub(super) async fn find(
    db: &impl GenericClient,
    veil: &Veil,
    begun: &[ActionId],
    now: Timestamp,
) -> Result<(Vec<Ended>, Vec<LeafRow>), Fault> {
    let mut gone = Vec::new();
    for action in begun {
        let found = rows::parked(db, &Named::Action(action.clone())).await?;
        if matches!(veiled::journal(veil, found).await, Err(StoreError::KeyLost)) {
            gone.push(action.to_string());
        }
    }
    let sql = "SELECT escalation_id, body, action_id FROM escalations
               JOIN actions ON action_id = matter
               WHERE closed_by IS NULL AND state = 'sealed' AND outcome = 'unknown'";
    gone.extend(unreadable(db, veil, sql).await?.into_iter().map(|(_, action)| action));
    let (mut ended, mut leaves) = (Vec::new(), Vec::new());
    for action in gone {
        let sql = "SELECT state, receipt_id FROM actions WHERE action_id = $1";
        let row = first(db, sql, &[&action]).await?.ok_or_else(|| damaged("no answer"))?;
        let (state, earlier): (String, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
        let receipt = if is_unsent(&state) {
            None
        } else {
            let id = ReceiptId::from_uuid(Uuid::now_v7());
            let leaf = seal::lost(known(db, &action).await?, &id, now);
            leaves.push(veiled::lost(veil, leaf).await?);
            Some(id)
        };
        ended.push(Ended { action, state, earlier, receipt });
    }
    Ok((ended, leaves))
}

impl Ended {
    /// Before its leaf opens a matter: one that nobody can read would be in its place.
    pub(super) async fn write(&self, db: &Transaction<'_>) -> Result<(), Fault> {
        let Self { action, state, earlier, receipt } = self;
        let sql = "SELECT 1 FROM actions WHERE action_id = $1 AND state = $2
                   AND receipt_id IS NOT DISTINCT FROM $3 FOR UPDATE";
        if first(db, sql, &[action, state, earlier]).await?.is_none() {
            return Err(StoreError::Conflict.into());
        }
        let Some(receipt) = receipt else { return forget(db, action).await };
        run(db, "DELETE FROM journal WHERE action_id = $1", &[action]).await?;
        let sql = "DELETE FROM escalations WHERE matter = $1 AND closed_by IS NULL";
        run(db, sql, &[action]).await?;
        let sql =
            "UPDATE actions SET state = 'sealed', outcome = $2, receipt_id = $3, holder = NULL
                   WHERE action_id = $1";
        run(db, sql, &[action, &Outcome::Unknown.name(), &receipt.as_str()]).await.map(drop)
    }

    /// Whether nothing of it was sent.
    pub(super) fn is_gone(&self) -> bool {
        self.receipt.is_none()
    }
}

/// Matters that nobody can read would keep others of the same from the queue: they go.
pub(super) async fn clear(db: &Transaction<'_>, veil: &Veil) -> Result<(), Fault> {
    let sql = "SELECT escalation_id, body, matter FROM escalations";
    for (id, _) in unreadable(db, veil, sql).await? {
        run(db, "DELETE FROM escalations WHERE escalation_id = $1", &[&id]).await?;
    }
    Ok(())
}

/// The matters among these whose key is lost: id, and the last column.
async fn unreadable(
    db: &impl GenericClient,
    veil: &Veil,
    sql: &str,
) -> Result<Vec<(String, String)>, Fault> {
    let rows = all(db, sql, &[]).await?;
    let read = |row: &Row| -> Result<(String, Vec<u8>, String), Fault> {
        Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
    };
    let mut gone = Vec::new();
    for row in rows.iter().map(read) {
        let (id, body, of) = row?;
        if veiled::is_lost(veil, &id, &body).await? {
            gone.push((id, of));
        }
    }
    Ok(gone)
}

/// What is known in clear of an action.
async fn known(db: &impl GenericClient, action: &str) -> Result<Lost, Fault> {
    let sql = "
        SELECT proposal_id, intent, coalesce(occasion, 0), tenant, issuer, person, caller, tool,
               ARRAY(SELECT object FROM locks WHERE action_id = $1 ORDER BY object),
               ARRAY(SELECT account FROM spending WHERE action_id = $1 ORDER BY account)
        FROM actions WHERE action_id = $1";
    let row = first(db, sql, &[&action]).await?.ok_or_else(|| damaged("no answer"))?;
    Ok(Lost {
        action: action.to_owned(),
        proposal: row.try_get(0)?,
        intent: row.try_get(1)?,
        occasion: u32::try_from(row.try_get::<_, i64>(2)?).map_err(damaged)?,
        tenant: row.try_get(3)?,
        issuer: row.try_get(4)?,
        person: row.try_get(5)?,
        caller: row.try_get(6)?,
        tool: row.try_get(7)?,
        locks: row.try_get(8)?,
        booked: row.try_get(9)?,
    })
}
