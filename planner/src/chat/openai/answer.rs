//! What a completion looks like, whole or in chunks.

use countersign_proto::v1::Turn;
use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use crate::chat::beside::beside;
use crate::chat::fault::Fault;
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
