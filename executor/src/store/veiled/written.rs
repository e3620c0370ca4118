//! What is to be written, sealed.

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_core::escalation::Case;
use countersign_core::lifecycle::{Event, State};
use countersign_core::person::Person;
use countersign_core::resolve::Observation;
use countersign_core::seal::{Leaf, Logged, Queue};
use countersign_core::subject::{Matched, Subject};
use countersign_shared::ids::ObservationId;
use countersign_shared::receipt::{self, Openings};
use jiff::Timestamp;
use serde::Serialize;

use super::{
    Append, CaseRow, Guest, LeafRow, QueueRow, SeenRow, TurnRow, Whose, email_of, event_name,
    match_name, matter, matter_name, observation_name, openings_name, turn_name,
};
use crate::ports::{StoreError, Turn};
use crate::register::day_of;
use crate::store::known::damaged;
use crate::store::register::EntryRow;
use crate::store::row::Row;
use crate::veil::{PersonKey, Veil};

fn text(value: &(impl Serialize + ?Sized)) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(damaged)
}

pub(in crate::store) async fn append(
    veil: &Veil,
    seq: u64,
    events: &[Event],
    state: &State,
) -> Result<Append, StoreError> {
    let key = veil.sealing(&veil.person(&Person::about(state.proposal()))).await?;
    appended(veil, key, seq, events, state)
}

/// The same from a thread that may wait.
pub(in crate::store) fn append_now(
    veil: &Veil,
    seq: u64,
    events: &[Event],
    state: &State,
) -> Result<Append, StoreError> {
    let key = veil.sealing_now(&veil.person(&Person::about(state.proposal())))?;
    appended(veil, key, seq, events, state)
}

fn appended(
    veil: &Veil,
    key: Arc<PersonKey>,
    seq: u64,
    events: &[Event],
    state: &State,
) -> Result<Append, StoreError> {
    let row = Row::of(state);
    let (proposal, action) = (state.proposal(), row.proposal.action().as_str());
    let each = (seq..).zip(events);
    let sealed = each.map(|(at, event)| key.seal(&event_name(action, at), &text(event)?));
    let sources = proposal.arguments().sources().iter();
    let rests_on: BTreeSet<&str> = sources
        .filter_map(|source| source.at.split(' ').next())
        .filter(|id| id.parse::<ObservationId>().is_ok())
        .collect();
    let asked = proposal.asked();
    Ok(Append {
        events: sealed.collect::<Result<_, _>>()?,
        whose: Whose::of(veil, &asked.subject, &asked.conversation),
        person: veil.person(&Person::about(proposal)),
        email: email_of(veil, &asked.subject),
        rests_on: rests_on.into_iter().collect::<Vec<_>>().join(" "),
        row,
        seq,
        key,
    })
}

pub(in crate::store) async fn leaf(veil: &Veil, leaf: Leaf) -> Result<LeafRow, StoreError> {
    let person = veil.person(&leaf.person);
    let key = if person.is_empty() { None } else { Some(veil.sealing(&person).await?) };
    covered(veil, leaf, person, key)
}

/// The same from a thread that may wait.
pub(in crate::store) fn leaf_now(veil: &Veil, leaf: Leaf) -> Result<LeafRow, StoreError> {
    let person = veil.person(&leaf.person);
    let key = if person.is_empty() { None } else { Some(veil.sealing_now(&person)?) };
    covered(veil, leaf, person, key)
}

fn covered(
    veil: &Veil,
    Leaf { mut receipt, queue: matter, .. }: Leaf,
    person: String,
    key: Option<Arc<PersonKey>>,
) -> Result<LeafRow, StoreError> {
    receipt.asked.person.clone_from(&person);
    let digest = |domain: &str, text: &str| veil.digest(domain, text);
    let (entry, asked) = (EntryRow::opened(&receipt, &matter, &person, &digest), &receipt.asked);
    let whose = Whose::new(veil, &receipt.tenant, &asked.issuer, &asked.subject, "");
    let external_ref = veil.digest("external ref v1", &asked.external_ref);
    let (id, tool) = (receipt.receipt_id.clone(), receipt.tool.clone());
    let mut secret = zeroize::Zeroizing::new([0; 32]);
    getrandom::fill(&mut *secret).map_err(|e| StoreError::Unavailable(e.to_string()))?;
    let (bytes, openings) = receipt::cover(receipt, &secret).map_err(damaged)?;
    let sealed = match &key {
        Some(key) => Some(key.seal(&openings_name(&id), &text(&openings)?)?),
        None if openings.0.is_empty() => None,
        None => return Err(damaged(format!("{id} is of nobody and holds personal values"))),
    };
    let queue = queue(veil, &matter, key.as_deref())?;
    Ok(LeafRow {
        receipt_id: id,
        whose,
        person,
        tool,
        external_ref,
        bytes,
        openings: sealed,
        clear: openings,
        queue,
        entry,
        key,
    })
}

/// A leaf that comes back: its openings are where the receipt came from, or nowhere.
pub(in crate::store) fn logged(veil: &Veil, leaf: &Logged) -> Result<LeafRow, StoreError> {
    let receipt = &leaf.receipt;
    let person = receipt.asked.person.clone();
    let key = match &leaf.queue {
        Queue::Opens(_) => Some(veil.sealing_now(&person)?),
        Queue::Stays | Queue::Closes(_) => None,
    };
    let whose = Whose {
        tenant: receipt.tenant.clone(),
        issuer: receipt.asked.issuer.clone(),
        subject: person.clone(),
        conversation: String::new(),
    };
    Ok(LeafRow {
        receipt_id: receipt.receipt_id.clone(),
        whose,
        tool: receipt.tool.clone(),
        external_ref: String::new(),
        bytes: leaf.bytes.clone(),
        openings: None,
        clear: Openings::default(),
        queue: queue(veil, &leaf.queue, key.as_deref())?,
        entry: EntryRow::closed(receipt, &leaf.queue),
        person,
        key,
    })
}

/// The leaf of somebody who is known by their digest alone.
pub(in crate::store) async fn lost(veil: &Veil, named: Leaf) -> Result<LeafRow, StoreError> {
    Ok(of_a_digest(leaf(veil, named).await?))
}

/// The same from a thread that may wait.
pub(in crate::store) fn lost_now(veil: &Veil, named: Leaf) -> Result<LeafRow, StoreError> {
    Ok(of_a_digest(leaf_now(veil, named)?))
}

fn of_a_digest(mut row: LeafRow) -> LeafRow {
    row.whose.subject.clone_from(&row.person);
    row
}

fn queue(veil: &Veil, queue: &Queue, key: Option<&PersonKey>) -> Result<QueueRow, StoreError> {
    Ok(match (queue, key) {
        (Queue::Stays, _) => QueueRow::Stays,
        (Queue::Closes(closed), _) => QueueRow::Closes(matter(veil, closed)),
        (Queue::Opens(case), Some(key)) => QueueRow::Opens(Box::new(case_row(veil, case, key)?)),
        (Queue::Opens(_), None) => return Err(damaged("a matter of nobody")),
    })
}

fn case_row(veil: &Veil, case: &Case, key: &PersonKey) -> Result<CaseRow, StoreError> {
    let id = case.id.to_string();
    Ok(CaseRow {
        matter: matter(veil, &case.matter),
        whose: Whose::new(veil, &case.tenant, &case.issuer, &case.subject, &case.conversation),
        person: veil.person(&case.person),
        observations: case.observations.iter().map(ToString::to_string).collect(),
        body: key.seal(&matter_name(&id), &text(case)?)?,
        id,
    })
}

pub(in crate::store) async fn observation(
    veil: &Veil,
    owner: &Subject,
    conversation: &str,
    seen: &Observation,
) -> Result<SeenRow, StoreError> {
    let whose = Whose::of(veil, owner, conversation);
    seal_seen(veil, whose, &observation_name(seen.id.as_str()), &text(seen)?).await
}

pub(in crate::store) async fn matched(
    veil: &Veil,
    owner: &Subject,
    conversation: &str,
    matched: &Matched,
) -> Result<SeenRow, StoreError> {
    let whose = Whose::guest(veil, owner, conversation);
    let name = match_name(&whose);
    seal_seen(veil, whose, &name, &text(matched)?).await
}

pub(in crate::store) async fn turn(
    veil: &Veil,
    owner: &Subject,
    turn: &Turn,
) -> Result<TurnRow, StoreError> {
    let whose = Whose::of(veil, owner, &turn.conversation);
    let key = veil.sealing(&whose.subject).await?;
    Ok(TurnRow {
        guest: guest(veil, owner, &whose).await?,
        body: key.seal(&turn_name(turn.id.as_str()), &text(turn)?)?,
        id: turn.id.to_string(),
        day: day_of(Timestamp::from_millisecond(turn.id.made_at()).map_err(damaged)?),
        cost: turn.cost.clone(),
        email: email_of(veil, owner),
        external_ref: veil.digest("external ref v1", &turn.external_ref),
        whose,
        key,
    })
}

async fn guest(veil: &Veil, owner: &Subject, whose: &Whose) -> Result<Option<Guest>, StoreError> {
    let digest = Whose::guest(veil, owner, "").subject;
    if digest == whose.subject {
        return Ok(None);
    }
    Ok(veil.standing(&digest).await?.map(|key| Guest { digest, key }))
}

async fn seal_seen(
    veil: &Veil,
    whose: Whose,
    name: &str,
    clear: &[u8],
) -> Result<SeenRow, StoreError> {
    let key = veil.sealing(&whose.subject).await?;
    Ok(SeenRow { body: key.seal(name, clear)?, person: whose.subject.clone(), whose, key })
}

/// What is kept of observations in a matter's row.
pub(in crate::store) fn seen_text(seen: &[(String, Vec<u8>)]) -> Result<Vec<u8>, StoreError> {
    let hex: Vec<_> = seen.iter().map(|(id, body)| (id, hex::encode(body))).collect();
    text(&hex)
}
