//! OpenAI's Chat Completions: the planner as a model among others.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use countersign_proto::v1::{AttestedMessage, ConverseRequest};
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::mpsc;

use super::Chat;
use super::aside;
use super::frontend::{Caller, Frontend};
use super::tape::Tape;
use super::thread::{Meant, New};
use crate::subject;

mod answer;
mod asked;
mod fault;
mod stream;

use answer::Answer;
use asked::{Asked, Ours};
use fault::Fault;

/// Listed as the owner of the model.
const OWNER: &str = "countersign";

/// `POST /v1/chat/completions`.
pub(super) async fn completions(
    State(chat): State<Arc<Chat>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    match completed(&chat, &headers, body).await {
        Ok(response) => response,
        Err(fault) => fault.into_response(),
    }
}

async fn completed(
    chat: &Arc<Chat>,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Fault> {
    let frontend = chat.frontends.of(headers)?;
    let asked = Asked::read(&body?, &chat.model)?;
    let tape = match frontend.caller(headers, Timestamp::now()) {
        Ok(caller) => match meant(chat, frontend, &caller, &asked)? {
            Some(tape) => tape,
            None => return Ok(told_aside(chat, &asked).await),
        },
        // Frontends ask for titles outside of any conversation as well.
        Err(_) if aside::is_aside(&asked.said, |_| false) => {
            return Ok(told_aside(chat, &asked).await);
        }
        Err(unheard) => return Err(unheard.into()),
    };
    let answer = Answer::begin(&chat.model, asked.include_usage);
    if asked.stream {
        return Ok(stream::of(tape, answer));
    }
    answer.whole(&tape.ending().await).map(IntoResponse::into_response)
}

async fn told_aside(chat: &Chat, asked: &Asked) -> Response {
    let text = asked.said.last().map_or_else(String::new, |text| aside::answer(text));
    let answer = Answer::begin(&chat.model, asked.include_usage);
    if asked.stream { stream::of_text(answer, &text) } else { answer.text(&text).into_response() }
}

/// The tape of the turn that is meant, begun where it is new; `None` where the frontend
/// asks for itself.
fn meant(
    chat: &Arc<Chat>,
    frontend: &Frontend,
    caller: &Caller,
    asked: &Asked,
) -> Result<Option<Arc<Tape>>, Fault> {
    let now = Instant::now();
    frontend.pace(caller, now)?;
    let key = [frontend.name(), &subject::key(&caller.token), &caller.conversation].join("\n");
    if aside::is_aside(&asked.said, |text| chat.threads.quotes_a_reply(&key, text)) {
        return Ok(None);
    }
    let place = Arc::clone(&chat.room).try_acquire_owned().map_err(|_| Fault::overloaded())?;
    match chat.threads.meant(&key, &caller.conversation, &asked.said, now) {
        Meant::Again(tape) => Ok(Some(tape)),
        Meant::New(new) => {
            let tape = Arc::clone(&new.tape);
            let request = request(frontend, caller, asked, &new);
            let (engine, recorder) = (Arc::clone(&chat.engine), Arc::clone(&tape));
            // In tasks of their own: a frontend that hangs up stops no turn midway.
            chat.turns.spawn(async move {
                let (events, said) = mpsc::unbounded_channel();
                let turn = async move { engine.turn(request, &events).await };
                let turn = tokio::spawn(turn);
                recorder.record(said).await;
                if let Err(error) = turn.await {
                    tracing::error!(%error, "a turn broke off");
                }
                drop(place);
            });
            Ok(Some(tape))
        }
    }
}

fn request(frontend: &Frontend, caller: &Caller, asked: &Asked, new: &New) -> ConverseRequest {
    let Ours { message_id, attestation, confirmation } = asked.ours.clone();
    let message_id = if message_id.is_empty() { new.message_id.clone() } else { message_id };
    let text = asked.said.last().cloned().unwrap_or_default();
    ConverseRequest {
        subject_token: caller.token.clone(),
        conversation_id: new.conversation.clone(),
        message: Some(AttestedMessage { message_id, text, attestation }),
        confirmation,
        external_ref: caller.ticket.clone(),
        confirm_by_link: !frontend.signs,
        edited: new.edited,
    }
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
