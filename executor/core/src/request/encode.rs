//! Percent-encoding of path segments, queries and forms.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json};

/// Percent-encodes everything but letters, digits, `-`, `.`, `_` and `~`: safe as a
/// path segment and as a name or value of a query or form.
#[must_use]
pub fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// `name=value` pairs, nested names in brackets: `a[b]=1&a[c][0]=2`. Null is left out.
#[must_use]
pub fn pairs(fields: &Map<String, Json>) -> String {
    let mut out = Vec::new();
    for (name, value) in fields {
        flatten(&percent(name), value, &mut out);
    }
    out.join("&")
}

/// A scalar as text; `None` for null, lists and objects.
pub(super) fn scalar(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(bool) => Some(bool.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

fn flatten(name: &str, value: &Json, out: &mut Vec<String>) {
    match value {
        Json::Null => {}
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                flatten(&format!("{name}[{index}]"), item, out);
            }
        }
        Json::Object(members) => {
            for (member, item) in members {
                flatten(&format!("{name}[{}]", percent(member)), item, out);
            }
        }
        Json::String(_) | Json::Number(_) | Json::Bool(_) => {
            if let Some(text) = scalar(value) {
                out.push(format!("{name}={}", percent(&text)));
            }
        }
    }
}
