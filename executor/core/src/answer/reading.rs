//! Reads a complete answer: the backend's JSON, or why it is not a yes.

use countersign_shared::codes::Code;
use serde_json::Value as Json;

use super::{graphql, rules};
use crate::belts::Belt;
use crate::contract::{Call, ErrorClass, Pack, Request};

/// An answer that is not a yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum No {
    /// A complete refusal.
    Refused { class: ErrorClass, code: String, message: String },
    /// Not now.
    Throttled,
    /// The credential was not accepted.
    Credential,
    /// Leaves room for an effect.
    Unclear(String),
}

impl No {
    pub(super) fn refused(message: impl Into<String>) -> Self {
        Self::Refused {
            class: ErrorClass::Terminal,
            code: Code::BackendRefused.name().to_owned(),
            message: message.into(),
        }
    }
}

/// The answer's JSON (`null` for an empty body) where the backend said yes.
pub(super) fn reading(pack: &Pack, call: &Call, status: u16, body: &[u8]) -> Result<Json, No> {
    let json = parse(body);
    match status {
        200..=299 => {
            expect_status(call, status)?;
            let json = json.map_err(|error| {
                No::Unclear(format!("HTTP {status} with a body that is no JSON: {error}"))
            })?;
            match graphql::refusal(pack, call, &json)
                .or_else(|| rules::refusal(&call.errors, &json))
            {
                Some(no) => Err(no),
                None => Ok(json),
            }
        }
        300..=399 => Err(redirected(status)),
        400..=499 => Err(client_error(call, status, json.ok().as_ref())),
        _ if !Belt::ServerErrors.is_on() => Err(No::refused(format!("HTTP {status}"))),
        // Any 5xx, and whatever is no status of HTTP: the effect may stand.
        _ => Err(No::Unclear(format!("HTTP {status}"))),
    }
}

fn parse(body: &[u8]) -> Result<Json, serde_json::Error> {
    if body.trim_ascii().is_empty() { Ok(Json::Null) } else { serde_json::from_slice(body) }
}

/// A success that the contract does not know ("202, later") says nothing for sure.
fn expect_status(call: &Call, status: u16) -> Result<(), No> {
    let expected = match &call.request {
        Request::GraphQl { .. } => status == 200,
        Request::Http(http) => http.accept.is_empty() || http.accept.contains(&status),
    };
    if expected {
        return Ok(());
    }
    Err(No::Unclear(format!("HTTP {status}, which the contract does not list as success")))
}

fn client_error(call: &Call, status: u16, json: Option<&Json>) -> No {
    if status == 429 {
        return No::Throttled;
    }
    let said = || {
        rules::words(call.errors.at.as_deref(), json).unwrap_or_else(|| format!("HTTP {status}"))
    };
    if let Some((_, code, class)) = call.errors.by_status.iter().find(|(s, _, _)| *s == status) {
        return No::Refused { class: *class, code: code.clone(), message: said() };
    }
    match status {
        401 | 403 => No::Credential,
        // A proxy's 408 does not tell how much of the request the backend had.
        408 => No::Unclear("HTTP 408".to_owned()),
        425 => No::Throttled,
        _ => json
            .and_then(|json| rules::refusal(&call.errors, json))
            .unwrap_or_else(|| No::refused(said())),
    }
}

/// Redirects are never followed. 301, 307 and 308 ask for the request elsewhere;
/// the others may follow a finished one.
fn redirected(status: u16) -> No {
    match status {
        301 | 307 | 308 => No::refused(format!(
            "HTTP {status}: the backend redirects, and redirects are not followed: correct the \
             connection's `base_url`"
        )),
        _ => No::Unclear(format!("HTTP {status}: a redirect, which is not followed")),
    }
}
