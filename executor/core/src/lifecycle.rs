//! The life of a write, and the one function that takes a step of it: live, on
//! replay of the journal, and in tests.
//!
//! ```text
//!    ↺ Voted  Granted     Claimed     Cleared     Intended     Answered
//! Proposed ─────────▶ ○ ─────────▶ ○ ────────▶ ○ ─────────▶ ○ ─────────▶ ○ ──┐
//!    │                │            │           │            ▲   Resent   │   │ Looked
//!    │    Refused     │            │           │            └────────────┘   ▼
//!    └────────────────┴────────────┴───────────┘                 Settled ◀── ○ ↺
//!                     ▼                                             │
//!                  Refused ───────────── Sealed ◀───────────────────┘
//!                                          │  Finished (unknown only)  ▲
//!                                          └───────────────────────────┘
//! ```

use countersign_shared::ids::ReceiptId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::claim::{Claimed, Taken};
use crate::dispatch::{AttemptResult, Dispatch, Intent};
use crate::error::Refused;
use crate::finish::Finish;
use crate::gate::{Clearance, Cleared};
use crate::grant::{Granted, Grants, Parked, Vote};
use crate::premise::{self, Premise};
use crate::proposal::Proposal;
use crate::verify::Look;

/// Something that happened to an action. Journaled in this order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The dry run passed; the action waits for its grants.
    Proposed(Box<Proposal>),
    /// A person answered.
    Voted(Box<Vote>),
    /// Every grant is there.
    Granted(Box<Grants>),
    /// Key and locks are taken.
    Claimed(Taken),
    /// Every gate passed, under the lock.
    Cleared(Box<Clearance>),
    /// The request is about to be sent for the first time (INTENT FIRST).
    Intended(Box<Intent>),
    /// The same bytes are about to be sent again.
    Resent(Timestamp),
    /// An attempt ended.
    Answered(Box<AttemptResult>),
    /// The executor read back.
    Looked(Box<Look>),
    /// The outcome is known, or known to stay unknown.
    Settled(Settlement),
    /// A rule said no before anything was sent.
    Refused(Box<Refused>),
    /// The receipt is in the log (RECEIPT BEFORE REPLY).
    Sealed(ReceiptId),
    /// A person said how it ended, and the read agrees.
    Finished(Box<Finish>),
}

/// Where an action stands.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// Waiting for grants.
    Proposed(Box<Parked>),
    /// Ready to be claimed.
    Granted(Box<Granted>),
    /// Holding key and locks.
    Claimed(Box<Claimed>),
    /// Through every gate.
    Cleared(Box<Cleared>),
    /// An attempt is under way.
    Sent(Box<Dispatch>),
    /// The last attempt ended.
    Answered(Box<Dispatch>),
    /// Being read back.
    Looking(Box<Dispatch>, Vec<Look>),
    /// Ended.
    Settled(Box<Settled>),
    /// Refused before anything was sent.
    Refused(Box<Stopped>),
    /// In the log.
    Sealed(Box<Settled>, ReceiptId),
    /// A refusal, in the log.
    SealedRefusal(Box<Stopped>, ReceiptId),
}

/// An action that was sent and has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Settled {
    /// What was sent and answered.
    pub dispatch: Dispatch,
    /// What was read back.
    pub looks: Vec<Look>,
    /// How it ended.
    pub settlement: Settlement,
    /// The person's word that settled it, where one did.
    pub finish: Option<Box<Finish>>,
}

/// An action that was refused before anything was sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Stopped {
    /// What was proposed.
    pub proposal: Proposal,
    /// Every answer until then.
    pub votes: Vec<Vote>,
    /// Its key, where it was claimed.
    pub key: Option<(String, u32)>,
    /// What every stage before it was decided from.
    pub before: Vec<Premise>,
    /// Why.
    pub refused: Refused,
}

/// How an action ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// One of four.
    pub outcome: Outcome,
    /// Stable code; empty for a plain `applied`.
    pub code: String,
    /// For engineers.
    pub message: String,
}

/// FOUR OUTCOMES.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Our effect was found.
    Applied,
    /// Proved that there is none.
    NotApplied,
    /// Neither is proved.
    Unknown,
    /// Nothing was sent.
    Refused,
}

/// An event that cannot happen in a state: a fault of ours, never of a caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{event}` cannot follow `{state}`")]
pub struct Illegal {
    /// Where the action stood.
    pub state: &'static str,
    /// What was said to happen.
    pub event: &'static str,
}

/// Takes one step.
///
/// # Errors
/// When the event cannot happen in the state.
pub fn next(state: Option<State>, event: Event) -> Result<State, Illegal> {
    use Event as E;
    use State as S;
    Ok(match (state, event) {
        (None, E::Proposed(proposal)) => S::Proposed(Box::new(Parked::new(*proposal))),
        (Some(S::Proposed(p)), E::Voted(vote)) => S::Proposed(Box::new(p.with(*vote))),
        (Some(S::Proposed(p)), E::Granted(g)) => S::Granted(Box::new(Granted::new(*p, *g))),
        (Some(S::Granted(g)), E::Claimed(t)) => S::Claimed(Box::new(Claimed::new(*g, t))),
        (Some(S::Claimed(c)), E::Cleared(k)) => S::Cleared(Box::new(Cleared::new(*c, *k))),
        (Some(S::Cleared(c)), E::Intended(i)) => S::Sent(Box::new(Dispatch::new(*c, *i))),
        (Some(S::Sent(d)), E::Answered(r)) => S::Answered(Box::new(d.end(*r))),
        (Some(S::Answered(d)), E::Resent(at)) => S::Sent(Box::new(d.begin(at))),
        (Some(S::Answered(d)), E::Looked(look)) => S::Looking(d, vec![*look]),
        (Some(S::Looking(d, mut looks)), E::Looked(look)) => {
            see(&mut looks, *look);
            S::Looking(d, looks)
        }
        (Some(S::Answered(d)), E::Settled(s)) => S::Settled(settled(*d, Vec::new(), s)),
        (Some(S::Looking(d, looks)), E::Settled(s)) => S::Settled(settled(*d, looks, s)),
        (Some(S::Proposed(p)), E::Refused(r)) => S::Refused(stopped(*p, *r)),
        (Some(S::Granted(g)), E::Refused(r)) => {
            S::Refused(stopped_granted(&g, None, premise::of_granted(&g), *r))
        }
        (Some(S::Claimed(c)), E::Refused(r)) => {
            S::Refused(stopped_claimed(&c, premise::of_claimed(&c), *r))
        }
        (Some(S::Cleared(c)), E::Refused(r)) => {
            S::Refused(stopped_claimed(c.claimed(), premise::of_cleared(&c), *r))
        }
        (Some(S::Settled(s)), E::Sealed(id)) => S::Sealed(s, id),
        (Some(S::Refused(s)), E::Sealed(id)) => S::SealedRefusal(s, id),
        (Some(S::Sealed(s, id)), E::Finished(f)) if s.settlement.outcome == Outcome::Unknown => {
            S::Settled(finished(*s, &id, *f))
        }
        (state, event) => {
            return Err(Illegal {
                state: state.as_ref().map_or("nothing", State::name),
                event: event.name(),
            });
        }
    })
}

/// Folds a journal.
///
/// # Errors
/// At the first event that cannot follow, or on an empty journal.
pub fn fold(events: impl IntoIterator<Item = Event>) -> Result<State, Illegal> {
    let state = events.into_iter().try_fold(None, |state, event| next(state, event).map(Some))?;
    state.ok_or(Illegal { state: "nothing", event: "nothing" })
}

fn settled(dispatch: Dispatch, looks: Vec<Look>, settlement: Settlement) -> Box<Settled> {
    Box::new(Settled { dispatch, looks, settlement, finish: None })
}

fn finished(mut settled: Settled, earlier: &ReceiptId, finish: Finish) -> Box<Settled> {
    see(&mut settled.looks, finish.look().clone());
    let settlement = finish.settlement(earlier);
    Box::new(Settled { settlement, finish: Some(Box::new(finish)), ..settled })
}

/// Only the last reading is kept whole.
fn see(looks: &mut Vec<Look>, look: Look) {
    looks.iter_mut().for_each(|l| l.looked = crate::value::Value::Null);
    looks.push(look);
}

fn stopped(parked: Parked, refused: Refused) -> Box<Stopped> {
    let before = premise::of_parked(&parked);
    let (proposal, votes) = parked.into_parts();
    Box::new(Stopped { proposal, votes, key: None, before, refused })
}

fn stopped_granted(
    granted: &Granted,
    key: Option<(String, u32)>,
    before: Vec<Premise>,
    refused: Refused,
) -> Box<Stopped> {
    let (proposal, votes) = (granted.proposal().clone(), granted.votes().to_vec());
    Box::new(Stopped { proposal, votes, key, before, refused })
}

fn stopped_claimed(claimed: &Claimed, before: Vec<Premise>, refused: Refused) -> Box<Stopped> {
    let key = (claimed.key().to_owned(), claimed.occasion());
    stopped_granted(claimed.granted(), Some(key), before, refused)
}

impl Settlement {
    /// How an action ended.
    #[must_use]
    pub fn new(outcome: Outcome, code: &str, message: &str) -> Self {
        Self { outcome, code: code.to_owned(), message: message.to_owned() }
    }
}

impl State {
    /// The proposal that it all began with.
    #[must_use]
    pub fn proposal(&self) -> &Proposal {
        match self {
            Self::Proposed(p) => p.proposal(),
            Self::Granted(g) => g.proposal(),
            Self::Claimed(c) => c.granted().proposal(),
            Self::Cleared(c) => c.claimed().granted().proposal(),
            Self::Sent(d) | Self::Answered(d) | Self::Looking(d, _) => d.proposal(),
            Self::Settled(s) | Self::Sealed(s, _) => s.dispatch.proposal(),
            Self::Refused(s) | Self::SealedRefusal(s, _) => &s.proposal,
        }
    }

    /// The proposal with its answers, while it waits for grants.
    #[must_use]
    pub fn parked(&self) -> Option<&Parked> {
        match self {
            Self::Proposed(parked) => Some(parked),
            Self::Granted(_)
            | Self::Claimed(_)
            | Self::Cleared(_)
            | Self::Sent(_)
            | Self::Answered(_)
            | Self::Looking(..)
            | Self::Settled(_)
            | Self::Refused(_)
            | Self::Sealed(..)
            | Self::SealedRefusal(..) => None,
        }
    }

    /// How it ended, once it has.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::Settled(s) | Self::Sealed(s, _) => Some(s.settlement.outcome),
            Self::Refused(_) | Self::SealedRefusal(..) => Some(Outcome::Refused),
            Self::Proposed(_)
            | Self::Granted(_)
            | Self::Claimed(_)
            | Self::Cleared(_)
            | Self::Sent(_)
            | Self::Answered(_)
            | Self::Looking(..) => None,
        }
    }

    /// Its receipt, once sealed.
    #[must_use]
    pub fn receipt(&self) -> Option<&ReceiptId> {
        match self {
            Self::Sealed(_, id) | Self::SealedRefusal(_, id) => Some(id),
            Self::Proposed(_)
            | Self::Granted(_)
            | Self::Claimed(_)
            | Self::Cleared(_)
            | Self::Sent(_)
            | Self::Answered(_)
            | Self::Looking(..)
            | Self::Settled(_)
            | Self::Refused(_) => None,
        }
    }

    /// Its name, for logs and the store.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Proposed(p) if p.with_staff() => "waiting",
            Self::Proposed(_) => "proposed",
            Self::Granted(_) => "granted",
            Self::Claimed(_) => "claimed",
            Self::Cleared(_) => "cleared",
            Self::Sent(_) => "sent",
            Self::Answered(_) => "answered",
            Self::Looking(..) => "looking",
            Self::Settled(_) => "settled",
            Self::Refused(_) => "refused",
            Self::Sealed(..) | Self::SealedRefusal(..) => "sealed",
        }
    }
}

impl Event {
    /// When it was, where it has to do with the backend.
    #[must_use]
    pub fn at(&self) -> Option<Timestamp> {
        match self {
            Self::Intended(intent) => Some(intent.at()),
            Self::Resent(at) => Some(*at),
            Self::Answered(result) => Some(result.at),
            Self::Looked(look) => Some(look.at),
            Self::Proposed(_)
            | Self::Voted(_)
            | Self::Granted(_)
            | Self::Claimed(_)
            | Self::Cleared(_)
            | Self::Settled(_)
            | Self::Refused(_)
            | Self::Sealed(_)
            | Self::Finished(_) => None,
        }
    }

    /// Its name, for logs and the store.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Proposed(_) => "proposed",
            Self::Voted(_) => "voted",
            Self::Granted(_) => "granted",
            Self::Claimed(_) => "claimed",
            Self::Cleared(_) => "cleared",
            Self::Intended(_) => "intended",
            Self::Resent(_) => "resent",
            Self::Answered(_) => "answered",
            Self::Looked(_) => "looked",
            Self::Settled(_) => "settled",
            Self::Refused(_) => "refused",
            Self::Sealed(_) => "sealed",
            Self::Finished(_) => "finished",
        }
    }
}

impl Outcome {
    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Applied, Self::NotApplied, Self::Unknown, Self::Refused]
            .into_iter()
            .find(|outcome| outcome.name() == name)
    }

    /// As receipts and the store spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::NotApplied => "not_applied",
            Self::Unknown => "unknown",
            Self::Refused => "refused",
        }
    }
}
