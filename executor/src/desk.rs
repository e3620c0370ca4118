//! Takes requests in: admits a plan, resolves it, parks a proposal or carries it
//! out, and gives every refusal its receipt.
//!
//! ```text
//! plan ──admit──▶ resolve ──▶ reads: fetch, observe
//!                        └──▶ write: known? ──state, gates──▶ Proposal ──parked──▶ grant ──▶ pipeline
//! ```

use std::sync::Arc;
use std::time::Duration;

use countersign_core::brief::{Brief, Occasion, Purpose, Wanted};
use countersign_core::contract::Contract;
use countersign_core::error::Refused;
use countersign_core::gates::Gate;
use countersign_core::grant::{self, Need};
use countersign_core::lifecycle::{Event, State};
use countersign_core::plan::{Plan, Step as PlanStep, admit};
use countersign_core::proposal::{Asked, Fresh, Proposal};
use countersign_core::resolve::{Arguments, Message, Observation};
use countersign_core::subject::{Strength, Subject};
use countersign_core::value::Value;
use countersign_shared::codes::Code;
use countersign_shared::ids::{ActionId, ObservationId, ProposalId, ReceiptId};
use countersign_shared::span::within;
use countersign_shared::trace;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use crate::confirm::Confirm;
use crate::flood::Flood;
use crate::load::{Load, Work};
use crate::pipeline::{Life, Pipeline, Stop, write};
use crate::ports::{Named, StoreError};
use crate::room::{Place, Room};
use crate::running::{Changes, Progress, Running, Step};
use crate::subject::Subjects;
use crate::turned::{Turned, damaged, unavailable};

/// Between the first two looks at an action that another executor carries, and between
/// later ones.
const ELSEWHERE: Duration = Duration::from_millis(50);
const SELDOM: Duration = Duration::from_secs(1);

/// Where every request arrives.
#[derive(Clone)]
pub struct Desk {
    /// Carries actions out.
    pub pipeline: Pipeline,
    /// Knows who may vouch.
    pub subjects: Arc<Subjects>,
    /// Actions under way.
    pub running: Running,
    /// Answers that are being counted, each in a task that goes on when its page has gone.
    pub counting: TaskTracker,
    /// Refusals beyond their quota.
    pub flood: Flood,
    /// Proposals being made.
    pub room: Room,
    /// What is being worked on.
    pub load: Load,
    /// Rung when an action begins to wait for members of staff.
    pub waiting: Arc<Notify>,
    /// Where the executor's own pages are served; empty where they are not.
    pub origin: Arc<str>,
    /// The pages for customers, where they are served.
    pub confirm: Option<Arc<Confirm>>,
}

/// A request whose subject and words are verified.
#[derive(Debug, Clone)]
pub struct Request {
    /// The calling workload.
    pub caller: String,
    /// For whom.
    pub subject: Subject,
    /// What they said.
    pub messages: Vec<Message>,
}

/// One read of a plan, done.
#[derive(Debug)]
pub struct Observed {
    /// The plan's step.
    pub step: String,
    /// What was seen.
    pub seen: Observation,
    /// What the contract says of it to a customer.
    pub said: String,
}

/// A plan carried out.
pub struct Done {
    /// Its reads.
    pub observations: Vec<Observed>,
    /// Its write, as far as it is.
    pub action: Option<Step>,
}

impl Desk {
    /// Dry run of a plan's one write; parks it for its grants.
    ///
    /// # Errors
    /// The first refusal, receipted.
    pub async fn propose(&self, request: &Request, plan: &Plan) -> Result<Proposal, Turned> {
        let made = within("propose", self.make(request, plan, Purpose::Propose)).await;
        let (proposal, _place) = match made {
            Ok(made) => made,
            Err(refused) => return Err(self.turn_away(request, plan, refused).await),
        };
        let life = self.park(proposal).await?;
        Ok(life.state().proposal().clone())
    }

    /// Parks a proposal for its grants, in the place of an earlier one of the same wish.
    async fn park(&self, proposal: Proposal) -> Result<Life, Turned> {
        let mut life = begin(proposal)?;
        if let Some(older) = self.superseded(life.state().proposal()).await? {
            let message = format!("{} takes its place", life.state().proposal().id());
            let mut refused = Refused::new(Code::ProposalSuperseded, message);
            refused.other_action = Some(life.action().to_string());
            return self.replace(older, refused, life).await;
        }
        match life.flush(&*self.pipeline.store).await {
            Ok(()) => Ok(life),
            Err(error) => Err(Turned::only(unavailable(&error))),
        }
    }

    /// Carries out a plan that needs no grant.
    ///
    /// # Errors
    /// The first refusal, receipted.
    pub async fn execute_plan(&self, request: &Request, plan: &Plan) -> Result<Done, Turned> {
        // What is no plan at all is refused as the dry run of one.
        let reads = admit(plan, &self.pipeline.catalog).is_ok_and(|all| all.write.is_none());
        if !reads {
            let action = self.execute_write(request, plan).await?;
            return Ok(Done { observations: Vec::new(), action: Some(action) });
        }
        let _work = self.begin(request, plan).map_err(Turned::only)?;
        let mut observations = Vec::new();
        for (at, step) in plan.steps.iter().enumerate() {
            match self.observe(request, plan, (at, step)).await {
                Ok(observed) => observations.push(observed),
                Err(refused) => return Err(self.turn_away(request, plan, refused).await),
            }
        }
        Ok(Done { observations, action: None })
    }

    /// Carries out a parked proposal with its grants; for one that was carried out
    /// already, answers with what is known.
    ///
    /// # Errors
    /// The first refusal, receipted.
    pub async fn execute_proposal(
        &self,
        request: &Request,
        id: &ProposalId,
        confirmation: &str,
    ) -> Result<Step, Turned> {
        let mut life = self.life(request, Named::Proposal(id.clone())).await?;
        let State::Proposed(parked) = life.state() else {
            return self.known(life).await;
        };
        if parked.missing().any(|need| *need == Need::Customer) && Gate::Needs.is_on() {
            let contract = match self.contract(parked) {
                Ok(contract) => contract,
                // Nothing can come of it any more.
                Err(refused) => return Err(self.refused(&life, refused).await),
            };
            let now = self.pipeline.clock.now();
            match grant::confirm(parked, confirmation, &contract, &self.signers(), now) {
                Ok(vote) => life.take(Event::Voted(Box::new(vote))),
                Err(refused) => return Err(self.not_granted(&life, refused).await),
            }
        }
        self.granted(life).await
    }

    /// An action of this subject, as it stands.
    ///
    /// # Errors
    /// `NOT_FOUND`.
    pub async fn standing(&self, request: &Request, named: Named) -> Result<Step, Turned> {
        Ok(self.watch(request, named).await?.0)
    }

    /// An action of this subject and, while it is under way, its changes from there on.
    ///
    /// # Errors
    /// `NOT_FOUND`.
    pub async fn watch(
        &self,
        request: &Request,
        named: Named,
    ) -> Result<(Step, Option<Changes>), Turned> {
        self.running.watch(|| self.life(request, named.clone())).await
    }

    /// Waits until nothing is under way: an answer that is being counted may yet begin an action.
    pub async fn idle(&self) {
        self.counting.close();
        self.counting.wait().await;
        self.running.idle().await;
    }

    async fn execute_write(&self, request: &Request, plan: &Plan) -> Result<Step, Turned> {
        let (proposal, place) = match self.make(request, plan, Purpose::Execute).await {
            Ok(made) => made,
            Err(refused) => return Err(self.turn_away(request, plan, refused).await),
        };
        let staff = |need: &Need| matches!(need, Need::Approval { .. });
        let life = if proposal.needs().iter().any(staff) {
            self.park(proposal).await?
        } else {
            begin(proposal)?
        };
        drop(place);
        self.granted(life).await
    }

    /// Starts an action, or waits for the one that runs.
    pub(crate) async fn carry_out(&self, life: Life) -> Result<Step, Turned> {
        match self.running.start(life.action()) {
            Some(progress) => self.under_way(life, progress).await,
            None => self.known(life).await,
        }
    }

    /// Runs an action in a task of its own and waits for its end. The task goes on
    /// when the caller does not.
    async fn under_way(&self, life: Life, progress: Progress) -> Result<Step, Turned> {
        let action = life.action().clone();
        let proposal = life.state().proposal();
        let intent = proposal.intent().to_owned();
        // What was begun is carried on however much there is.
        let tenant = &proposal.asked().subject.tenant;
        let fresh = matches!(life.state(), State::Proposed(_) | State::Granted(_));
        let work = fresh.then(|| self.load.begin(tenant, proposal.tool())).transpose();
        let work = work.map_err(Turned::only)?;
        // Another caller may have carried it further since its journal was read.
        if life.seq() > 0 {
            let owner = life.state().proposal().asked().subject.clone();
            let journal = self.pipeline.store.journal(&owner, Named::Action(action.clone())).await;
            let journal = journal.map_err(|e| Turned::only(unavailable(&e)))?;
            if u64::try_from(journal.len()).ok() != Some(life.seq()) {
                return ended(Life::resume(journal).map_err(|e| Turned::only(damaged(&e)))?);
            }
        }
        let desk = self.clone();
        let trace = trace::rejoined(&life.state().proposal().asked().trace);
        let task = tokio::spawn(trace::inside(trace, async move {
            let _work = work;
            within("action", desk.pipeline.run(life, &progress)).await
        }));
        let life = match task.await {
            Ok(Ok(life)) => life,
            // Somebody was faster: theirs is the truth.
            Ok(Err(Stop::Known(no))) if no.other_action.as_deref() == Some(action.as_str()) => {
                return self.elsewhere(action, &intent).await;
            }
            Ok(Err(Stop::Store(StoreError::Conflict))) => {
                return self.elsewhere(action, &intent).await;
            }
            Ok(Err(Stop::Known(refused))) => {
                return Err(Turned { refused: *refused, receipt: None, action: Some(action) });
            }
            Ok(Err(Stop::Store(error))) => return Err(Turned::only(unavailable(&error))),
            Err(error) => {
                tracing::error!(%error, %action, "an action's task ended early");
                return Err(Turned::only(Refused::new(
                    Code::Internal,
                    "the action's task ended early",
                )));
            }
        };
        ended(life)
    }

    /// A repeat: what is known of an action that was begun before. One that nobody
    /// is at, because its first commit stood although the store said that it failed,
    /// is carried on like one of an earlier process.
    pub(crate) async fn known(&self, life: Life) -> Result<Step, Turned> {
        if life.state().receipt().is_some() {
            return ended(life);
        }
        let Some(progress) = self.running.start(life.action()) else {
            if let Some(mut follow) = self.running.follow(life.action()) {
                while follow.changed().await.is_ok() {}
            }
            return ended(self.again(&life).await?);
        };
        // Read once more, now that nobody else of this process writes it.
        let mut now = self.again(&life).await?;
        if !unfinished(now.state()) {
            return ended(now);
        }
        let ours = self.pipeline.store.holds(now.action()).await;
        if ours.map_err(|e| Turned::only(unavailable(&e)))? {
            crate::recovery::mend(&mut now, self.pipeline.clock.now());
            return self.under_way(now, progress).await;
        }
        drop(progress);
        self.elsewhere(now.action().clone(), now.state().proposal().intent()).await
    }

    /// Waits for an action that another executor carries, and answers as it ends there.
    async fn elsewhere(&self, action: ActionId, intent: &str) -> Result<Step, Turned> {
        let store = &self.pipeline.store;
        let mut pause = ELSEWHERE;
        loop {
            let known = store.known(intent).await.map_err(|e| Turned::only(unavailable(&e)))?;
            let under_way = known.is_some_and(|k| k.action == action && k.outcome.is_none());
            if !under_way {
                return match self.parked(Named::Action(action)).await {
                    // It was never begun: the claim was lost with the lease.
                    Err(turned) if turned.refused.is(Code::NotFound) => {
                        Err(Turned::only(unavailable(&StoreError::Conflict)))
                    }
                    parked => ended(parked?),
                };
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(SELDOM);
        }
    }

    /// An action as its journal has it now.
    async fn again(&self, life: &Life) -> Result<Life, Turned> {
        let owner = &life.state().proposal().asked().subject;
        let named = Named::Action(life.action().clone());
        let journal = self.pipeline.store.journal(owner, named).await;
        let journal = journal.map_err(|e| Turned::only(unavailable(&e)))?;
        Life::resume(journal).map_err(|e| Turned::only(damaged(&e)))
    }

    /// A proposal, and the place that it takes until it is parked.
    async fn make(
        &self,
        request: &Request,
        plan: &Plan,
        purpose: Purpose,
    ) -> Result<(Proposal, (Place, Work)), Refused> {
        let mut brief = self.brief(request, plan, purpose);
        // A plan that is none takes nobody's place.
        self.ask(&brief)?;
        let place = (self.place(request).await?, self.begin(request, plan)?);
        Ok((self.draft(&mut brief).await?, place))
    }

    /// The same write once more, on state as it is now.
    pub(crate) async fn draft_anew(&self, brief: Brief) -> Result<Proposal, Refused> {
        let Pipeline { catalog, policy, .. } = &self.pipeline;
        self.draft(&mut brief.anew((catalog, policy), self.fresh())).await
    }

    /// Gives a brief what it asks for until it is a proposal.
    async fn draft(&self, brief: &mut Brief) -> Result<Proposal, Refused> {
        loop {
            match self.ask(brief)? {
                Wanted::Nothing(proposal) => return Ok(*proposal),
                Wanted::Evidence(observed, receipts) => {
                    self.look_up(brief, observed, receipts).await?;
                }
                Wanted::Occasion(intent) => {
                    let latest = self.pipeline.store.known(&intent).await;
                    let latest = latest.map_err(|e| unavailable(&e))?;
                    brief.basis.occasion = Some(Occasion { latest });
                }
                Wanted::Reading(contract, arguments) => {
                    self.read(brief, &contract, &arguments).await?;
                }
                Wanted::Spent(budget) => {
                    let now = brief.basis.read_at.unwrap_or_else(|| self.pipeline.clock.now());
                    let spent = self.pipeline.store.spent(&budget, now).await;
                    brief.basis.spent = Some(spent.map_err(|e| unavailable(&e))?);
                }
            }
        }
    }

    fn ask(&self, brief: &Brief) -> Result<Wanted, Refused> {
        brief.ask(&self.pipeline.catalog, &self.pipeline.policy)
    }

    /// The fresh state of a write that nobody switched off.
    async fn read(
        &self,
        brief: &mut Brief,
        contract: &Contract,
        arguments: &Arguments,
    ) -> Result<(), Refused> {
        self.pipeline.vitals.check()?;
        let subject = &brief.asked.subject;
        let off = self.pipeline.switches.off_for(&subject.tenant, &contract.tool);
        if off.is_none() {
            let reads = &write(contract)?.reads;
            let read = self.pipeline.driver.state(subject, contract, reads, arguments).await;
            brief.basis.read = Some(read.into());
            brief.basis.read_at = Some(self.pipeline.clock.now());
        }
        brief.basis.off = off;
        Ok(())
    }

    async fn look_up(
        &self,
        brief: &mut Brief,
        observed: Vec<ObservationId>,
        receipts: Vec<ReceiptId>,
    ) -> Result<(), Refused> {
        let (subject, conversation) = (&brief.asked.subject, &brief.asked.conversation);
        let store = &self.pipeline.store;
        let found = store.evidence(subject, conversation, observed, receipts).await;
        brief.take_evidence(found.map_err(|e| unavailable(&e))?);
        Ok(())
    }

    fn brief(&self, request: &Request, plan: &Plan, purpose: Purpose) -> Brief {
        let Pipeline { catalog, policy, clock, .. } = &self.pipeline;
        let asked = (self.asked(request, plan), plan.steps.as_slice());
        Brief::new(purpose, asked, (catalog, policy), self.fresh(), clock.now())
    }

    fn fresh(&self) -> Fresh {
        let clock = &self.pipeline.clock;
        Fresh {
            proposal: ProposalId::from_uuid(clock.fresh_id()),
            action: ActionId::from_uuid(clock.fresh_id()),
        }
    }

    pub(crate) fn asked(&self, request: &Request, plan: &Plan) -> Asked {
        let Request { caller, subject, messages } = request;
        let asked = Asked::of(caller, subject, messages, plan, self.pipeline.clock.now());
        Asked { trace: trace::current_id(), ..asked }
    }

    /// Proposals that nobody answers are bounded, per subject and per planner.
    async fn place(&self, request: &Request) -> Result<Place, Refused> {
        let place = self.room.take(&request.subject, &request.caller);
        let settings = self.pipeline.policy.settings();
        let since = self.pipeline.clock.now().saturating_sub(settings.proposals_live);
        let since = since.unwrap_or(jiff::Timestamp::MIN);
        let open = self.pipeline.store.open(&request.subject, &request.caller, since).await;
        let open = open.map_err(|e| unavailable(&e))?;
        let subject = open.subject.saturating_add(place.subject);
        let planner = open.planner.saturating_add(place.planner);
        let room = subject < settings.open.per_subject && planner < settings.open.per_planner;
        if room || !Gate::Open.is_on() {
            return Ok(place);
        }
        let message = format!("{subject} of this subject and {planner} of this planner");
        Err(Refused::new(Code::TooManyOpen, format!("{message} wait for an answer")))
    }

    fn begin(&self, request: &Request, plan: &Plan) -> Result<Work, Refused> {
        let tool = plan.steps.first().map_or("", |step| &step.tool);
        self.load.begin(&request.subject.tenant, tool)
    }

    async fn observe(
        &self,
        request: &Request,
        plan: &Plan,
        (at, step): (usize, &PlanStep),
    ) -> Result<Observed, Refused> {
        let mut brief = self.brief(request, plan, Purpose::Read(at));
        let (contract, value) = self.fetch(&mut brief).await?;
        let countersign_core::contract::Body::Read(read) = &contract.body else {
            return Err(Refused::new(Code::PlanInvalid, "not a read"));
        };
        let scope = countersign_core::expr::Scope::of(&value);
        let said = read.say.as_ref().and_then(|say| say.render(&scope).ok()).unwrap_or_default();
        let seen = Observation {
            id: ObservationId::from_uuid(self.pipeline.clock.fresh_id()),
            tool: contract.tool.clone(),
            value: value.to_json(),
            labels: read.output.labels(&value),
            at: self.pipeline.clock.now(),
        };
        let store = &self.pipeline.store;
        let kept = store.observe(&request.subject, &plan.conversation, seen.clone()).await;
        kept.map_err(|e| unavailable(&e))?;
        Ok(Observed { step: step.id.clone(), seen, said })
    }

    /// Carries out the read that a brief is about.
    async fn fetch(&self, brief: &mut Brief) -> Result<(Arc<Contract>, Value), Refused> {
        loop {
            match self.ask(brief)? {
                Wanted::Evidence(observed, receipts) => {
                    self.look_up(brief, observed, receipts).await?;
                }
                Wanted::Reading(contract, arguments) => {
                    let subject = &brief.asked.subject;
                    match self.pipeline.driver.fetch(subject, &contract, &arguments).await {
                        Ok(value) => return Ok((contract, value)),
                        // What the read said is what the brief says now.
                        Err(refused) => brief.basis.read = Some(Err(refused).into()),
                    }
                }
                Wanted::Occasion(_) | Wanted::Spent(_) | Wanted::Nothing(_) => {
                    return Err(Refused::new(Code::PlanInvalid, "not a read"));
                }
            }
        }
    }

    pub(crate) async fn life(&self, request: &Request, named: Named) -> Result<Life, Turned> {
        let missing = || {
            let message = "no such proposal or action of this subject";
            Turned::only(Refused::new(Code::NotFound, message))
        };
        if request.subject.strength == Strength::Asserted {
            // A guest is known by what was matched in the conversation of the action.
            let life = match self.parked(named).await {
                Err(turned) if turned.refused.is(Code::NotFound) => return Err(missing()),
                other => other?,
            };
            let asked = life.state().proposal().asked();
            let guest = self
                .known_as(request.subject.clone(), &request.caller, &asked.conversation)
                .await?;
            return if guest.is(&asked.subject) { Ok(life) } else { Err(missing()) };
        }
        let journal = self.pipeline.store.journal(&request.subject, named).await;
        let journal = journal.map_err(|e| Turned::only(unavailable(&e)))?;
        if journal.is_empty() {
            return Err(missing());
        }
        Life::resume(journal).map_err(|e| Turned::only(damaged(&e)))
    }
}

/// Begun and without a receipt: somebody has to carry it on.
fn unfinished(state: &State) -> bool {
    let begun = !matches!(state, State::Proposed(_));
    begun && state.receipt().is_none()
}

pub(crate) fn begin(proposal: Proposal) -> Result<Life, Turned> {
    let events = vec![Event::Proposed(Box::new(proposal))];
    Life::begin(events).map_err(|e| Turned::only(damaged(&e)))
}

/// An action that has come as far as it goes for now.
pub(crate) fn ended(life: Life) -> Result<Step, Turned> {
    if let State::SealedRefusal(stopped, receipt) = life.state() {
        return Err(Turned {
            refused: stopped.refused.clone(),
            receipt: Some(receipt.clone()),
            action: Some(stopped.proposal.action().clone()),
        });
    }
    Ok(life.step())
}
