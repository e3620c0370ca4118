//! How a user rated a conversation, as their frontend says.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use countersign_proto::v1::RecordRatingRequest;
use countersign_shared::codes::Code;
use countersign_shared::turn::SCORES;
use jiff::Timestamp;
use serde::Deserialize;

use super::fault::Fault;
use super::{Chat, body};

/// What a frontend sends. A comment would be personal, and is refused like all else.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rating {
    score: u32,
}

/// `POST /v1/conversations/{conversation}/rating`.
pub(super) async fn rate(
    State(chat): State<Arc<Chat>>,
    Path(conversation): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match rated(&chat, &conversation, headers, body).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(fault) => fault.into_response(),
    }
}

async fn rated(
    chat: &Chat,
    conversation: &str,
    mut headers: HeaderMap,
    body: Body,
) -> Result<(), Fault> {
    let frontend = chat.frontends.of(&headers)?;
    frontend.pace(Instant::now())?;
    let unfit = || Fault::wrong("score", "send {\"score\": N}, N from 1 to 5, and nothing else");
    let rating = serde_json::from_slice::<Rating>(&body::whole(body).await?).ok();
    let rating = rating.filter(|rating| SCORES.contains(&rating.score)).ok_or_else(unfit)?;
    // The path names the conversation.
    let unnamed =
        |_| Fault::wrong("conversation", "write 1 to 128 characters of A-Z a-z 0-9 . _ : -");
    let named = HeaderValue::from_str(conversation).map_err(unnamed)?;
    headers.insert(frontend.conversation().clone(), named);
    let caller = frontend.caller(&headers, Timestamp::now())?;
    frontend.look_at(&caller, Instant::now())?;
    chat.engine.verify(&caller.token, "").await?;
    frontend.pace_of(&caller, Instant::now())?;
    let request = RecordRatingRequest {
        subject_token: caller.token,
        conversation_id: caller.conversation,
        score: rating.score,
    };
    chat.engine.rate(request).await.map_err(|error| match error.refusal() {
        Some(refusal) if refusal.code == Code::NotFound.name() => Fault::no_conversation(),
        Some(_) | None => error.into(),
    })
}
