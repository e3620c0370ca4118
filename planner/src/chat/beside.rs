//! What no text can say: the card to sign, what was done and its receipts. It goes beside
//! the text, as member `countersign`.

use countersign_proto::v1::{Card, Intent, Outcome, Turn};
use jiff::Timestamp;
use serde_json::{Value as Json, json};

/// What goes beside the text.
pub(crate) fn beside(turn: &Turn, card: Option<&Card>) -> Json {
    let actions: Vec<Json> = turn
        .actions
        .iter()
        .map(|action| {
            let outcome = match action.outcome() {
                Outcome::Applied => "applied",
                Outcome::NotApplied => "not_applied",
                Outcome::Unknown => "unknown",
                Outcome::Refused => "refused",
                Outcome::Unspecified => "",
            };
            json!({
                "tool": action.tool, "outcome": outcome, "code": action.code,
                "receipt_id": action.receipt_id, "action_id": action.action_id,
            })
        })
        .collect();
    let intent = match turn.intent() {
        Intent::Question => "question",
        Intent::Action => "action",
        Intent::Clarify => "clarify",
        Intent::Escalate => "escalate",
        Intent::Unspecified => "",
    };
    let sure = turn.confidence.clone().unwrap_or_default();
    let card = card.map(|card| {
        let expires = card.expires_at.and_then(|at| Timestamp::new(at.seconds, at.nanos).ok());
        json!({
            "proposal_id": card.proposal_id, "text": card.text, "commitment": card.commitment,
            "expires_at": expires,
        })
    });
    json!({
        "intent": intent,
        // The reason for a doubt is a model's prose, and stays with people of the house.
        "confidence": { "score": sure.score },
        "actions": actions,
        "card": card,
    })
}
