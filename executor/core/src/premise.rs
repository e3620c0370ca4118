//! What the core was given, stage by stage: what each decision rests on, in the form in
//! which a receipt keeps it, so that the same functions decide it again.
//!
//! ```text
//! Ask ─▶ Vote … ─▶ Grant ─▶ Claim ─▶ Gate ─▶ Send ─▶ Look ─▶ Finish
//!  └──────┴──────────┴────────┴───────┴───▶ the refusing one is the last
//! ```

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::brief::Brief;
use crate::claim::{Claimed, Claiming};
use crate::contract::{Body, Contract};
use crate::dispatch::{Dispatch, Sending};
use crate::error::Refused;
use crate::finish::Word;
use crate::gate::{Cleared, Hearing};
use crate::grant::{Ballot, Granted, Heard, Parked, Vote};
use crate::lifecycle::{self, Settled};
use crate::policy::Policy;
use crate::proposal::Proposal;
use crate::state::State;
use crate::verify::Look;

/// What one stage was given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Premise {
    /// A plan, and what was known and read for it.
    Ask(Box<Brief>),
    /// One person's answer.
    Vote(Box<Ballot>),
    /// Somebody of the house said no: the answer before.
    Reject,
    /// Whether nothing is missing.
    Grant(Heard),
    /// Nobody answered until then.
    Expire(Timestamp),
    /// The state of what waits, read again.
    Compare(Hearing),
    /// What the store knew of intent, objects and accounts.
    Claim(Claiming),
    /// The state under the lock.
    Gate(Hearing),
    /// Where the request went, and what came back.
    Send(Sending),
    /// What was read back.
    Look(Vec<Look>),
    /// A person's word on how it ended.
    Finish(Box<Word>),
    /// Told from outside, and decided by no rule: a fault on the way, or what people did.
    Told(Box<Refused>),
}

/// Digests of what a stage was decided by.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Books {
    /// The policy bundle.
    pub policy: String,
    /// The tool's pack.
    pub pack: String,
}

/// What came of reading the state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// The state.
    Seen(State),
    /// What the read, or the way to it, said.
    Failed(Box<Refused>),
}

impl Books {
    /// Of a policy and a tool.
    #[must_use]
    pub fn of(policy: &Policy, contract: &Contract) -> Self {
        Self { policy: policy.digest().to_owned(), pack: contract.pack.digest.clone() }
    }
}

impl Reading {
    /// The state.
    ///
    /// # Errors
    /// What the read said.
    pub fn state(&self) -> Result<&State, Refused> {
        match self {
            Self::Seen(state) => Ok(state),
            Self::Failed(refused) => Err(Refused::clone(refused)),
        }
    }

    /// As it is kept beside a refusal. SUBJECT OWNS IT: of what is not provably the
    /// subject's only that is kept, and nothing of what it is.
    pub(crate) fn kept(&self, contract: &Contract, refused: &Refused) -> Self {
        let by_owner = refused.findings.last().is_some_and(|f| f.gate == "subject" && !f.passed);
        match (self, &contract.body) {
            (Self::Seen(state), Body::Write(write)) if by_owner => {
                Self::Seen(state.withheld(&write.subject))
            }
            (Self::Seen(_) | Self::Failed(_), _) => self.clone(),
        }
    }
}

impl From<Result<State, Refused>> for Reading {
    fn from(read: Result<State, Refused>) -> Self {
        match read {
            Ok(state) => Self::Seen(state),
            Err(refused) => Self::Failed(Box::new(refused)),
        }
    }
}

impl Premise {
    /// The policy that it was decided by, where it was by one.
    #[must_use]
    pub fn policy(&self) -> Option<&str> {
        match self {
            Self::Ask(brief) => Some(&brief.basis.policy),
            Self::Vote(ballot) => match &**ballot {
                Ballot::Customer(_, heard) | Ballot::Staff(_, heard) => Some(&heard.books.policy),
            },
            Self::Grant(heard) => Some(&heard.books.policy),
            Self::Compare(hearing) | Self::Gate(hearing) => Some(&hearing.books.policy),
            Self::Claim(claiming) => Some(&claiming.books.policy),
            Self::Finish(word) => Some(&word.books.policy),
            Self::Reject | Self::Expire(_) | Self::Send(_) | Self::Look(_) | Self::Told(_) => None,
        }
    }

    /// Its name, for people.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ask(_) => "ask",
            Self::Vote(_) => "vote",
            Self::Reject => "reject",
            Self::Grant(_) => "grant",
            Self::Expire(_) => "expire",
            Self::Compare(_) => "compare",
            Self::Claim(_) => "claim",
            Self::Gate(_) => "gate",
            Self::Send(_) => "send",
            Self::Look(_) => "look",
            Self::Finish(_) => "finish",
            Self::Told(_) => "told",
        }
    }

    /// What a refusal was decided from. One that no stage made was told from outside.
    pub(crate) fn of_refusal(refused: &Refused) -> Self {
        if let Some(on) = &refused.on {
            return Self::clone(on);
        }
        let told = Refused { findings: Vec::new(), state: None, ..refused.clone() };
        Self::Told(Box::new(told))
    }
}

fn of_proposal(proposal: &Proposal) -> Vec<Premise> {
    proposal.brief().map(|brief| Premise::Ask(Box::new(brief))).into_iter().collect()
}

fn with_votes(proposal: &Proposal, votes: &[Vote]) -> Vec<Premise> {
    let mut all = of_proposal(proposal);
    all.extend(votes.iter().filter_map(Vote::ballot).map(|b| Premise::Vote(Box::new(b))));
    all
}

/// Of a proposal that waits for answers.
pub(crate) fn of_parked(parked: &Parked) -> Vec<Premise> {
    with_votes(parked.proposal(), parked.votes())
}

/// Of an action with every grant.
pub(crate) fn of_granted(granted: &Granted) -> Vec<Premise> {
    let mut all = with_votes(granted.proposal(), granted.votes());
    all.extend(granted.on().cloned().map(Premise::Grant));
    all
}

/// Of an action that holds its key.
pub(crate) fn of_claimed(claimed: &Claimed) -> Vec<Premise> {
    let mut all = of_granted(claimed.granted());
    all.extend(claimed.taken().on().cloned().map(Premise::Claim));
    all
}

/// Of an action whose gates all passed.
pub(crate) fn of_cleared(cleared: &Cleared) -> Vec<Premise> {
    let mut all = of_claimed(cleared.claimed());
    all.extend(cleared.hearing().map(Premise::Gate));
    all
}

fn of_dispatch(dispatch: &Dispatch) -> Vec<Premise> {
    let mut all = of_cleared(dispatch.cleared());
    all.push(Premise::Send(dispatch.sending()));
    all
}

/// Of an action that ended.
pub(crate) fn of_settled(settled: &Settled) -> Vec<Premise> {
    let mut all = of_dispatch(&settled.dispatch);
    let word = settled.finish.as_ref().and_then(|finish| finish.on());
    // The look of a person's word is kept with the word.
    let looks = settled.looks.len().saturating_sub(usize::from(word.is_some()));
    all.push(Premise::Look(settled.looks.iter().take(looks).cloned().collect()));
    all.extend(word.cloned().map(|word| Premise::Finish(Box::new(word))));
    all
}

/// Of an action, as far as it is.
pub(crate) fn of(state: &lifecycle::State) -> Vec<Premise> {
    use lifecycle::State as S;
    match state {
        S::Proposed(parked) => of_parked(parked),
        S::Granted(granted) => of_granted(granted),
        S::Claimed(claimed) => of_claimed(claimed),
        S::Cleared(cleared) => of_cleared(cleared),
        S::Sent(dispatch) | S::Answered(dispatch) | S::Looking(dispatch, _) => {
            of_dispatch(dispatch)
        }
        S::Settled(settled) | S::Sealed(settled, _) => of_settled(settled),
        S::Refused(stopped) | S::SealedRefusal(stopped, _) => {
            let mut all = stopped.before.clone();
            all.push(Premise::of_refusal(&stopped.refused));
            all
        }
    }
}
