//! Writes an action's receipt from its state (RECEIPT BEFORE REPLY).

use countersign_shared::attest::text_digest;
use countersign_shared::codes::Code;
use countersign_shared::ids::ReceiptId;
use countersign_shared::receipt::{
    Argument, Asked, Attempt, Backend, Gate, Grant, Message, Receipt, VERSION, Verification,
};
use jiff::Timestamp;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::contract::{Body, Contract, WriteBody};
use crate::dispatch::Dispatch;
use crate::error::Refused;
use crate::expr::Prose;
use crate::gate::Finding;
use crate::lifecycle::{Outcome, Settled, Settlement, State, Stopped};
use crate::proposal::Proposal;
use crate::state::Projection;
use crate::value::Value;
use crate::verify::{self, Sight};

/// Largest receipt: a log entry's length has two bytes.
pub const MAX_BYTES: usize = 60_000;

/// A receipt's bytes, ready for the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf {
    /// The receipt.
    pub receipt: Receipt,
    /// Its exact bytes.
    pub bytes: Vec<u8>,
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
    let receipt = match state {
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
    Some(leaf(receipt))
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
    refuse(&mut receipt, refused);
    leaf(receipt)
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
    receipt.gates = gates(&dispatch.cleared().passed().findings);
    receipt.grants = grants(claimed.granted().confirmation(), proposal.card());
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
    next_step(&settled.settlement).clone_into(&mut receipt.next);
    receipt.said = said(settled, contract, id);
    receipt
}

fn stopped_receipt(
    stopped: &Stopped,
    contract: Option<&Contract>,
    id: &ReceiptId,
    now: Timestamp,
) -> Receipt {
    let mut receipt = proposed(&stopped.proposal, contract, id, now);
    receipt.grants = grants(stopped.confirmation.as_ref(), stopped.proposal.card());
    if let Some((key, occasion)) = &stopped.key {
        key.clone_into(&mut receipt.key);
        receipt.occasion = *occasion;
    }
    refuse(&mut receipt, &stopped.refused);
    // Nothing was read after the dry run, where the lock was never taken.
    if stopped.key.is_none() {
        receipt.gates = gates(stopped.proposal.findings());
        receipt.before = stopped.proposal.state().to_json();
    }
    receipt
}

fn refuse(receipt: &mut Receipt, refused: &Refused) {
    Outcome::Refused.name().clone_into(&mut receipt.outcome);
    refused.code.clone_into(&mut receipt.code);
    refused.message.clone_into(&mut receipt.message);
    refused.say.clone_into(&mut receipt.said);
    let person = refused.is(Code::ConfidenceTooLow) || refused.is(Code::OwnerUnknown);
    if person { "person" } else { "none" }.clone_into(&mut receipt.next);
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
    let message = |m: &crate::resolve::Message| Message {
        id: m.id.clone(),
        frontend: m.frontend.clone(),
        sha256: text_digest(&m.text),
    };
    Receipt {
        v: VERSION,
        receipt_id: id.to_string(),
        sealed_at: now,
        outcome: String::new(),
        code: String::new(),
        message: String::new(),
        said: String::new(),
        next: String::new(),
        tenant: asked.subject.tenant.clone(),
        tool: String::new(),
        contract: String::new(),
        pack: String::new(),
        proposal: String::new(),
        proposal_id: String::new(),
        action_id: String::new(),
        key: String::new(),
        occasion: 0,
        asked: Asked {
            caller: asked.caller.clone(),
            issuer: asked.subject.issuer.clone(),
            subject: asked.subject.id.clone(),
            conversation: asked.conversation.clone(),
            external_ref: asked.external_ref.clone(),
            messages: asked.messages.iter().map(message).collect(),
            confidence: if asked.confidence.score.is_finite() {
                asked.confidence.score
            } else {
                0.0
            },
            uncertainty_reason: asked.confidence.uncertainty_reason.clone(),
            recommended_action: asked.confidence.recommended_action.clone(),
            model: asked.model.model.clone(),
            input_tokens: asked.model.input_tokens,
            output_tokens: asked.model.output_tokens,
            latency_ms: asked.model.latency_ms,
            repairs: asked.model.repairs,
            fallback: asked.model.fallback.clone(),
        },
        arguments: Vec::new(),
        money: None,
        gates: Vec::new(),
        grants: Vec::new(),
        backend: None,
        attempts: Vec::new(),
        before: Json::Null,
        after: Json::Null,
        verification: Verification::default(),
        output: Json::Null,
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
        |f: &Finding| Gate { gate: f.gate.clone(), passed: f.passed, facts: f.facts.clone() };
    findings.iter().map(gate).collect()
}

fn grants(confirmation: Option<&crate::grant::Confirmation>, card: &str) -> Vec<Grant> {
    let grant = |c: &crate::grant::Confirmation| Grant {
        kind: "customer".to_owned(),
        by: c.subject.clone(),
        frontend: c.frontend.clone(),
        at: c.at,
        card: c.card.clone(),
        text: card.to_owned(),
        jws: c.jws.clone(),
    };
    confirmation.map(grant).into_iter().collect()
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

fn next_step(settlement: &Settlement) -> &'static str {
    let later = [Code::BackendThrottled, Code::BackendUnreachable];
    match settlement.outcome {
        Outcome::Unknown => "person",
        Outcome::NotApplied if settlement.code == Code::CredentialRejected.name() => "person",
        Outcome::NotApplied if later.iter().any(|c| c.name() == settlement.code) => "retry_later",
        Outcome::Applied | Outcome::NotApplied | Outcome::Refused => "none",
    }
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
    let builtin = || Code::by_name(&settlement.code).map(|code| code.page().say.to_owned());
    let said = match settlement.outcome {
        Outcome::Applied => own(),
        Outcome::NotApplied | Outcome::Refused => pack().or_else(own).or_else(builtin),
        Outcome::Unknown => own().or_else(builtin),
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

/// Serialises, and replaces the largest parts by their digests where a receipt
/// would not fit into a log entry. The parts themselves stay in the journal.
fn leaf(mut receipt: Receipt) -> Leaf {
    let mut bytes = encode(&receipt);
    if bytes.len() > MAX_BYTES {
        let looked = std::mem::take(&mut receipt.after);
        receipt.after = omitted(&looked);
        bytes = encode(&receipt);
    }
    if bytes.len() > MAX_BYTES {
        let before = std::mem::take(&mut receipt.before);
        receipt.before = omitted(&before);
        receipt.verification.sight = omitted(&receipt.verification.sight);
        bytes = encode(&receipt);
    }
    if bytes.len() > MAX_BYTES {
        receipt.gates.iter_mut().for_each(|g| g.facts = omitted(&g.facts));
        receipt.attempts.iter_mut().for_each(|a| a.verdict = omitted(&a.verdict));
        bytes = encode(&receipt);
    }
    if bytes.len() > MAX_BYTES {
        receipt.arguments.iter_mut().for_each(|a| a.value = omitted(&a.value));
        receipt.message = receipt.message.chars().take(2000).collect();
        bytes = encode(&receipt);
    }
    if bytes.len() > MAX_BYTES {
        receipt = cut(receipt);
        bytes = encode(&receipt);
    }
    Leaf { receipt, bytes }
}

/// The last resort: every text and every list is cut.
fn cut(receipt: Receipt) -> Receipt {
    fn short(value: &mut Json) {
        match value {
            Json::String(text) if text.len() > 256 => *text = text.chars().take(128).collect(),
            Json::Array(items) => {
                items.truncate(12);
                items.iter_mut().for_each(short);
            }
            Json::Object(members) => members.values_mut().for_each(short),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
    }
    let mut whole = json!(receipt);
    if let Some(members) = whole.as_object_mut() {
        for part in ["output", "verification"] {
            if let Some(part) = members.get_mut(part).filter(|p| p.to_string().len() > 4096)
                && part.is_object()
            {
                *part = if part.get("evidence").is_some() {
                    json!(Verification::default())
                } else {
                    omitted(part)
                };
            }
        }
        members.values_mut().for_each(short);
    }
    serde_json::from_value(whole).unwrap_or(receipt)
}

fn encode(receipt: &Receipt) -> Vec<u8> {
    serde_json::to_vec(receipt).unwrap_or_default()
}

fn omitted(part: &Json) -> Json {
    let text = part.to_string();
    json!({ "omitted": hex::encode(Sha256::digest(text.as_bytes())), "bytes": text.len() })
}
