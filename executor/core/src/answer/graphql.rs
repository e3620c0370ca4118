//! GraphQL's own errors, beside or instead of data.
//!
//! Without `data` the operation was not executed, so a refusal is a refusal. With
//! `data`, even a null one, execution had begun: unless an error says that this
//! field was refused, an effect may stand.

use serde_json::Value as Json;

use super::reading::No;
use super::rules::{code_of, matched, said};
use crate::contract::{Call, Pack, Request};

/// Codes by which servers refuse a credential's rights.
const NOT_ALLOWED: &[&str] = &["ACCESS_DENIED", "UNAUTHENTICATED", "UNAUTHORIZED", "FORBIDDEN"];
/// Codes of a fault inside the server, at whatever point.
const FAULT: &[&str] =
    &["INTERNAL_SERVER_ERROR", "INTERNAL_ERROR", "SERVICE_UNAVAILABLE", "TIMEOUT"];

/// What top-level errors mean; `None` where there are none.
pub(super) fn refusal(pack: &Pack, call: &Call, answer: &Json) -> Option<No> {
    let Request::GraphQl { .. } = call.request else {
        return None;
    };
    let data = answer.get("data");
    let errors: Vec<&Json> = match answer.get("errors") {
        Some(Json::Array(errors)) => errors.iter().collect(),
        Some(Json::Null) | None => Vec::new(),
        Some(error) => vec![error],
    };
    if errors.is_empty() {
        let nothing =
            data.is_none().then(|| "the answer has neither `data` nor `errors`".to_owned());
        return nothing.map(No::Unclear);
    }
    if data.is_some_and(|data| !all_null(data)) {
        return Some(No::Unclear(format!("errors beside data: {}", said(&errors))));
    }
    let any =
        |codes: &[&str]| errors.iter().any(|e| code_of(e).is_some_and(|c| codes.contains(&c)));
    if errors.iter().any(|e| code_of(e).is_some_and(|c| pack.throttled_codes.contains(c))) {
        return Some(No::Throttled);
    }
    // The catch-all rule is meant for the errors that the contract points to.
    let named = call.errors.codes.iter().filter(|rule| rule.matches != "*");
    if let Some(no) = matched(named, &errors) {
        return Some(no);
    }
    Some(if any(FAULT) {
        No::Unclear(said(&errors))
    } else if any(NOT_ALLOWED) {
        No::Credential
    } else if data.is_none() {
        No::refused(said(&errors))
    } else {
        No::Unclear(format!("errors and empty data: {}", said(&errors)))
    })
}

/// Whether a GraphQL answer has data in which every root field is null.
pub(super) fn is_hollow(call: &Call, answer: &Json) -> bool {
    match call.request {
        Request::GraphQl { .. } => answer.get("data").is_none_or(all_null),
        Request::Http(_) => false,
    }
}

fn all_null(data: &Json) -> bool {
    data.as_object().is_none_or(|fields| fields.values().all(Json::is_null))
}
