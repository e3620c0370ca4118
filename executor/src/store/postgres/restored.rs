//! What receipts from outside bring back: keys, locks, bookings, the ends of journals.

use countersign_core::lifecycle::Outcome;
use countersign_core::seal::{self, Lost};
use countersign_shared::ids::ReceiptId;
use countersign_shared::money::Money;
use countersign_shared::receipt::Receipt;
use deadpool_postgres::Transaction;
use jiff::Timestamp;
use uuid::Uuid;

use super::database::{all, first, plain, run};
use super::fault::Fault;
use super::{erase, rows};
use crate::ports::{Named, StoreError};
use crate::store::known::damaged;
use crate::store::restored::{Ending, ending, is_unsent, refusal};
use crate::store::veiled::{self, Append, Erasure, LeafRow};
use crate::veil::Veil;

/// Takes the key of a receipt's action again (AT MOST ONE EFFECT), as it ended. A journal
/// that knows of the sending is ended by it; any other goes, the receipt is the record.
pub(super) async fn take(
    db: &Transaction<'_>,
    veil: &Veil,
    me: i64,
    receipt: &Receipt,
    outcome: Outcome,
) -> Result<(), Fault> {
    if end(db, veil, me, receipt, outcome).await? {
        return Ok(());
    }
    forget(db, &receipt.action_id).await?;
    action(db, receipt, outcome).await?;
    if matches!(outcome, Outcome::Applied | Outcome::Unknown) {
        book(db, receipt).await?;
    }
    if outcome == Outcome::Unknown {
        let sql = "INSERT INTO locks (object, action_id) SELECT object, $2 FROM
                   unnest($1::text[]) AS object ON CONFLICT DO NOTHING";
        run(db, sql, &[&receipt.locks, &receipt.action_id]).await?;
    }
    Ok(())
}

async fn forget(db: &Transaction<'_>, action: &str) -> Result<(), Fault> {
    for table in ["journal", "actions", "claims", "spending", "locks"] {
        let sql = format!("DELETE FROM {table} WHERE action_id = $1");
        run(db, &sql, &[&action]).await?;
    }
    Ok(())
}

/// Ends a journal in which the sending is, as the receipt says; `false` where there is none.
async fn end(
    db: &Transaction<'_>,
    veil: &Veil,
    me: i64,
    receipt: &Receipt,
    outcome: Outcome,
) -> Result<bool, Fault> {
    let named = Named::Action(receipt.action_id.parse().map_err(damaged)?);
    let journal = match veiled::journal(veil, rows::parked(db, &named).await?).await {
        // Erased since the backup, or under a key that is lost: the receipt is the record.
        Err(StoreError::Erased | StoreError::KeyLost) => return Ok(false),
        read => read?,
    };
    let Some(Ending { seq, events, state }) = ending(journal, receipt, outcome)? else {
        return Ok(false);
    };
    veiled::append(veil, seq, &events, &state).await?.write(db, me).await?;
    Ok(true)
}

async fn action(db: &Transaction<'_>, receipt: &Receipt, outcome: Outcome) -> Result<(), Fault> {
    let sql = "SELECT max(occasion), coalesce(bool_or(occasion = $2), FALSE) FROM actions
               WHERE intent = $1";
    let own = i64::from(receipt.occasion);
    let row = first(db, sql, &[&receipt.intent, &own]).await?;
    let row = row.ok_or_else(|| damaged("no answer"))?;
    let (last, taken): (Option<i64>, bool) = (row.try_get(0)?, row.try_get(1)?);
    // A store that went on before anybody noticed may have used the key a second time.
    let occasion = if taken { last.map_or(0, |last| last.saturating_add(1)) } else { own };
    let sql = "
        INSERT INTO actions (action_id, proposal_id, tenant, issuer, subject, tool, intent,
                             caller, at, occasion, state, outcome, receipt_id, person)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'sealed', $11, $12, $5)";
    let with: super::database::With<'_> = &[
        &receipt.action_id,
        &receipt.proposal_id,
        &plain(&receipt.tenant),
        &plain(&receipt.asked.issuer),
        // A customer's own digest; for a colleague, whom they acted for.
        &receipt.asked.person,
        &receipt.tool,
        &receipt.intent,
        &plain(&receipt.asked.caller),
        &receipt.sealed_at.as_second(),
        &occasion,
        &outcome.name(),
        &receipt.receipt_id,
    ];
    run(db, sql, with).await.map(drop)
}

/// From its first sending on: a little later than the claim, so it counts no shorter.
async fn book(db: &Transaction<'_>, receipt: &Receipt) -> Result<(), Fault> {
    let at = receipt.attempts.first().map_or(receipt.sealed_at, |attempt| attempt.at);
    let sql = "
        INSERT INTO spending (account, at, action_id, tool, currency, minor)
        SELECT account, $2, $3, $4, $5, $6 FROM unnest($1::text[]) AS account
        ON CONFLICT DO NOTHING";
    let currency = receipt.money.map_or("", |m| m.currency().code());
    let minor = receipt.money.map_or(0, Money::minor);
    let (action, tool) = (&receipt.action_id, &receipt.tool);
    let with: super::database::With<'_> =
        &[&receipt.booked, &at.as_millisecond(), action, tool, &currency, &minor];
    run(db, sql, with).await.map(drop)
}

/// Whoever was erased or held since is so again.
pub(super) async fn person(db: &Transaction<'_>, receipt: &Receipt) -> Result<(), Fault> {
    let Some(change) = &receipt.change else { return Ok(()) };
    let Some(person) = change.what.strip_prefix("person/") else { return Ok(()) };
    match change.new.as_str() {
        "erased" => {
            let gone = Erasure { person: person.to_owned(), at: receipt.sealed_at };
            erase::clear(db, &gone).await
        }
        state => erase::hold(db, person, state == "held").await,
    }
}

/// What waits or was begun and, by this store, not sent, each refused.
pub(super) async fn stale(
    db: &Transaction<'_>,
    veil: &Veil,
    now: Timestamp,
) -> Result<Vec<(Append, LeafRow)>, Fault> {
    let sql = "SELECT action_id FROM actions
               WHERE state IN ('proposed', 'waiting', 'granted', 'claimed', 'cleared')";
    let mut stale = Vec::new();
    for row in all(db, sql, &[]).await? {
        let named = Named::Action(row.try_get::<_, &str>(0)?.parse().map_err(damaged)?);
        let journal = match veiled::journal(veil, rows::parked(db, &named).await?).await {
            // Nobody is left whom it could be done for.
            Err(StoreError::Erased) => continue,
            read => read?,
        };
        let Some((Ending { seq, events, state }, leaf)) = refusal(journal, now)? else { continue };
        let append = veiled::append(veil, seq, &events, &state).await?;
        stale.push((append, veiled::leaf(veil, leaf).await?));
    }
    Ok(stale)
}

/// Actions that have not ended, or are in doubt, and whose journal opens with a key that is lost:
/// without it. What was not sent goes, and is looked for when it is asked for again; what was is
/// in doubt, and a person is asked by a matter that can be read. Answers with how many went, and
/// with receipts of the others.
pub(super) async fn lost(
    db: &Transaction<'_>,
    veil: &Veil,
    now: Timestamp,
) -> Result<(usize, Vec<LeafRow>), Fault> {
    unreadable(db, veil).await?;
    let sql = "SELECT action_id, state FROM actions WHERE state <> 'sealed' OR outcome = 'unknown'";
    let (mut gone, mut leaves) = (0, Vec::new());
    for row in all(db, sql, &[]).await? {
        let (id, state): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
        let named = Named::Action(id.parse().map_err(damaged)?);
        match veiled::journal(veil, rows::parked(db, &named).await?).await {
            Err(StoreError::KeyLost) if is_unsent(state) => {
                forget(db, id).await?;
                gone += 1;
            }
            Err(StoreError::KeyLost) => leaves.push(in_doubt(db, veil, id, now).await?),
            Ok(_) | Err(_) => {}
        }
    }
    Ok((gone, leaves))
}

/// Matters that nobody can read would keep others of the same from the queue: they go.
async fn unreadable(db: &Transaction<'_>, veil: &Veil) -> Result<(), Fault> {
    for row in all(db, "SELECT escalation_id, body FROM escalations", &[]).await? {
        let (id, body): (&str, &[u8]) = (row.try_get(0)?, row.try_get(1)?);
        if tokio::task::block_in_place(|| veiled::is_lost_now(veil, id, body))? {
            run(db, "DELETE FROM escalations WHERE escalation_id = $1", &[&id]).await?;
        }
    }
    Ok(())
}

/// Ends an action as `unknown` without its journal.
async fn in_doubt(
    db: &Transaction<'_>,
    veil: &Veil,
    action: &str,
    now: Timestamp,
) -> Result<LeafRow, Fault> {
    let sql = "
        SELECT proposal_id, intent, coalesce(occasion, 0), tenant, issuer, person, caller, tool,
               ARRAY(SELECT object FROM locks WHERE action_id = $1 ORDER BY object),
               ARRAY(SELECT account FROM spending WHERE action_id = $1 ORDER BY account)
        FROM actions WHERE action_id = $1";
    let row = first(db, sql, &[&action]).await?.ok_or_else(|| damaged("no answer"))?;
    let of = Lost {
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
    };
    let receipt = ReceiptId::from_uuid(Uuid::now_v7());
    run(db, "DELETE FROM journal WHERE action_id = $1", &[&action]).await?;
    let sql = "UPDATE actions SET state = 'sealed', outcome = $2, receipt_id = $3, holder = NULL
               WHERE action_id = $1";
    run(db, sql, &[&action, &Outcome::Unknown.name(), &receipt.as_str()]).await?;
    let leaf = seal::lost(of, &receipt, now);
    Ok(tokio::task::block_in_place(|| veiled::lost(veil, leaf))?)
}
