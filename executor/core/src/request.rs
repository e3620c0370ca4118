//! A contract's call as the exact bytes that are sent: what the intent holds and
//! each attempt repeats. No host, no credential.

mod encode;
mod headers;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::contract::{Call, Contract, HttpBody, HttpRequest, KeyPlace, Pack, PackKind, Request};
use crate::expr::{EvalError, Scope, Template};

pub use encode::{pairs, percent};

/// One request, complete but for host and credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireRequest {
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    /// Percent-encoded, with its leading slash.
    pub path: String,
    /// Percent-encoded, without question mark; empty for none.
    pub query: String,
    /// Names and values in the order sent.
    pub headers: Vec<(String, String)>,
    /// The body's bytes; always text, and kept as text.
    #[serde(with = "text")]
    pub body: Vec<u8>,
}

/// A request that cannot be written. Nothing is sent then (ERRORS REFUSE).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// A template failed.
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// A path segment that would mean another path.
    #[error("path segment {0} is absent, empty, `.`, `..` or no scalar")]
    Segment(usize),
    /// A header that would not stay one header, or is not the contract's to set.
    #[error("header `{0}` has a name or value that may not be sent")]
    Header(String),
    /// The contract wants the idempotency key in a body that has no fields.
    #[error("the body's root is no object, so the idempotency key has no place in it")]
    NoPlaceForKey,
    /// The pack is of another kind than the call.
    #[error("the call is not of its pack's kind")]
    Kind,
}

/// Renders a contract's call.
///
/// # Errors
/// A template fails, or its value cannot be written where it belongs.
pub fn render(
    contract: &Contract,
    scope: &Scope,
    key: Option<&str>,
) -> Result<WireRequest, RequestError> {
    render_call(&contract.pack, &contract.call, scope, key)
}

fn render_call(
    pack: &Pack,
    call: &Call,
    scope: &Scope,
    key: Option<&str>,
) -> Result<WireRequest, RequestError> {
    let key = call.key.as_ref().zip(key);
    let mut wire = match (&call.request, &pack.kind) {
        (Request::GraphQl { document, operation, variables }, PackKind::GraphQl { path }) => {
            let mut variables = members(variables, scope)?;
            if let Some((KeyPlace::Variable(name), key)) = key {
                variables.insert(name.clone(), Json::from(key));
            }
            graphql(path, document, operation, variables)
        }
        (Request::Http(http), PackKind::Http) => http_request(http, scope, key)?,
        (Request::GraphQl { .. }, PackKind::Http)
        | (Request::Http(_), PackKind::GraphQl { .. }) => {
            return Err(RequestError::Kind);
        }
    };
    if let Some((KeyPlace::Header(name), key)) = key {
        wire.headers.push(headers::checked(name, key)?);
    }
    Ok(wire)
}

fn graphql(
    path: &str,
    document: &str,
    operation: &str,
    variables: Map<String, Json>,
) -> WireRequest {
    let body = serde_json::json!({
        "query": document,
        "operationName": operation,
        "variables": variables,
    });
    WireRequest {
        method: "POST".to_owned(),
        path: path.to_owned(),
        query: String::new(),
        headers: headers::standard(Some("application/json")),
        body: body.to_string().into_bytes(),
    }
}

fn http_request(
    http: &HttpRequest,
    scope: &Scope,
    key: Option<(&KeyPlace, &str)>,
) -> Result<WireRequest, RequestError> {
    let field = match key {
        Some((KeyPlace::Field(name), key)) => Some((name.as_str(), key)),
        Some((KeyPlace::Variable(_) | KeyPlace::Header(_), _)) | None => None,
    };
    let (content_type, body) = body(&http.body, scope, field)?;
    let mut lines = headers::standard(content_type);
    for (name, template) in &http.headers {
        if let Some(value) = encode::scalar(&template.render(scope)?) {
            lines.push(headers::checked(name, &value)?);
        }
    }
    Ok(WireRequest {
        method: http.method.clone(),
        path: path(&http.path, scope)?,
        query: pairs(&members(&http.query, scope)?),
        headers: lines,
        body,
    })
}

/// Each segment encoded on its own, so that no value can add or leave a folder.
fn path(segments: &[Template], scope: &Scope) -> Result<String, RequestError> {
    let mut path = String::new();
    for (index, template) in segments.iter().enumerate() {
        let segment = encode::scalar(&template.render(scope)?)
            .filter(|s| !matches!(s.as_str(), "" | "." | ".."))
            .ok_or(RequestError::Segment(index))?;
        path.push('/');
        path.push_str(&percent(&segment));
    }
    Ok(if path.is_empty() { "/".to_owned() } else { path })
}

fn body(
    body: &HttpBody,
    scope: &Scope,
    key: Option<(&str, &str)>,
) -> Result<(Option<&'static str>, Vec<u8>), RequestError> {
    match body {
        HttpBody::Empty if key.is_some() => Err(RequestError::NoPlaceForKey),
        HttpBody::Empty => Ok((None, Vec::new())),
        HttpBody::Json(template) => {
            let mut json = template.render(scope)?;
            if let Some((name, key)) = key {
                let object = json.as_object_mut().ok_or(RequestError::NoPlaceForKey)?;
                object.insert(name.to_owned(), Json::from(key));
            }
            Ok((Some("application/json"), json.to_string().into_bytes()))
        }
        HttpBody::Form(fields) => {
            let mut fields = members(fields, scope)?;
            if let Some((name, key)) = key {
                fields.insert(name.to_owned(), Json::from(key));
            }
            Ok((Some("application/x-www-form-urlencoded"), pairs(&fields).into_bytes()))
        }
    }
}

fn members<'a>(
    templates: impl IntoIterator<Item = (&'a String, &'a Template)>,
    scope: &Scope,
) -> Result<Map<String, Json>, EvalError> {
    let render =
        |(name, template): (&String, &Template)| Ok((name.clone(), template.render(scope)?));
    templates.into_iter().map(render).collect()
}

/// Bytes of a text as a string, so that the journal can be read by people.
mod text {
    use serde::{Deserialize, Deserializer, Serializer, ser::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(std::str::from_utf8(bytes).map_err(S::Error::custom)?)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        String::deserialize(from).map(String::into_bytes)
    }
}

#[cfg(test)]
mod tests;
