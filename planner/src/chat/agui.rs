//! AG-UI over server-sent events: steps and state while a turn is worked on, and a card to
//! confirm as an interrupt that the next run resumes.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;

use super::Chat;
use super::fault::Fault;
use super::sse::{Reader, streamed};
use super::turn::{Taken, Wish, taken};

mod asked;
mod events;

use asked::Asked;
use events::Run;

/// `POST /agui`.
pub(super) async fn run(
    State(chat): State<Arc<Chat>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    match ran(&chat, headers, body) {
        Ok(response) => response,
        Err(fault) => fault.into_response(),
    }
}

fn ran(
    chat: &Arc<Chat>,
    mut headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Fault> {
    let frontend = chat.frontends.of(&headers)?;
    let asked = Asked::read(&body?)?;
    // The protocol names the conversation itself, as its thread.
    if let (Ok(name), Ok(thread)) =
        (HeaderName::try_from(frontend.conversation()), HeaderValue::from_str(&asked.thread))
    {
        headers.insert(name, thread);
    }
    let caller = frontend.caller(&headers, Timestamp::now())?;
    let wish = Wish { said: &asked.said, resumes: asked.resumes(), signed: &asked.signed };
    let run = Run { thread: asked.thread.clone(), run: asked.run.clone() };
    match taken(chat, frontend, &caller, &wish)? {
        Taken::Tape(tape) => {
            Ok(streamed(async move |reader: Reader| run.told(&reader, &tape).await))
        }
        Taken::Aside => Err(Fault::wrong("messages", "this is no message of the user")),
    }
}
