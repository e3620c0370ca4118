//! Writes an action's receipt from its state (RECEIPT BEFORE REPLY).

use countersign_shared::attest::text_digest;
use countersign_shared::codes::{Code, Page};
use countersign_shared::ids::ReceiptId;
use countersign_shared::receipt::{
    Argument, Asked, Attempt, Backend, Change, Counted, Gate, Grant, Message, Receipt, VERSION,
    Verification,
};
use jiff::Timestamp;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::contract::{Body, Contract, WriteBody};
use crate::dispatch::Dispatch;
use crate::error::Refused;
use crate::escalation::{self, Case, Handover};
use crate::expr::Prose;
use crate::gate::Finding;
use crate::grant::{Approval, Vote};
use crate::lifecycle::{Outcome, Settled, State, Stopped};
use crate::person::Person;
use crate::premise::{self, Premise};
use crate::proposal::Proposal;
use crate::state::Projection;
use crate::value::Value;
use crate::verify::{self, Sight};

mod fit;
mod lost;
mod person;
mod restored;

use fit::leaf;

pub use fit::MAX_BYTES;
pub use lost::{Lost, lost};
pub use person::{closed, disagreement, escalated};
pub use restored::{Logged, ends, restored, settles, uncounted};

/// A receipt that fits into the log once it is covered.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf {
    /// The receipt, in clear.
    pub receipt: Receipt,
    /// Whose data it holds.
    pub person: Person,
    /// What becomes of the queue of people with it.
    pub queue: Queue,
}

/// What a receipt does to the queue of people, in the same commit.
#[derive(Debug, Clone, PartialEq)]
pub enum Queue {
    /// Nothing.
    Stays,
    /// A matter waits for a person.
    Opens(Box<Case>),
    /// This matter is settled.
    Closes(String),
}

/// The receipt of an ended action; `None` while it has not ended. Without its
/// contract the words are plain.
#[must_use]
pub fn seal(
    state: &State,
    contract: Option<&Contract>,
    id: &ReceiptId,
    now: Timestamp,
) -> Option<Leaf> {
    let person = Person::about(state.proposal());
    let receipt = match state {
        State::Settled(settled) if settled.finish.is_some() => {
            let receipt = ended(settled, contract, id, now);
            let queue = Queue::Closes(receipt.action_id.clone());
            return Some(leaf(receipt, person, queue));
        }
        State::Settled(settled) => ended(settled, contract, id, now),
        State::Refused(stopped) => stopped_receipt(stopped, contract, id, now),
        State::Proposed(_)
        | State::Granted(_)
        | State::Claimed(_)
        | State::Cleared(_)
        | State::Sent(_)
        | State::Answered(_)
        | State::Looking(..)
        | State::Sealed(..)
        | State::SealedRefusal(..) => return None,
    };
    Some(queued(receipt, contract, person, (state.proposal().asked(), id), None))
}

/// The receipt of a refusal before there was a proposal.
#[must_use]
pub fn refusal(
    asked: &crate::proposal::Asked,
    tool: &str,
    contract: Option<&Contract>,
    refused: &Refused,
    id: &ReceiptId,
    now: Timestamp,
) -> Leaf {
    let mut receipt = blank(asked, id, now);
    tool.clone_into(&mut receipt.tool);
    name_contract(&mut receipt, contract);
    refuse(&mut receipt, refused, Vec::new());
    queued(receipt, contract, Person::of(&asked.subject), (asked, id), None)
}

/// The receipt of an answer that does not count; what it was given to stays as it is.
#[must_use]
pub fn not_granted(
    state: &State,
    contract: Option<&Contract>,
    refused: &Refused,
    id: &ReceiptId,
    now: Timestamp,
) -> Leaf {
    let proposal = state.proposal();
    let mut receipt = proposed(proposal, contract, id, now);
    refuse(&mut receipt, refused, premise::of(state));
    queued(receipt, contract, Person::about(proposal), (proposal.asked(), id), None)
}

/// A receipt with its place in the queue of people, where it goes to one.
fn queued(
    mut receipt: Receipt,
    contract: Option<&Contract>,
    person: Person,
    (asked, id): (&crate::proposal::Asked, &ReceiptId),
    handover: Option<&Handover>,
) -> Leaf {
    let outcome = Outcome::named(&receipt.outcome);
    let pack = contract.map(|c| &*c.pack);
    let reason = outcome.and_then(|outcome| escalation::of(outcome, &receipt.code, pack));
    // Whoever switched it off is a person already.
    if outcome == Some(Outcome::NotApplied) && receipt.code == Code::SwitchedOff.name() {
        "retry_later".clone_into(&mut receipt.next);
    }
    let Some(reason) = reason else { return leaf(receipt, person, Queue::Stays) };
    "person".clone_into(&mut receipt.next);
    let case = escalation::open(&receipt, &person, id, &asked.messages, reason, handover);
    leaf(receipt, person, Queue::Opens(Box::new(case)))
}

/// The receipt of refusals that were counted.
#[must_use]
pub fn counted(
    caller: &str,
    tenant: &str,
    counted: Counted,
    id: &ReceiptId,
    now: Timestamp,
) -> Leaf {
    let mut receipt = empty(id, now);
    Outcome::Refused.name().clone_into(&mut receipt.outcome);
    tenant.clone_into(&mut receipt.tenant);
    caller.clone_into(&mut receipt.asked.caller);
    let sum: u64 = counted.codes.values().sum();
    receipt.message = format!("{sum} more refusals of this caller, beyond its quota");
    receipt.counted = Some(counted);
    leaf(receipt, Person::nobody(), Queue::Stays)
}

/// The receipt of a change to the executor itself.
#[must_use]
pub fn changed(change: Change, id: &ReceiptId, now: Timestamp) -> Leaf {
    let mut receipt = empty(id, now);
    "changed".clone_into(&mut receipt.outcome);
    "none".clone_into(&mut receipt.next);
    receipt.message = format!("{}: {} → {}", change.what, change.old, change.new);
    receipt.change = Some(change);
    leaf(receipt, Person::nobody(), Queue::Stays)
}

fn ended(
    settled: &Settled,
    contract: Option<&Contract>,
    id: &ReceiptId,
    now: Timestamp,
) -> Receipt {
    let dispatch = &settled.dispatch;
    let proposal = dispatch.proposal();
    let claimed = dispatch.cleared().claimed();
    let mut receipt = proposed(proposal, contract, id, now);
    claimed.key().clone_into(&mut receipt.key);
    receipt.occasion = claimed.occasion();
    receipt.locks = proposal.locks().to_vec();
    receipt.booked = claimed.taken().booked().to_vec();
    receipt.gates = gates(claimed.findings());
    receipt.gates.extend(gates(&dispatch.cleared().passed().findings));
    receipt.grants = grants(claimed.granted().votes(), proposal.card());
    receipt.backend = Some(backend(dispatch));
    receipt.attempts = attempts(dispatch);
    receipt.before = dispatch.cleared().passed().state.to_json();
    let last = settled.looks.last();
    receipt.after = last.map_or(Json::Null, |l| l.looked.to_json());
    receipt.verification = Verification {
        evidence: evidence(settled),
        looks: u32::try_from(settled.looks.len()).unwrap_or(u32::MAX),
        sight: last.map_or(Json::Null, |l| json!(l.sight)),
    };
    if let Some(Sight::Right { output, .. }) = last.map(|l| &l.sight) {
        receipt.output = Json::Object(output.clone());
    }
    settled.settlement.outcome.name().clone_into(&mut receipt.outcome);
    settled.settlement.code.clone_into(&mut receipt.code);
    settled.settlement.message.clone_into(&mut receipt.message);
    if let Some(finish) = &settled.finish {
        person::finished(&mut receipt, finish);
    }
    receipt.said = said(settled, contract, id);
    rest_on(&mut receipt, &premise::of_settled(settled));
    receipt
}

fn stopped_receipt(
    stopped: &Stopped,
    contract: Option<&Contract>,
    id: &ReceiptId,
    now: Timestamp,
) -> Receipt {
    let mut receipt = proposed(&stopped.proposal, contract, id, now);
    receipt.grants = grants(&stopped.votes, stopped.proposal.card());
    if let Some((key, occasion)) = &stopped.key {
        key.clone_into(&mut receipt.key);
        receipt.occasion = *occasion;
    }
    refuse(&mut receipt, &stopped.refused, stopped.before.clone());
    // Nothing was read after the dry run, where the lock was never taken.
    if stopped.key.is_none() {
        receipt.gates = gates(stopped.proposal.findings());
        receipt.before = stopped.proposal.state().to_json();
    }
    receipt
}

/// What it was decided from, and by which policy last.
fn rest_on(receipt: &mut Receipt, premises: &[Premise]) {
    let policy = premises.iter().rev().find_map(Premise::policy);
    policy.unwrap_or_default().clone_into(&mut receipt.policy);
    receipt.facts = json!(premises);
}

fn refuse(receipt: &mut Receipt, refused: &Refused, mut before: Vec<Premise>) {
    before.push(Premise::of_refusal(refused));
    rest_on(receipt, &before);
    Outcome::Refused.name().clone_into(&mut receipt.outcome);
    refused.code.clone_into(&mut receipt.code);
    refused.message.clone_into(&mut receipt.message);
    refused.say.clone_into(&mut receipt.said);
    receipt.gates = gates(&refused.findings);
    receipt.before = refused.state.as_ref().map_or(Json::Null, Projection::to_json);
}

fn proposed(
    proposal: &Proposal,
    contract: Option<&Contract>,
    id: &ReceiptId,
    now: Timestamp,
) -> Receipt {
    let mut receipt = blank(proposal.asked(), id, now);
    proposal.tool().clone_into(&mut receipt.tool);
    name_contract(&mut receipt, contract);
    // The contract that the proposal was made with, also where another is active now.
    proposal.contract_digest().clone_into(&mut receipt.contract);
    receipt.proposal = proposal.digest();
    proposal.intent().clone_into(&mut receipt.intent);
    receipt.proposal_id = proposal.id().to_string();
    receipt.action_id = proposal.action().to_string();
    receipt.money = proposal.money();
    let argument = |s: &crate::resolve::Sourced| Argument {
        path: s.path.clone(),
        value: s.value.clone(),
        from: s.from.clone(),
        at: s.at.clone(),
    };
    receipt.arguments = proposal.arguments().sources().iter().map(argument).collect();
    receipt
}

fn blank(asked: &crate::proposal::Asked, id: &ReceiptId, now: Timestamp) -> Receipt {
    let tenant = asked.subject.tenant.clone();
    Receipt { tenant, asked: asker(asked), ..empty(id, now) }
}

fn asker(asked: &crate::proposal::Asked) -> Asked {
    let message = |m: &crate::resolve::Message| Message {
        id: m.id.clone(),
        frontend: m.frontend.clone(),
        sha256: text_digest(&m.text),
    };
    Asked {
        caller: asked.caller.clone(),
        // A digest under a key that the core does not know.
        person: String::new(),
        issuer: asked.subject.issuer.clone(),
        subject: asked.subject.id.clone(),
        conversation: asked.conversation.clone(),
        external_ref: asked.external_ref.clone(),
        messages: asked.messages.iter().map(message).collect(),
        confidence: if asked.confidence.score.is_finite() { asked.confidence.score } else { 0.0 },
        uncertainty_reason: asked.confidence.uncertainty_reason.clone(),
        recommended_action: asked.confidence.recommended_action.clone(),
        features: asked.confidence.features.clone(),
        model: asked.model.model.clone(),
        input_tokens: asked.model.input_tokens,
        output_tokens: asked.model.output_tokens,
        latency_ms: asked.model.latency_ms,
        repairs: asked.model.repairs,
        fallback: asked.model.fallback.clone(),
        trace: asked.trace.clone(),
    }
}

fn empty(id: &ReceiptId, now: Timestamp) -> Receipt {
    Receipt {
        v: VERSION,
        receipt_id: id.to_string(),
        sealed_at: now,
        outcome: String::new(),
        code: String::new(),
        message: String::new(),
        said: String::new(),
        next: "none".to_owned(),
        performed_by: "executor".to_owned(),
        tenant: String::new(),
        tool: String::new(),
        contract: String::new(),
        pack: String::new(),
        policy: String::new(),
        proposal: String::new(),
        proposal_id: String::new(),
        action_id: String::new(),
        key: String::new(),
        occasion: 0,
        intent: String::new(),
        locks: Vec::new(),
        booked: Vec::new(),
        asked: Asked::default(),
        arguments: Vec::new(),
        money: None,
        gates: Vec::new(),
        facts: Json::Null,
        grants: Vec::new(),
        backend: None,
        attempts: Vec::new(),
        before: Json::Null,
        after: Json::Null,
        verification: Verification::default(),
        output: Json::Null,
        change: None,
        counted: None,
    }
}

fn name_contract(receipt: &mut Receipt, contract: Option<&Contract>) {
    if let Some(contract) = contract {
        contract.digest.clone_into(&mut receipt.contract);
        contract.pack.digest.clone_into(&mut receipt.pack);
    }
}

fn gates(findings: &[Finding]) -> Vec<Gate> {
    let gate =
        |f: &Finding| Gate { gate: f.gate.clone(), passed: f.passed, facts: f.facts.to_json() };
    findings.iter().map(gate).collect()
}

fn grants(votes: &[Vote], card: &str) -> Vec<Grant> {
    let approval = |kind: &str, a: &Approval| Grant {
        kind: kind.to_owned(),
        by: a.id.clone(),
        issuer: a.issuer.clone(),
        role: a.role.clone(),
        reason: a.reason.clone(),
        at: a.at,
        card: a.card.clone(),
        text: card.to_owned(),
        signature: json!(a.signature),
    };
    let grant = |vote: &Vote| match vote {
        Vote::Confirmed(c) => Grant {
            kind: "customer".to_owned(),
            by: c.subject.clone(),
            issuer: c.frontend.clone(),
            role: String::new(),
            reason: String::new(),
            at: c.at,
            card: c.card.clone(),
            text: card.to_owned(),
            signature: json!({ "jws": c.jws }),
        },
        Vote::Approved(a) => approval("approval", a),
        Vote::Rejected(a) => approval("rejection", a),
    };
    votes.iter().map(grant).collect()
}

fn backend(dispatch: &Dispatch) -> Backend {
    let bytes = serde_json::to_vec(dispatch.request()).unwrap_or_default();
    Backend {
        // A tool is named after its pack.
        pack: dispatch.proposal().tool().split('.').next().unwrap_or_default().to_owned(),
        account: dispatch.account().account.clone(),
        credential: dispatch.account().credential.clone(),
        request: hex::encode(Sha256::digest(bytes)),
    }
}

fn attempts(dispatch: &Dispatch) -> Vec<Attempt> {
    let attempt = |a: &crate::dispatch::Attempt| Attempt {
        number: a.number,
        at: a.at,
        ended_at: a.result.as_ref().map(|r| r.at),
        status: a.result.as_ref().and_then(|r| r.status),
        verdict: a.result.as_ref().map_or(Json::Null, |r| r.verdict.to_json()),
    };
    dispatch.attempts().iter().map(attempt).collect()
}

fn evidence(settled: &Settled) -> Vec<String> {
    let kinds = verify::evidence(&settled.dispatch, &settled.looks);
    kinds.iter().map(|kind| (*kind).to_owned()).collect()
}

/// NO CLAIM WITHOUT A RECEIPT: the contract's words for this outcome, filled from
/// what the receipt holds.
fn said(settled: &Settled, contract: Option<&Contract>, id: &ReceiptId) -> String {
    let settlement = &settled.settlement;
    let Some((contract, Body::Write(write))) = contract.map(|c| (c, &c.body)) else {
        return plain(settlement.outcome).to_owned();
    };
    let own =
        || template(write, settlement.outcome).and_then(|text| fill(text, write, settled, id));
    // What the pack says of this very refusal is truer than its general sentence.
    let pack = || contract.pack.codes.get(&settlement.code).and_then(|code| code.say.clone());
    let page = Code::by_name(&settlement.code).map(Code::page);
    // Words of doubt promise a colleague, and where the outcome is proved none is asked.
    let certain = page.filter(|page| !page.is_doubt());
    let builtin = |page: Page| page.say.to_owned();
    let said = match settlement.outcome {
        Outcome::Applied => own(),
        Outcome::NotApplied | Outcome::Refused => {
            pack().or_else(own).or_else(|| certain.map(builtin))
        }
        Outcome::Unknown => own().or_else(|| page.map(builtin)),
    };
    said.unwrap_or_else(|| plain(settlement.outcome).to_owned())
}

fn plain(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Applied => "Done.",
        Outcome::NotApplied | Outcome::Refused => "That was not done. Nothing was changed.",
        Outcome::Unknown => "I can't tell whether this went through. A colleague will check.",
    }
}

fn template(write: &WriteBody, outcome: Outcome) -> Option<&Prose> {
    match outcome {
        Outcome::Applied => Some(&write.say.applied),
        Outcome::NotApplied => write.say.not_applied.as_ref(),
        Outcome::Unknown => write.say.unknown.as_ref(),
        Outcome::Refused => None,
    }
}

fn fill(prose: &Prose, write: &WriteBody, settled: &Settled, id: &ReceiptId) -> Option<String> {
    let dispatch = &settled.dispatch;
    let scope = dispatch.cleared().scope().with("response", dispatch.response());
    let scope = match settled.looks.last() {
        Some(look) => verify::with_found(write, scope, &look.looked),
        None => scope,
    };
    let scope = scope.with("receipt", Value::Str(id.to_string()));
    prose.render(&scope).ok()
}
