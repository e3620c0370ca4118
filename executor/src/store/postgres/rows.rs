//! Actions, journals and observations as rows.

use std::collections::HashMap;

use countersign_core::gates::Gate;
use countersign_core::lifecycle::{Event, Outcome, State};
use countersign_core::resolve::{Evidence, Observation};
use countersign_core::subject::Subject;
use countersign_shared::ids::{ActionId, ObservationId, ReceiptId};
use deadpool_postgres::{GenericClient, Transaction};
use jiff::Timestamp;
use serde_json::Value as Json;
use tokio_postgres::Row as Found;

use super::database::{all, first, plain, run};
use super::fault::Fault;
use super::turns;
use crate::ports::{Named, Open, StoreError};
use crate::store::known::damaged;
use crate::store::row::Row;

/// Takes the reservation away and puts the columns in its place. An action that was never
/// claimed needs none; one that was is its holder's, or nobody's once it is sealed. Zero
/// rows: it is somebody else's.
const ACTION: &str = "
    WITH reserved AS (
        DELETE FROM claims WHERE action_id = $1 AND holder = $14 RETURNING action_id)
    INSERT INTO actions (action_id, proposal_id, tenant, issuer, subject, tool, intent, caller,
                         at, occasion, state, outcome, receipt_id, holder)
    SELECT $1::text, $2::text, $3::text, $4::text, $5::text, $6::text, $7::text, $8::text,
           $9::bigint, $10::bigint, $11::text, $12::text, $13::text,
           CASE WHEN $15::boolean THEN $14::bigint END
    WHERE $10::bigint IS NULL OR EXISTS (SELECT 1 FROM reserved)
       OR EXISTS (SELECT 1 FROM actions WHERE action_id = $1 AND occasion IS NOT NULL)
    ON CONFLICT (action_id) DO UPDATE SET occasion = excluded.occasion, state = excluded.state,
        outcome = excluded.outcome, receipt_id = excluded.receipt_id, holder = excluded.holder
    WHERE actions.holder IS NULL OR actions.holder = $14";
const EVENTS: &str = "
    INSERT INTO journal (action_id, seq, event)
    SELECT $1, $2::bigint + n - 1, event
    FROM unnest($3::text[]) WITH ORDINALITY AS added (event, n)";

/// Events to append, and where they lead.
pub(super) struct Append {
    row: Row,
    seq: i64,
    events: Vec<String>,
}

impl Append {
    pub(super) fn new(seq: u64, events: &[Event], state: &State) -> Result<Self, StoreError> {
        let texts = events.iter().map(|event| serde_json::to_string(event).map_err(damaged));
        Ok(Self {
            row: Row::of(state),
            seq: i64::try_from(seq).map_err(damaged)?,
            events: texts.collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn action(&self) -> &ActionId {
        self.row.proposal.action()
    }

    /// Appends, and brings columns, locks and bookings in line.
    pub(super) async fn write(&self, db: &Transaction<'_>, me: i64) -> Result<(), Fault> {
        let row = &self.row;
        let action = self.action().as_str();
        let events = async { run(db, EVENTS, &[&action, &self.seq, &self.events]).await };
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
                turns::known_by(db, &row.proposal.asked().subject).await?;
            }
            Ok(())
        };
        let (changed, _, (), (), ()) =
            tokio::try_join!(biased; self.columns(db, me), events, unlock, unbook, known)?;
        if changed == 1 { Ok(()) } else { Err(StoreError::Conflict.into()) }
    }

    async fn columns(&self, db: &Transaction<'_>, me: i64) -> Result<u64, Fault> {
        let (row, p) = (&self.row, &self.row.proposal);
        let who = &p.asked().subject;
        let with: super::database::With<'_> = &[
            &p.action().as_str(),
            &p.id().as_str(),
            &plain(&who.tenant),
            &plain(&who.issuer),
            &plain(&who.id),
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
        ];
        run(db, ACTION, with).await
    }
}

pub(super) async fn journal(
    db: &impl GenericClient,
    owner: &Subject,
    named: &Named,
) -> Result<Vec<Event>, Fault> {
    let (condition, id) = condition(named);
    let sql = format!(
        "SELECT event FROM journal WHERE action_id = (
             SELECT action_id FROM actions
             WHERE {condition} AND (tenant = $2 AND issuer = $3 AND subject = $4 OR $5) LIMIT 1)
         ORDER BY seq"
    );
    let (tenant, issuer, subject) = (plain(&owner.tenant), plain(&owner.issuer), plain(&owner.id));
    let anyone = !Gate::JournalPerson.is_on();
    let rows = all(db, &sql, &[&id, &tenant, &issuer, &subject, &anyone]).await?;
    rows.iter().map(event).collect()
}

fn condition(named: &Named) -> (&'static str, &str) {
    match named {
        Named::Action(id) => ("action_id = $1", id.as_str()),
        Named::Proposal(id) => ("proposal_id = $1", id.as_str()),
        Named::Intent(intent) => ("intent = $1 AND state = 'waiting'", intent),
    }
}

pub(super) async fn parked(db: &impl GenericClient, named: &Named) -> Result<Vec<Event>, Fault> {
    let (condition, id) = condition(named);
    let sql = format!(
        "SELECT event FROM journal WHERE action_id = (
             SELECT action_id FROM actions WHERE {condition} LIMIT 1)
         ORDER BY seq"
    );
    all(db, &sql, &[&id]).await?.iter().map(event).collect()
}

fn event(row: &Found) -> Result<Event, Fault> {
    Ok(serde_json::from_str(row.try_get(0)?).map_err(damaged)?)
}

pub(super) async fn waiting(db: &impl GenericClient) -> Result<Vec<Vec<Event>>, Fault> {
    journals(db, "state = 'waiting'", &[]).await
}

pub(super) async fn unfinished(db: &impl GenericClient) -> Result<Vec<Vec<Event>>, Fault> {
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
) -> Result<Vec<Vec<Event>>, Fault> {
    let sql = format!(
        "SELECT event, seq FROM journal
         JOIN (SELECT action_id, at FROM actions WHERE {condition}) AS found USING (action_id)
         ORDER BY at, action_id, seq"
    );
    let mut journals: Vec<Vec<Event>> = Vec::new();
    for row in all(db, &sql, with).await? {
        let (event, seq) = (event(&row)?, row.try_get::<_, i64>(1)?);
        match journals.last_mut() {
            Some(journal) if seq > 0 => journal.push(event),
            Some(_) | None => journals.push(vec![event]),
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
    owner: &Subject,
    caller: &str,
    since: Timestamp,
) -> Result<Open, Fault> {
    const OPEN: &str = "
        SELECT (SELECT count(*) FROM actions WHERE tenant = $1 AND issuer = $2 AND subject = $3
                AND at > $5 AND state IN ('proposed', 'waiting')),
               (SELECT count(*) FROM actions
                WHERE caller = $4 AND at > $5 AND state IN ('proposed', 'waiting'))";
    let (tenant, issuer, subject) = (plain(&owner.tenant), plain(&owner.issuer), plain(&owner.id));
    let with: super::database::With<'_> =
        &[&tenant, &issuer, &subject, &plain(caller), &since.as_second()];
    let Some(row) = first(db, OPEN, with).await? else { return Ok(Open::default()) };
    let count = |n: i64| u32::try_from(n).unwrap_or(u32::MAX);
    Ok(Open { subject: count(row.try_get(0)?), planner: count(row.try_get(1)?) })
}

pub(super) async fn observe(
    db: &Transaction<'_>,
    owner: &Subject,
    conversation: &str,
    seen: &Observation,
) -> Result<(), Fault> {
    let body = serde_json::to_string(seen).map_err(damaged)?;
    run(
        db,
        "INSERT INTO observations (observation_id, tenant, issuer, subject, conversation, body)
         VALUES ($1, $2, $3, $4, $5, $6)",
        &[
            &seen.id.as_str(),
            &plain(&owner.tenant),
            &plain(&owner.issuer),
            &plain(&owner.id),
            &plain(conversation),
            &body,
        ],
    )
    .await
    .map(drop)
}

pub(super) async fn evidence(
    db: &impl GenericClient,
    owner: &Subject,
    conversation: &str,
    observations: &[ObservationId],
    receipts: &[ReceiptId],
) -> Result<Evidence, Fault> {
    const OBSERVED: &str = "
        SELECT observation_id, body FROM observations WHERE observation_id = ANY($1)
        AND (tenant = $2 AND issuer = $3 AND subject = $4 OR $6) AND (conversation = $5 OR $7)";
    const SEALED: &str = "
        SELECT receipt_id, body FROM leaves WHERE receipt_id = ANY($1)
        AND (tenant = $2 AND issuer = $3 AND subject = $4 OR $5)";
    let (tenant, issuer, subject) = (plain(&owner.tenant), plain(&owner.issuer), plain(&owner.id));
    let (anyone, anywhere) = (!Gate::EvidencePerson.is_on(), !Gate::EvidenceConversation.is_on());
    let mut evidence = Evidence::default();
    if !observations.is_empty() {
        let ids: HashMap<_, _> = observations.iter().map(|id| (id.as_str(), id)).collect();
        let asked: Vec<_> = ids.keys().copied().collect();
        let conversation = plain(conversation);
        let with: super::database::With<'_> =
            &[&asked, &tenant, &issuer, &subject, &conversation, &anyone, &anywhere];
        for row in all(db, OBSERVED, with).await? {
            if let Some(id) = ids.get(row.try_get::<_, &str>(0)?) {
                let body = serde_json::from_str(row.try_get(1)?).map_err(damaged)?;
                evidence.observations.insert((*id).clone(), body);
            }
        }
    }
    if !receipts.is_empty() {
        let ids: HashMap<_, _> = receipts.iter().map(|id| (id.as_str(), id)).collect();
        let asked: Vec<_> = ids.keys().copied().collect();
        for row in all(db, SEALED, &[&asked, &tenant, &issuer, &subject, &anyone]).await? {
            if let Some(id) = ids.get(row.try_get::<_, &str>(0)?) {
                let receipt: Json = serde_json::from_slice(row.try_get(1)?).map_err(damaged)?;
                let output = receipt.get("output").cloned().unwrap_or_default();
                evidence.receipts.insert((*id).clone(), output);
            }
        }
    }
    Ok(evidence)
}
