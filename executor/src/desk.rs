//! Takes requests in: admits a plan, resolves it, parks a proposal or carries it
//! out, and gives every refusal its receipt.
//!
//! ```text
//! plan ──admit──▶ resolve ──▶ reads: fetch, observe
//!                        └──▶ write: known? ──state, gates──▶ Proposal ──parked──▶ grant ──▶ pipeline
//! ```

use std::sync::Arc;
use std::time::Duration;

use countersign_core::claim;
use countersign_core::contract::Contract;
use countersign_core::error::Refused;
use countersign_core::gate::{self, Asking};
use countersign_core::gates::Gate;
use countersign_core::grant::{self, Need};
use countersign_core::lifecycle::{Event, State};
use countersign_core::plan::{Plan, Source, Step as PlanStep, admit};
use countersign_core::policy::Verb;
use countersign_core::proposal::{self, Asked, Fresh, Proposal};
use countersign_core::resolve::{Arguments, Evidence, Message, Observation, resolve};
use countersign_core::subject::{self, Kind, Strength, Subject};
use countersign_shared::codes::Code;
use countersign_shared::ids::{ActionId, ObservationId, ProposalId};
use countersign_shared::span::within;
use countersign_shared::trace;
use tokio::sync::Notify;

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
    /// The customer's one-time page, where there is one.
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
        let (proposal, _place) = match within("propose", self.make(request, plan)).await {
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
        let catalog = Arc::clone(&self.pipeline.catalog);
        let has_write = match admit(plan, &catalog) {
            Err(refused) => return Err(self.turn_away(request, plan, refused).await),
            Ok(admitted) if admitted.write.is_some() && !admitted.reads.is_empty() => {
                let message = "read first, then plan the write on what was read";
                let refused = Refused::new(Code::PlanInvalid, message);
                return Err(self.turn_away(request, plan, refused).await);
            }
            Ok(admitted) => admitted.write.is_some(),
        };
        if has_write {
            let action = self.execute_write(request, plan).await?;
            return Ok(Done { observations: Vec::new(), action: Some(action) });
        }
        let _work = self.begin(request, plan).map_err(Turned::only)?;
        let mut observations = Vec::new();
        for step in &plan.steps {
            match self.observe(request, plan, step).await {
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

    /// Carries on by itself what is begun and nobody is at: what an earlier process or
    /// another executor left, or a commit whose answer was lost. Answers with how many.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn recover(&self) -> Result<usize, StoreError> {
        let mut begun = self.pipeline.store.adopt().await?;
        begun.retain(|action| self.running.follow(action).is_none());
        let count = begun.len();
        for action in begun {
            crate::kill::Step::Recover.before();
            tracing::info!(%action, "carrying on");
            let desk = self.clone();
            tokio::spawn(async move {
                let life = desk.parked(Named::Action(action.clone()));
                if let Err(turned) = async { desk.known(life.await?).await }.await {
                    let why = turned.refused;
                    tracing::error!(%action, %why, "an action in doubt is taken up again later");
                }
            });
        }
        Ok(count)
    }

    async fn execute_write(&self, request: &Request, plan: &Plan) -> Result<Step, Turned> {
        let (proposal, place) = match self.make(request, plan).await {
            Ok(made) => made,
            Err(refused) => return Err(self.turn_away(request, plan, refused).await),
        };
        if proposal.needs().contains(&Need::Customer) && Gate::Needs.is_on() {
            let refused = Refused::new(
                Code::ConfirmationRequired,
                "the customer has not confirmed the card: propose, then execute with the yes",
            );
            return Err(self.turn_away(request, plan, refused).await);
        }
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
    ) -> Result<(Proposal, (Place, Work)), Refused> {
        let catalog = &self.pipeline.catalog;
        let admitted = admit(plan, catalog)?;
        let Some((step, contract)) = admitted.write.filter(|_| admitted.reads.is_empty()) else {
            return Err(Refused::new(Code::PlanInvalid, "a proposal is of exactly one write"));
        };
        let place = (self.place(request).await?, self.begin(request, plan)?);
        let arguments = self.resolve(request, plan, step, contract).await?;
        Ok((self.draft(self.asked(request, plan), contract, &arguments).await?, place))
    }

    /// A proposal of a write whose arguments are resolved, on state as it is now.
    pub(crate) async fn draft(
        &self,
        asked: Asked,
        contract: &Contract,
        arguments: &Arguments,
    ) -> Result<Proposal, Refused> {
        let body = write(contract)?;
        subject::may_use(&asked.subject, contract)?;
        let none = countersign_core::state::State::default();
        let mut facts = gate::Facts {
            contract,
            policy: &self.pipeline.policy,
            write: body,
            arguments,
            state: &none,
            asked: &asked,
            now: self.pipeline.clock.now(),
        };
        // A repeat is answered before preconditions could spoil the answer.
        if asked.subject.kind == Kind::Customer {
            self.repeat(&facts).await?;
        }
        self.pipeline.vitals.check()?;
        self.pipeline.switches.check(&asked.subject.tenant, &contract.tool)?;
        let driver = &self.pipeline.driver;
        let state = driver.state(&asked.subject, contract, &body.reads, arguments).await?;
        facts.state = &state;
        if asked.subject.kind == Kind::Staff {
            self.repeat(&facts).await?;
        }
        facts.now = self.pipeline.clock.now();
        let draft = proposal::draft(&facts, self.fresh())?;
        let store = &self.pipeline.store;
        let spent = store.spent(draft.budget(), facts.now).await.map_err(|e| unavailable(&e))?;
        draft.finish(&spent)
    }

    /// Refuses what is known already (AT MOST ONE EFFECT).
    async fn repeat(&self, facts: &gate::Facts<'_>) -> Result<(), Refused> {
        let intent = proposal::intent(facts)?;
        let known = self.pipeline.store.known(&intent).await.map_err(|e| unavailable(&e))?;
        claim::occasion(known.as_ref(), facts.asked.after_receipt.as_ref()).map(drop)
    }

    fn fresh(&self) -> Fresh {
        let clock = &self.pipeline.clock;
        Fresh {
            proposal: ProposalId::from_uuid(clock.fresh_id()),
            action: ActionId::from_uuid(clock.fresh_id()),
        }
    }

    pub(crate) fn asked(&self, request: &Request, plan: &Plan) -> Asked {
        asked(request, plan, self.pipeline.clock.now())
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
        step: &PlanStep,
    ) -> Result<Observed, Refused> {
        let catalog = &self.pipeline.catalog;
        let contract = catalog.tools.get(&step.tool).ok_or_else(|| {
            Refused::new(Code::ToolUnknown, format!("no contract named `{}`", step.tool))
        })?;
        subject::may_use(&request.subject, contract)?;
        let asked = self.asked(request, plan);
        Asking { verb: Verb::Read, asked: &asked, channel: &asked.channel, contract, money: None }
            .put(&self.pipeline.policy, self.pipeline.clock.now())?;
        let arguments = self.resolve(request, plan, step, contract).await?;
        let value = self.pipeline.driver.fetch(&request.subject, contract, &arguments).await?;
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

    async fn resolve(
        &self,
        request: &Request,
        plan: &Plan,
        step: &PlanStep,
        contract: &Contract,
    ) -> Result<Arguments, Refused> {
        let (mut observations, mut receipts) = (Vec::new(), Vec::new());
        for source in step.arguments.values() {
            source.visit(&mut |s| match s {
                Source::Observation { id, .. } => observations.push(id.clone()),
                Source::Receipt { id, .. } => receipts.push(id.clone()),
                Source::Claim(_)
                | Source::Utterance { .. }
                | Source::Model(_)
                | Source::List(_)
                | Source::Fields(_) => {}
            });
        }
        let mut evidence = if observations.is_empty() && receipts.is_empty() {
            Evidence::default()
        } else {
            let store = &self.pipeline.store;
            let found =
                store.evidence(&request.subject, &plan.conversation, observations, receipts).await;
            found.map_err(|e| unavailable(&e))?
        };
        let each = request.messages.iter().map(|m| (m.id.clone(), m.clone()));
        evidence.messages = each.collect();
        resolve(step, contract, &request.subject, &evidence, self.pipeline.clock.now())
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

fn asked(request: &Request, plan: &Plan, now: jiff::Timestamp) -> Asked {
    Asked {
        channel: proposal::channel(&request.messages, now),
        caller: request.caller.clone(),
        subject: request.subject.clone(),
        // A refused plan is receipted as well, whatever it holds.
        conversation: plan.conversation.chars().take(128).collect(),
        external_ref: plan.external_ref.chars().take(128).collect(),
        messages: request.messages.clone(),
        confidence: plan.confidence.clone(),
        model: plan.model.clone(),
        after_receipt: plan.after_receipt.clone(),
        trace: trace::current_id(),
    }
}
