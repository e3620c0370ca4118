//! Proposals that wait for people, and what their answers set going. The last yes
//! carries the action out from here, without the planner.
//!
//! ```text
//! parked ──confirm──▶ waits for staff ──answer … ──▶ granted ──▶ pipeline
//!    │                     │
//!    └── withdrawn, superseded, expired, rejected, changed ──▶ refused, with a receipt
//! ```

use std::sync::Arc;

use countersign_core::contract::Contract;
use countersign_core::error::Refused;
use countersign_core::gate::Hearing;
use countersign_core::gates::Gate;
use countersign_core::grant::approval::{self, rejected};
use countersign_core::grant::signature::Signature;
use countersign_core::grant::{self, Parked, Signers, Vote};
use countersign_core::lifecycle::{Event, State};
use countersign_core::proposal::Proposal;
use countersign_core::subject::still_valid;
use countersign_shared::codes::Code;
use countersign_shared::ids::ProposalId;

use crate::confirm::on_page;
use crate::desk::{Desk, Request, begin, ended};
use crate::pipeline::{Life, write};
use crate::ports::{Named, StoreError};
use crate::running::Step;
use crate::turned::{Turned, damaged, unavailable};

/// How often a vote is tried again when another vote came first.
pub(crate) const TRIES: usize = 4;

/// What came of looking at a waiting action again.
#[derive(Debug)]
pub enum Afresh {
    /// It stands as it was shown.
    Same,
    /// It changed: the old request is refused with this, and asked again.
    Changed(Box<Refused>),
}

impl Desk {
    /// Everyone whose yes can count now.
    #[must_use]
    pub fn signers(&self) -> Signers<'_> {
        Signers {
            frontends: self.subjects.frontends(),
            policy: &self.pipeline.policy,
            origin: &self.origin,
        }
    }

    /// Carries an action out whose grants are all there; one that waits for staff is
    /// put down durably, and staff is told.
    pub(crate) async fn granted(&self, mut life: Life) -> Result<Step, Turned> {
        let State::Proposed(parked) = life.state() else { return self.known(life).await };
        let now = self.pipeline.clock.now();
        let complete = self
            .contract(parked)
            .and_then(|contract| grant::complete(parked, &contract, &self.signers(), now));
        let staff = parked.votes().iter().any(|vote| matches!(vote, Vote::Approved(_)));
        match complete {
            Ok(grants) => {
                life.take(Event::Granted(Box::new(grants)));
                self.carry_out(life).await
            }
            Err(refused) if refused.is(Code::ApprovalRequired) => {
                let told = life.flush(&*self.pipeline.store).await;
                told.map_err(|e| Turned::only(unavailable(&e)))?;
                self.waiting.notify_one();
                ended(life)
            }
            // An earlier yes does not count any more: the seat would stay taken for ever.
            Err(refused) if staff => {
                let message = format!("an earlier yes does not count now: {}", refused.message);
                Err(self.ask_anew(life, Refused { message, ..refused }).await)
            }
            Err(refused) => Err(self.not_granted(&life, refused).await),
        }
    }

    /// Counts an approver's answer. The same answer given twice is one answer. It goes
    /// on when the caller does not.
    ///
    /// # Errors
    /// `NOT_FOUND`, `PROPOSAL_EXPIRED`, `APPROVAL_INVALID`, `APPROVER_NOT_ALLOWED`,
    /// `STATE_CHANGED` with what changed, and what carrying it out says.
    pub async fn answer(&self, id: &ProposalId, signature: Signature) -> Result<Step, Turned> {
        let (desk, id) = (self.clone(), id.clone());
        let task = self.counting.spawn(async move { desk.count(&id, &signature).await });
        task.await.unwrap_or_else(|error| {
            tracing::error!(%error, "an answer's task ended early");
            Err(Turned::only(Refused::new(Code::Internal, "the answer's task ended early")))
        })
    }

    async fn count(&self, id: &ProposalId, signature: &Signature) -> Result<Step, Turned> {
        for _ in 0..TRIES {
            let mut life = self.parked(Named::Proposal(id.clone())).await?;
            let now = self.pipeline.clock.now();
            // Nobody learns anything of it without a signature of one who is known here.
            approval::signed_for(life.state().proposal(), signature, &self.signers(), now)
                .map_err(Turned::only)?;
            let State::Proposed(parked) = life.state() else { return self.known(life).await };
            if !parked.with_staff() {
                return Err(nobody_waits());
            }
            let vote = self.contract(parked).and_then(|contract| {
                approval::answer(parked, signature.clone(), &contract, &self.signers(), now)
            });
            let vote = match vote {
                Ok(vote) => vote,
                Err(refused) => return Err(self.not_granted(&life, refused).await),
            };
            let again = parked.votes().iter().any(|earlier| earlier.same_answer(&vote));
            if again && Gate::OneVote.is_on() {
                return self.granted(life).await;
            }
            if let Vote::Rejected(no) = &vote {
                let refused = rejected(no);
                return self.refuse(&life, Some(vote), refused).await;
            }
            if let Afresh::Changed(refused) = self.afresh(parked).await? {
                return Err(Turned::only(*refused));
            }
            life.take(Event::Voted(Box::new(vote)));
            match life.flush(&*self.pipeline.store).await {
                Ok(()) => return self.granted(life).await,
                // Another answer came first: this one is counted beside it.
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(Turned::only(unavailable(&error))),
            }
        }
        Err(crowded())
    }

    /// Reads the state of a waiting action again. What changed is refused and asked
    /// anew (FRESH STATE).
    ///
    /// # Errors
    /// What the fresh gates say, with the request refused by it; a fault that passes
    /// leaves the request as it is.
    pub async fn afresh(&self, parked: &Parked) -> Result<Afresh, Turned> {
        let shown = parked.proposal();
        let life = self.parked(Named::Action(shown.action().clone())).await?;
        let changes = match self.contract(parked) {
            Ok(contract) => self.compare(shown, &contract).await,
            Err(refused) => Err(refused),
        };
        match changes {
            Ok(()) => Ok(Afresh::Same),
            Err(refused) if refused.is(Code::StateChanged) => {
                Ok(Afresh::Changed(Box::new(self.ask_anew(life, refused).await.refused)))
            }
            Err(refused) if refused.passes() => Err(refused.into()),
            Err(refused) => Err(self.refused(&life, refused).await),
        }
    }

    /// Refuses a waiting action and asks for the same on the state and the policy of
    /// now, in one step. Answers with the refusal, which names the new request.
    async fn ask_anew(&self, life: Life, mut refused: Refused) -> Turned {
        let shown = life.state().proposal().clone();
        let by_link = life.state().parked().is_some_and(on_page);
        let contract = self.pipeline.catalog.tools.get(shown.tool()).cloned();
        let same = contract.filter(|c| c.digest == shown.contract_digest());
        let again = match same.and_then(|_| shown.brief()) {
            Some(brief) => self.draft_anew(brief).await,
            None => Err(Refused::new(Code::NotActivated, "the contract was changed")),
        };
        let newer = match again {
            Ok(newer) => newer,
            Err(why) if why.passes() => return why.into(),
            Err(_) => return self.refused(&life, refused).await,
        };
        refused.message = format!("{}; asked again as {}", refused.message, newer.id());
        refused.other_action = Some(newer.action().to_string());
        let newer = match begin(newer) {
            Ok(newer) => newer,
            Err(turned) => return turned,
        };
        match self.replace(life, refused.clone(), newer).await {
            Ok(newer) => {
                if by_link {
                    self.send_link(newer.state().proposal());
                }
                Turned::only(refused)
            }
            Err(turned) => turned,
        }
    }

    /// Puts a newer request in the place of one that waits.
    pub(crate) async fn replace(
        &self,
        older: Life,
        refused: Refused,
        mut newer: Life,
    ) -> Result<Life, Turned> {
        let Some(_alone) = self.running.start(older.action()) else { return Err(crowded()) };
        match self.pipeline.replace(older, refused, &mut newer).await {
            Ok(()) => {
                self.waiting.notify_one();
                Ok(newer)
            }
            Err(StoreError::Conflict) => Err(crowded()),
            Err(error) => Err(Turned::only(unavailable(&error))),
        }
    }

    /// The contract of a parked action, as it is active now.
    pub(crate) fn contract(&self, parked: &Parked) -> Result<Arc<Contract>, Refused> {
        let tool = parked.proposal().tool();
        self.pipeline.catalog.tools.get(tool).cloned().ok_or_else(|| {
            Refused::new(Code::ToolUnknown, format!("no contract named `{tool}` is active"))
        })
    }

    async fn compare(&self, shown: &Proposal, contract: &Contract) -> Result<(), Refused> {
        let (body, asked) = (write(contract)?, shown.asked());
        let driver = &self.pipeline.driver;
        let read = driver.state(&asked.subject, contract, &body.reads, shown.arguments()).await;
        let (policy, now) = (&self.pipeline.policy, self.pipeline.clock.now());
        Hearing::new(contract, policy, read.into(), now).compare(shown, contract, policy)
    }

    /// The subject takes a proposal back.
    ///
    /// # Errors
    /// `NOT_FOUND`; what was carried out already is answered as it stands.
    pub async fn withdraw(&self, request: &Request, id: &ProposalId) -> Result<Step, Turned> {
        let life = self.life(request, Named::Proposal(id.clone())).await?;
        if !matches!(life.state(), State::Proposed(_)) {
            return self.known(life).await;
        }
        let refused = Refused::new(Code::ProposalWithdrawn, "taken back by the subject");
        match self.refuse(&life, None, refused).await {
            Err(turned) if turned.refused.is(Code::ProposalWithdrawn) => {
                self.standing(request, Named::Proposal(id.clone())).await
            }
            other => other,
        }
    }

    /// The earlier request of the same wish that a newer one replaces. While it waits
    /// unchanged, it is the answer.
    pub(crate) async fn superseded(&self, newer: &Proposal) -> Result<Option<Life>, Turned> {
        let named = Named::Intent(newer.intent().to_owned());
        let journal = self.pipeline.store.parked(named).await;
        let journal = journal.map_err(|e| Turned::only(unavailable(&e)))?;
        if journal.is_empty() {
            return Ok(None);
        }
        let life = Life::resume(journal).map_err(|e| Turned::only(damaged(&e)))?;
        let older = life.state().proposal();
        // A colleague's request and the customer's own wait side by side: the claim decides.
        if !older.asked().subject.is(&newer.asked().subject) {
            return Ok(None);
        }
        let valid_for = self.pipeline.policy.settings().subject_valid_for;
        let alive = newer.at() <= older.expires_at()
            && still_valid(&older.asked().subject, valid_for, newer.at()).is_ok();
        let same = older.state() == newer.state()
            && older.money() == newer.money()
            && older.contract_digest() == newer.contract_digest()
            && older.asked().after_receipt == newer.asked().after_receipt;
        if alive && same {
            let mut refused = Refused::new(Code::ApprovalRequired, "asked already, and waits");
            refused.other_action = Some(older.action().to_string());
            return Err(Turned::only(refused));
        }
        Ok(Some(life))
    }

    /// Looks after what waits: ends what nobody answered in time, and sets going what
    /// has every answer and stands, because its process stopped, or a fault or another
    /// action was in its way. Answers with how many it took up.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn sweep(&self) -> Result<usize, StoreError> {
        let mut taken = 0;
        if self.pipeline.vitals.quarantine().is_some() {
            return Ok(taken);
        }
        for journal in self.pipeline.store.waiting().await? {
            let Ok(life) = Life::resume(journal) else {
                tracing::error!("a waiting action's journal cannot be read");
                continue;
            };
            let State::Proposed(parked) = life.state() else { continue };
            let late = grant::expire(parked.proposal(), self.pipeline.clock.now());
            if late.is_none() && parked.missing().next().is_some() {
                continue;
            }
            taken += 1;
            let desk = self.clone();
            tokio::spawn(async move {
                let action = life.action().clone();
                let step = match late {
                    Some(refused) => desk.refuse(&life, None, refused).await,
                    None => desk.granted(life).await,
                };
                if let Err(turned) = step {
                    // The message may hold what is personal; the receipt has it.
                    tracing::info!(%action, code = turned.refused.code, "a waiting action");
                }
            });
        }
        Ok(taken)
    }

    /// An action, whoever's it is.
    ///
    /// # Errors
    /// `NOT_FOUND`.
    pub(crate) async fn parked(&self, named: Named) -> Result<Life, Turned> {
        let journal = self.pipeline.store.parked(named).await;
        let journal = journal.map_err(|e| Turned::only(unavailable(&e)))?;
        if journal.is_empty() {
            return Err(Turned::only(Refused::new(Code::NotFound, "no such request")));
        }
        Life::resume(journal).map_err(|e| Turned::only(damaged(&e)))
    }

    /// A request that waits for members of staff.
    ///
    /// # Errors
    /// `NOT_FOUND`.
    pub async fn request(&self, id: &ProposalId) -> Result<Parked, Turned> {
        let life = self.parked(Named::Proposal(id.clone())).await?;
        let parked = life.state().parked().filter(|parked| parked.with_staff());
        parked.cloned().ok_or_else(nobody_waits)
    }

    pub(crate) async fn refused(&self, life: &Life, refused: Refused) -> Turned {
        match self.refuse(life, None, refused.clone()).await {
            Err(turned) => turned,
            Ok(_) => Turned::only(refused),
        }
    }

    /// Ends a parked action with a receipt, whatever answers come in meanwhile; one
    /// that was carried out first is answered as it stands.
    async fn refuse(
        &self,
        life: &Life,
        vote: Option<Vote>,
        refused: Refused,
    ) -> Result<Step, Turned> {
        for _ in 0..TRIES {
            let mut life = self.parked(Named::Action(life.action().clone())).await?;
            if !matches!(life.state(), State::Proposed(_)) {
                return self.known(life).await;
            }
            if let Some(vote) = &vote {
                life.take(Event::Voted(Box::new(vote.clone())));
            }
            life.take(Event::Refused(Box::new(refused.clone())));
            match self.carry_out(life).await {
                Ok(step) if matches!(*step.state, State::Proposed(_)) => {}
                other => return other,
            }
        }
        Err(crowded())
    }
}

pub(crate) fn crowded() -> Turned {
    Turned::only(Refused::new(Code::Overloaded, "too many answers at once; try again"))
}

fn nobody_waits() -> Turned {
    let message = "nobody waits for an answer of the house to this";
    Turned::only(Refused::new(Code::NotFound, message))
}

#[cfg(test)]
pub(crate) mod tests;
