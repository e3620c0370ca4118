//! Servers take the same parameters differently. A server that refuses one by name is asked
//! without it from then on; nothing of that is configured.

use serde::Serialize;
use serde_json::Value as Json;
use serde_json::value::RawValue;

/// A parameter that not every server takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parameter {
    /// `max_tokens`; such servers want `max_completion_tokens`.
    Limit,
    Temperature,
    Format,
}

/// What a server is asked without.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Dialect {
    newer_limit: bool,
    no_temperature: bool,
    no_format: bool,
}

/// The parameters, as they are sent.
#[derive(Debug, Serialize)]
pub(super) struct Parameters<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<Format<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
}

#[derive(Debug, Serialize)]
struct Format<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    json_schema: Schema<'a>,
}

#[derive(Debug, Serialize)]
struct Schema<'a> {
    name: &'static str,
    strict: bool,
    schema: &'a RawValue,
}

impl Dialect {
    /// The same without a parameter.
    pub(super) const fn without(self, parameter: Parameter) -> Self {
        match parameter {
            // Those that want the newer name reason, and take no temperature either.
            Parameter::Limit => Self { newer_limit: true, no_temperature: true, ..self },
            Parameter::Temperature => Self { no_temperature: true, ..self },
            Parameter::Format => Self { no_format: true, ..self },
        }
    }

    /// Whether the answer's shape has to be said in words.
    pub(super) const fn shape_in_words(self) -> bool {
        self.no_format
    }

    /// As the server takes them.
    pub(super) fn parameters(self, schema: &RawValue, longest: u32) -> Parameters<'_> {
        let json_schema = Schema { name: "decision", strict: true, schema };
        let format = Format { kind: "json_schema", json_schema };
        Parameters {
            response_format: (!self.no_format).then_some(format),
            temperature: (!self.no_temperature).then_some(0),
            max_tokens: (!self.newer_limit).then_some(longest),
            max_completion_tokens: self.newer_limit.then_some(longest),
        }
    }
}

/// Which parameter a refusal names. Only what the server says of it is read: some repeat the
/// customer's words elsewhere.
pub(super) fn refused(body: &[u8]) -> Option<Parameter> {
    let body: Json = serde_json::from_slice(body).ok()?;
    let error = body.get("error").unwrap_or(&body);
    let said = |member: &str| error.get(member).and_then(Json::as_str).unwrap_or_default();
    let said = [error.as_str().unwrap_or_default(), said("param"), said("message")].join(" ");
    let names = |words: &[&str]| words.iter().any(|word| said.contains(word));
    // A prompt that is too long names the limit as well, and another name does not help.
    if names(&["max_tokens", "max_completion_tokens"]) && !names(&["context", "too large"]) {
        Some(Parameter::Limit)
    } else if names(&["temperature"]) {
        Some(Parameter::Temperature)
    } else {
        // A schema that does not please is our fault, and is not given up for everybody.
        let format = names(&["response_format", "json_schema", "JSON schema"]);
        (format && !names(&["Invalid schema", "invalid schema"])).then_some(Parameter::Format)
    }
}
