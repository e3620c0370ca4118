//! What of a leaf is not personal. Only these members are ever read from it: what a
//! leaf holds beside them, in clear or as a commitment, cannot get into an event.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value as Json;

/// The clear members of a receipt, as its leaf has them.
#[derive(Debug, Deserialize)]
pub(super) struct Clear {
    pub(super) v: u32,
    pub(super) receipt_id: String,
    pub(super) sealed_at: Timestamp,
    pub(super) outcome: String,
    pub(super) code: String,
    pub(super) next: String,
    pub(super) performed_by: String,
    pub(super) tenant: String,
    pub(super) tool: String,
    pub(super) contract: String,
    pub(super) pack: String,
    /// Digest of the active policy bundle.
    #[serde(default)]
    pub(super) policy: String,
    pub(super) proposal: String,
    pub(super) proposal_id: String,
    pub(super) action_id: String,
    pub(super) key: String,
    pub(super) occasion: u32,
    #[serde(default)]
    pub(super) intent: String,
    pub(super) asked: Asked,
    #[serde(default)]
    pub(super) money: Json,
    #[serde(default)]
    pub(super) gates: Vec<Gate>,
    #[serde(default)]
    pub(super) grants: Vec<Grant>,
    pub(super) backend: Option<Backend>,
    #[serde(default)]
    pub(super) attempts: Vec<Attempt>,
    #[serde(default)]
    pub(super) verification: Verification,
    pub(super) change: Option<Change>,
    pub(super) counted: Option<Counted>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    pub(super) caller: String,
    pub(super) issuer: String,
    /// Keyed digest of the person.
    #[serde(default)]
    pub(super) person: String,
    /// W3C trace id; may be empty.
    #[serde(default)]
    pub(super) trace: String,
    pub(super) confidence: f64,
    pub(super) model: String,
    pub(super) input_tokens: u32,
    pub(super) output_tokens: u32,
    pub(super) latency_ms: u32,
    pub(super) repairs: u32,
    pub(super) fallback: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Gate {
    pub(super) gate: String,
    pub(super) passed: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Grant {
    pub(super) kind: String,
    /// A member of staff stays named; of a customer, this is not looked at.
    #[serde(default)]
    by: Json,
    pub(super) role: String,
    pub(super) issuer: String,
    pub(super) at: Timestamp,
    pub(super) card: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Backend {
    pub(super) pack: String,
    pub(super) account: String,
    pub(super) credential: String,
    pub(super) request: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Attempt {
    pub(super) status: Option<u16>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Verification {
    pub(super) evidence: Vec<String>,
    pub(super) looks: u32,
}

#[derive(Debug, Deserialize)]
pub(super) struct Change {
    pub(super) what: String,
    pub(super) old: String,
    pub(super) new: String,
    pub(super) by: Vec<Changer>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Changer {
    pub(super) who: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Counted {
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
    pub(super) codes: BTreeMap<String, u64>,
}

impl Grant {
    /// The member of staff who answered; `None` for a customer.
    pub(super) fn staff(&self) -> Option<&str> {
        self.by.as_str().filter(|_| self.kind != "customer")
    }
}
