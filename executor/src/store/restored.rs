//! What a recovery makes of journals, the same for every store.

use countersign_core::answer::Verdict;
use countersign_core::dispatch::AttemptResult;
use countersign_core::error::Refused;
use countersign_core::lifecycle::{self, Event, Outcome, Settlement, State};
use countersign_core::seal::{self, Leaf};
use countersign_shared::codes::Code;
use countersign_shared::ids::ReceiptId;
use countersign_shared::receipt::Receipt;
use jiff::Timestamp;
use uuid::Uuid;

use super::known::damaged;
use crate::ports::StoreError;

/// Whether an action of this state was, as far as its store knows, not sent.
pub(super) fn is_unsent(state: &str) -> bool {
    matches!(state, "proposed" | "waiting" | "granted" | "claimed" | "cleared" | "refused")
}

/// Events that go on from a journal, and where they lead.
pub(super) struct Ending {
    pub(super) seq: u64,
    pub(super) events: Vec<Event>,
    pub(super) state: State,
}

/// Ends a journal in which the sending is, as the receipt says; nothing where there is none.
pub(super) fn ending(
    journal: Vec<Event>,
    receipt: &Receipt,
    outcome: Outcome,
) -> Result<Option<Ending>, StoreError> {
    let seq = u64::try_from(journal.len()).map_err(damaged)?;
    let Ok(mut state) = lifecycle::fold(journal) else { return Ok(None) };
    let why = "the store was restored from a backup".to_owned();
    let lost = AttemptResult {
        at: receipt.sealed_at,
        status: None,
        verdict: Verdict::Lost { why },
        raw: String::new(),
    };
    let settled = Settlement::new(outcome, &receipt.code, &receipt.message);
    let steps = match &state {
        State::Sent(_) => vec![Event::Answered(Box::new(lost)), Event::Settled(settled)],
        State::Answered(_) | State::Looking(..) => vec![Event::Settled(settled)],
        State::Settled(known) if known.settlement.outcome == outcome => Vec::new(),
        State::Settled(_)
        | State::Proposed(_)
        | State::Granted(_)
        | State::Claimed(_)
        | State::Cleared(_)
        | State::Refused(_)
        | State::Sealed(..)
        | State::SealedRefusal(..) => return Ok(None),
    };
    let id = receipt.receipt_id.parse().map_err(damaged)?;
    let events: Vec<_> = steps.into_iter().chain([Event::Sealed(id)]).collect();
    for event in &events {
        state = lifecycle::next(Some(state), event.clone()).map_err(damaged)?;
    }
    Ok(Some(Ending { seq, events, state }))
}

/// What waits or was begun and, by this store, not sent: it may have been since. It is refused,
/// and has to be asked again. What is void already needs no end.
pub(super) fn refusal(
    journal: Vec<Event>,
    now: Timestamp,
) -> Result<Option<(Ending, Leaf)>, StoreError> {
    let seq = u64::try_from(journal.len()).map_err(damaged)?;
    let state = lifecycle::fold(journal).map_err(damaged)?;
    if state.parked().is_some_and(|parked| parked.proposal().expires_at() < now) {
        return Ok(None);
    }
    let message = "made before the store was restored from a backup: ask again";
    let refused = Event::Refused(Box::new(Refused::new(Code::ProposalExpired, message)));
    let state = lifecycle::next(Some(state), refused.clone()).map_err(damaged)?;
    let id = ReceiptId::from_uuid(Uuid::now_v7());
    let Some(leaf) = seal::seal(&state, None, &id, now) else { return Ok(None) };
    let sealed = Event::Sealed(id);
    let state = lifecycle::next(Some(state), sealed.clone()).map_err(damaged)?;
    Ok(Some((Ending { seq, events: vec![refused, sealed], state }, leaf)))
}
