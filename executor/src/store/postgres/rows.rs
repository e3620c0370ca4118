//! Actions, journals and observations as rows.

use countersign_core::gates::Gate;
use countersign_core::lifecycle::Outcome;
use countersign_shared::ids::{ActionId, ObservationId, ReceiptId};
use deadpool_postgres::{GenericClient, Transaction};
use jiff::Timestamp;

use super::database::{all, first, plain, run};
use super::erase;
use super::fault::Fault;
use super::turns;
use crate::ports::{Named, Open, StoreError};
use crate::store::known::damaged;
use crate::store::veiled::{Append, JournalRows, ReceiptRow, SeenRow, Whose};

/// Takes the reservation away and puts the columns in its place. An action that was never
/// claimed needs none; one that was is its holder's, or nobody's once it is sealed. No row: it
/// is somebody else's. Else whether there was a reservation.
const ACTION: &str = "
    WITH reserved AS (
        DELETE FROM claims WHERE action_id = $1 AND holder = $14 RETURNING action_id)
    INSERT INTO actions (action_id, proposal_id, tenant, issuer, subject, tool, intent, caller,
                         at, occasion, state, outcome, receipt_id, holder, person, rests_on)
    SELECT $1::text, $2::text, $3::text, $4::text, $5::text, $6::text, $7::text, $8::text,
           $9::bigint, $10::bigint, $11::text, $12::text, $13::text,
           CASE WHEN $15::boolean THEN $14::bigint END, $16::text, $17::text
    WHERE $10::bigint IS NULL OR EXISTS (SELECT 1 FROM reserved)
       OR EXISTS (SELECT 1 FROM actions WHERE action_id = $1 AND occasion IS NOT NULL)
    ON CONFLICT (action_id) DO UPDATE SET occasion = excluded.occasion, state = excluded.state,
        outcome = excluded.outcome, receipt_id = excluded.receipt_id, holder = excluded.holder
    WHERE actions.holder IS NULL OR actions.holder = $14
    RETURNING EXISTS (SELECT 1 FROM reserved)";
const EVENTS: &str = "
    INSERT INTO journal (action_id, seq, event)
    SELECT $1, $2::bigint + n - 1, event
    FROM unnest($3::bytea[]) WITH ORDINALITY AS added (event, n)
    WHERE $2::bigint = 0
       OR EXISTS (SELECT 1 FROM journal WHERE action_id = $1 AND seq = $2::bigint - 1)";

impl Append {
    pub(super) fn action(&self) -> &ActionId {
        self.row.proposal.action()
    }

    /// Appends, and brings columns, locks and bookings in line.
    pub(super) async fn write(&self, db: &Transaction<'_>, me: i64) -> Result<(), Fault> {
        let row = &self.row;
        let action = self.action().as_str();
        let seq = i64::try_from(self.seq).map_err(damaged)?;
        let events = async { run(db, EVENTS, &[&action, &seq, &self.events]).await };
        // Taken with the claim; all that can happen to them later is that they go.
        let unlock = async {
            if row.occasion.is_some() && !row.locked() {
                run(db, "DELETE FROM locks WHERE action_id = $1", &[&action]).await?;
            }
            Ok(())
        };
        let unbook = async {
            if row.occasion.is_some() && row.booking.is_none() {
                run(db, "DELETE FROM spending WHERE action_id = $1", &[&action]).await?;
            }
            Ok(())
        };
        let known = async {
            if self.seq == 0 {
                turns::known_by(db, self.email.as_deref(), &self.whose).await?;
            }
            Ok(())
        };
        let stands = erase::stands(db, &self.key);
        let ((), reserved, written, (), (), ()) = tokio::try_join!(
            biased; stands, self.columns(db, me), events, unlock, unbook, known
        )?;
        // Nothing follows on what was erased meanwhile.
        let all = u64::try_from(self.events.len()).is_ok_and(|events| events == written);
        match reserved {
            Some(_) if all => Ok(()),
            // The reservation is there, and younger than what it goes on from: that was purged.
            Some(true) => Err(StoreError::Conflict.into()),
            Some(false) | None => Err(self.in_the_way(db, seq).await?),
        }
    }

    /// Why it was not written. What a claimed action goes on from was heard to be durable.
    async fn in_the_way(&self, db: &Transaction<'_>, seq: i64) -> Result<Fault, Fault> {
        const KNOWN: &str = "
            SELECT 1 FROM journal WHERE action_id = $1 AND seq = $2::bigint - 1
            UNION ALL SELECT 1 FROM actions WHERE action_id = $1 AND erased";
        let action = self.action().as_str();
        let begins = seq == 0 || self.row.occasion.is_none();
        if begins || first(db, KNOWN, &[&action, &seq]).await?.is_some() {
            return Ok(StoreError::Conflict.into());
        }
        let why = format!("of {action}, {seq} events were written, and are not there");
        Ok(Fault::Back(why))
    }

    async fn columns(&self, db: &Transaction<'_>, me: i64) -> Result<Option<bool>, Fault> {
        let (row, p) = (&self.row, &self.row.proposal);
        let who = &self.whose;
        let with: super::database::With<'_> = &[
            &p.action().as_str(),
            &p.id().as_str(),
            &plain(&who.tenant),
            &plain(&who.issuer),
            &who.subject,
            &p.tool(),
            &p.intent(),
            &plain(&p.asked().caller),
            &p.at().as_second(),
            &row.occasion.map(i64::from),
            &row.state,
            &row.outcome.map(Outcome::name),
            &row.receipt.as_ref().map(ReceiptId::as_str),
            &me,
            &row.carried(),
            &self.person,
            &self.rests_on,
        ];
        let row = first(db, ACTION, with).await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?)
    }
}

pub(super) async fn journal(
    db: &impl GenericClient,
    owner: &Whose,
    named: &Named,
) -> Result<JournalRows, Fault> {
    let (condition, id) = condition(named);
    let condition = format!("{condition} AND (tenant = $2 AND issuer = $3 AND subject = $4 OR $5)");
    let (tenant, issuer) = (plain(&owner.tenant), plain(&owner.issuer));
    let anyone = !Gate::JournalPerson.is_on();
    one(db, &condition, &[&id, &tenant, &issuer, &owner.subject, &anyone]).await
}

/// The journal of one action that matches, and whether it is erased.
async fn one(
    db: &impl GenericClient,
    condition: &str,
    with: super::database::With<'_>,
) -> Result<JournalRows, Fault> {
    let sql = format!(
        "SELECT found.action_id, erased, seq, event
         FROM (SELECT action_id, erased FROM actions WHERE {condition} LIMIT 1) AS found
         LEFT JOIN journal ON journal.action_id = found.action_id ORDER BY seq"
    );
    let mut journal = JournalRows::default();
    for row in all(db, &sql, with).await? {
        journal.action = row.try_get(0)?;
        journal.erased = row.try_get(1)?;
        if let Some(seq) = row.try_get::<_, Option<i64>>(2)? {
            journal.events.push((u64::try_from(seq).map_err(damaged)?, row.try_get(3)?));
        }
    }
    Ok(journal)
}

fn condition(named: &Named) -> (&'static str, &str) {
    match named {
        Named::Action(id) => ("action_id = $1", id.as_str()),
        Named::Proposal(id) => ("proposal_id = $1", id.as_str()),
        Named::Intent(intent) => ("intent = $1 AND state = 'waiting'", intent),
    }
}

pub(super) async fn parked(db: &impl GenericClient, named: &Named) -> Result<JournalRows, Fault> {
    let (condition, id) = condition(named);
    one(db, condition, &[&id]).await
}

pub(super) async fn waiting(db: &impl GenericClient) -> Result<Vec<JournalRows>, Fault> {
    journals(db, "state = 'waiting'", &[]).await
}

pub(super) async fn unfinished(db: &impl GenericClient) -> Result<Vec<JournalRows>, Fault> {
    journals(db, "state NOT IN ('proposed', 'waiting', 'sealed')", &[]).await
}

/// What is this generation's to carry on.
pub(super) async fn held(db: &impl GenericClient, me: i64) -> Result<Vec<ActionId>, Fault> {
    let rows = all(db, "SELECT action_id FROM actions WHERE holder = $1", &[&me]).await?;
    rows.iter().map(|row| Ok(row.try_get::<_, &str>(0)?.parse().map_err(damaged)?)).collect()
}

/// Whole journals of the actions that match, oldest action first.
async fn journals(
    db: &impl GenericClient,
    condition: &str,
    with: super::database::With<'_>,
) -> Result<Vec<JournalRows>, Fault> {
    let sql = format!(
        "SELECT action_id, seq, event FROM journal
         JOIN (SELECT action_id, at FROM actions WHERE {condition}) AS found USING (action_id)
         ORDER BY at, action_id, seq"
    );
    let mut journals: Vec<JournalRows> = Vec::new();
    for row in all(db, &sql, with).await? {
        let (action, seq): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
        let event = (u64::try_from(seq).map_err(damaged)?, row.try_get(2)?);
        match journals.last_mut().filter(|journal| journal.action == action) {
            Some(journal) => journal.events.push(event),
            None => journals.push(JournalRows { action, erased: false, events: vec![event] }),
        }
    }
    Ok(journals)
}

/// Whether an action is this generation's to carry on.
pub(super) async fn holds(
    db: &impl GenericClient,
    me: i64,
    action: &ActionId,
) -> Result<bool, Fault> {
    let sql = "SELECT 1 FROM actions WHERE action_id = $1 AND holder = $2";
    Ok(first(db, sql, &[&action.as_str(), &me]).await?.is_some())
}

pub(super) async fn open(
    db: &impl GenericClient,
    owner: &Whose,
    caller: &str,
    since: Timestamp,
) -> Result<Open, Fault> {
    const OPEN: &str = "
        SELECT (SELECT count(*) FROM actions WHERE tenant = $1 AND issuer = $2 AND subject = $3
                AND at > $5 AND state IN ('proposed', 'waiting')),
               (SELECT count(*) FROM actions
                WHERE caller = $4 AND at > $5 AND state IN ('proposed', 'waiting'))";
    let (tenant, issuer) = (plain(&owner.tenant), plain(&owner.issuer));
    let with: super::database::With<'_> =
        &[&tenant, &issuer, &owner.subject, &plain(caller), &since.as_second()];
    let Some(row) = first(db, OPEN, with).await? else { return Ok(Open::default()) };
    let count = |n: i64| u32::try_from(n).unwrap_or(u32::MAX);
    Ok(Open { subject: count(row.try_get(0)?), planner: count(row.try_get(1)?) })
}

pub(super) async fn observe(
    db: &Transaction<'_>,
    id: &ObservationId,
    seen: &SeenRow,
) -> Result<(), Fault> {
    erase::stands(db, &seen.key).await?;
    let who = &seen.whose;
    let sql = "
        INSERT INTO observations (observation_id, tenant, issuer, subject, conversation, person,
                                  body)
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let with: super::database::With<'_> = &[
        &id.as_str(),
        &plain(&who.tenant),
        &plain(&who.issuer),
        &who.subject,
        &who.conversation,
        &seen.person,
        &seen.body,
    ];
    run(db, sql, with).await.map(drop)
}

pub(super) async fn observed(
    db: &impl GenericClient,
    owner: &Whose,
    observations: &[ObservationId],
) -> Result<Vec<(ObservationId, Vec<u8>)>, Fault> {
    const OBSERVED: &str = "
        SELECT observation_id, body FROM observations WHERE observation_id = ANY($1)
        AND (tenant = $2 AND issuer = $3 AND subject = $4 OR $6) AND (conversation = $5 OR $7)";
    if observations.is_empty() {
        return Ok(Vec::new());
    }
    let asked: Vec<_> = observations.iter().map(ObservationId::as_str).collect();
    let (tenant, issuer) = (plain(&owner.tenant), plain(&owner.issuer));
    let (anyone, anywhere) = (!Gate::EvidencePerson.is_on(), !Gate::EvidenceConversation.is_on());
    let with: super::database::With<'_> =
        &[&asked, &tenant, &issuer, &owner.subject, &owner.conversation, &anyone, &anywhere];
    let rows = all(db, OBSERVED, with).await?;
    let each = rows.iter().map(|row| {
        let id = row.try_get::<_, &str>(0)?.parse().map_err(damaged)?;
        Ok((id, row.try_get(1)?))
    });
    each.collect()
}

pub(super) async fn sealed(
    db: &impl GenericClient,
    owner: &Whose,
    receipts: &[ReceiptId],
) -> Result<Vec<ReceiptRow>, Fault> {
    const SEALED: &str = "
        SELECT l.receipt_id, l.idx, l.body, o.body
        FROM leaves AS l LEFT JOIN openings AS o ON o.receipt_id = l.receipt_id
        WHERE l.receipt_id = ANY($1)
        AND (l.tenant = $2 AND l.issuer = $3 AND l.subject = $4 OR $5)";
    if receipts.is_empty() {
        return Ok(Vec::new());
    }
    let asked: Vec<_> = receipts.iter().map(ReceiptId::as_str).collect();
    let (tenant, issuer) = (plain(&owner.tenant), plain(&owner.issuer));
    let anyone = !Gate::EvidencePerson.is_on();
    let with: super::database::With<'_> = &[&asked, &tenant, &issuer, &owner.subject, &anyone];
    all(db, SEALED, with).await?.iter().map(super::history::receipt).collect()
}
