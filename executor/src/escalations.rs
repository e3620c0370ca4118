//! Matters that wait for a person: what the planner hands over, and what a person says
//! of how one ended.
//!
//! ```text
//! receipt ──opens──▶ queue ──take──▶ finish ──▶ in doubt? ─ look ─ agrees ──▶ second receipt, lock free
//!                                       │                     └─ disagrees ──▶ stays, with a receipt
//!                                       └─ nothing to read ──▶ closed with a receipt
//! ```

use countersign_core::contract::Contract;
use countersign_core::error::Refused;
use countersign_core::escalation::{self, Handover};
use countersign_core::finish::{self, Matter, Statement};
use countersign_core::grant::signature::Signature;
use countersign_core::lifecycle::{Event, Outcome, Settled, State};
use countersign_core::proposal::Asked;
use countersign_core::seal;
use countersign_core::subject::Subject;
use countersign_shared::codes::Code;
use countersign_shared::ids::{ActionId, EscalationId, ReceiptId};

use crate::desk::Desk;
use crate::flood::Source;
use crate::pipeline::{Life, write};
use crate::ports::{Escalation, EscalationQuery, Named, Stand, StoreError};
use crate::running::Step;
use crate::turned::{Turned, damaged, unavailable};

impl Desk {
    /// Takes over what a planner hands to a person. Nothing becomes possible by it.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`; `OVERLOADED` beyond the caller's quota.
    pub async fn escalate(&self, asked: &Asked, handover: &Handover) -> Result<ReceiptId, Turned> {
        let id = ReceiptId::from_uuid(self.pipeline.clock.fresh_id());
        let leaf = seal::escalated(asked, handover, &id, self.pipeline.clock.now());
        let (caller, tenant) = (asked.caller.clone(), asked.subject.tenant.clone());
        if !self.admits(Source { caller, tenant }, Code::Escalated.name()) {
            let message = "too many matters were handed over within a minute; try again";
            return Err(Turned::only(Refused::new(Code::Overloaded, message)));
        }
        self.put(&id, leaf).await.map_err(|e| Turned::only(unavailable(&e)))?;
        Ok(id)
    }

    /// One matter of the queue.
    ///
    /// # Errors
    /// `NOT_FOUND`.
    pub async fn escalation(&self, id: &EscalationId) -> Result<Escalation, Turned> {
        let query = EscalationQuery {
            id: Some(id.clone()),
            stand: Stand::Any,
            limit: 1,
            ..EscalationQuery::default()
        };
        let found = self.pipeline.store.escalations(query).await;
        let found = found.map_err(|e| Turned::only(unavailable(&e)))?;
        let none = || Turned::only(Refused::new(Code::NotFound, "no such escalation"));
        found.into_iter().next().ok_or_else(none)
    }

    /// A matter of this subject, by the receipt that opened it.
    ///
    /// # Errors
    /// `NOT_FOUND`, also for what is another subject's (SUBJECT OWNS IT).
    pub async fn handed_over(
        &self,
        who: &Subject,
        opened: &ReceiptId,
    ) -> Result<Escalation, Turned> {
        let matter = self.escalation(&EscalationId::of(opened)).await?;
        let case = &matter.case;
        let owner = (&case.tenant, &case.issuer, &case.subject);
        if owner == (&who.tenant, &who.issuer, &who.id) {
            return Ok(matter);
        }
        Err(Turned::only(Refused::new(Code::NotFound, "no such escalation")))
    }

    /// What is open of this subject's conversation that was handed over.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn open_of(
        &self,
        who: &Subject,
        conversation: &str,
    ) -> Result<Option<Escalation>, Turned> {
        let query = EscalationQuery {
            matter: escalation::of_conversation(who, conversation),
            limit: 1,
            ..EscalationQuery::default()
        };
        let found = self.pipeline.store.escalations(query).await;
        Ok(found.map_err(|e| Turned::only(unavailable(&e)))?.into_iter().next())
    }

    /// Takes a person's word on how a matter ended. One that ended before stays so.
    ///
    /// # Errors
    /// `NOT_FOUND`, `APPROVAL_INVALID`, `APPROVER_NOT_ALLOWED`, `POLICY_FORBIDS`,
    /// `HUMAN_DISAGREES`, `IN_FLIGHT`, `STATE_UNREADABLE`, `RULE_ERROR`, `TOOL_UNKNOWN`.
    pub async fn finish(
        &self,
        id: &EscalationId,
        word: &Signature,
    ) -> Result<Option<Step>, Turned> {
        let matter = self.escalation(id).await?;
        let life = self.action_of(&matter).await?;
        if matter.closed_by.is_some() {
            return Ok(life.map(|life| life.step()));
        }
        match life {
            Some(life) if in_doubt(life.state()) => self.settle(life, word).await.map(Some),
            life => {
                self.close(&matter, life.as_ref(), word).await?;
                Ok(life.map(|life| life.step()))
            }
        }
    }

    /// Puts a matter into somebody's hands, or back into the queue; out of the hands of another
    /// only where `from` names them.
    ///
    /// # Errors
    /// `APPROVER_NOT_ALLOWED`, `IN_FLIGHT`, `STORE_UNAVAILABLE`.
    pub async fn hand(
        &self,
        found: &Escalation,
        who: Option<String>,
        from: &str,
    ) -> Result<Escalation, Turned> {
        self.bound(found, who.as_deref())?;
        let other =
            found.taken_by.as_ref().filter(|other| who.as_ref().is_some_and(|w| w != *other));
        if let (Some(other), None) = (other.filter(|other| *other != from), &found.closed_by) {
            let message =
                format!("{other} is at it: they can give it back, or you name them as `from`");
            return Err(Turned::only(Refused::new(Code::InFlight, message)));
        }
        self.passed(found, who).await
    }

    /// Somebody whom the policy does not bind to the tenant has no hands here.
    fn bound(&self, found: &Escalation, who: Option<&str>) -> Result<(), Turned> {
        let (people, now) = (self.pipeline.policy.people(), self.pipeline.clock.now());
        let tenant = &found.case.tenant;
        let bound =
            |who: &&str| people.get(who).is_some_and(|person| people.bound(person, tenant, now));
        who.filter(|who| !bound(who)).map_or(Ok(()), |who| {
            let message =
                format!("nobody is called `{who}` in the policy's people of tenant `{tenant}`");
            Err(Turned::only(Refused::new(Code::ApproverNotAllowed, message)))
        })
    }

    /// Whoever decided this saw `found`: where it is in other hands since, nothing changes.
    async fn passed(&self, found: &Escalation, to: Option<String>) -> Result<Escalation, Turned> {
        let taken = self.pipeline.store.take(&found.case.id, found.taken_by.clone(), to).await;
        if taken.map_err(|e| Turned::only(unavailable(&e)))? {
            return self.escalation(&found.case.id).await;
        }
        let message = match &found.closed_by {
            Some(receipt) => format!("it ended with {receipt}"),
            None => "somebody was faster; look again".to_owned(),
        };
        Err(Turned::only(Refused::new(Code::InFlight, message)))
    }

    async fn action_of(&self, matter: &Escalation) -> Result<Option<Life>, Turned> {
        let Ok(action) = matter.case.action.parse::<ActionId>() else { return Ok(None) };
        let journal = self.pipeline.store.parked(Named::Action(action)).await;
        let journal = journal.map_err(|e| Turned::only(unavailable(&e)))?;
        if journal.is_empty() {
            return Ok(None);
        }
        Life::resume(journal).map(Some).map_err(|e| Turned::only(damaged(&e)))
    }

    /// Settles an action in doubt by a person's word that the read agrees with.
    async fn settle(&self, mut life: Life, word: &Signature) -> Result<Step, Turned> {
        let State::Sealed(settled, _) = life.state() else { return self.known(life).await };
        let proposal = settled.dispatch.proposal();
        let Some(contract) = self.pipeline.catalog.tools.get(proposal.tool()).cloned() else {
            let message =
                format!("no contract named `{}` is active: nothing can look", proposal.tool());
            return Err(Turned::only(Refused::new(Code::ToolUnknown, message)));
        };
        let tenant = &proposal.asked().subject.tenant;
        let asked = Some((proposal, &*contract));
        let matter = Matter { id: life.action().as_str(), tenant, asked };
        let statement = match finish::say(matter, word, &self.signers(), self.pipeline.clock.now())
        {
            Ok(statement) => statement,
            Err(refused) => return Err(self.not_granted(&life, refused).await),
        };
        let look = self.pipeline.driver.look(&settled.dispatch, &contract).await;
        let untouched = !statement.done() && self.untouched(settled, &contract).await;
        match finish::decide(settled, statement.clone(), look, untouched, &contract) {
            Ok(finish) => {
                life.take(Event::Finished(Box::new(finish)));
                self.carry_out(life).await
            }
            Err(refused) if refused.is(Code::HumanDisagrees) => {
                Err(self.disagree(settled, &statement, refused, &contract).await)
            }
            Err(refused) => Err(Turned::only(refused)),
        }
    }

    /// Whether everything that the rules saw is as it was before the effect. What cannot
    /// be read proves nothing.
    async fn untouched(&self, settled: &Settled, contract: &Contract) -> bool {
        let Ok(body) = write(contract) else { return false };
        let (driver, proposal) = (&self.pipeline.driver, settled.dispatch.proposal());
        let subject = &proposal.asked().subject;
        let now = driver.state(subject, contract, &body.reads, proposal.arguments()).await;
        let before = &settled.dispatch.cleared().passed().state;
        now.is_ok_and(|now| before.changes(&now.project(body)).is_empty())
    }

    async fn disagree(
        &self,
        settled: &Settled,
        statement: &Statement,
        refused: Refused,
        contract: &Contract,
    ) -> Turned {
        let id = ReceiptId::from_uuid(self.pipeline.clock.fresh_id());
        let now = self.pipeline.clock.now();
        let leaf = seal::disagreement(settled, statement, &refused, contract, &id, now);
        let action = Some(settled.dispatch.proposal().action().clone());
        match self.put(&id, leaf).await {
            Ok(()) => Turned { refused, receipt: Some(id), action },
            Err(error) => Turned::only(unavailable(&error)),
        }
    }

    /// Ends a matter about which nothing can be read: what a person says of it is kept,
    /// and settles no action.
    async fn close(
        &self,
        matter: &Escalation,
        life: Option<&Life>,
        word: &Signature,
    ) -> Result<(), Turned> {
        let now = self.pipeline.clock.now();
        let case = &matter.case;
        let proposal = life.map(|life| life.state().proposal());
        let contract = self.pipeline.catalog.tools.get(&case.tool);
        let asked = proposal.zip(contract.map(AsRef::as_ref));
        let about = Matter { id: finish::about(case), tenant: &case.tenant, asked };
        let statement = finish::say(about, word, &self.signers(), now)?;
        let id = ReceiptId::from_uuid(self.pipeline.clock.fresh_id());
        match self.put(&id, seal::closed(case, &statement, &id, now)).await {
            // Another word ended it meanwhile, and stays.
            Ok(()) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(Turned::only(unavailable(&error))),
        }
    }
}

fn in_doubt(state: &State) -> bool {
    matches!(state, State::Sealed(..)) && state.outcome() == Some(Outcome::Unknown)
}
