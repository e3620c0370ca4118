//! The dry run of a write: arguments resolved, gates asked, the card rendered.
//! Advisory: nothing happens, and every gate is asked again before dispatch.

use std::sync::Arc;

use countersign_shared::attest::{card_digest, cleaned};
use countersign_shared::codes::Code;
use countersign_shared::ids::{ActionId, ProposalId, ReceiptId};
use countersign_shared::money::Money;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::brief::{Basis, Brief};
use crate::contract::Confirm;
use crate::digest;
use crate::error::Refused;
use crate::expr::Scope;
use crate::gate::{self, Facts, Finding};
use crate::grant::Need;
use crate::limit::{Budget, Spent};
use crate::plan::{Confidence, ModelUse};
use crate::policy::{Mode, Verb};
use crate::resolve::{Arguments, Message, WORDS_LIVE};
use crate::state::{Projection, State, with_money};
use crate::subject::{Kind, Subject};

/// A write as it was shown. Built only here, or from the journal. Cheap to clone: every
/// stage and event shares it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Proposal(Arc<Content>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Content {
    id: ProposalId,
    action: ActionId,
    request: Asked,
    tool: String,
    contract_digest: String,
    arguments: Arguments,
    money: Option<Money>,
    state: Projection,
    findings: Vec<Finding>,
    locks: Vec<String>,
    owner: Option<String>,
    instrument: Option<String>,
    intent: String,
    card: String,
    commitment: String,
    needs: Vec<Need>,
    at: Timestamp,
    expires_at: Timestamp,
    /// What it was made from; none where an earlier executor made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    basis: Option<Arc<Basis>>,
}

/// Who asked for what, in which conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// Calling workload, a SPIFFE id.
    pub caller: String,
    /// For whom.
    pub subject: Subject,
    /// The conversation.
    pub conversation: String,
    /// The caller's ticket.
    pub external_ref: String,
    /// The frontend through which it was said; empty where that is not proved.
    pub channel: String,
    /// The messages that the plan rests on.
    pub messages: Vec<Message>,
    /// The planner's confidence.
    pub confidence: Confidence,
    /// The model, as the planner reports it.
    pub model: ModelUse,
    /// The earlier receipt that the customer has seen.
    pub after_receipt: Option<ReceiptId>,
    /// The W3C trace id, 32 hex digits; may be empty. No rule sees it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trace: String,
}

/// The frontend that all of these words were said through, just now; empty where there
/// are none, or some are unsigned, old, or of another frontend: a planner chooses which
/// words it shows.
#[must_use]
pub fn channel(messages: &[Message], now: Timestamp) -> String {
    let fresh = |m: &Message| now.duration_since(m.signed_at).unsigned_abs() <= WORDS_LIVE;
    let first = messages.first().map_or("", |m| m.frontend.as_str());
    let one = messages.iter().all(|m| fresh(m) && m.frontend == first);
    if one { first.to_owned() } else { String::new() }
}

/// Ids given from outside: the core has no randomness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fresh {
    /// For the proposal.
    pub proposal: ProposalId,
    /// For its action.
    pub action: ActionId,
}

/// A proposal of which only the limits have not been asked.
#[derive(Debug)]
pub struct Draft {
    proposal: Proposal,
    budget: Budget,
}

/// Drafts a proposal, asking every gate for advice.
///
/// # Errors
/// The first refusal of a gate, or `RULE_ERROR`.
pub fn draft(facts: &Facts<'_>, fresh: Fresh) -> Result<Draft, Refused> {
    let passed = gate::check(facts, Verb::Propose)?;
    let scope = facts.state.scope(facts.arguments, &facts.asked.subject, facts.now);
    let scope = with_money(scope, passed.money);
    let card = facts.write.card.render(&scope).map_err(|e| rule("card", &e))?;
    // What nobody sees is on no card.
    let card = cleaned(&card);
    let card = match &facts.asked.after_receipt {
        // AT MOST ONE EFFECT: once more only by a yes that shows the earlier receipt.
        Some(earlier) => {
            format!("{card}\nThis was done before (receipt {earlier}). Do it once more?")
        }
        None => card,
    };
    let commitment = commitment(facts, &passed.state, passed.money);
    let instrument = instrument(facts, &scope)?;
    let content = Content {
        id: fresh.proposal,
        action: fresh.action,
        tool: facts.contract.tool.clone(),
        contract_digest: facts.contract.digest.clone(),
        arguments: facts.arguments.clone(),
        money: passed.money,
        state: passed.state,
        findings: passed.findings,
        locks: locks(facts)?,
        intent: intent(facts)?,
        owner: owner(facts),
        instrument,
        needs: needs(facts, passed.mode),
        request: facts.asked.clone(),
        card,
        commitment,
        at: facts.now,
        expires_at: facts
            .now
            .saturating_add(facts.policy.settings().proposals_live)
            .unwrap_or(Timestamp::MAX),
        basis: None,
    };
    let proposal = Proposal(content.into());
    let budget = Budget::of(&proposal, &[], facts.contract, facts.write, facts.policy);
    Ok(Draft { proposal, budget })
}

/// What the contract, the policy's mode and a repeat ask for, whatever the amount.
fn needs(facts: &Facts<'_>, mode: Mode) -> Vec<Need> {
    let repeat = facts.asked.after_receipt.is_some();
    let customer = facts.write.confirm == Confirm::Customer || repeat;
    let mut needs: Vec<_> = customer.then_some(Need::Customer).into_iter().collect();
    match mode {
        Mode::Shadow | Mode::Auto => {}
        Mode::Approve { by } => {
            let why = format!("{} is not carried out without a person yet", facts.contract.tool);
            let need = |role| Need::Approval { role, why: why.clone() };
            needs.extend(by.into_iter().map(need));
        }
    }
    needs
}

/// Whose money moves, where the contract says so.
fn instrument(facts: &Facts<'_>, scope: &Scope) -> Result<Option<String>, Refused> {
    let Some(expr) = &facts.write.instrument else { return Ok(None) };
    let value = expr.eval(scope).map_err(|e| rule("instrument", &e))?;
    let name = value.as_str().filter(|name| !name.is_empty());
    name.map(|name| Some(name.to_owned())).ok_or_else(|| rule("instrument", &"names nothing"))
}

impl Draft {
    /// What has to be known of earlier actions.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The proposal, once what was spent before is known.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED`, `VELOCITY_EXCEEDED`.
    pub fn finish(mut self, spent: &Spent) -> Result<Proposal, Refused> {
        let findings = self.budget.check(spent);
        let findings = findings.map_err(|refused| refused.behind(self.proposal.findings()))?;
        let content = Arc::make_mut(&mut self.proposal.0);
        content.findings.extend(findings);
        content.needs.extend(self.budget.approvals(spent));
        Ok(self.proposal)
    }
}

/// The intent's digest: tenant, whose it is, tool and what exactly; never state. Whoever
/// asks, a customer under any name or a colleague for them, the same wish is the same.
/// A customer's claim says whose it is before anything is read, and the gates that it is
/// so; a colleague has no claim, and the fresh read says it.
///
/// # Errors
/// `RULE_ERROR` where an expression fails.
pub fn intent(facts: &Facts<'_>) -> Result<String, Refused> {
    let scope = Scope::new()
        .with("args", Arc::clone(facts.arguments.value()))
        .with("subject", facts.asked.subject.value());
    let each = facts.write.intent.iter().map(|e| e.eval(&scope).map(|v| as_set(v.to_json())));
    let what = each.collect::<Result<Vec<_>, _>>().map_err(|e| rule("intent", &e))?;
    let (who, whose) = (&facts.asked.subject, &facts.write.subject);
    let owner = match who.kind {
        Kind::Customer => who.claim(&whose.claim).map(str::to_owned),
        Kind::Staff => facts.state.owner(whose).as_str().map(str::to_owned),
    };
    let value = (&who.tenant, &whose.claim, owner, &facts.contract.tool, what);
    Ok(digest::of("countersign intent v2", &value))
}

/// A list in an intent counts as a set: the same lines in another order are the
/// same wish.
fn as_set(value: Json) -> Json {
    match value {
        Json::Array(items) => {
            let mut items: Vec<_> = items.into_iter().map(as_set).collect();
            items.sort_by_cached_key(|item| digest::of("countersign order v1", item));
            Json::Array(items)
        }
        Json::Object(members) => {
            Json::Object(members.into_iter().map(|(name, value)| (name, as_set(value))).collect())
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => value,
    }
}

/// Whose the object is at the backend, under the name of the claim that says so.
fn owner(facts: &Facts<'_>) -> Option<String> {
    let rule = &facts.write.subject;
    let owner = facts.state.owner(rule);
    let owner = owner.as_str().filter(|owner| !owner.is_empty())?;
    Some(format!("{}={owner}", rule.claim))
}

/// Objects to lock: the tenant's, whoever asks.
fn locks(facts: &Facts<'_>) -> Result<Vec<String>, Refused> {
    let scope = Scope::new()
        .with("args", Arc::clone(facts.arguments.value()))
        .with("subject", facts.asked.subject.value());
    let mut locks = Vec::new();
    for expr in &facts.write.locks {
        let object = expr.eval(&scope).map_err(|e| rule("locks", &e))?.to_json();
        let value = (&facts.asked.subject.tenant, &facts.contract.pack.name, object);
        locks.push(digest::of("countersign lock v1", &value));
    }
    locks.sort();
    locks.dedup();
    Ok(locks)
}

/// What a yes is bound to.
#[derive(Serialize)]
struct Bound<'a> {
    tenant: &'a str,
    issuer: &'a str,
    subject: &'a str,
    conversation: &'a str,
    tool: &'a str,
    contract: &'a str,
    arguments: &'a Json,
    state: &'a Projection,
    money: Option<Money>,
    after_receipt: Option<&'a ReceiptId>,
}

fn commitment(facts: &Facts<'_>, state: &Projection, money: Option<Money>) -> String {
    let asked = facts.asked;
    let who = &asked.subject;
    let value = Bound {
        tenant: &who.tenant,
        issuer: &who.issuer,
        subject: &who.id,
        conversation: &asked.conversation,
        tool: &facts.contract.tool,
        contract: &facts.contract.digest,
        arguments: facts.arguments.values(),
        state,
        money,
        after_receipt: asked.after_receipt.as_ref(),
    };
    digest::of("countersign commitment v1", &value)
}

fn rule(what: &str, error: &dyn std::fmt::Display) -> Refused {
    Refused::new(Code::RuleError, format!("{what}: {error}"))
}

impl Proposal {
    /// With what it was made from.
    pub(crate) fn from(mut self, basis: Basis) -> Self {
        Arc::make_mut(&mut self.0).basis = Some(basis.into());
        self
    }

    /// What it was made from.
    #[must_use]
    pub fn brief(&self) -> Option<Brief> {
        let basis = self.0.basis.as_deref().cloned()?;
        Some(Brief { asked: self.0.request.clone(), basis })
    }

    /// The state that it was made on, whole.
    pub(crate) fn read(&self) -> Option<&State> {
        self.0.basis.as_ref()?.read.as_ref()?.state().ok()
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &ProposalId {
        &self.0.id
    }

    /// The action it becomes.
    #[must_use]
    pub fn action(&self) -> &ActionId {
        &self.0.action
    }

    /// Who asked, for whom.
    #[must_use]
    pub fn asked(&self) -> &Asked {
        &self.0.request
    }

    /// The tool.
    #[must_use]
    pub fn tool(&self) -> &str {
        &self.0.tool
    }

    /// Digest of the contract that was asked.
    #[must_use]
    pub fn contract_digest(&self) -> &str {
        &self.0.contract_digest
    }

    /// Resolved arguments.
    #[must_use]
    pub fn arguments(&self) -> &Arguments {
        &self.0.arguments
    }

    /// Money that moves.
    #[must_use]
    pub fn money(&self) -> Option<Money> {
        self.0.money
    }

    /// The state that was shown.
    #[must_use]
    pub fn state(&self) -> &Projection {
        &self.0.state
    }

    /// What the gates said then.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.0.findings
    }

    /// Objects to lock, as digests.
    #[must_use]
    pub fn locks(&self) -> &[String] {
        &self.0.locks
    }

    /// The intent's digest.
    #[must_use]
    pub fn intent(&self) -> &str {
        &self.0.intent
    }

    /// The card's text.
    #[must_use]
    pub fn card(&self) -> &str {
        &self.0.card
    }

    /// What the card stands for.
    #[must_use]
    pub fn commitment(&self) -> &str {
        &self.0.commitment
    }

    /// What a yes is signed over.
    #[must_use]
    pub fn card_digest(&self) -> String {
        card_digest(self.0.id.as_str(), &self.0.commitment, &self.0.card)
    }

    /// Whose the object is at the backend: `CLAIM=VALUE`, where it has an owner.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        self.0.owner.as_deref()
    }

    /// The payment instrument, where the contract names one.
    #[must_use]
    pub fn instrument(&self) -> Option<&str> {
        self.0.instrument.as_deref()
    }

    /// Who must say yes.
    #[must_use]
    pub fn needs(&self) -> &[Need] {
        &self.0.needs
    }

    /// When it was made.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.0.at
    }

    /// When it is void.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.0.expires_at
    }

    /// Digest of everything in it, for receipts.
    #[must_use]
    pub fn digest(&self) -> String {
        digest::of("countersign proposal v1", self)
    }
}
