//! The dry run of a write: arguments resolved, gates asked, the card rendered.
//! Advisory: nothing happens, and every gate is asked again before dispatch.

use std::time::Duration;

use countersign_shared::attest::card_digest;
use countersign_shared::codes::Code;
use countersign_shared::ids::{ActionId, ProposalId, ReceiptId};
use countersign_shared::money::Money;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::contract::Confirm;
use crate::digest;
use crate::error::Refused;
use crate::gate::{self, Facts, Finding};
use crate::plan::{Confidence, ModelUse};
use crate::resolve::{Arguments, Message};
use crate::state::{Projection, with_money};
use crate::subject::Subject;

/// How long a proposal waits for its grants.
pub const LIVES: Duration = Duration::from_secs(24 * 3600);

/// A write as it was shown. Built only here, or from the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
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
    intent: String,
    card: String,
    commitment: String,
    needs_confirmation: bool,
    at: Timestamp,
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
    /// The messages that the plan rests on.
    pub messages: Vec<Message>,
    /// The planner's confidence.
    pub confidence: Confidence,
    /// The model, as the planner reports it.
    pub model: ModelUse,
    /// The earlier receipt that the customer has seen.
    pub after_receipt: Option<ReceiptId>,
}

impl Asked {
    /// The frontend through which all of it was said; empty where there is none, or
    /// more than one.
    #[must_use]
    pub fn channel(&self) -> &str {
        let mut each = self.messages.iter().map(|m| m.frontend.as_str());
        let first = each.next().unwrap_or_default();
        if each.all(|other| other == first) { first } else { "" }
    }
}

/// Ids given from outside: the core has no randomness.
#[derive(Debug, Clone)]
pub struct Fresh {
    /// For the proposal.
    pub proposal: ProposalId,
    /// For its action.
    pub action: ActionId,
}

/// Makes a proposal, asking every gate for advice.
///
/// # Errors
/// The first refusal of a gate, or `RULE_ERROR`.
pub fn propose(asked: Asked, facts: &Facts<'_>, fresh: Fresh) -> Result<Proposal, Refused> {
    let passed = gate::check(facts)?;
    let scope = facts.state.scope(facts.arguments, facts.subject, facts.now);
    let scope = with_money(scope, passed.money);
    let card = facts.write.card.render(&scope).map_err(|e| rule("card", &e))?;
    let card = match &asked.after_receipt {
        // AT MOST ONE EFFECT: once more only by a yes that shows the earlier receipt.
        Some(earlier) => {
            format!("{card}\nThis was done before (receipt {earlier}). Do it once more?")
        }
        None => card,
    };
    let commitment = commitment(&asked, facts, &passed.state, passed.money);
    Ok(Proposal {
        id: fresh.proposal,
        action: fresh.action,
        tool: facts.contract.tool.clone(),
        contract_digest: facts.contract.digest.clone(),
        arguments: facts.arguments.clone(),
        money: passed.money,
        state: passed.state,
        findings: passed.findings,
        locks: locks(facts, &asked)?,
        intent: intent(facts, &asked)?,
        needs_confirmation: facts.write.confirm == Confirm::Customer
            || asked.after_receipt.is_some(),
        request: asked,
        card,
        commitment,
        at: facts.now,
    })
}

/// The intent's digest: tenant, subject, tool and what exactly; never state.
///
/// # Errors
/// `RULE_ERROR` where an expression fails.
pub fn intent(facts: &Facts<'_>, asked: &Asked) -> Result<String, Refused> {
    let scope = crate::expr::Scope::new()
        .with("args", facts.arguments.scope_value())
        .with("subject", facts.subject.value());
    let each = facts.write.intent.iter().map(|e| e.eval(&scope).map(|v| as_set(v.to_json())));
    let what = each.collect::<Result<Vec<_>, _>>().map_err(|e| rule("intent", &e))?;
    let who = &asked.subject;
    let value = json!([who.tenant, who.issuer, who.id, facts.contract.tool, what]);
    Ok(digest::of("countersign intent v1", &value))
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

/// Objects to lock: the tenant's, whoever asks.
fn locks(facts: &Facts<'_>, asked: &Asked) -> Result<Vec<String>, Refused> {
    let scope = crate::expr::Scope::new()
        .with("args", facts.arguments.scope_value())
        .with("subject", facts.subject.value());
    let mut locks = Vec::new();
    for expr in &facts.write.locks {
        let object = expr.eval(&scope).map_err(|e| rule("locks", &e))?.to_json();
        let value = json!([asked.subject.tenant, facts.contract.pack.name, object]);
        locks.push(digest::of("countersign lock v1", &value));
    }
    locks.sort();
    locks.dedup();
    Ok(locks)
}

/// What a yes is bound to.
fn commitment(
    asked: &Asked,
    facts: &Facts<'_>,
    state: &Projection,
    money: Option<Money>,
) -> String {
    let who = &asked.subject;
    let value = json!({
        "tenant": who.tenant, "issuer": who.issuer, "subject": who.id,
        "conversation": asked.conversation, "tool": facts.contract.tool,
        "contract": facts.contract.digest, "arguments": facts.arguments.values(),
        "state": state.to_json(), "money": money, "after_receipt": asked.after_receipt,
    });
    digest::of("countersign commitment v1", &value)
}

fn rule(what: &str, error: &dyn std::fmt::Display) -> Refused {
    Refused::new(Code::RuleError, format!("{what}: {error}"))
}

impl Proposal {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &ProposalId {
        &self.id
    }

    /// The action it becomes.
    #[must_use]
    pub fn action(&self) -> &ActionId {
        &self.action
    }

    /// Who asked, for whom.
    #[must_use]
    pub fn asked(&self) -> &Asked {
        &self.request
    }

    /// The tool.
    #[must_use]
    pub fn tool(&self) -> &str {
        &self.tool
    }

    /// Digest of the contract that was asked.
    #[must_use]
    pub fn contract_digest(&self) -> &str {
        &self.contract_digest
    }

    /// Resolved arguments.
    #[must_use]
    pub fn arguments(&self) -> &Arguments {
        &self.arguments
    }

    /// Money that moves.
    #[must_use]
    pub fn money(&self) -> Option<Money> {
        self.money
    }

    /// The state that was shown.
    #[must_use]
    pub fn state(&self) -> &Projection {
        &self.state
    }

    /// What the gates said then.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Objects to lock, as digests.
    #[must_use]
    pub fn locks(&self) -> &[String] {
        &self.locks
    }

    /// The intent's digest.
    #[must_use]
    pub fn intent(&self) -> &str {
        &self.intent
    }

    /// The card's text.
    #[must_use]
    pub fn card(&self) -> &str {
        &self.card
    }

    /// What the card stands for.
    #[must_use]
    pub fn commitment(&self) -> &str {
        &self.commitment
    }

    /// What a yes is signed over.
    #[must_use]
    pub fn card_digest(&self) -> String {
        card_digest(self.id.as_str(), &self.commitment, &self.card)
    }

    /// Whether the customer must confirm.
    #[must_use]
    pub fn needs_confirmation(&self) -> bool {
        self.needs_confirmation
    }

    /// When it was made.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// When it is void.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.at.saturating_add(LIVES).unwrap_or(Timestamp::MAX)
    }

    /// Digest of everything in it, for receipts.
    #[must_use]
    pub fn digest(&self) -> String {
        let whole = serde_json::to_value(self).unwrap_or(Json::Null);
        digest::of("countersign proposal v1", &whole)
    }
}
