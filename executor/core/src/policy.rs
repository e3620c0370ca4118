//! Who may do what, in which mode and within which limits: a bundle of files that is
//! loaded once, checked, and activated by its digest.
//!
//! ```text
//! policy.cedar, settings.yaml, people.yaml, tests.yaml ──load──▶ Policy
//! Question ──ask──▶ Verdict (the policies that permit, the mode)   or Refused
//! Approval ──ask_approver──▶ Verdict                               or Refused
//! tool ──limits──▶ each Limit ──check(tally)──▶ Finding            or Refused
//! ```
//!
//! Cedar says who may call which tool on what; a contract's own rules say what must be
//! true of the data. Nothing is permitted that no policy permits.

mod approver;
mod limit;
pub mod load;
mod mode;
mod pattern;
mod people;
mod rules;
mod settings;
mod table;

use std::sync::Arc;

use countersign_shared::codes::Code;
use countersign_shared::money::Money;
use jiff::Timestamp;

pub use approver::Approval;
pub use limit::{Limit, Per, Tally};
pub use mode::{Mode, ModeLine, Share};
pub use pattern::Pattern;
pub use people::{AUDITOR, Absence, Passkey, People, Person, decides};
pub use rules::{Resource, SCHEMA};
pub use settings::{Activation, Open, Part, Settings};
pub use table::{Checked, Row, Table};

use crate::contract::{Body, Contract};
use crate::error::Refused;
use crate::gate::Finding;
use crate::gates::Gate;
use crate::grounds::Grounds;
use crate::subject::{Kind, Strength, Subject};
use rules::{Ask, Principal, Rules, Ruling};

/// A loaded bundle.
#[derive(Debug, Clone)]
pub struct Policy {
    digest: String,
    rules: Rules,
    settings: Settings,
    people: People,
    table: Table,
}

/// What somebody wants to do with a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Carry out a read.
    Read,
    /// Ask for a write's dry run.
    Propose,
    /// Have a write carried out.
    Execute,
    /// Say yes to it as the subject.
    Confirm,
    /// Say yes to it for the house.
    Approve,
}

/// What a subject wants to do.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// Which step of it.
    pub verb: Verb,
    /// For whom.
    pub subject: &'a Subject,
    /// The calling workload, a SPIFFE id.
    pub workload: &'a str,
    /// The frontend that attested the words; empty where there is none.
    pub channel: &'a str,
    /// The conversation; empty where there is none.
    pub conversation: &'a str,
    /// The tool.
    pub contract: &'a Contract,
    /// Money that moves.
    pub money: Option<Money>,
    /// The planner's score, from 0 to 1.
    pub confidence: f64,
    /// Time of the decision.
    pub now: Timestamp,
}

/// A yes of the policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    policies: Vec<String>,
    mode: Mode,
    finding: Finding,
}

impl Policy {
    /// Asks whether a subject may do this.
    ///
    /// # Errors
    /// `POLICY_FORBIDS` where no policy permits it or one forbids it, `RULE_ERROR` where
    /// any policy cannot be evaluated.
    pub fn ask(&self, question: &Question<'_>) -> Result<Verdict, Refused> {
        let subject = question.subject;
        let mode = self.mode(question.contract, subject, question.channel);
        let ask = Ask {
            verb: question.verb,
            contract: question.contract,
            tenant: &subject.tenant,
            workload: question.workload,
            channel: question.channel,
            conversation: question.conversation,
            money: question.money,
            mode: mode.name(),
            confidence: question.confidence,
        };
        self.judge(&self.principal(subject, question.now), &ask, mode)
    }

    /// Whether the policies refuse a subject the first step with a tool whatever is proposed, by
    /// what they say of person, workload and tool alone. It decides nothing: who asks for the tool
    /// all the same is refused by [`Self::ask`].
    #[must_use]
    pub fn closes(
        &self,
        contract: &Contract,
        subject: &Subject,
        workload: &str,
        now: Timestamp,
    ) -> bool {
        // Who is only named may be matched yet, and is somebody else then.
        if subject.strength == Strength::Asserted {
            return false;
        }
        let verb = match contract.body {
            Body::Read(_) => Verb::Read,
            Body::Write(_) => Verb::Propose,
        };
        let ask = Ask {
            verb,
            contract,
            tenant: &subject.tenant,
            workload,
            channel: "",
            conversation: "",
            money: None,
            mode: "",
            confidence: 0.0,
        };
        self.rules.refuse_before(&self.principal(subject, now), &ask)
    }

    /// The mode of a tool for this subject through this channel. A read has no effect,
    /// so it has no other mode than `auto`.
    #[must_use]
    pub fn mode(&self, contract: &Contract, subject: &Subject, channel: &str) -> &Mode {
        if matches!(contract.body, Body::Read(_)) {
            return &Mode::Auto;
        }
        let lines = || self.settings.modes.iter();
        let found = |channel| lines().position(|l| l.matches(&contract.tool, subject, channel));
        let Some(at) = found(channel) else { return &Mode::Shadow };
        // Nobody gets round a strict line by hiding through which channel it was said.
        let hidden = |line: &&ModeLine| channel.is_empty() && line.could(&contract.tool, subject);
        let passed = lines().take(at).filter(hidden).chain(lines().nth(at));
        passed.map(|line| &line.mode).max_by_key(|mode| mode.strictness()).unwrap_or(&Mode::Shadow)
    }

    /// The limits that speak of a tool. Each must pass.
    pub fn limits<'a>(&'a self, tool: &'a str) -> impl Iterator<Item = &'a Arc<Limit>> {
        self.settings.limits.iter().filter(move |limit| limit.matches(tool))
    }

    /// `sha256:…` over every file's name and bytes.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Approvers and operators.
    #[must_use]
    pub fn people(&self) -> &People {
        &self.people
    }

    /// Modes, limits, lifetimes, activation.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The table of expected verdicts that comes with it.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.table
    }

    fn principal<'a>(&'a self, subject: &'a Subject, now: Timestamp) -> Principal<'a> {
        let staff = subject.kind == Kind::Staff;
        let person = if staff { self.people.of_subject(subject) } else { None };
        Principal {
            staff,
            // A person's id has no `#`, so nobody can take the place of one.
            id: person
                .map_or_else(|| format!("{}#{}", subject.issuer, subject.id), |p| p.id.clone()),
            segment: &subject.segment,
            strength: subject.strength as i64,
            scopes: &subject.scopes,
            roles: person
                .map(|p| self.people.roles_for(p, &subject.tenant, now))
                .unwrap_or_default(),
        }
    }

    fn judge(&self, who: &Principal<'_>, ask: &Ask<'_>, mode: &Mode) -> Result<Verdict, Refused> {
        let (verb, tool) = (ask.verb.name(), &ask.contract.tool);
        let (policies, refused) = match self.rules.rule(who, ask) {
            Ruling::Permitted(by) => (by, None),
            Ruling::Forbidden(by) => {
                let message = format!("policy {} forbids `{verb}` on {tool}", by.join(", "));
                (by, Some((Code::PolicyForbids, message)))
            }
            Ruling::Unpermitted => {
                let message = format!("no policy permits `{verb}` on {tool} here");
                (Vec::new(), Some((Code::PolicyForbids, message)))
            }
            Ruling::Failed(why) => (Vec::new(), Some((Code::RuleError, why))),
        };
        let refused = refused.filter(|_| ask.verb.gate().is_on());
        let finding = Finding {
            gate: "policy".into(),
            passed: refused.is_none(),
            facts: Grounds::Policy {
                verb,
                tool: tool.clone(),
                policies: policies.clone(),
                mode: mode.name(),
                policy: self.digest.clone(),
            },
        };
        match refused {
            None => Ok(Verdict { policies, mode: mode.clone(), finding }),
            Some((code, message)) => Err(Refused::new(code, message).after(vec![finding])),
        }
    }
}

impl Verdict {
    /// The `@id`s of the policies that permit it, sorted.
    #[must_use]
    pub fn policies(&self) -> &[String] {
        &self.policies
    }

    /// How far the action goes by itself.
    #[must_use]
    pub fn mode(&self) -> &Mode {
        &self.mode
    }

    /// The mode, and what goes into the findings.
    #[must_use]
    pub fn into_parts(self) -> (Mode, Finding) {
        (self.mode, self.finding)
    }

    /// For the findings of a proposal, an action or its receipt.
    #[must_use]
    pub fn finding(&self) -> &Finding {
        &self.finding
    }
}

impl Verb {
    /// All of them, by the word that policies use.
    pub(crate) const WORDS: &[(&str, Self)] = &[
        ("read", Self::Read),
        ("propose", Self::Propose),
        ("execute", Self::Execute),
        ("confirm", Self::Confirm),
        ("approve", Self::Approve),
    ];

    /// The word that policies use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Propose => "propose",
            Self::Execute => "execute",
            Self::Confirm => "confirm",
            Self::Approve => "approve",
        }
    }

    fn gate(self) -> Gate {
        match self {
            Self::Read => Gate::PolicyRead,
            Self::Propose => Gate::PolicyPropose,
            Self::Execute => Gate::PolicyExecute,
            Self::Confirm => Gate::PolicyConfirm,
            Self::Approve => Gate::PolicyApprove,
        }
    }
}
