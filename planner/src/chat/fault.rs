//! Errors in OpenAI's form, on every face. Clients repeat a request by themselves after 429
//! and 5xx; a repeat is heard again, so that is harmless.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use countersign_shared::codes::{Code, Status};
use countersign_shared::refusal::Refusal;
use serde_json::{Value as Json, json};

use super::frontend::Unheard;
use crate::executor::CallError;

/// Where nobody says when to try again.
const AGAIN: Duration = Duration::from_secs(2);

/// What is answered instead of a completion.
#[derive(Debug)]
pub(super) struct Fault {
    status: StatusCode,
    kind: &'static str,
    code: &'static str,
    param: String,
    message: String,
    again_in: Option<Duration>,
}

impl Fault {
    fn new(status: StatusCode, kind: &'static str, code: &'static str, message: &str) -> Self {
        let (param, message) = (String::new(), message.to_owned());
        Self { status, kind, code, param, message, again_in: None }
    }

    /// Something in the request is not right.
    pub(super) fn wrong(param: &str, message: &str) -> Self {
        let status = StatusCode::BAD_REQUEST;
        let fault = Self::new(status, "invalid_request_error", "invalid_value", message);
        Self { param: param.to_owned(), ..fault }
    }

    pub(super) fn no_model(asked: &str, ours: &str) -> Self {
        let message = format!("there is no model `{asked}` here: ask for `{ours}`");
        let status = StatusCode::NOT_FOUND;
        let fault = Self::new(status, "invalid_request_error", "model_not_found", &message);
        Self { param: "model".to_owned(), ..fault }
    }

    /// The conversation that is rated is none of the subject's.
    pub(super) fn no_conversation() -> Self {
        let message = "no such conversation of this customer: it begins with their first turn";
        let status = StatusCode::NOT_FOUND;
        let fault = Self::new(status, "invalid_request_error", "conversation_not_found", message);
        Self { param: "conversation".to_owned(), ..fault }
    }

    pub(super) fn nowhere() -> Self {
        let message = "served are POST /v1/chat/completions, GET /v1/models, POST /agui and \
                       POST /v1/conversations/{conversation}/rating";
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", "unknown_url", message)
    }

    pub(super) fn overloaded() -> Self {
        let message = "too many turns at once: try again in a moment";
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let fault = Self::new(status, "server_error", "overloaded", message);
        Self { again_in: Some(Duration::from_secs(1)), ..fault }
    }

    /// The body did not come, or is too much.
    pub(super) fn body(status: StatusCode) -> Self {
        let message = if status == StatusCode::REQUEST_TIMEOUT {
            "the body did not arrive in time"
        } else {
            "the body broke off, or is larger than 1 MiB: send fewer messages"
        };
        Self::new(status, "invalid_request_error", "invalid_body", message)
    }

    /// The turn's task is gone.
    pub(super) fn lost() -> Self {
        let message = "this turn broke off; what it had begun goes on, so ask how it stands";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "turn_lost", message)
    }

    /// The error object.
    pub(super) fn object(&self) -> Json {
        let param = Some(&self.param).filter(|param| !param.is_empty());
        json!({ "error": {
            "message": self.message, "type": self.kind, "param": param, "code": self.code,
        } })
    }

    #[cfg(test)]
    pub(super) fn param(&self) -> String {
        self.param.clone()
    }
}

impl From<Unheard> for Fault {
    fn from(unheard: Unheard) -> Self {
        match unheard {
            Unheard::Key => {
                let message = "no such API key: send one as `Authorization: Bearer …`";
                let status = StatusCode::UNAUTHORIZED;
                Self::new(status, "invalid_request_error", "invalid_api_key", message)
            }
            Unheard::Header(name, problem) => {
                Self::wrong(&name, &format!("the header {name} {problem}"))
            }
            Unheard::Pace(again) => {
                let message = "too many requests in a minute";
                let status = StatusCode::TOO_MANY_REQUESTS;
                let fault = Self::new(status, "requests", "rate_limit_exceeded", message);
                Self { again_in: Some(again), ..fault }
            }
        }
    }
}

/// Whether another token may be answered otherwise; else it is how the executor stands.
fn is_about_the_subject(refusal: &Refusal) -> bool {
    match Code::by_name(&refusal.code).map(|code| code.page().status) {
        Some(
            Status::Unavailable
            | Status::ResourceExhausted
            | Status::DataLoss
            | Status::DeadlineExceeded
            | Status::Internal,
        ) => false,
        Some(
            Status::NotFound
            | Status::InvalidArgument
            | Status::Unauthenticated
            | Status::PermissionDenied
            | Status::FailedPrecondition
            | Status::Aborted
            | Status::AlreadyExists,
        )
        | None => true,
    }
}

impl From<CallError> for Fault {
    /// The executor was asked whether it knows the subject.
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused(refusal) => {
                let message = format!("{}: {}", refusal.code, refusal.message);
                if is_about_the_subject(&refusal) {
                    let status = StatusCode::UNAUTHORIZED;
                    return Self::new(status, "invalid_request_error", "subject_refused", &message);
                }
                let status = StatusCode::SERVICE_UNAVAILABLE;
                let fault = Self::new(status, "server_error", "executor_refused", &message);
                Self { again_in: refusal.retry_after.or(Some(AGAIN)), ..fault }
            }
            CallError::Unreachable(_) | CallError::Lost(_) => {
                let message = "the executor does not answer: nothing was begun, try again";
                let status = StatusCode::SERVICE_UNAVAILABLE;
                let fault = Self::new(status, "server_error", "executor_unreachable", message);
                Self { again_in: Some(AGAIN), ..fault }
            }
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = (self.status, axum::Json(self.object())).into_response();
        let seconds = self.again_in.map(|wait| wait.as_millis().div_ceil(1000).max(1).to_string());
        if let Some(Ok(seconds)) = seconds.map(|text| HeaderValue::from_str(&text)) {
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}
