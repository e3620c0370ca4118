//! Refusals in the shape of <https://docs.stripe.com/api/errors>.

use serde_json::{Map, Value, json};

/// A request that is not carried out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    status: u16,
    kind: &'static str,
    code: Option<&'static str>,
    message: String,
    param: Option<String>,
}

impl Refusal {
    /// 400 about what was asked for.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self {
            status: 400,
            kind: "invalid_request_error",
            code: None,
            message: message.into(),
            param: None,
        }
    }

    /// 400 about one parameter.
    pub(crate) fn of(param: &str, code: &'static str, message: impl Into<String>) -> Self {
        Self { code: Some(code), ..Self::invalid(message) }.at(param)
    }

    pub(crate) fn at(self, param: &str) -> Self {
        Self { param: Some(param.to_owned()), ..self }
    }

    pub(crate) fn coded(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }

    /// 404: nothing at this address, or nothing of this id.
    pub(crate) fn missing(message: impl Into<String>) -> Self {
        Self { status: 404, ..Self::invalid(message) }
    }

    /// 401: the key is not known.
    pub(crate) fn unknown_key() -> Self {
        Self { status: 401, ..Self::invalid("Invalid API Key provided: sk_test_***") }
    }

    /// 429.
    pub(crate) fn too_fast() -> Self {
        let message = "Request rate limit exceeded. Please slow down.";
        Self { status: 429, ..Self::invalid(message).coded("rate_limit") }
    }

    /// 500.
    pub(crate) fn broken() -> Self {
        Self { status: 500, kind: "api_error", ..Self::invalid("An unknown error occurred") }
    }

    /// 400: the key belongs to another request.
    pub(crate) fn key_mismatch(message: String) -> Self {
        Self { kind: "idempotency_error", ..Self::invalid(message) }
    }

    /// 409: its first request has not been answered.
    pub(crate) fn key_in_use(key: &str) -> Self {
        let message = format!(
            "There is currently another in-progress request using this Idempotent Key (that probably \
             means you submitted twice, and the other request is still going through): {key}. Please \
             try again later."
        );
        Self { status: 409, ..Self::key_mismatch(message).coded("idempotency_key_in_use") }
    }

    /// Status and body.
    pub(crate) fn answer(&self) -> (u16, Value) {
        let mut error = Map::from_iter([
            ("type".to_owned(), json!(self.kind)),
            ("message".to_owned(), json!(self.message)),
        ]);
        if let Some(code) = self.code {
            error.insert("code".to_owned(), json!(code));
            let page = code.replace('_', "-");
            error.insert(
                "doc_url".to_owned(),
                json!(format!("https://stripe.com/docs/error-codes/{page}")),
            );
        }
        if let Some(param) = &self.param {
            error.insert("param".to_owned(), json!(param));
        }
        (self.status, json!({ "error": error }))
    }
}
