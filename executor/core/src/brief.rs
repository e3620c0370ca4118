//! What a step of a plan is decided from before it is granted, and the one function
//! that decides it. It says what it lacks, the driver fetches that, and it is asked
//! again; on replay nothing is lacking.
//!
//! ```text
//! Brief ──ask──▶ Wanted ──driver──▶ Brief ──ask──▶ … ──▶ Proposal      or Refused
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_shared::codes::Code;
use countersign_shared::ids::{ObservationId, ReceiptId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::claim::{self, Latest};
use crate::contract::{Body, Catalog, Contract};
use crate::error::Refused;
use crate::gate::{Asking, Facts};
use crate::gates::Gate;
use crate::grant::Need;
use crate::limit::{Budget, Spent};
use crate::plan::{self, Confidence, Plan, Step};
use crate::policy::{Policy, Verb};
use crate::premise::{Premise, Reading};
use crate::proposal::{self, Asked, Fresh, Proposal};
use crate::resolve::{Arguments, Evidence, pointed, resolve};
use crate::state::State;
use crate::subject::{Kind, may_use};
use crate::switch::Reach;

/// Longest name of a conversation or ticket, in characters, that is kept: one more than
/// a plan may have, so that one too long stays too long.
const LONGEST: usize = 129;

/// Who asked, and what it is decided from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Brief {
    /// Who, for whom, how surely.
    pub asked: Asked,
    /// The rest.
    pub basis: Basis,
}

/// What it is decided from, beside who asked. What is `None` was not needed, or not yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Basis {
    /// What for.
    pub purpose: Purpose,
    /// The plan's steps.
    pub steps: Vec<Step>,
    /// When it was asked.
    pub at: Timestamp,
    /// Digest of the policy.
    pub policy: String,
    /// Digests of the packs that the plan names, by name.
    pub packs: BTreeMap<String, String>,
    /// Ids for what comes of it.
    pub ids: Fresh,
    /// What the plan's references point to.
    pub evidence: Option<Evidence>,
    /// What was known of the intent.
    pub occasion: Option<Occasion>,
    /// The switch that was off, where one was.
    pub off: Option<Reach>,
    /// The state.
    pub read: Option<Reading>,
    /// When it was read.
    pub read_at: Option<Timestamp>,
    /// What the limits' accounts held.
    pub spent: Option<Spent>,
}

/// What for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The dry run of the plan's write.
    Propose,
    /// The plan's write at once, where nobody has to confirm it.
    Execute,
    /// One of the plan's reads, by its place.
    Read(usize),
}

/// What was known of an intent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occasion {
    /// Its newest action; none where it is new.
    pub latest: Option<Latest>,
}

/// What is lacking, or what comes of it.
#[derive(Debug)]
pub enum Wanted {
    /// What the plan points into.
    Evidence(Vec<ObservationId>, Vec<ReceiptId>),
    /// What is known of this intent.
    Occasion(String),
    /// The state that this write reads, or what this read yields; and whether it is
    /// switched off.
    Reading(Arc<Contract>, Arguments),
    /// What these accounts hold.
    Spent(Budget),
    /// Nothing: this is the proposal.
    Nothing(Box<Proposal>),
}

impl Asked {
    /// Who asks for a plan.
    #[must_use]
    pub fn of(
        caller: &str,
        subject: &crate::subject::Subject,
        messages: &[crate::resolve::Message],
        plan: &Plan,
        now: Timestamp,
    ) -> Self {
        // A refused plan is receipted as well, whatever it holds.
        let cut = |name: &str| name.chars().take(LONGEST).collect();
        // What is no number is no score, and is kept as one that is none either.
        let score = plan.confidence.score;
        let score = if score.is_finite() { score } else { -1.0 };
        Self {
            channel: proposal::channel(messages, now),
            caller: caller.to_owned(),
            subject: subject.clone(),
            conversation: cut(&plan.conversation),
            external_ref: cut(&plan.external_ref),
            messages: messages.to_vec(),
            confidence: Confidence { score, ..plan.confidence.clone() },
            model: plan.model.clone(),
            after_receipt: plan.after_receipt.clone(),
            trace: String::new(),
        }
    }
}

impl Brief {
    /// Nothing is known or read yet.
    #[must_use]
    pub fn new(
        purpose: Purpose,
        (asked, steps): (Asked, &[Step]),
        (catalog, policy): (&Catalog, &Policy),
        ids: Fresh,
        at: Timestamp,
    ) -> Self {
        // A tool is named after its pack.
        let pack = |step: &Step| {
            let pack = catalog.packs.get(step.tool.split('.').next()?)?;
            Some((pack.name.clone(), pack.digest.clone()))
        };
        let basis = Basis {
            purpose,
            packs: steps.iter().filter_map(pack).collect(),
            steps: steps.to_vec(),
            at,
            policy: policy.digest().to_owned(),
            ids,
            evidence: None,
            occasion: None,
            off: None,
            read: None,
            read_at: None,
            spent: None,
        };
        Self { asked, basis }
    }

    /// The same wish once more, on the state and the books of now. Its words were
    /// weighed when they were said.
    #[must_use]
    pub fn anew(self, (catalog, policy): (&Catalog, &Policy), ids: Fresh) -> Self {
        let Basis { steps, at, evidence, .. } = self.basis;
        let new = Self::new(Purpose::Propose, (self.asked, &steps), (catalog, policy), ids, at);
        Self { basis: Basis { evidence, ..new.basis }, ..new }
    }

    /// What is lacking, or what comes of it.
    ///
    /// # Errors
    /// The first refusal, with what it was decided from.
    pub fn ask(&self, catalog: &Catalog, policy: &Policy) -> Result<Wanted, Refused> {
        let answer = match self.basis.purpose {
            Purpose::Propose | Purpose::Execute => self.write(catalog, policy),
            Purpose::Read(at) => self.read(at, catalog, policy),
        };
        answer.map_err(|refused| {
            let kept = self.kept(catalog, &refused);
            refused.on(Premise::Ask(Box::new(kept)))
        })
    }

    /// SUBJECT OWNS IT: what is another's is not kept.
    fn kept(&self, catalog: &Catalog, refused: &Refused) -> Self {
        let mut kept = self.clone();
        let tool = self.basis.steps.last().and_then(|step| catalog.tools.get(&step.tool));
        if let Some((read, contract)) = kept.basis.read.as_mut().zip(tool) {
            *read = read.kept(contract, refused);
        }
        kept
    }

    fn plan(&self) -> Plan {
        Plan {
            conversation: self.asked.conversation.clone(),
            external_ref: self.asked.external_ref.clone(),
            steps: self.basis.steps.clone(),
            confidence: self.asked.confidence.clone(),
            model: self.asked.model.clone(),
            after_receipt: self.asked.after_receipt.clone(),
        }
    }

    fn read(&self, at: usize, catalog: &Catalog, policy: &Policy) -> Result<Wanted, Refused> {
        let plan = self.plan();
        let admitted = plan::admit(&plan, catalog)?;
        let (step, contract) = admitted.reads.get(at).ok_or_else(|| invalid("no such read"))?;
        may_use(&self.asked.subject, contract)?;
        let (asked, channel) = (&self.asked, self.asked.channel.as_str());
        Asking { verb: Verb::Read, asked, channel, contract, money: None }
            .put(policy, self.basis.at)?;
        let arguments = match self.resolved(step, contract)? {
            Ok(arguments) => arguments,
            Err(wanted) => return Ok(wanted),
        };
        if let Some(read) = &self.basis.read {
            read.state()?;
        }
        Ok(Wanted::Reading(shared(catalog, contract)?, arguments))
    }

    fn write(&self, catalog: &Catalog, policy: &Policy) -> Result<Wanted, Refused> {
        let plan = self.plan();
        let (step, contract) = self.only_write(&plan, catalog)?;
        let arguments = match self.resolved(step, contract)? {
            Ok(arguments) => arguments,
            Err(wanted) => return Ok(wanted),
        };
        let Body::Write(write) = &contract.body else { return Err(invalid("not a write")) };
        let asked = &self.asked;
        may_use(&asked.subject, contract)?;
        let none = State::default();
        let unread = Facts {
            contract,
            policy,
            write,
            arguments: &arguments,
            state: &none,
            asked,
            now: self.basis.at,
        };
        // A repeat is answered before preconditions could spoil the answer.
        if asked.subject.kind == Kind::Customer
            && let Some(wanted) = self.repeat(&unread)?
        {
            return Ok(wanted);
        }
        if let Some(off) = &self.basis.off {
            off.refuse(&asked.subject.tenant, &contract.tool)?;
        }
        let (Some(read), Some(now)) = (&self.basis.read, self.basis.read_at) else {
            return Ok(Wanted::Reading(shared(catalog, contract)?, arguments));
        };
        self.draft(&Facts { state: read.state()?, now, ..unread })
    }

    /// Of a plan that holds exactly one write.
    fn only_write<'p>(
        &self,
        plan: &'p Plan,
        catalog: &'p Catalog,
    ) -> Result<(&'p Step, &'p Contract), Refused> {
        let admitted = plan::admit(plan, catalog)?;
        match (admitted.write, admitted.reads.is_empty(), self.basis.purpose) {
            (Some(write), true, _) => Ok(write),
            (Some(_), false, Purpose::Execute) => {
                Err(invalid("read first, then plan the write on what was read"))
            }
            (Some(_) | None, ..) => Err(invalid("a proposal is of exactly one write")),
        }
    }

    fn draft(&self, facts: &Facts<'_>) -> Result<Wanted, Refused> {
        // A colleague has no claim: the fresh read says whose it is.
        if self.asked.subject.kind == Kind::Staff
            && let Some(wanted) = self.repeat(facts)?
        {
            return Ok(wanted);
        }
        let draft = proposal::draft(facts, self.basis.ids.clone())?;
        let Some(spent) = &self.basis.spent else {
            return Ok(Wanted::Spent(draft.budget().clone()));
        };
        let proposal = draft.finish(spent)?;
        let confirmed = !proposal.needs().contains(&Need::Customer);
        if self.basis.purpose == Purpose::Execute && !confirmed && Gate::Needs.is_on() {
            let message =
                "the customer has not confirmed the card: propose, then execute with the yes";
            return Err(Refused::new(Code::ConfirmationRequired, message));
        }
        Ok(Wanted::Nothing(Box::new(proposal.from(self.basis.clone()))))
    }

    /// The step's arguments, or what they point into.
    fn resolved(
        &self,
        step: &Step,
        contract: &Contract,
    ) -> Result<Result<Arguments, Wanted>, Refused> {
        let mut evidence = match &self.basis.evidence {
            Some(evidence) => evidence.clone(),
            None => {
                let (observed, receipts) = pointed(step);
                if !observed.is_empty() || !receipts.is_empty() {
                    let ids = observed.into_keys().cloned().collect();
                    let receipts = receipts.into_keys().cloned().collect();
                    return Ok(Err(Wanted::Evidence(ids, receipts)));
                }
                Evidence::default()
            }
        };
        let said = self.asked.messages.iter().map(|m| (m.id.clone(), m.clone()));
        evidence.messages = said.collect();
        resolve(step, contract, &self.asked.subject, &evidence, self.basis.at).map(Ok)
    }

    /// Refuses what is known already (AT MOST ONE EFFECT).
    fn repeat(&self, facts: &Facts<'_>) -> Result<Option<Wanted>, Refused> {
        let Some(Occasion { latest }) = &self.basis.occasion else {
            return Ok(Some(Wanted::Occasion(proposal::intent(facts)?)));
        };
        claim::occasion(latest.as_ref(), self.asked.after_receipt.as_ref())?;
        Ok(None)
    }

    /// The step that is decided on.
    #[must_use]
    pub fn step(&self) -> Option<&Step> {
        match self.basis.purpose {
            Purpose::Propose | Purpose::Execute => self.basis.steps.last(),
            Purpose::Read(at) => self.basis.steps.get(at),
        }
    }

    /// Keeps what the store has of what the step points into.
    pub fn take_evidence(&mut self, found: Evidence) {
        let narrowed = self.step().map(|step| found.narrowed(step));
        self.basis.evidence = narrowed;
    }
}

fn shared(catalog: &Catalog, contract: &Contract) -> Result<Arc<Contract>, Refused> {
    let found = catalog.tools.get(&contract.tool).cloned();
    found.ok_or_else(|| Refused::new(Code::ToolUnknown, contract.tool.clone()))
}

fn invalid(message: &str) -> Refused {
    Refused::new(Code::PlanInvalid, message)
}
