//! What a completion looks like, whole or in chunks. The member `countersign` of the last
//! one says what no text can: the card to sign and the receipts.

use countersign_proto::v1::{Card, Intent, Outcome, Turn};
use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::fault::Fault;
use crate::chat::tape::{Ending, Said};

/// One completion.
pub(super) struct Answer {
    id: String,
    created: i64,
    model: String,
    pub(super) include_usage: bool,
}

impl Answer {
    pub(super) fn begin(model: &str, include_usage: bool) -> Self {
        Self {
            id: format!("chatcmpl-{}", Uuid::now_v7().simple()),
            created: Timestamp::now().as_second(),
            model: model.to_owned(),
            include_usage,
        }
    }

    /// As one object.
    pub(super) fn whole(&self, said: &Said) -> Result<axum::Json<Json>, Fault> {
        let turn = match &said.ending {
            Ending::Turn(turn) => turn,
            Ending::Open | Ending::Lost => return Err(Fault::lost()),
        };
        let mut body = self.completion(&turn.reply, usage(turn));
        body.insert("countersign".to_owned(), beside(turn, said.card.as_ref()));
        Ok(axum::Json(Json::Object(body)))
    }

    /// A text that no turn said.
    pub(super) fn text(&self, text: &str) -> axum::Json<Json> {
        axum::Json(Json::Object(self.completion(text, usage(&Turn::default()))))
    }

    fn completion(&self, text: &str, usage: Json) -> Map<String, Json> {
        let choice = json!({
            "index": 0,
            "message": { "role": "assistant", "content": text, "refusal": null },
            "logprobs": null,
            "finish_reason": "stop",
        });
        let mut body = self.head("chat.completion");
        body.insert("choices".to_owned(), json!([choice]));
        body.insert("usage".to_owned(), usage);
        body
    }

    /// One chunk of a stream.
    pub(super) fn chunk(&self, delta: Json, finish: Option<&str>) -> Map<String, Json> {
        let choice =
            json!({ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish });
        let mut body = self.head("chat.completion.chunk");
        body.insert("choices".to_owned(), json!([choice]));
        if self.include_usage {
            body.insert("usage".to_owned(), Json::Null);
        }
        body
    }

    /// The chunk after the last, where usage was asked for.
    pub(super) fn usage(&self, turn: &Turn) -> Map<String, Json> {
        let mut body = self.head("chat.completion.chunk");
        body.insert("choices".to_owned(), json!([]));
        body.insert("usage".to_owned(), usage(turn));
        body
    }

    fn head(&self, object: &str) -> Map<String, Json> {
        let head = [
            ("id", json!(self.id)),
            ("object", json!(object)),
            ("created", json!(self.created)),
            ("model", json!(self.model)),
        ];
        head.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// Tokens of the model behind the planner; 0 where it is the built-in one.
fn usage(turn: &Turn) -> Json {
    let used = turn.model.clone().unwrap_or_default();
    json!({
        "prompt_tokens": used.input_tokens,
        "completion_tokens": used.output_tokens,
        "total_tokens": used.input_tokens.saturating_add(used.output_tokens),
    })
}

/// What goes beside the text.
pub(super) fn beside(turn: &Turn, card: Option<&Card>) -> Json {
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
        "confidence": { "score": sure.score, "uncertainty_reason": sure.uncertainty_reason },
        "actions": actions,
        "card": card,
    })
}
