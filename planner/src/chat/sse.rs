//! Answers as server-sent events, however slow the reader.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use serde_json::Value as Json;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

/// A proxy that hears nothing for half a minute hangs up.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);
/// Events that wait for a slow reader.
const WAITING: usize = 16;

/// Where events go.
pub(super) struct Reader(mpsc::Sender<Event>);

/// The reader has left.
pub(super) struct Left;

impl Reader {
    /// An event with this JSON.
    pub(super) async fn hears(&self, body: &Json) -> Result<(), Left> {
        self.gets(Event::default().data(body.to_string())).await
    }

    /// An event with this text.
    pub(super) async fn hears_text(&self, text: &str) -> Result<(), Left> {
        self.gets(Event::default().data(text)).await
    }

    /// A comment, which every client skips.
    pub(super) async fn hears_comment(&self, text: &str) -> Result<(), Left> {
        self.gets(Event::default().comment(text)).await
    }

    async fn gets(&self, event: Event) -> Result<(), Left> {
        self.0.send(event).await.map_err(|_| Left)
    }
}

/// Streams what `tell` says to the reader it is given.
pub(super) fn streamed<T>(tell: impl FnOnce(Reader) -> T) -> Response
where
    T: Future<Output = Result<(), Left>> + Send + 'static,
{
    let (send, events) = mpsc::channel(WAITING);
    tokio::spawn(tell(Reader(send)));
    let events = ReceiverStream::new(events).map(Ok::<_, Infallible>);
    let mut response =
        Sse::new(events).keep_alive(KeepAlive::new().interval(SIGN_OF_LIFE)).into_response();
    // Proxies that gather answers would keep the signs of life back.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// The text in pieces that end with a sentence or a line; together they are the text.
pub(super) fn sentences(text: &str) -> Vec<&str> {
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
