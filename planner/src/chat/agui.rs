//! AG-UI over server-sent events: steps and state while a turn is worked on, and a card to
//! confirm as an interrupt that the next run resumes.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use jiff::Timestamp;

use super::fault::Fault;
use super::sse::{Reader, streamed};
use super::turn::{Taken, Wish, answered, taken};
use super::{Chat, body};

mod asked;
mod events;

use asked::Asked;
use events::Run;

/// `POST /agui`.
pub(super) async fn run(State(chat): State<Arc<Chat>>, headers: HeaderMap, body: Body) -> Response {
    let own = Arc::clone(&chat);
    answered(&chat, async move { ran(&own, headers, body).await }).await
}

async fn ran(chat: &Arc<Chat>, mut headers: HeaderMap, body: Body) -> Result<Response, Fault> {
    let frontend = chat.frontends.of(&headers)?;
    frontend.pace(Instant::now())?;
    let asked = Asked::read(&body::whole(body).await?)?;
    // The protocol names the conversation itself, as its thread.
    let unfit = |_| Fault::wrong("threadId", "write 1 to 128 characters of A-Z a-z 0-9 . _ : -");
    let thread = HeaderValue::from_str(&asked.thread).map_err(unfit)?;
    headers.insert(frontend.conversation().clone(), thread);
    let caller = frontend.caller(&headers, Timestamp::now())?;
    let wish = Wish { said: &asked.said, resumes: asked.resumes(), signed: &asked.signed };
    let run = Run { thread: asked.thread.clone(), run: asked.run.clone() };
    match taken(chat, frontend, &caller, &wish).await? {
        Taken::Tape(tape) => {
            Ok(streamed(async move |reader: Reader| run.told(&reader, &tape).await))
        }
        Taken::Aside => Err(Fault::wrong("messages", "this is no message of the user")),
    }
}
