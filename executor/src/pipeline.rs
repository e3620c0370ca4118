//! The spine. One action, top to bottom: the core says what comes next, the
//! journal hears of it, the driver does it.
//!
//! ```text
//! ask ─▶ Claim ─▶ Gate ─▶ Prepare ─┃─▶ Send ─▶ (Resend) ─▶ Look … ─▶ Settle ─▶ Seal ─┃─▶ reply
//!                     intent durable                                  receipt durable
//! ```
//!
//! Events wait in memory only until the next wall: before a byte leaves (INTENT
//! FIRST), before a wait, and with the receipt (RECEIPT BEFORE REPLY).

use std::sync::Arc;
use std::time::Duration;

use countersign_core::abandon::abandon;
use countersign_core::answer::Verdict;
use countersign_core::claim;
use countersign_core::contract::{Body, Catalog, Contract, WriteBody};
use countersign_core::dispatch::{self, AttemptResult, Dispatch};
use countersign_core::effect::{Ask, ask};
use countersign_core::error::Refused;
use countersign_core::gate::Hearing;
use countersign_core::grant::{Granted, Vote};
use countersign_core::lifecycle::{self, Event, State};
use countersign_core::limit::Budget;
use countersign_core::planted::Bug;
use countersign_core::policy::Policy;
use countersign_core::premise::Books;
use countersign_core::retry;
use countersign_core::seal::{self, Queue};
use countersign_core::verify::Look;
use countersign_shared::codes::Code;
use countersign_shared::ids::{ActionId, ReceiptId};
use countersign_shared::span::within;
use jiff::Timestamp;

use crate::driver::Driver;
use crate::kill;
use crate::metrics::Metrics;
use crate::ports::{Clock, Named, ReceiptQuery, SealedReceipt, Store, StoreError};
use crate::running::{Progress, Step, Told};
use crate::steady::Steady;
use crate::switch::Switchboard;
use crate::vitals::Vitals;

/// Waits longer than this are worth a commit of their own.
const WORTH_A_COMMIT: jiff::SignedDuration = jiff::SignedDuration::from_secs(1);
/// Between two tries of a commit that must not be given up.
const COMMIT_AGAIN: Duration = Duration::from_secs(1);

/// Carries actions from one state to the next.
#[derive(Clone)]
pub struct Pipeline {
    /// Active contracts.
    pub catalog: Arc<Catalog>,
    /// The active policy.
    pub policy: Arc<Policy>,
    /// Acts.
    pub driver: Driver,
    /// Remembers.
    pub store: Arc<dyn Store>,
    /// What operators switched off.
    pub switches: Switchboard,
    /// Whether effects may begin at all.
    pub vitals: Vitals,
    /// Counts for operators.
    pub metrics: Metrics,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Rung after each seal.
    pub sealed: Arc<tokio::sync::Notify>,
    /// Rung when a matter begins to wait for a person.
    pub raised: Arc<tokio::sync::Notify>,
}

/// An action under way: where it stands, and what the journal has yet to hear.
pub struct Life {
    /// Shared with those who follow the action.
    state: Arc<State>,
    waiting: Vec<Event>,
    seq: u64,
    told: Option<Arc<Told>>,
}

/// Why an action did not go on.
#[derive(Debug)]
pub enum Stop {
    /// Something is known of it already; nothing was changed.
    Known(Box<Refused>),
    /// The store failed before anything was sent; nothing was changed.
    Store(StoreError),
}

impl Pipeline {
    /// Carries an action as far as it goes, telling `progress` of each step.
    ///
    /// # Errors
    /// When nothing was begun.
    pub async fn run(&self, mut life: Life, progress: &Progress) -> Result<Life, Stop> {
        let _held = Held { store: Arc::clone(&self.store), action: life.action().clone() };
        self.steps(&mut life, progress).await?;
        Ok(life)
    }

    async fn steps(&self, life: &mut Life, progress: &Progress) -> Result<(), Stop> {
        let tool = life.state.proposal().tool();
        let Some(contract) = self.catalog.tools.get(tool).cloned() else {
            return self.abandon(life, progress).await;
        };
        let mut steady = Steady::begin(&self.clock);
        loop {
            progress.tell(life.step());
            let now = steady.now();
            if under_way(life.state()) {
                // It keeps its lock, and goes on once its pack is activated.
                self.driver.active(&contract).map_err(|no| Stop::Known(Box::new(no)))?;
            }
            let asked = ask(&life.state, &contract, now);
            match self.unless_forgotten(asked, &life.state, &contract) {
                Ask::AwaitGrants | Ask::Nothing => return Ok(()),
                Ask::Claim => within("claim", self.claim(life, &contract, now)).await?,
                Ask::Gate => within("gate", self.gate(life, &contract)).await?,
                Ask::Prepare => self.prepare(life, &contract).await?,
                Ask::Send => {
                    within("dispatch", self.send(life, &contract)).await?;
                    // What has to be waited for after an answer begins with it.
                    steady = Steady::begin(&self.clock);
                }
                Ask::Resend(at) => {
                    self.wait(life, at, &steady).await;
                    life.take(Event::Resent(self.clock.now()));
                }
                Ask::Look(at) => {
                    self.wait(life, at, &steady).await;
                    within("verify", self.look(life, &contract, &steady)).await;
                }
                Ask::Settle(settlement) => life.take(Event::Settled(settlement)),
                Ask::Seal => within("seal", self.seal(life, Some(&contract))).await?,
            }
        }
    }

    /// The contract is gone: the action ends as honestly as it can without it.
    async fn abandon(&self, life: &mut Life, progress: &Progress) -> Result<(), Stop> {
        let tool = life.state.proposal().tool();
        tracing::error!(action = %life.action(), tool, "no such contract is active any more");
        while let Some(event) = abandon(&life.state, self.clock.now()) {
            life.take(event);
        }
        self.seal(life, None).await?;
        progress.tell(life.step());
        Ok(())
    }

    async fn claim(
        &self,
        life: &mut Life,
        contract: &Contract,
        now: Timestamp,
    ) -> Result<(), Stop> {
        let State::Granted(granted) = life.state() else { return Ok(()) };
        let tenant = &granted.proposal().asked().subject.tenant;
        let on = self.vitals.check();
        let on = on.and_then(|()| {
            let off = self.switches.off_for(tenant, &contract.tool);
            claim::switched(granted, off.as_ref(), Books::of(&self.policy, contract), now)
        });
        let on = on.and_then(|()| self.driver.active(contract));
        let taken = match on.and_then(|()| write(contract)) {
            Ok(body) => {
                let (proposal, votes) = (granted.proposal(), granted.votes());
                let budget = Budget::of(proposal, votes, contract, body, &self.policy);
                kill::Step::Claim.before();
                let taken = self.store.claim(granted, &budget, now).await?;
                kill::Step::Claim.after();
                taken
            }
            Err(refused) => Err(refused),
        };
        let event = match taken {
            Ok(taken) => Event::Claimed(taken),
            Err(refused) if for_good(granted, &refused) => Event::Refused(Box::new(refused)),
            Err(refused) => return Err(Stop::Known(Box::new(refused))),
        };
        life.take(event);
        Ok(())
    }

    async fn gate(&self, life: &mut Life, contract: &Contract) -> Result<(), Stop> {
        let State::Claimed(claimed) = life.state() else { return Ok(()) };
        let proposal = claimed.granted().proposal();
        let event = match write(contract) {
            Err(refused) => Event::Refused(Box::new(refused)),
            Ok(body) => {
                let subject = &proposal.asked().subject;
                let read =
                    self.driver.state(subject, contract, &body.reads, proposal.arguments()).await;
                let now = self.clock.now();
                let hearing = Hearing::new(contract, &self.policy, read.into(), now);
                match hearing.decide(claimed, contract, &self.policy) {
                    Ok(clearance) => Event::Cleared(Box::new(clearance)),
                    // People said yes: a fault on the way does not use that up.
                    Err(refused) if by_staff(claimed.granted()) && refused.passes() => {
                        return Err(Stop::Known(Box::new(refused)));
                    }
                    Err(refused) => Event::Refused(Box::new(refused)),
                }
            }
        };
        life.take(event);
        Ok(())
    }

    async fn prepare(&self, life: &mut Life, contract: &Contract) -> Result<(), Stop> {
        let State::Cleared(cleared) = life.state() else { return Ok(()) };
        let tenant = &cleared.claimed().granted().proposal().asked().subject.tenant;
        let intent = self
            .driver
            .account(tenant, contract)
            .and_then(|account| dispatch::prepare(cleared, contract, account, self.clock.now()));
        let events = match intent {
            Ok(intent) => self.begin_sending(cleared, intent, contract).await?,
            Err(refused) => vec![Event::Refused(Box::new(cleared.passed().refuse(refused)))],
        };
        events.into_iter().for_each(|event| life.take(event));
        Ok(())
    }

    /// INTENT FIRST: no byte leaves before the journal has the intent.
    async fn send(&self, life: &mut Life, contract: &Contract) -> Result<(), Stop> {
        let first = matches!(life.state(), State::Sent(d) if d.attempts().len() == 1);
        if first {
            let may = self.vitals.check().and_then(|()| self.leased(contract));
            may.map_err(|no| Stop::Known(Box::new(no)))?;
        }
        let commit = if first { kill::Step::Intent } else { kill::Step::Resend };
        commit.before();
        let intended =
            if Bug::SendsBeforeIntent.is_planted() { Ok(()) } else { self.flush(life).await };
        match intended {
            Ok(()) => commit.after(),
            // Nothing was sent yet: the action was not begun.
            Err(error) if first => return Err(error.into()),
            Err(error) => self.flush_later(life, error).await?,
        }
        if let State::Sent(dispatch) = life.state() {
            // The commit may have taken long: whether it may leave is asked again.
            let tenant = &dispatch.proposal().asked().subject.tenant;
            let result = match self.switches.send(tenant, &contract.tool) {
                Err(off) => self.held(Verdict::SwitchedOff { why: off.message }),
                Ok(_sending) if self.may_leave(dispatch, contract) => {
                    self.reach(dispatch, contract).await
                }
                Ok(_) => {
                    let no = self.vitals.check().err().map(|no| no.message);
                    // A first sending that is held back is not the backend's doing.
                    let halted = first || no.is_some();
                    let why = no.unwrap_or_else(|| "it cannot be sent safely any more".to_owned());
                    self.held(Verdict::NotSent { why, halted })
                }
            };
            life.take(Event::Answered(Box::new(result)));
        }
        Ok(())
    }

    /// By the action's own times, and only by a clock that is right. Where no earlier try can
    /// have had its effect, it would begin now, as effects may or may not.
    fn may_leave(&self, dispatch: &Dispatch, contract: &Contract) -> bool {
        let now = self.clock.now();
        let begins = !dispatch.open_before_last();
        !self.vitals.is_behind(now)
            && (!begins || self.vitals.check().is_ok())
            && retry::may_send(dispatch, contract, now)
    }

    /// Who has lost the lease sends nothing, and stops sending: the action may be
    /// somebody else's by now.
    async fn reach(&self, dispatch: &Dispatch, contract: &Contract) -> AttemptResult {
        if let Err(no) = self.leased(contract) {
            return self.held(Verdict::NotSent { why: no.message, halted: true });
        }
        kill::Step::Send.before();
        let sent = self.store.lease().guard(self.driver.send(dispatch, contract)).await;
        kill::Step::Send.after();
        sent.unwrap_or_else(|| {
            let why = "the lease ended while the request was under way".to_owned();
            self.held(Verdict::Lost { why })
        })
    }

    /// What came of an attempt that no backend answered.
    fn held(&self, verdict: Verdict) -> AttemptResult {
        AttemptResult { at: self.clock.now(), status: None, verdict, raw: String::new() }
    }

    /// The lease has to last as long as a request may.
    fn leased(&self, contract: &Contract) -> Result<(), Refused> {
        if self.store.lease().left() > contract.pack.timeout {
            return Ok(());
        }
        let message = "the executor could not renew its lease on the store";
        Err(Refused::new(Code::EffectsHalted, message))
    }

    async fn look(&self, life: &mut Life, contract: &Contract, steady: &Steady) {
        if let State::Answered(dispatch) | State::Looking(dispatch, _) = life.state() {
            kill::Step::Look.before();
            let at = steady.now();
            let look = self.driver.look_in_turn(dispatch, contract).await;
            let look = Look { at: at.min(look.at), ..look };
            kill::Step::Look.after();
            life.take(Event::Looked(Box::new(look)));
        }
    }

    /// RECEIPT BEFORE REPLY. What was sent is never forgotten: the commit is tried
    /// until it holds.
    async fn seal(&self, life: &mut Life, contract: Option<&Contract>) -> Result<(), Stop> {
        let id = ReceiptId::from_uuid(self.clock.fresh_id());
        let (now, ended) = (self.clock.now(), life.standing());
        if ended.outcome().is_none() || ended.receipt().is_some() {
            return Ok(());
        }
        life.take(Event::Sealed(id.clone()));
        kill::Step::Seal.before();
        // A commit that failed is tried with the same receipt, written once more.
        while let Some(leaf) = seal::seal(&ended, contract, &id, now) {
            let (queue, tally) = (leaf.queue.clone(), self.metrics.tally(&leaf.receipt));
            let (events, said) = (life.waiting.clone(), leaf.receipt.said.clone());
            let sealed = self.store.seal(leaf, Some((life.seq, events, &life.state))).await;
            let sealed = match sealed {
                Ok(sealed) => sealed,
                Err(error) => match self.logged(&id).await {
                    Some(sealed) => sealed,
                    None => {
                        let heard = life.seq;
                        life.catch_up(&*self.store).await;
                        // Somebody else carried this action on: theirs is the truth. In
                        // quarantine it waits for the recovery.
                        let over = error == StoreError::Quarantined
                            || (error == StoreError::Conflict && life.seq == heard);
                        if over {
                            return Err(error.into());
                        }
                        self.again(&error).await;
                        continue;
                    }
                },
            };
            kill::Step::Seal.after();
            life.heard();
            life.told = Some(Arc::new(Told { sealed, said }));
            tally.count();
            self.ring(&queue);
            break;
        }
        Ok(())
    }

    /// Ends a parked action and parks a newer one in its place, in one commit.
    ///
    /// # Errors
    /// `Conflict` where somebody answered meanwhile; nothing was changed then.
    pub async fn replace(
        &self,
        mut old: Life,
        refused: Refused,
        newer: &mut Life,
    ) -> Result<(), StoreError> {
        let tool = old.state.proposal().tool();
        let contract = self.catalog.tools.get(tool).cloned();
        old.take(Event::Refused(Box::new(refused)));
        let id = ReceiptId::from_uuid(self.clock.fresh_id());
        let leaf = seal::seal(&old.state, contract.as_deref(), &id, self.clock.now());
        let Some(leaf) = leaf else { return Err(StoreError::Conflict) };
        old.take(Event::Sealed(id));
        let (queue, tally) = (leaf.queue.clone(), self.metrics.tally(&leaf.receipt));
        let ended = (old.seq, old.waiting.clone(), &*old.state);
        self.store.replace(leaf, ended, (newer.waiting.clone(), &*newer.state)).await?;
        newer.heard();
        tally.count();
        self.ring(&queue);
        Ok(())
    }

    /// Tells those who wait for it that a receipt is in the log.
    pub fn ring(&self, queue: &Queue) {
        self.sealed.notify_one();
        if matches!(queue, Queue::Opens(_)) {
            self.raised.notify_one();
        }
    }

    /// A receipt whose commit stands although its answer was lost.
    pub(crate) async fn logged(&self, id: &ReceiptId) -> Option<SealedReceipt> {
        let query = ReceiptQuery { id: Some(id.clone()), limit: 1, ..ReceiptQuery::default() };
        let found = self.store.receipts(query).await.ok()?.into_iter().next()?;
        (found.id == *id).then_some(found)
    }

    async fn wait(&self, life: &mut Life, at: Timestamp, steady: &Steady) {
        let due = steady.due(at);
        if at.duration_since(steady.now()) > WORTH_A_COMMIT {
            kill::Step::Flush.before();
            if let Err(error) = self.flush(life).await {
                tracing::warn!(%error, "a step waits unrecorded; a restart would look again");
            }
            kill::Step::Flush.after();
        }
        steady.until(due).await;
    }

    async fn flush(&self, life: &mut Life) -> Result<(), StoreError> {
        let newest = life.waiting.iter().filter_map(Event::at).max();
        life.flush(&*self.store).await?;
        self.vitals.wrote(newest);
        Ok(())
    }

    async fn flush_later(&self, life: &mut Life, mut error: StoreError) -> Result<(), StoreError> {
        // Somebody else carries this action on: theirs is the truth.
        while !matches!(error, StoreError::Conflict | StoreError::Quarantined) {
            self.again(&error).await;
            match self.flush(life).await {
                Ok(()) => return Ok(()),
                Err(next) => error = next,
            }
        }
        Err(error)
    }

    async fn again(&self, error: &StoreError) {
        tracing::error!(%error, "the store does not take a commit that must not be lost; trying again");
        tokio::time::sleep(COMMIT_AGAIN).await;
    }
}

/// Whether a refusal at the claim ends the action. Others only say what is known, and
/// the same proposal may be tried again; but nobody would try one that staff set going.
fn for_good(granted: &Granted, refused: &Refused) -> bool {
    let ending = [
        Code::LimitExceeded,
        Code::VelocityExceeded,
        Code::ApprovalRequired,
        // A yes of today must not set anything going on the day it is turned on again.
        Code::SwitchedOff,
    ];
    (by_staff(granted) && !refused.passes()) || ending.iter().any(|code| refused.is(*code))
}

fn by_staff(granted: &Granted) -> bool {
    granted.votes().iter().any(|vote| matches!(vote, Vote::Approved(_)))
}

/// Sent, or about to be, and not at its end.
fn under_way(state: &State) -> bool {
    matches!(state, State::Sent(_) | State::Answered(_) | State::Looking(..))
}

/// However a run ends, what it reserved and did not make durable is given back.
struct Held {
    store: Arc<dyn Store>,
    action: ActionId,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.store.release(&self.action);
    }
}

/// The write part of a contract.
///
/// # Errors
/// `RULE_ERROR` for a read.
pub fn write(contract: &Contract) -> Result<&WriteBody, Refused> {
    match &contract.body {
        Body::Write(write) => Ok(write),
        Body::Read(_) => Err(Refused::new(Code::RuleError, format!("{} is a read", contract.tool))),
    }
}

impl Life {
    /// Begins with events that the journal has not heard.
    ///
    /// # Errors
    /// When they cannot follow each other.
    pub fn begin(events: Vec<Event>) -> Result<Self, lifecycle::Illegal> {
        let state = Arc::new(lifecycle::fold(events.clone())?);
        Ok(Self { state, waiting: events, seq: 0, told: None })
    }

    /// Goes on where a journal ends.
    ///
    /// # Errors
    /// When its events cannot follow each other.
    pub fn resume(journal: Vec<Event>) -> Result<Self, lifecycle::Illegal> {
        let seq = u64::try_from(journal.len()).unwrap_or(u64::MAX);
        let state = Arc::new(lifecycle::fold(journal)?);
        Ok(Self { state, waiting: Vec::new(), seq, told: None })
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The same, to be kept.
    #[must_use]
    pub fn standing(&self) -> Arc<State> {
        Arc::clone(&self.state)
    }

    /// The same, for those who follow it.
    #[must_use]
    pub fn step(&self) -> Step {
        Step { state: self.standing(), told: self.told.clone() }
    }

    /// How many events its journal has heard.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The action's id.
    #[must_use]
    pub fn action(&self) -> &ActionId {
        self.state.proposal().action()
    }

    /// Takes one step.
    pub fn take(&mut self, event: Event) {
        let before = State::clone(&self.state);
        match lifecycle::next(Some(before), event.clone()) {
            Ok(state) => {
                self.state = Arc::new(state);
                self.waiting.push(event);
            }
            // Only a fault of ours leads here; the state stays and the step is not taken.
            Err(illegal) => tracing::error!(%illegal, "a step that cannot be taken"),
        }
    }

    /// Makes every step so far durable.
    ///
    /// # Errors
    /// When the store did not take them; they stay to be flushed.
    pub async fn flush(&mut self, store: &dyn Store) -> Result<(), StoreError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        if let Err(error) = store.append(self.seq, self.waiting.clone(), &self.state).await {
            self.catch_up(store).await;
            return if self.waiting.is_empty() { Ok(()) } else { Err(error) };
        }
        self.heard();
        Ok(())
    }

    /// A commit whose answer was lost stands all the same: what the journal has of
    /// the waiting steps waits no longer.
    async fn catch_up(&mut self, store: &dyn Store) {
        let proposal = self.state.proposal();
        let named = Named::Action(proposal.action().clone());
        let Ok(journal) = store.journal(&proposal.asked().subject, named).await else { return };
        let from = usize::try_from(self.seq).unwrap_or(usize::MAX);
        let stored = journal.iter().skip(from).zip(&self.waiting);
        let known = stored.take_while(|(theirs, ours)| same(theirs, ours)).count();
        self.waiting.drain(..known);
        self.seq += u64::try_from(known).unwrap_or(0);
    }

    fn heard(&mut self) {
        self.seq += u64::try_from(self.waiting.len()).unwrap_or(0);
        self.waiting.clear();
    }
}

/// Whether a journaled event is ours, as the journal reads it back.
fn same(stored: &Event, ours: &Event) -> bool {
    let text = serde_json::to_string(ours);
    text.and_then(|text| serde_json::from_str::<Event>(&text)).is_ok_and(|ours| ours == *stored)
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

#[cfg(test)]
mod tests;
