//! OpenAI's Chat Completions: the planner as a model among others.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::json;

use super::fault::Fault;
use super::turn::{self, Taken, Wish};
use super::{Chat, aside, body};

mod answer;
mod asked;
mod stream;

use answer::Answer;
use asked::Asked;

/// Listed as the owner of the model.
const OWNER: &str = "countersign";

/// `POST /v1/chat/completions`.
pub(super) async fn completions(
    State(chat): State<Arc<Chat>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let own = Arc::clone(&chat);
    turn::answered(&chat, async move { completed(&own, &headers, body).await }).await
}

async fn completed(chat: &Arc<Chat>, headers: &HeaderMap, body: Body) -> Result<Response, Fault> {
    let frontend = chat.frontends.of(headers)?;
    frontend.pace(Instant::now())?;
    let asked = Asked::read(&body::whole(body).await?, &chat.model)?;
    let tape = match frontend.caller(headers, Timestamp::now()) {
        Ok(caller) => {
            let wish = Wish { said: &asked.said, resumes: None, signed: &asked.signed };
            match turn::taken(chat, frontend, &caller, &wish).await? {
                Taken::Tape(tape) => tape,
                Taken::Aside => return Ok(told_aside(chat, &asked)),
            }
        }
        // Frontends ask for titles outside of any conversation as well.
        Err(_) if aside::is_aside(&asked.said, |_| false) => {
            return Ok(told_aside(chat, &asked));
        }
        Err(unheard) => return Err(unheard.into()),
    };
    let answer = Answer::begin(&chat.model, asked.include_usage);
    if asked.stream {
        return Ok(stream::of(tape, answer));
    }
    answer.whole(&tape.ending().await).map(IntoResponse::into_response)
}

fn told_aside(chat: &Chat, asked: &Asked) -> Response {
    let text = asked.said.last().map_or_else(String::new, |text| aside::answer(text));
    let answer = Answer::begin(&chat.model, asked.include_usage);
    if asked.stream { stream::of_text(answer, &text) } else { answer.text(&text).into_response() }
}

/// `GET /v1/models`.
pub(super) async fn models(State(chat): State<Arc<Chat>>, headers: HeaderMap) -> Response {
    match chat.frontends.of(&headers) {
        Ok(_) => {
            axum::Json(json!({ "object": "list", "data": [listed(&chat.model)] })).into_response()
        }
        Err(unheard) => Fault::from(unheard).into_response(),
    }
}

/// `GET /v1/models/{model}`.
pub(super) async fn model(
    State(chat): State<Arc<Chat>>,
    headers: HeaderMap,
    Path(model): Path<String>,
) -> Response {
    match chat.frontends.of(&headers) {
        Ok(_) if model == chat.model => axum::Json(listed(&model)).into_response(),
        Ok(_) => Fault::no_model(&model, &chat.model).into_response(),
        Err(unheard) => Fault::from(unheard).into_response(),
    }
}

/// Everything else.
pub(super) async fn nowhere() -> Response {
    Fault::nowhere().into_response()
}

fn listed(model: &str) -> serde_json::Value {
    json!({ "id": model, "object": "model", "created": 0, "owned_by": OWNER })
}
