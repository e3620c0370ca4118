//! A turn as AG-UI's events.

use std::sync::Arc;

use countersign_proto::v1::{Card, Turn};
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use crate::chat::beside::beside;
use crate::chat::sse::{Left, Reader, sentences};
use crate::chat::tape::{Ending, Said, Tape};

/// One run of a thread.
pub(super) struct Run {
    pub(super) thread: String,
    pub(super) run: String,
}

impl Run {
    /// Tells the turn from its beginning.
    pub(super) async fn told(self, reader: &Reader, tape: &Arc<Tape>) -> Result<(), Left> {
        reader.hears(&self.marked("RUN_STARTED")).await?;
        let mut heard = Said::default();
        loop {
            let said = tape.beyond(Some(&heard)).await;
            if said.stage != heard.stage || said.ending != Ending::Open {
                step(reader, &heard.stage, "STEP_FINISHED").await?;
            }
            if said.stage != heard.stage && said.ending == Ending::Open {
                step(reader, &said.stage, "STEP_STARTED").await?;
                state(reader, &json!({ "stage": said.stage })).await?;
            }
            match &said.ending {
                Ending::Open => heard = said,
                Ending::Turn(turn) => return self.ended(reader, turn, said.card.as_ref()).await,
                Ending::Lost => {
                    let message = "this turn broke off; what it had begun goes on";
                    let error =
                        json!({ "type": "RUN_ERROR", "message": message, "code": "turn_lost" });
                    return reader.hears(&error).await;
                }
            }
        }
    }

    async fn ended(&self, reader: &Reader, turn: &Turn, card: Option<&Card>) -> Result<(), Left> {
        state(reader, &beside(turn, card)).await?;
        let id = format!("{}-reply", self.run);
        let text = |kind: &str| json!({ "type": kind, "messageId": id });
        let mut start = text("TEXT_MESSAGE_START");
        put(&mut start, "role", json!("assistant"));
        reader.hears(&start).await?;
        for sentence in sentences(&turn.reply) {
            let mut content = text("TEXT_MESSAGE_CONTENT");
            put(&mut content, "delta", json!(sentence));
            reader.hears(&content).await?;
        }
        reader.hears(&text("TEXT_MESSAGE_END")).await?;
        let mut finished = self.marked("RUN_FINISHED");
        put(&mut finished, "outcome", outcome(card));
        reader.hears(&finished).await
    }

    fn marked(&self, kind: &str) -> Json {
        json!({ "type": kind, "threadId": self.thread, "runId": self.run })
    }
}

/// A card is an interrupt: the run that resumes it carries the user's signed yes.
fn outcome(card: Option<&Card>) -> Json {
    let Some(card) = card else { return json!({ "type": "success" }) };
    let mut interrupt = json!({
        "id": card.proposal_id,
        "reason": "confirmation",
        "message": card.text,
        "responseSchema": {
            "type": "object",
            "properties": { "confirmation": { "type": "string" } },
            "required": ["confirmation"],
        },
        "metadata": { "proposal_id": card.proposal_id, "commitment": card.commitment, "text": card.text },
    });
    let expires = card.expires_at.and_then(|at| Timestamp::new(at.seconds, at.nanos).ok());
    if let Some(expires) = expires {
        put(&mut interrupt, "expiresAt", json!(expires));
    }
    json!({ "type": "interrupt", "interrupts": [interrupt] })
}

async fn step(reader: &Reader, name: &str, kind: &str) -> Result<(), Left> {
    if name.is_empty() {
        return Ok(());
    }
    reader.hears(&json!({ "type": kind, "stepName": name })).await
}

/// The state's one member.
async fn state(reader: &Reader, value: &Json) -> Result<(), Left> {
    let patch = json!([{ "op": "add", "path": "/countersign", "value": value }]);
    reader.hears(&json!({ "type": "STATE_DELTA", "delta": patch })).await
}

fn put(object: &mut Json, name: &str, value: Json) {
    if let Json::Object(members) = object {
        members.insert(name.to_owned(), value);
    }
}
