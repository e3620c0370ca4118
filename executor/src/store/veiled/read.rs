//! What was read, opened; what is erased, or whose key is lost, is not there.

use countersign_core::lifecycle::Event;
use countersign_core::resolve::{Evidence, Observation};
use countersign_core::seal;
use countersign_core::subject::Matched;
use countersign_shared::ids::{ObservationId, ReceiptId};
use countersign_shared::receipt::{self, Openings};
use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::{
    JournalRows, MatterRow, ReceiptRow, Whose, event_name, match_name, matter_name,
    observation_name, openings_name, turn_name,
};
use crate::ports::{Escalation, EscalationQuery, SealedReceipt, StoreError, Turn};
use crate::store::known::damaged;
use crate::store::register::EntryRow;
use crate::veil::Veil;

/// Events that were read; `Erased` where they were there once, `KeyLost` where they cannot be
/// opened.
pub(in crate::store) async fn journal(
    veil: &Veil,
    found: JournalRows,
) -> Result<Vec<Event>, StoreError> {
    veil.ready(found.events.iter().map(|(_, event)| event.as_slice())).await?;
    opened(veil, &found)
}

/// The same from a thread that may wait.
pub(in crate::store) fn journal_now(
    veil: &Veil,
    found: &JournalRows,
) -> Result<Vec<Event>, StoreError> {
    veil.ready_now(found.events.iter().map(|(_, event)| event.as_slice()))?;
    opened(veil, found)
}

fn opened(veil: &Veil, found: &JournalRows) -> Result<Vec<Event>, StoreError> {
    if found.erased && found.events.is_empty() {
        return Err(StoreError::Erased);
    }
    let each = found.events.iter().map(|(seq, sealed)| {
        read(veil, &event_name(&found.action, *seq), sealed)?.ok_or(StoreError::Erased)
    });
    each.collect()
}

pub(in crate::store) async fn journals(
    veil: &Veil,
    all: Vec<JournalRows>,
) -> Result<Vec<Vec<Event>>, StoreError> {
    let each =
        all.iter().flat_map(|journal| journal.events.iter().map(|(_, event)| event.as_slice()));
    veil.ready(each).await?;
    // A copy that was brought back may hold what is erased, or have no key to it: the others go on.
    let opened = all.iter().map(|journal| opened(veil, journal));
    let gone = |error: &StoreError| matches!(error, StoreError::Erased | StoreError::KeyLost);
    opened.filter(|journal| !journal.as_ref().is_err_and(gone)).collect()
}

pub(in crate::store) async fn receipts(
    veil: &Veil,
    rows: Vec<ReceiptRow>,
) -> Result<Vec<SealedReceipt>, StoreError> {
    veil.ready(rows.iter().filter_map(|row| row.openings.as_deref())).await?;
    let each = rows.into_iter().map(|row| {
        let (openings, lost) = match openings(veil, &row) {
            Err(StoreError::KeyLost) => (Openings::default(), true),
            read => (read?, false),
        };
        let id = row.id.parse().map_err(damaged)?;
        Ok(SealedReceipt { id, index: row.index, body: row.body, openings, lost })
    });
    each.collect()
}

/// When it was sealed, which is nobody's secret.
pub(in crate::store) fn sealed_at(row: &ReceiptRow) -> Result<Timestamp, StoreError> {
    Ok(receipt::open(&row.body, &Openings::default()).map_err(damaged)?.sealed_at)
}

fn openings(veil: &Veil, row: &ReceiptRow) -> Result<Openings, StoreError> {
    let sealed = row.openings.as_deref();
    let found = sealed.map(|sealed| read(veil, &openings_name(&row.id), sealed)).transpose()?;
    Ok(found.flatten().unwrap_or_default())
}

/// Nothing where its key is lost.
fn unless_lost<T: Default>(read: Result<T, StoreError>) -> Result<T, StoreError> {
    match read {
        Err(StoreError::KeyLost) => Ok(T::default()),
        read => read,
    }
}

/// The rows of receipts from before there were any, by index.
pub(in crate::store) async fn entries(
    veil: &Veil,
    rows: Vec<ReceiptRow>,
) -> Result<Vec<(u64, EntryRow)>, StoreError> {
    veil.ready(rows.iter().filter_map(|row| row.openings.as_deref())).await?;
    rows.into_iter().map(|row| entry(veil, row)).collect()
}

/// The same from a thread that may wait.
pub(in crate::store) fn entries_now(
    veil: &Veil,
    rows: Vec<ReceiptRow>,
) -> Result<Vec<(u64, EntryRow)>, StoreError> {
    veil.ready_now(rows.iter().filter_map(|row| row.openings.as_deref()))?;
    rows.into_iter().map(|row| entry(veil, row)).collect()
}

fn entry(veil: &Veil, row: ReceiptRow) -> Result<(u64, EntryRow), StoreError> {
    let openings = unless_lost(openings(veil, &row))?;
    let receipt = receipt::open(&row.body, &openings).map_err(damaged)?;
    let queue = seal::restored(row.body).map_err(damaged)?.queue;
    if openings.0.is_empty() {
        return Ok((row.index, EntryRow::closed(&receipt, &queue)));
    }
    let digest = |domain: &str, text: &str| veil.digest(domain, text);
    Ok((row.index, EntryRow::opened(&receipt, &queue, &receipt.asked.person, &digest)))
}

/// Evidence that was found: observations as id and body, and receipts. What is erased, or
/// cannot be opened, proves nothing any more.
pub(in crate::store) async fn evidence(
    veil: &Veil,
    seen: Vec<(ObservationId, Vec<u8>)>,
    sealed: Vec<ReceiptRow>,
) -> Result<Evidence, StoreError> {
    let bodies = seen.iter().map(|(_, body)| body.as_slice());
    let opening = sealed.iter().filter_map(|row| row.openings.as_deref());
    veil.ready(bodies.chain(opening)).await?;
    let mut evidence = Evidence::default();
    for (id, body) in seen {
        let read = read(veil, &observation_name(id.as_str()), &body);
        if let Some(observation) = unless_lost(read)? {
            evidence.observations.insert(id, observation);
        }
    }
    for row in sealed {
        let id: ReceiptId = row.id.parse().map_err(damaged)?;
        let openings = unless_lost(openings(veil, &row))?;
        if !openings.0.is_empty() {
            let opened = receipt::open(&row.body, &openings).map_err(damaged)?;
            evidence.receipts.insert(id, opened.output);
        }
    }
    Ok(evidence)
}

/// The match that was found.
pub(in crate::store) async fn match_of(
    veil: &Veil,
    whose: &Whose,
    body: Option<Vec<u8>>,
) -> Result<Option<Matched>, StoreError> {
    let Some(body) = body else { return Ok(None) };
    veil.ready([body.as_slice()].into_iter()).await?;
    unless_lost(read(veil, &match_name(whose), &body))
}

/// Matters that match; one that is erased, or cannot be opened, is there no more, and takes no
/// other's place: fewer than asked for are all.
pub(in crate::store) async fn matters<R>(
    veil: &Veil,
    query: EscalationQuery,
    rows: impl Fn(EscalationQuery) -> R,
) -> Result<Vec<Escalation>, StoreError>
where
    R: Future<Output = Result<Vec<MatterRow>, StoreError>>,
{
    let matter = super::matter(veil, &query.matter);
    let mut query = EscalationQuery { matter, ..query };
    let most = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    loop {
        let rows = rows(query.clone()).await?;
        let last = rows.last().filter(|_| rows.len() >= most);
        query.after = last.map(|row| row.id.parse()).transpose().map_err(damaged)?;
        found.extend(legible(veil, rows).await?);
        if query.after.is_none() || found.len() >= most {
            found.truncate(most);
            return Ok(found);
        }
    }
}

async fn legible(veil: &Veil, rows: Vec<MatterRow>) -> Result<Vec<Escalation>, StoreError> {
    let each = rows.iter().flat_map(|row| {
        let seen = row.seen.iter().map(|(_, body)| body.as_slice());
        seen.chain([row.body.as_slice()])
    });
    veil.ready(each).await?;
    let mut found = Vec::new();
    for row in rows {
        let case = read(veil, &matter_name(&row.id), &row.body);
        let Some(case) = unless_lost(case)? else { continue };
        let seen = row.seen.iter();
        let seen = seen.map(|(id, body)| unless_lost(read(veil, &observation_name(id), body)));
        let seen: Vec<Option<Observation>> = seen.collect::<Result<_, _>>()?;
        found.push(Escalation {
            case,
            seen: seen.into_iter().flatten().collect(),
            taken_by: row.taken_by,
            closed_by: row.closed_by.map(|id| id.parse().map_err(damaged)).transpose()?,
        });
    }
    Ok(found)
}

/// Whether the key of a matter's words is lost.
pub(in crate::store) async fn is_lost(
    veil: &Veil,
    id: &str,
    body: &[u8],
) -> Result<bool, StoreError> {
    veil.ready([body].into_iter()).await?;
    Ok(matches!(veil.open(&matter_name(id), body), Err(StoreError::KeyLost)))
}

/// The same from a thread that may wait.
pub(in crate::store) fn is_lost_now(
    veil: &Veil,
    id: &str,
    body: &[u8],
) -> Result<bool, StoreError> {
    veil.ready_now([body].into_iter())?;
    Ok(matches!(veil.open(&matter_name(id), body), Err(StoreError::KeyLost)))
}

/// Turns that were found, by id and body; one that is erased, or cannot be opened, is there no
/// more.
pub(in crate::store) async fn turns(
    veil: &Veil,
    rows: Vec<(String, Vec<u8>)>,
) -> Result<Vec<Turn>, StoreError> {
    veil.ready(rows.iter().map(|(_, body)| body.as_slice())).await?;
    let each = rows.iter().map(|(id, body)| unless_lost(read(veil, &turn_name(id), body)));
    let found: Vec<Option<Turn>> = each.collect::<Result<_, _>>()?;
    Ok(found.into_iter().flatten().collect())
}

fn read<T: DeserializeOwned>(
    veil: &Veil,
    name: &str,
    sealed: &[u8],
) -> Result<Option<T>, StoreError> {
    let clear = veil.open(name, sealed)?;
    clear.map(|clear| serde_json::from_slice(&clear).map_err(|e| malformed(&e))).transpose()
}

/// Where it is wrong, and nothing of what stands there.
fn malformed(error: &serde_json::Error) -> StoreError {
    let (kind, line, column) = (error.classify(), error.line(), error.column());
    damaged(format!("what was sealed is {kind:?} at line {line}, column {column}"))
}

/// The same, read.
pub(in crate::store) fn seen_rows(text: &[u8]) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
    let hex: Vec<(String, String)> = serde_json::from_slice(text).map_err(damaged)?;
    let each = hex.into_iter().map(|(id, body)| Ok((id, hex::decode(body).map_err(damaged)?)));
    each.collect()
}
