//! Which values of a receipt are personal: one table, for covering and for opening.

use serde_json::Value as Json;

use super::Receipt;

/// What stands in the place of a value whose opening is gone.
pub const ERASED: &str = "ERASED";
/// Where a receipt holds what it was decided from.
pub const FACTS: &str = "facts";
/// The path of what a customer is told.
pub const SAID: &str = "said";
/// The kind of a customer's own yes. Members of staff who answer stay named.
const CUSTOMER: &str = "customer";

/// A place in a receipt that holds a personal value.
pub(super) enum Slot<'a> {
    /// A text; empty where there is nothing to tell.
    Text(&'a mut String),
    /// Any JSON; null where there is nothing to tell.
    Json(&'a mut Json),
}

/// Every personal value with its path. Money, outcome, code, tool, digests and times are
/// none.
pub(super) fn personal(receipt: &mut Receipt) -> Vec<(String, Slot<'_>)> {
    use Slot::{Json, Text};
    // What the executor says of itself is of nobody.
    let own = receipt.change.is_some() || receipt.counted.is_some();
    let asked = &mut receipt.asked;
    let mut all = vec![
        (SAID.to_owned(), Text(&mut receipt.said)),
        ("asked.subject".to_owned(), Text(&mut asked.subject)),
        ("asked.conversation".to_owned(), Text(&mut asked.conversation)),
        ("asked.external_ref".to_owned(), Text(&mut asked.external_ref)),
        ("asked.uncertainty_reason".to_owned(), Text(&mut asked.uncertainty_reason)),
        ("asked.recommended_action".to_owned(), Text(&mut asked.recommended_action)),
        ("before".to_owned(), Json(&mut receipt.before)),
        ("after".to_owned(), Json(&mut receipt.after)),
        ("verification.sight".to_owned(), Json(&mut receipt.verification.sight)),
        ("output".to_owned(), Json(&mut receipt.output)),
        (FACTS.to_owned(), Json(&mut receipt.facts)),
    ];
    if !own {
        all.push(("message".to_owned(), Text(&mut receipt.message)));
    }
    // A short text is found again by its digest.
    for (n, message) in asked.messages.iter_mut().enumerate() {
        all.push((format!("asked.messages[{n}].sha256"), Text(&mut message.sha256)));
    }
    for (n, argument) in receipt.arguments.iter_mut().enumerate() {
        all.push((format!("arguments[{n}].value"), Json(&mut argument.value)));
    }
    for (n, gate) in receipt.gates.iter_mut().enumerate() {
        all.push((format!("gates[{n}].facts"), Json(&mut gate.facts)));
    }
    for (n, grant) in receipt.grants.iter_mut().enumerate() {
        all.push((format!("grants[{n}].text"), Text(&mut grant.text)));
        all.push((format!("grants[{n}].reason"), Text(&mut grant.reason)));
        // What is signed repeats the reason.
        all.push((format!("grants[{n}].signature"), Json(&mut grant.signature)));
        if grant.kind == CUSTOMER {
            all.push((format!("grants[{n}].by"), Text(&mut grant.by)));
        }
    }
    for (n, attempt) in receipt.attempts.iter_mut().enumerate() {
        all.push((format!("attempts[{n}].verdict"), Json(&mut attempt.verdict)));
    }
    all
}

impl Slot<'_> {
    /// Its exact JSON text; `None` where there is nothing to tell.
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) if text.is_empty() => None,
            Self::Json(Json::Null) => None,
            Self::Text(text) => serde_json::to_string(text).ok(),
            Self::Json(value) => serde_json::to_string(value).ok(),
        }
    }

    /// The text that stands there now, where it is one.
    pub(super) fn written(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Json(value) => value.as_str(),
        }
    }

    /// Puts a text in its place.
    pub(super) fn write(&mut self, with: String) {
        match self {
            Self::Text(text) => **text = with,
            Self::Json(value) => **value = Json::String(with),
        }
    }

    /// Puts back what a JSON text says; `false` where it is not of this place's kind.
    pub(super) fn restore(&mut self, from: &str) -> bool {
        match (self, serde_json::from_str(from)) {
            (Self::Text(text), Ok(Json::String(value))) => **text = value,
            (Self::Json(slot), Ok(value)) => **slot = value,
            (Self::Text(_) | Self::Json(_), _) => return false,
        }
        true
    }
}
