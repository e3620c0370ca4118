//! Every rule, asked on state that the executor read just now, under the object's
//! lock. Each gate gives a finding with the facts it saw; the first that does not
//! pass refuses (ERRORS REFUSE). A proposal asks the same gates for advice.

use std::sync::Arc;

use countersign_shared::codes::Code;
use countersign_shared::money::Money;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::belts::Belt;
use crate::claim::{self, Claimed};
use crate::contract::{Body, Contract, Floors, Require, SubjectRule, WriteBody};
use crate::error::Refused;
use crate::expr::Scope;
use crate::gates::Gate;
use crate::grant::Need;
use crate::grounds::{Grounds, Seen};
use crate::plan::Confidence;
use crate::policy::{Mode, Policy, Question, Verb, Verdict};
use crate::premise::{Books, Premise, Reading};
use crate::proposal::{Asked, Proposal};
use crate::resolve::Arguments;
use crate::state::{Change, Projection, State, with_money};
use crate::subject::{Kind, Subject, may_use, still_valid};
use crate::value::Value;

/// Gates beside the contract's own rules.
const OTHERS: usize = 6;

/// A claimed action whose gates all passed: the only thing that may be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Cleared {
    claimed: Claimed,
    clearance: Clearance,
}

/// The gates' yes to a claimed action. Made only by [`decide`], or read back from
/// the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Clearance(Arc<Decided>);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Decided {
    passed: Passed,
    fresh: State,
    /// What decided it; none where an earlier executor did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    books: Option<Books>,
}

/// What the gates are asked on, under the lock: the state as it was read just now, or
/// why it was not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hearing {
    /// By which policy and pack.
    pub books: Books,
    /// When.
    pub at: Timestamp,
    /// The state; `None` where it is the one that the proposal was made on.
    pub read: Option<Reading>,
}

/// What the gates found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Passed {
    /// One per gate, in order.
    pub findings: Vec<Finding>,
    /// Money that moves, computed from the fresh state.
    pub money: Option<Money>,
    /// How far the policy lets it go by itself.
    pub mode: Mode,
    /// The state that the gates saw.
    pub state: Projection,
    /// When they saw it.
    pub at: Timestamp,
}

/// One gate's answer with the facts it saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The gate, or the precondition's code.
    pub gate: String,
    /// Whether it let the action through.
    pub passed: bool,
    /// What it looked at.
    pub facts: Grounds,
}

/// What the gates look at.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The contract as activated now.
    pub contract: &'a Contract,
    /// The active policy.
    pub policy: &'a Policy,
    /// Its write part.
    pub write: &'a WriteBody,
    /// Resolved arguments.
    pub arguments: &'a Arguments,
    /// Fresh state.
    pub state: &'a State,
    /// Who asked, through whom and how surely.
    pub asked: &'a Asked,
    /// Time of the decision.
    pub now: Timestamp,
}

impl Hearing {
    /// Of what was read just now.
    #[must_use]
    pub fn new(contract: &Contract, policy: &Policy, read: Reading, at: Timestamp) -> Self {
        Self { books: Books::of(policy, contract), at, read: Some(read) }
    }

    /// Asks every gate of a claimed action.
    ///
    /// # Errors
    /// The first refusal, with all findings until then; what the read said.
    pub fn decide(
        &self,
        claimed: &Claimed,
        contract: &Contract,
        policy: &Policy,
    ) -> Result<Clearance, Refused> {
        let decided = self
            .weigh(claimed.granted().proposal(), contract, policy, |facts| decide(claimed, facts));
        decided.map_err(|refused| self.stop(refused, contract, Premise::Gate))
    }

    /// What of a parked proposal's state changed since it was shown; the gates that need
    /// no lock are asked again.
    ///
    /// # Errors
    /// What they say; `STATE_CHANGED` with each change.
    pub fn compare(
        &self,
        shown: &Proposal,
        contract: &Contract,
        policy: &Policy,
    ) -> Result<(), Refused> {
        let compared = self.weigh(shown, contract, policy, |facts| {
            let passed = check(facts, Verb::Propose)?;
            let changes = shown.state().changes(&passed.state);
            if changes.is_empty() {
                return Ok(());
            }
            Err(Refused::new(Code::StateChanged, listed(&changes)))
        });
        compared.map_err(|refused| self.stop(refused, contract, Premise::Compare))
    }

    fn weigh<T>(
        &self,
        shown: &Proposal,
        contract: &Contract,
        policy: &Policy,
        ask: impl FnOnce(&Facts<'_>) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        let state = match &self.read {
            Some(read) => read.state()?,
            None => shown.read().ok_or_else(|| Refused::new(Code::Internal, "no state"))?,
        };
        let Body::Write(write) = &contract.body else {
            return Err(Refused::new(Code::RuleError, format!("{} is a read", contract.tool)));
        };
        let (arguments, asked) = (shown.arguments(), shown.asked());
        ask(&Facts { contract, policy, write, arguments, state, asked, now: self.at })
    }

    /// SUBJECT OWNS IT: what is another's is not kept.
    fn stop(&self, refused: Refused, contract: &Contract, premise: fn(Self) -> Premise) -> Refused {
        let read = self.read.as_ref().map(|read| read.kept(contract, &refused));
        let heard = Self { books: self.books.clone(), at: self.at, read };
        refused.on(premise(heard))
    }
}

/// Asks every gate of a claimed action, under its lock.
///
/// # Errors
/// The first refusal, with all findings until then.
pub fn decide(claimed: &Claimed, facts: &Facts<'_>) -> Result<Clearance, Refused> {
    let shown = claimed.granted().proposal();
    if shown.contract_digest() != facts.contract.digest && Gate::Contract.is_on() {
        let message = "the contract was changed after the proposal; propose again";
        return Err(Refused::new(Code::StateChanged, message));
    }
    let valid_for = facts.policy.settings().subject_valid_for;
    still_valid(&facts.asked.subject, valid_for, facts.now)?;
    let mut passed = check(facts, Verb::Execute)?;
    // FRESH STATE: the yes was given to what the person saw.
    let changes = shown.state().changes(&passed.state);
    let unchanged = changes.is_empty();
    let list = listed(&changes);
    passed.findings.push(Finding {
        gate: "unchanged".into(),
        passed: unchanged,
        facts: Grounds::Unchanged { changes },
    });
    let moved = !Belt::WhatMatters.is_on() && shown.read() != Some(facts.state);
    if (!unchanged || moved) && Gate::Unchanged.is_on() {
        return Err(passed.refuse(Refused::new(Code::StateChanged, list)));
    }
    if passed.money != shown.money() && Gate::Unchanged.is_on() {
        return Err(passed.refuse(Refused::new(Code::StateChanged, "the amount changed")));
    }
    still_allowed(shown, &passed)?;
    let books = Some(Books::of(facts.policy, facts.contract));
    Ok(Clearance(Decided { passed, fresh: facts.state.clone(), books }.into()))
}

fn listed(changes: &[Change]) -> String {
    let one = |c: &Change| format!("{}: {} is now {}", c.path, c.before, c.now);
    changes.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// Asks the gates that need no lock.
///
/// # Errors
/// The first refusal, with all findings until then.
pub fn check(facts: &Facts<'_>, verb: Verb) -> Result<Passed, Refused> {
    let mut findings = Vec::with_capacity(facts.write.require.len() + OTHERS);
    findings.push(may_use(&facts.asked.subject, facts.contract)?);
    owner(facts, &mut findings)?;
    let state = facts.state.project(facts.write);
    match rules(facts, verb, &mut findings) {
        Ok((money, mode)) => Ok(Passed { findings, money, mode, state, at: facts.now }),
        // SUBJECT OWNS IT: a refusal shows only what is the subject's own.
        Err(refused) => Err(refused.seeing(state)),
    }
}

fn rules(
    facts: &Facts<'_>,
    verb: Verb,
    findings: &mut Vec<Finding>,
) -> Result<(Option<Money>, Mode), Refused> {
    let scope = facts.state.scope(facts.arguments, &facts.asked.subject, facts.now);
    let money = money(facts.write, &scope, findings)?;
    let scope = with_money(scope, money);
    for rule in &facts.write.require {
        require(rule, facts.contract, &scope, findings)?;
    }
    confident(&facts.write.confidence, &facts.asked.confidence, money, findings)?;
    let mode = allowed(facts, verb, money, findings)?;
    Ok((money, mode))
}

impl Passed {
    /// A refusal after these gates passed: it shows what they saw.
    #[must_use]
    pub fn refuse(&self, refused: Refused) -> Refused {
        refused.after(self.findings.clone()).seeing(self.state.clone())
    }
}

/// A mode may have become stricter since the card was shown.
fn still_allowed(shown: &Proposal, passed: &Passed) -> Result<(), Refused> {
    let refuse = |code, message: &str| Err(passed.refuse(Refused::new(code, message)));
    match &passed.mode {
        Mode::Auto => Ok(()),
        Mode::Shadow if !Gate::Shadow.is_on() => Ok(()),
        Mode::Shadow => refuse(Code::ShadowMode, "every rule said yes; shadow mode sends nothing"),
        Mode::Approve { by } => {
            let asked = |role: &String| {
                let needs = shown.needs().iter();
                needs.filter(|n| matches!(n, Need::Approval { role: r, .. } if r == role)).count()
            };
            let enough = by
                .iter()
                .all(|role| asked(role) >= by.iter().filter(|other| *other == role).count());
            let message = "the policy now wants a person for this; propose again";
            if enough || !Gate::Mode.is_on() {
                Ok(())
            } else {
                Err(passed.refuse(Refused::approval_by_now(message)))
            }
        }
    }
}

impl Cleared {
    pub(crate) fn new(claimed: Claimed, clearance: Clearance) -> Self {
        Self { claimed, clearance }
    }

    /// The claimed action.
    #[must_use]
    pub fn claimed(&self) -> &Claimed {
        &self.claimed
    }

    /// What the gates found.
    #[must_use]
    pub fn passed(&self) -> &Passed {
        &self.clearance.0.passed
    }

    /// What the gates were asked on.
    pub(crate) fn hearing(&self) -> Option<Hearing> {
        let books = self.clearance.0.books.clone()?;
        let proposal = self.claimed.granted().proposal();
        let same = proposal.read() == Some(self.fresh());
        let read = (!same).then(|| Reading::Seen(self.fresh().clone()));
        Some(Hearing { books, at: self.passed().at, read })
    }

    /// The state that the gates saw.
    #[must_use]
    pub fn fresh(&self) -> &State {
        &self.clearance.0.fresh
    }

    /// What expressions see from here on: args, subject, state, money, key, marker.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.keyed(self.claimed.key().to_owned())
    }

    /// The same with the key of another occasion: to look for what was done at that one.
    #[must_use]
    pub fn scope_at(&self, occasion: u32) -> Scope {
        self.keyed(claim::key(self.claimed.granted().proposal().intent(), occasion))
    }

    fn keyed(&self, key: String) -> Scope {
        let proposal = self.claimed.granted().proposal();
        let subject = &proposal.asked().subject;
        let scope = self.fresh().scope(proposal.arguments(), subject, self.passed().at);
        let key = Value::Str(key);
        with_money(scope, self.passed().money).with("key", key.clone()).with("marker", key)
    }
}

/// SUBJECT OWNS IT, on the fresh read. Null, absent or empty refuses.
fn owner(facts: &Facts<'_>, findings: &mut Vec<Finding>) -> Result<(), Refused> {
    let rule = &facts.write.subject;
    let owner = facts.state.owner(rule);
    let subject = &facts.asked.subject;
    if subject.kind == Kind::Staff {
        let scope = facts.contract.scope();
        let facts = Grounds::Staff { rule: "staff with the scope", scope };
        findings.push(Finding { gate: "subject".into(), passed: true, facts });
        return Ok(());
    }
    let verdict = if Gate::WriteOwner.is_on() { owns(rule, &owner, subject) } else { Ok(()) };
    findings.push(Finding {
        gate: "subject".into(),
        passed: verdict.is_ok(),
        // The other owner is nobody's business but the auditor's: only whether it matched.
        facts: Grounds::Owner {
            rule: format!("{} == subject.{}", rule.path.join("."), rule.claim),
            subject: subject.claim(&rule.claim).map(str::to_owned),
        },
    });
    verdict.map_err(|code| {
        Refused::new(code, "the object is not provably the subject's").after(findings.clone())
    })
}

/// Whether a value names the subject as its owner. Staff own nothing: whether the tool
/// is for them was asked before.
///
/// # Errors
/// `OWNER_UNKNOWN` where either side is absent, `NOT_THE_SUBJECTS` where they differ.
pub fn owns(rule: &SubjectRule, owner: &Value, subject: &Subject) -> Result<(), Code> {
    if subject.kind == Kind::Staff {
        return Ok(());
    }
    let owner = owner.as_str().filter(|o| !o.is_empty()).ok_or(Code::OwnerUnknown)?;
    let claim = subject.claim(&rule.claim).ok_or(Code::OwnerUnknown)?;
    if owner == claim { Ok(()) } else { Err(Code::NotTheSubjects) }
}

fn money(
    write: &WriteBody,
    scope: &Scope,
    findings: &mut Vec<Finding>,
) -> Result<Option<Money>, Refused> {
    let Some(expr) = &write.money else { return Ok(None) };
    let refuse = |message: String, findings: &mut Vec<Finding>| {
        let facts = Grounds::Rule(Seen::of(expr, scope));
        findings.push(Finding { gate: "money".into(), passed: false, facts });
        Err(Refused::new(Code::RuleError, message).after(findings.clone()))
    };
    match expr.eval(scope) {
        Ok(Value::Money(money)) if money.minor() >= 0 || !Gate::Amount.is_on() => {
            let facts = Grounds::Money { rule: Arc::clone(expr.written()), money };
            findings.push(Finding { gate: "money".into(), passed: true, facts });
            Ok(Some(money))
        }
        Ok(_) => refuse(format!("`{}` is no amount of zero or more", expr.source()), findings),
        Err(error) => refuse(format!("`{}`: {error}", expr.source()), findings),
    }
}

fn require(
    rule: &Require,
    contract: &Contract,
    scope: &Scope,
    findings: &mut Vec<Finding>,
) -> Result<(), Refused> {
    let verdict = if Gate::Require.is_on() { rule.that.test(scope) } else { Ok(true) };
    let passed = matches!(verdict, Ok(true));
    let facts = Grounds::Rule(Seen::of(&rule.that, scope));
    findings.push(Finding { gate: rule.code.clone(), passed, facts });
    match verdict {
        Ok(true) => Ok(()),
        Ok(false) => Err(by_pack(contract, &rule.code).after(findings.clone())),
        Err(error) => {
            let message = format!("`{}`: {error}", rule.that.source());
            Err(Refused::new(Code::RuleError, message).after(findings.clone()))
        }
    }
}

/// CONFIDENCE ONLY RAISES SCRUTINY: the highest floor that applies counts.
fn confident(
    floors: &Floors,
    confidence: &Confidence,
    money: Option<Money>,
    findings: &mut Vec<Finding>,
) -> Result<(), Refused> {
    let floor = floor(floors, money);
    // A score that is no number is never at or above a floor.
    let passed = confidence.score >= floor || !Gate::Confidence.is_on();
    let reason = confidence.uncertainty_reason.clone();
    let facts = Grounds::Confidence { score: confidence.score, floor, reason };
    findings.push(Finding { gate: "confidence".into(), passed, facts });
    if passed {
        return Ok(());
    }
    let message = format!("confidence {} is below the floor {floor}", confidence.score);
    Err(Refused::new(Code::ConfidenceTooLow, message).after(findings.clone()))
}

/// Somebody who wants something, as the policy is asked about it.
#[derive(Debug)]
pub struct Asking<'a> {
    /// Which step.
    pub verb: Verb,
    /// Who, for whom, through what.
    pub asked: &'a Asked,
    /// Through which frontend: the one that attested the words, or signed the yes.
    pub channel: &'a str,
    /// With which tool.
    pub contract: &'a Contract,
    /// Money that moves.
    pub money: Option<Money>,
}

impl Asking<'_> {
    /// Puts the question.
    ///
    /// # Errors
    /// `POLICY_FORBIDS`, `RULE_ERROR`.
    pub fn put(&self, policy: &Policy, now: Timestamp) -> Result<Verdict, Refused> {
        policy.ask(&Question {
            verb: self.verb,
            subject: &self.asked.subject,
            workload: &self.asked.caller,
            channel: self.channel,
            contract: self.contract,
            money: self.money,
            confidence: self.asked.confidence.score,
            conversation: &self.asked.conversation,
            now,
        })
    }
}

/// What the active policy says to who asks for what, and how far it lets it go.
fn allowed(
    facts: &Facts<'_>,
    verb: Verb,
    money: Option<Money>,
    findings: &mut Vec<Finding>,
) -> Result<Mode, Refused> {
    let (asked, contract) = (facts.asked, facts.contract);
    let asked = Asking { verb, asked, channel: &asked.channel, contract, money };
    let verdict = asked.put(facts.policy, facts.now).map_err(|refused| refused.behind(findings))?;
    let (mode, finding) = verdict.into_parts();
    findings.push(finding);
    Ok(mode)
}

/// The floor for this amount. A currency without a band of its own takes the
/// highest: nobody said that it is harmless.
fn floor(floors: &Floors, money: Option<Money>) -> f64 {
    let Some(money) = money else { return floors.floor };
    let applies = |limits: &std::collections::BTreeMap<_, Money>| {
        limits.get(&money.currency()).is_none_or(|limit| money.minor() > limit.minor())
    };
    let bands = floors.over.iter().filter(|(limits, _)| applies(limits)).map(|(_, floor)| *floor);
    bands.fold(floors.floor, f64::max)
}

/// A refusal with a code of the contract's pack, or a built-in one.
#[must_use]
pub fn by_pack(contract: &Contract, code: &str) -> Refused {
    match (contract.pack.codes.get(code), Code::by_name(code)) {
        (Some(page), _) => {
            let say = page.say.as_deref().unwrap_or("I can't do that. Nothing was changed.");
            Refused::coded(code, page.cause.clone(), say)
        }
        (None, Some(builtin)) => Refused::new(builtin, builtin.page().summary()),
        (None, None) => Refused::coded(code, code, "I can't do that. Nothing was changed."),
    }
}
