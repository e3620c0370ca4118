//! A completion as server-sent events. Signs of life are comments, which every client
//! skips; the text comes sentence by sentence once it is known, and not before: nothing is
//! said that a receipt might not bear out.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use countersign_proto::v1::Turn;
use serde_json::{Map, Value as Json, json};
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use super::answer::{Answer, beside};
use super::fault::Fault;
use crate::chat::tape::{Ending, Said, Tape};

/// A proxy that hears nothing for half a minute hangs up.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);
/// Events that wait for a slow reader.
const WAITING: usize = 16;

type Sender = mpsc::Sender<Event>;
/// The reader has left.
struct Left;

/// Streams a turn from its beginning.
pub(super) fn of(tape: Arc<Tape>, answer: Answer) -> Response {
    let (send, events) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        let _left = turn(&send, &tape, &answer).await;
    });
    streamed(events)
}

/// Streams a text that no turn said.
pub(super) fn of_text(answer: Answer, text: &str) -> Response {
    let (send, events) = mpsc::channel(WAITING);
    let turn = Turn { reply: text.to_owned(), ..Turn::default() };
    tokio::spawn(async move {
        if chunk(&send, answer.chunk(json!({ "role": "assistant", "content": "" }), None))
            .await
            .is_ok()
        {
            let _left = ended(&send, &answer, &turn, None).await;
        }
    });
    streamed(events)
}

fn streamed(events: mpsc::Receiver<Event>) -> Response {
    let events = ReceiverStream::new(events).map(Ok::<_, Infallible>);
    let mut response =
        Sse::new(events).keep_alive(KeepAlive::new().interval(SIGN_OF_LIFE)).into_response();
    // Proxies that gather answers would keep the signs of life back.
    response.headers_mut().insert("x-accel-buffering", http::HeaderValue::from_static("no"));
    response
}

async fn turn(send: &Sender, tape: &Arc<Tape>, answer: &Answer) -> Result<(), Left> {
    chunk(send, answer.chunk(json!({ "role": "assistant", "content": "" }), None)).await?;
    let mut heard: Option<Said> = None;
    loop {
        let said = tape.beyond(heard.as_ref()).await;
        if heard.as_ref().is_none_or(|heard| heard.stage != said.stage) && !said.stage.is_empty() {
            send.send(Event::default().comment(&said.stage)).await.map_err(|_| Left)?;
        }
        match &said.ending {
            Ending::Open => heard = Some(said),
            Ending::Turn(turn) => {
                let beside = beside(turn, said.card.as_ref());
                return ended(send, answer, turn, Some(beside)).await;
            }
            Ending::Lost => {
                let event = Event::default().data(Fault::lost().object().to_string());
                return send.send(event).await.map_err(|_| Left);
            }
        }
    }
}

async fn ended(
    send: &Sender,
    answer: &Answer,
    turn: &Turn,
    beside: Option<Json>,
) -> Result<(), Left> {
    for sentence in sentences(&turn.reply) {
        chunk(send, answer.chunk(json!({ "content": sentence }), None)).await?;
    }
    let mut last = answer.chunk(json!({}), Some("stop"));
    last.extend(beside.map(|beside| ("countersign".to_owned(), beside)));
    chunk(send, last).await?;
    if answer.include_usage {
        chunk(send, answer.usage(turn)).await?;
    }
    send.send(Event::default().data("[DONE]")).await.map_err(|_| Left)
}

async fn chunk(send: &Sender, body: Map<String, Json>) -> Result<(), Left> {
    let event = Event::default().data(Json::Object(body).to_string());
    send.send(event).await.map_err(|_| Left)
}

/// The text in pieces that end with a sentence or a line; together they are the text.
fn sentences(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let ends = [". ", "! ", "? ", "\n"];
        let end =
            ends.iter().filter_map(|end| rest.find(end).map(|at| at.saturating_add(end.len())));
        let (piece, after) =
            rest.split_at_checked(end.min().unwrap_or(rest.len())).unwrap_or((rest, ""));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_sentences_and_lose_nothing() {
        let text = "Refunded USD 4.50 on #1001. Anything else?\nSay so! ";
        let pieces = sentences(text);
        assert_eq!(pieces, ["Refunded USD 4.50 on #1001. ", "Anything else?\n", "Say so! "]);
        assert_eq!(pieces.concat(), text);
        assert_eq!(sentences(""), Vec::<&str>::new());
        assert_eq!(sentences("é. é"), ["é. ", "é"]);
    }
}
