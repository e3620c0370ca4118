//! What receipts from outside bring back: keys, locks, bookings, the ends of journals.

use countersign_core::lifecycle::Outcome;
use countersign_shared::money::Money;
use countersign_shared::receipt::Receipt;
use deadpool_postgres::Transaction;
use jiff::Timestamp;

use super::database::{all, first, plain, run};
use super::fault::Fault;
use super::{erase, rows};
use crate::ports::{Named, StoreError};
use crate::store::known::damaged;
use crate::store::restored::{Ending, ending, refusal};
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

pub(super) async fn forget(db: &Transaction<'_>, action: &str) -> Result<(), Fault> {
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
