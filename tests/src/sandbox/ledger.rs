//! The ledger: every effect that really happened, in order. Tests trust nothing else.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One effect that happened to the sandbox's state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// Position in the ledger, from 1, without gaps.
    pub seq: u64,
    /// When it happened, on the sandbox's clock.
    pub at: Timestamp,
    /// Which API it belongs to, such as `shopify`.
    pub api: String,
    /// What happened, such as `order_cancelled`, `refund_created`, `address_changed`.
    pub kind: String,
    /// Id of the object that changed.
    pub object: String,
    /// The object's name as people say it, such as `#1001`.
    pub name: String,
    /// Decimal amount of money that moved, as the API writes it; none where no money moved.
    pub amount: Option<String>,
    /// ISO 4217 code that belongs to `amount`.
    pub currency: Option<String>,
    /// The free text that the caller left on the object (staff note, refund note, metafield value).
    pub marker: Option<String>,
    /// The idempotency key it was asked with.
    pub idempotency_key: Option<String>,
    /// Name of the credential it came through (never its value), or `staff`.
    pub by: String,
    /// True when a staff member did it in the admin, without the API.
    pub staff: bool,
    /// The request that caused it; empty for staff.
    pub request_id: String,
    /// What else is worth knowing about it.
    pub detail: Value,
}

/// Who causes an effect.
#[derive(Debug, Clone)]
pub(crate) struct Actor {
    pub(crate) by: String,
    pub(crate) staff: bool,
    pub(crate) request_id: String,
}

impl Actor {
    /// A staff member working in the admin.
    pub(crate) fn staff() -> Self {
        Self { by: "staff".into(), staff: true, request_id: String::new() }
    }
}

/// An effect before the ledger has numbered it.
#[derive(Debug, Clone)]
pub(crate) struct Happened {
    pub(crate) at: Timestamp,
    pub(crate) kind: &'static str,
    pub(crate) object: String,
    pub(crate) name: String,
    pub(crate) money: Option<(String, String)>,
    pub(crate) marker: Option<String>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) actor: Actor,
    pub(crate) detail: Value,
}

/// Effects in the order they happened.
#[derive(Debug, Default, Clone)]
pub struct Ledger {
    effects: Vec<Effect>,
}

impl Ledger {
    /// All effects so far.
    #[must_use]
    pub fn effects(&self) -> &[Effect] {
        &self.effects
    }

    pub(crate) fn record(&mut self, api: &str, happened: Happened) {
        let (amount, currency) = happened.money.unzip();
        self.effects.push(Effect {
            seq: self.effects.len() as u64 + 1,
            at: happened.at,
            api: api.into(),
            kind: happened.kind.into(),
            object: happened.object,
            name: happened.name,
            amount,
            currency,
            marker: happened.marker,
            idempotency_key: happened.idempotency_key,
            by: happened.actor.by,
            staff: happened.actor.staff,
            request_id: happened.actor.request_id,
            detail: happened.detail,
        });
    }
}
