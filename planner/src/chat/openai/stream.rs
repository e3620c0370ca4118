//! A completion as server-sent events. Signs of life are comments; the text comes sentence
//! by sentence once it is known, and not before: nothing is said that a receipt might not
//! bear out.

use std::sync::Arc;

use axum::response::Response;
use countersign_proto::v1::Turn;
use serde_json::{Map, Value as Json, json};

use super::answer::Answer;
use crate::chat::beside::beside;
use crate::chat::fault::Fault;
use crate::chat::sse::{Left, Reader, sentences, streamed};
use crate::chat::tape::{Ending, Said, Tape};

/// Streams a turn from its beginning.
pub(super) fn of(tape: Arc<Tape>, answer: Answer) -> Response {
    streamed(async move |reader: Reader| turn(&reader, &tape, &answer).await)
}

/// Streams a text that no turn said.
pub(super) fn of_text(answer: Answer, text: &str) -> Response {
    let turn = Turn { reply: text.to_owned(), ..Turn::default() };
    streamed(async move |reader: Reader| {
        begun(&reader, &answer).await?;
        ended(&reader, &answer, &turn, None).await
    })
}

async fn begun(reader: &Reader, answer: &Answer) -> Result<(), Left> {
    chunk(reader, answer.chunk(json!({ "role": "assistant", "content": "" }), None)).await
}

async fn turn(reader: &Reader, tape: &Arc<Tape>, answer: &Answer) -> Result<(), Left> {
    begun(reader, answer).await?;
    let mut heard: Option<Said> = None;
    loop {
        let said = tape.beyond(heard.as_ref()).await;
        if heard.as_ref().is_none_or(|heard| heard.stage != said.stage) && !said.stage.is_empty() {
            reader.hears_comment(&said.stage).await?;
        }
        match &said.ending {
            Ending::Open => heard = Some(said),
            Ending::Turn(turn) => {
                let beside = beside(turn, said.card.as_ref());
                return ended(reader, answer, turn, Some(beside)).await;
            }
            Ending::Lost => return reader.hears(&Fault::lost().object()).await,
        }
    }
}

async fn ended(
    reader: &Reader,
    answer: &Answer,
    turn: &Turn,
    beside: Option<Json>,
) -> Result<(), Left> {
    for sentence in sentences(&turn.reply) {
        chunk(reader, answer.chunk(json!({ "content": sentence }), None)).await?;
    }
    let mut last = answer.chunk(json!({}), Some("stop"));
    last.extend(beside.map(|beside| ("countersign".to_owned(), beside)));
    chunk(reader, last).await?;
    if answer.include_usage {
        chunk(reader, answer.usage(turn)).await?;
    }
    reader.hears_text("[DONE]").await
}

async fn chunk(reader: &Reader, body: Map<String, Json>) -> Result<(), Left> {
    reader.hears(&Json::Object(body)).await
}
