//! The record of a finished or refused action. Covered, its JSON bytes are a leaf of the
//! log, hashed as they stand: nobody has to serialise it again to verify it.

mod cover;
mod personal;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::money::Money;

pub use cover::{OpenError, Opening, Openings, added, cover, open, opened, said};
pub use personal::{ERASED, FACTS, SAID};

/// Version of the layout below.
pub const VERSION: u32 = 2;

/// Who, what, why it was allowed, what was sent, what came back, how it was
/// verified.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// Layout version: [`VERSION`].
    pub v: u32,
    /// Its id: `rcp_…`.
    pub receipt_id: String,
    /// When it was sealed.
    pub sealed_at: Timestamp,
    /// `applied`, `not_applied`, `unknown` or `refused`; `changed` where people changed
    /// the executor itself.
    pub outcome: String,
    /// Stable code; empty for a plain `applied`.
    pub code: String,
    /// For engineers.
    pub message: String,
    /// What the customer may be told.
    pub said: String,
    /// What follows: `none`, `retry_later` or `person`.
    pub next: String,
    /// Who carried it out, where anybody did: `executor` or `human`.
    #[serde(default = "executor")]
    pub performed_by: String,
    /// The tenant.
    pub tenant: String,
    /// The tool; empty where a plan named none that exists.
    pub tool: String,
    /// Digest of the contract; empty where there is none.
    pub contract: String,
    /// Digest of the pack; empty where there is none.
    pub pack: String,
    /// Digest of the policy that it was decided by last; empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub policy: String,
    /// Digest of the proposal; empty where there was none.
    pub proposal: String,
    /// The proposal's id; empty where there was none.
    pub proposal_id: String,
    /// The action's id; empty where there was none.
    pub action_id: String,
    /// The idempotency key, also the marker; empty before the claim.
    pub key: String,
    /// Which time this intent was carried out, from 0.
    pub occasion: u32,
    /// Digest of the intent; empty before there was one. With the occasion it is the key,
    /// so that a receipt alone tells a restored store what was done.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub intent: String,
    /// Digests of the objects that were locked; empty before the claim.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locks: Vec<String>,
    /// Digests of the accounts that the limits booked it on; empty before the claim.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub booked: Vec<String>,
    /// Who asked, for whom.
    pub asked: Asked,
    /// Each argument with its source.
    pub arguments: Vec<Argument>,
    /// Money that moves.
    pub money: Option<Money>,
    /// Each gate with the facts it saw: those of the proposal for a refusal there,
    /// else those under the lock.
    pub gates: Vec<Gate>,
    /// What each stage was given, enough to decide it again by the same contract and
    /// policy; null where nothing was decided.
    #[serde(default, skip_serializing_if = "Json::is_null")]
    pub facts: Json,
    /// Each human's answer.
    pub grants: Vec<Grant>,
    /// Where it was sent.
    pub backend: Option<Backend>,
    /// Each sending.
    pub attempts: Vec<Attempt>,
    /// State that the gates saw, narrowed to what the contract uses.
    pub before: Json,
    /// What the last look read.
    pub after: Json,
    /// How the outcome was established.
    pub verification: Verification,
    /// Ids and facts that the effect yielded.
    pub output: Json,
    /// What people changed of the executor itself; absent for an action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// Refusals that this one receipt stands for; absent for any other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted: Option<Counted>,
}

/// What every receipt of every layout begins to tell: enough to know a leaf for one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Head {
    /// Layout version.
    pub v: u32,
    /// Its id.
    pub receipt_id: String,
    /// When it was sealed.
    pub sealed_at: Timestamp,
    /// Its outcome.
    pub outcome: String,
}

/// Reads a leaf's head, and that the rest of it is JSON, several times faster than all of it.
///
/// # Errors
/// When it is no receipt.
pub fn head(leaf: &[u8]) -> Result<Head, serde_json::Error> {
    serde_json::from_slice(leaf)
}

/// Refusals of one caller beyond its quota, counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// When the first was counted at the earliest.
    pub since: Timestamp,
    /// When the last was counted at the latest.
    pub until: Timestamp,
    /// How many, by code.
    pub codes: BTreeMap<String, u64>,
}

/// A change to the executor itself: a switch, or what it runs with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// `switch/REACH`, or the part that was activated: `policy`, `pack/NAME`, `issuers`,
    /// `egress`.
    pub what: String,
    /// As it was: `on`, `off`, a digest; empty where there was none.
    pub old: String,
    /// As it is now.
    pub new: String,
    /// Why.
    pub reason: String,
    /// Who, with what they signed where they had to.
    pub by: Vec<Changer>,
    /// For a change of the log's key: the note that both keys signed
    /// ([`crate::tlog::rotation`]). Empty for any other.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// One of those who made a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changer {
    /// An operator's SPIFFE id, or a person of the policy.
    pub who: String,
    /// Why, in their words; may be empty.
    pub reason: String,
    /// The compact JWS, or a passkey's assertion as JSON; empty where a certificate was
    /// enough.
    pub jws: String,
}

/// Whose work an earlier receipt shows.
fn executor() -> String {
    "executor".to_owned()
}

/// Who asked, for whom, in which conversation.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Asked {
    /// The calling workload's SPIFFE id.
    pub caller: String,
    /// Whose data the receipt holds, as a keyed digest; empty where it is nobody's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub person: String,
    /// Who vouches for the subject.
    pub issuer: String,
    /// The subject.
    pub subject: String,
    /// The conversation.
    pub conversation: String,
    /// The caller's ticket.
    pub external_ref: String,
    /// Messages that the plan rests on: id, frontend, SHA-256 of the text.
    pub messages: Vec<Message>,
    /// The planner's confidence, 0 to 1.
    pub confidence: f64,
    /// Why not surer.
    pub uncertainty_reason: String,
    /// What the planner recommended.
    pub recommended_action: String,
    /// What the confidence was made of, by name, 0 to 1 each.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub features: BTreeMap<String, f64>,
    /// The model, as the planner reports it.
    pub model: String,
    /// Tokens read.
    pub input_tokens: u32,
    /// Tokens written.
    pub output_tokens: u32,
    /// Milliseconds spent waiting for the model.
    pub latency_ms: u32,
    /// Repair rounds of the model.
    pub repairs: u32,
    /// Why another model answered; may be empty.
    pub fallback: String,
    /// The W3C trace id, 32 hex digits; empty where the planner named no trace.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trace: String,
}

/// An attested message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The frontend's id for it.
    pub id: String,
    /// The frontend that signed it.
    pub frontend: String,
    /// Hex SHA-256 of its text.
    pub sha256: String,
}

/// One resolved argument.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Argument {
    /// Path: `lines[0].quantity`.
    pub path: String,
    /// Value.
    pub value: Json,
    /// Kind of source.
    pub from: String,
    /// Which one.
    pub at: String,
}

/// One gate's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// The gate, or the precondition's code.
    pub gate: String,
    /// Whether it let the action through.
    pub passed: bool,
    /// What it saw.
    pub facts: Json,
}

/// One human's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// `customer`, `approval`, `rejection` or `finish`: a person's word on what they did.
    pub kind: String,
    /// Who.
    pub by: String,
    /// The frontend through which a customer answered, the directory that names an
    /// approver.
    pub issuer: String,
    /// In which role an approver answered; empty for a customer.
    pub role: String,
    /// What an approver wrote; may be empty.
    pub reason: String,
    /// When it was signed.
    pub at: Timestamp,
    /// Digest of the card they saw.
    pub card: String,
    /// The card's text.
    pub text: String,
    /// The signed answer: `jws`, or a passkey's assertion.
    pub signature: Json,
}

/// Where a request went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backend {
    /// The pack.
    pub pack: String,
    /// The backend account.
    pub account: String,
    /// The credential's id, never its value.
    pub credential: String,
    /// Hex SHA-256 of the request's exact bytes.
    pub request: String,
}

/// One sending.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// When it was about to be sent.
    pub at: Timestamp,
    /// When its end was known.
    pub ended_at: Option<Timestamp>,
    /// HTTP status.
    pub status: Option<u16>,
    /// How it was judged, with what the backend said.
    pub verdict: Json,
}

/// How an outcome was established.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Verification {
    /// `response`, `replay`, `read_back`, `human`.
    pub evidence: Vec<String>,
    /// How often it was read back.
    pub looks: u32,
    /// What the last look saw: the rule with expected beside found.
    pub sight: Json,
}
