//! One premise, decided by the function that decided it live.

use std::collections::BTreeSet;
use std::time::Duration;

use countersign_shared::receipt::Receipt;
use jiff::Timestamp;

use super::shelf::{Candidate, Library, Shelf};
use super::{Unfit, follow};
use crate::abandon::abandon;
use crate::answer::Verdict;
use crate::brief::{Basis, Brief, Wanted};
use crate::claim::{self, Claimed, Claiming};
use crate::contract::{Body, Contract};
use crate::dispatch::{self, Attempt, AttemptResult, Sending};
use crate::effect::{Ask, ask};
use crate::error::Refused;
use crate::finish::{self, Matter, Word};
use crate::gate::{Cleared, Hearing};
use crate::grant::{self, Ballot, Granted, Heard, Parked, Signers, Vote, approval};
use crate::lifecycle::{Event, State};
use crate::limit::Budget;
use crate::premise::{Books, Premise};
use crate::retry;
use crate::signed::Keyring;
use crate::value::Value;
use crate::verify::{self, Look, Sight};

/// Where premises are heard.
#[derive(Debug, Clone, Copy)]
pub struct Court<'s> {
    library: Library<'s>,
}

/// What a premise leads to.
#[derive(Debug)]
pub enum Step {
    /// The action goes on.
    On(Vec<Event>),
    /// It ends here.
    Stop(Box<Refused>),
    /// Neither: what would have had to come next.
    Open(&'static str),
}

fn step<T>(decided: Result<T, Refused>, event: impl FnOnce(T) -> Event) -> Step {
    match decided {
        Ok(made) => Step::On(vec![event(made)]),
        Err(refused) => Step::Stop(Box::new(refused)),
    }
}

impl<'s> Court<'s> {
    /// By the books that a receipt names.
    #[must_use]
    pub fn new(shelf: &'s Shelf) -> Self {
        Self { library: Library { shelf, instead: None } }
    }

    /// By a candidate, and by the books that a receipt names where it says nothing.
    #[must_use]
    pub fn by(shelf: &'s Shelf, candidate: &'s Candidate) -> Self {
        Self { library: Library { shelf, instead: Some(candidate) } }
    }

    /// Decides one premise of a receipt.
    ///
    /// # Errors
    /// Why that cannot be done.
    pub fn hear(
        &self,
        state: Option<&State>,
        premise: &Premise,
        receipt: &Receipt,
    ) -> Result<Step, Unfit> {
        match (premise, state) {
            (Premise::Ask(brief), None) => self.asked(brief),
            (Premise::Vote(ballot), Some(State::Proposed(parked))) => self.voted(ballot, parked),
            (Premise::Reject, Some(State::Proposed(parked))) => Ok(rejected(parked)),
            (Premise::Grant(heard), Some(State::Proposed(parked))) => self.granted(heard, parked),
            (Premise::Expire(at), Some(State::Proposed(parked))) => Ok(expired(parked, *at)),
            (Premise::Compare(hearing), Some(State::Proposed(parked))) => {
                self.compared(hearing, parked)
            }
            (Premise::Claim(on), Some(State::Granted(granted))) => self.claimed(on, granted),
            (Premise::Gate(hearing), Some(State::Claimed(claimed))) => self.gated(hearing, claimed),
            (Premise::Send(sending), Some(State::Cleared(cleared))) => self.sent(sending, cleared),
            (Premise::Look(looks), Some(state)) => self.looked(looks, state, receipt),
            (Premise::Finish(word), Some(State::Settled(_))) => self.finished(word, state, receipt),
            (Premise::Told(refused), state) => told(refused, state),
            (premise, state) => {
                let (name, at) = (premise.name(), state.map_or("nothing", State::name));
                Err(Unfit::Disorder(format!("`{name}` after `{at}`")))
            }
        }
    }

    /// A claim or the gates, where that is all that is asked.
    pub(crate) fn take(&self, premise: &Premise, state: &State) -> Result<Step, Unfit> {
        match (premise, state) {
            (Premise::Claim(on), State::Granted(granted)) => self.claimed(on, granted),
            (Premise::Gate(hearing), State::Claimed(claimed)) => self.gated(hearing, claimed),
            (premise, state) => {
                let (name, at) = (premise.name(), state.name());
                Err(Unfit::Disorder(format!("`{name}` after `{at}`")))
            }
        }
    }

    pub(crate) fn asked(&self, brief: &Brief) -> Result<Step, Unfit> {
        let catalog = self.library.catalog(&brief.basis.packs)?;
        let policy = self.library.policy(&brief.basis.policy)?;
        Ok(match brief.ask(&catalog, policy) {
            Ok(Wanted::Nothing(proposal)) => Step::On(vec![Event::Proposed(proposal)]),
            Ok(Wanted::Evidence(..)) => Step::Open("what the plan points to is looked up"),
            Ok(Wanted::Occasion(_)) => Step::Open("the store is asked whether it was done"),
            Ok(Wanted::Reading(..)) => Step::Open("the state is read"),
            Ok(Wanted::Spent(_)) => Step::Open("the limits are asked"),
            Err(refused) => Step::Stop(Box::new(refused)),
        })
    }

    /// The sums that the limits of a dry run asked for, where it came to them.
    pub(crate) fn limits(&self, brief: &Brief) -> Result<BTreeSet<(String, Duration)>, Unfit> {
        if brief.basis.spent.is_none() {
            return Ok(BTreeSet::new());
        }
        let basis = Basis { spent: None, ..brief.basis.clone() };
        let before = Brief { asked: brief.asked.clone(), basis };
        let catalog = self.library.catalog(&brief.basis.packs)?;
        let policy = self.library.policy(&brief.basis.policy)?;
        Ok(match before.ask(&catalog, policy) {
            Ok(Wanted::Spent(budget)) => budget.questions(),
            Ok(_) | Err(_) => BTreeSet::new(),
        })
    }

    fn voted(&self, ballot: &Ballot, parked: &Parked) -> Result<Step, Unfit> {
        let vote = match ballot {
            Ballot::Customer(jws, heard) => self.heard(heard, parked, |contract, signers| {
                grant::confirm(parked, jws, contract, signers, heard.at)
            })?,
            Ballot::Staff(signature, heard) => self.heard(heard, parked, |contract, signers| {
                approval::answer(parked, signature.clone(), contract, signers, heard.at)
            })?,
        };
        Ok(step(vote, |vote| Event::Voted(Box::new(vote))))
    }

    fn granted(&self, heard: &Heard, parked: &Parked) -> Result<Step, Unfit> {
        let grants = self.heard(heard, parked, |contract, signers| {
            grant::complete(parked, contract, signers, heard.at)
        })?;
        Ok(step(grants, |grants| Event::Granted(Box::new(grants))))
    }

    /// With the keys and the books by which answers were counted.
    fn heard<T>(
        &self,
        heard: &Heard,
        parked: &Parked,
        count: impl FnOnce(&Contract, &Signers<'_>) -> Result<T, Refused>,
    ) -> Result<Result<T, Refused>, Unfit> {
        let contract = self.contract(&heard.books, parked.proposal().tool())?;
        let policy = self.library.policy(&heard.books.policy)?;
        let frontends = heard.frontends.keyring();
        let signers = Signers { frontends: &frontends, policy, origin: &heard.origin };
        Ok(count(contract, &signers))
    }

    fn compared(&self, hearing: &Hearing, parked: &Parked) -> Result<Step, Unfit> {
        let contract = self.contract(&hearing.books, parked.proposal().tool())?;
        let policy = self.library.policy(&hearing.books.policy)?;
        Ok(match hearing.compare(parked.proposal(), contract, policy) {
            Ok(()) => Step::Open("it stands as it was shown"),
            Err(refused) => Step::Stop(Box::new(refused)),
        })
    }

    /// What a claim has to stay within.
    pub(crate) fn budget(&self, books: &Books, granted: &Granted) -> Result<Budget, Unfit> {
        let proposal = granted.proposal();
        let contract = self.contract(books, proposal.tool())?;
        let policy = self.library.policy(&books.policy)?;
        let Body::Write(write) = &contract.body else {
            return Err(Unfit::Disorder(format!("{} is a read", contract.tool)));
        };
        Ok(Budget::of(proposal, granted.votes(), contract, write, policy))
    }

    fn claimed(&self, on: &Claiming, granted: &Granted) -> Result<Step, Unfit> {
        if on.off.is_some() {
            let switched = claim::switched(granted, on.off.as_ref(), on.books.clone(), on.at);
            return Ok(match switched {
                Ok(()) => Step::Open("this switch does not reach it"),
                Err(refused) => Step::Stop(Box::new(refused)),
            });
        }
        let budget = self.budget(&on.books, granted)?;
        Ok(step(claim::decide(granted, &on.known, &budget, on.at), Event::Claimed))
    }

    fn gated(&self, hearing: &Hearing, claimed: &Claimed) -> Result<Step, Unfit> {
        let contract = self.contract(&hearing.books, claimed.granted().proposal().tool())?;
        let policy = self.library.policy(&hearing.books.policy)?;
        let clearance = hearing.decide(claimed, contract, policy);
        Ok(step(clearance, |clearance| Event::Cleared(Box::new(clearance))))
    }

    /// The request as it follows from the facts, and what came back as it was judged.
    fn sent(&self, sending: &Sending, cleared: &Cleared) -> Result<Step, Unfit> {
        let books = cleared.hearing().map(|hearing| hearing.books).unwrap_or_default();
        let contract = self.contract(&books, cleared.claimed().granted().proposal().tool())?;
        let intent = match dispatch::prepare(cleared, contract, sending.account.clone(), sending.at)
        {
            Ok(intent) => intent,
            Err(refused) => return Ok(Step::Stop(Box::new(refused))),
        };
        if sending.attempts.is_empty() {
            return Ok(Step::Open("it is sent"));
        }
        let intended = vec![Event::Intended(Box::new(intent))];
        let mut state = follow(Some(State::Cleared(Box::new(cleared.clone()))), intended.clone())?;
        let mut events = intended;
        for attempt in &sending.attempts {
            if attempt.number > 1 {
                // AT MOST ONE EFFECT: a resend was safe when it left.
                let State::Answered(dispatch) = &state else {
                    return Err(Unfit::Disorder("a resend before an answer".to_owned()));
                };
                if left(attempt) && !retry::may_send(dispatch, contract, attempt.at) {
                    return Ok(Step::Open("the same bytes are not sent again"));
                }
                events.push(Event::Resent(attempt.at));
                state = follow(Some(state), vec![Event::Resent(attempt.at)])?;
            }
            if let Some(result) = &attempt.result {
                let answered = Event::Answered(Box::new(result.clone()));
                events.push(answered.clone());
                state = follow(Some(state), vec![answered])?;
            }
        }
        Ok(Step::On(events))
    }

    /// What was seen, judged again, and how it ended by that.
    fn looked(&self, looks: &[Look], state: &State, receipt: &Receipt) -> Result<Step, Unfit> {
        let contract = match receipt.pack.as_str() {
            "" => None,
            pack => Some(self.library.contract(pack, state.proposal().tool())?),
        };
        let mut events = Vec::new();
        let mut state = state.clone();
        // A person's word took the place of what the last one read.
        let word = receipt.grants.iter().any(|grant| grant.kind == "finish");
        let last = looks.len().saturating_sub(1);
        for (at, look) in looks.iter().enumerate() {
            let seen = judged(look, &state, contract, at == last && !word, word)?;
            let looked = Event::Looked(Box::new(seen));
            events.push(looked.clone());
            state = follow(Some(state), vec![looked])?;
        }
        let settled = match contract {
            None => abandon(&state, receipt.sealed_at),
            Some(contract) => match ask(&state, contract, receipt.sealed_at) {
                Ask::Settle(settlement) => Some(Event::Settled(settlement)),
                Ask::Resend(_) | Ask::Send => return Ok(Step::Open("the request is sent again")),
                Ask::Look(_) => return Ok(Step::Open("it is looked for again")),
                Ask::AwaitGrants
                | Ask::Claim
                | Ask::Gate
                | Ask::Prepare
                | Ask::Seal
                | Ask::Nothing => None,
            },
        };
        events.extend(settled);
        Ok(Step::On(events))
    }

    fn finished(
        &self,
        word: &Word,
        state: Option<&State>,
        receipt: &Receipt,
    ) -> Result<Step, Unfit> {
        let Some(State::Settled(settled)) = state else {
            return Err(Unfit::Disorder("a person's word before an end".to_owned()));
        };
        let proposal = settled.dispatch.proposal();
        let contract = self.contract(&word.books, proposal.tool())?;
        let policy = self.library.policy(&word.books.policy)?;
        let frontends = Keyring::default();
        let signers = Signers { frontends: &frontends, policy, origin: &word.origin };
        let tenant = &proposal.asked().subject.tenant;
        let asked = Some((proposal, contract));
        let matter = Matter { id: proposal.action().as_str(), tenant, asked };
        let statement = match finish::say(matter, &word.signature, &signers, word.at) {
            Ok(statement) => statement,
            Err(refused) => return Ok(Step::Stop(Box::new(refused))),
        };
        let Some(seen) = &word.seen else { return Ok(Step::Open("the backend is looked at")) };
        let state = State::Settled(settled.clone());
        let look = judged(&seen.look, &state, Some(contract), true, false)?;
        let finish = match finish::decide(settled, statement, look, seen.untouched, contract) {
            Ok(finish) => finish,
            Err(refused) => return Ok(Step::Stop(Box::new(refused))),
        };
        // The receipt before this one is named in the message only.
        let id = receipt.receipt_id.parse();
        let id = id.map_err(|_| Unfit::Unreadable("it has no receipt's id".to_owned()))?;
        Ok(Step::On(vec![Event::Sealed(id), Event::Finished(Box::new(finish))]))
    }

    fn contract(&self, books: &Books, tool: &str) -> Result<&'s Contract, Unfit> {
        self.library.contract(&books.pack, tool)
    }
}

/// Whether an attempt may have left the executor.
fn left(attempt: &Attempt) -> bool {
    let held = |r: &AttemptResult| {
        matches!(r.verdict, Verdict::NotSent { .. } | Verdict::SwitchedOff { .. })
    };
    !attempt.result.as_ref().is_some_and(held)
}

/// A look with what it saw, judged again. Only the last one keeps what it read; what is
/// said of those before it must end nothing.
fn judged(
    look: &Look,
    state: &State,
    contract: Option<&Contract>,
    last: bool,
    word: bool,
) -> Result<Look, Unfit> {
    let dispatch = match state {
        State::Answered(dispatch) | State::Looking(dispatch, _) => dispatch,
        State::Settled(settled) | State::Sealed(settled, _) => &settled.dispatch,
        State::Proposed(_)
        | State::Granted(_)
        | State::Claimed(_)
        | State::Cleared(_)
        | State::Sent(_)
        | State::Refused(_)
        | State::SealedRefusal(..) => return Ok(look.clone()),
    };
    let Some(Body::Write(write)) = contract.map(|contract| &contract.body) else {
        return Ok(look.clone());
    };
    if look.looked != Value::Null {
        let scope = dispatch.cleared().scope().with("response", dispatch.response());
        return Ok(Look { sight: verify::judge(write, scope, &look.looked), ..look.clone() });
    }
    let bare = match look.sight {
        Sight::Unreadable { .. } => true,
        Sight::Pending { .. } | Sight::Absent { .. } | Sight::Wrong { .. } => !last,
        // What a person ended may have been any of these before.
        Sight::Failed { .. } | Sight::Many { .. } => word,
        Sight::Right { .. } => false,
    };
    if bare {
        Ok(look.clone())
    } else {
        Err(Unfit::Disorder("a look that read nothing".to_owned()))
    }
}

fn rejected(parked: &Parked) -> Step {
    match parked.votes().last() {
        Some(Vote::Rejected(no)) => Step::Stop(Box::new(approval::rejected(no))),
        Some(Vote::Confirmed(_) | Vote::Approved(_)) | None => Step::Open("nobody said no"),
    }
}

fn expired(parked: &Parked, at: Timestamp) -> Step {
    let expired = grant::expire(parked.proposal(), at);
    expired.map_or(Step::Open("it was not late"), |refused| Step::Stop(Box::new(refused)))
}

/// Told from outside; it shows what the gates saw, where they saw anything.
fn told(refused: &Refused, state: Option<&State>) -> Result<Step, Unfit> {
    if !refused.findings.is_empty() || refused.state.is_some() {
        return Err(Unfit::Unreadable("what was told has gates of its own".to_owned()));
    }
    let refused = refused.clone();
    Ok(Step::Stop(Box::new(match state {
        Some(State::Cleared(cleared)) => cleared.passed().refuse(refused),
        Some(_) | None => refused,
    })))
}
