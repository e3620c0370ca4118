//! Where a value stands in the customer's own words, as byte offsets of an
//! attested message (REFERENCES, NOT VALUES).

use std::ops::Range;
use std::sync::LazyLock;

use countersign_proto::v1::{Argument, UtteranceSpan, argument};
use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::tools::ArgumentSpec;

/// A message that spans may point into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The frontend's id of it.
    pub message_id: String,
    /// The text as attested.
    pub text: String,
}

/// A value found in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The message.
    pub message_id: String,
    /// Bytes of its text.
    pub range: Range<usize>,
    /// The words there.
    pub value: String,
}

impl Found {
    /// The reference that a plan carries.
    #[must_use]
    pub fn argument(&self) -> Argument {
        let end = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let span = UtteranceSpan {
            message_id: self.message_id.clone(),
            start: end(self.range.start),
            end: end(self.range.end),
        };
        Argument { source: Some(argument::Source::Utterance(span)) }
    }
}

/// Every value that the argument's own pattern finds in the message and its
/// schema accepts, in order.
#[must_use]
pub fn extract(spec: &ArgumentSpec, said: &Said) -> Vec<Found> {
    let Some(pattern) = pattern(spec) else { return Vec::new() };
    let text = crate::model::offline::text::without_quotes(&said.text);
    let mut found = Vec::new();
    for groups in pattern.captures_iter(&text) {
        // One alternative of a pattern may hold the group that took part.
        let Some(group) = groups.iter().skip(1).flatten().next().or_else(|| groups.get(0)) else {
            continue;
        };
        let Some((range, value)) = trimmed(&text, group.range()) else { continue };
        if fits(spec, &value) {
            found.push(Found { message_id: said.message_id.clone(), range, value });
        }
    }
    found
}

/// The contract's own pattern, or one made of the schema.
fn pattern(spec: &ArgumentSpec) -> Option<Regex> {
    if let Some(own) = spec.pattern() {
        return Some(own.clone());
    }
    if spec.schema.get("format").and_then(|f| f.as_str()) == Some("email") {
        return Some(EMAIL.clone());
    }
    if spec.kind() == "integer" {
        return Regex::new(r"(?:^|[^\w.,#-])([0-9]{1,4})(?:[^\w.,-]|[.,]?$|[.,]\s)").ok();
    }
    let schema = spec.schema.get("pattern").and_then(|p| p.as_str())?;
    let inner = schema.strip_prefix('^')?.strip_suffix('$')?;
    Regex::new(&format!(r"(?:^|[^\w])({inner})(?:[^\w]|$)")).ok()
}

static EMAIL: LazyLock<Regex> = LazyLock::new(|| {
    #[expect(clippy::unwrap_used, reason = "a constant, compiled by a test")]
    Regex::new(r"([\w.+-]+@[\w-]+(?:\.[\w-]+)+)").unwrap()
});

fn trimmed(text: &str, range: Range<usize>) -> Option<(Range<usize>, String)> {
    let value = text.get(range.clone())?;
    let start = range.start + (value.len() - value.trim_start().len());
    let kept = value.trim();
    (!kept.is_empty()).then(|| (start..start + kept.len(), kept.to_owned()))
}

/// Whether the schema accepts the words as they stand, or as the number they are.
#[must_use]
pub fn fits(spec: &ArgumentSpec, value: &str) -> bool {
    let typed = match spec.kind() {
        "integer" => value.parse::<i64>().map(Into::into).unwrap_or(serde_json::Value::Null),
        _other => serde_json::Value::String(value.to_owned()),
    };
    spec.fits(&typed)
}

/// Finds quoted words in the messages, newest first: exactly, or with other
/// capitals and spacing.
#[must_use]
pub fn locate(quote: &str, said: &[Said]) -> Option<Found> {
    let quote = quote.trim().trim_matches(['"', '“', '”']);
    if quote.is_empty() {
        return None;
    }
    let exact = said.iter().find_map(|s| s.text.find(quote).map(|at| (s, at..at + quote.len())));
    let (message, range) = exact.or_else(|| {
        let words: Vec<String> = quote.split_whitespace().map(regex::escape).collect();
        let loose = Regex::new(&format!("(?i){}", words.join(r"\s+"))).ok()?;
        said.iter().find_map(|s| loose.find(&s.text).map(|m| (s, m.range())))
    })?;
    let value = message.text.get(range.clone())?.to_owned();
    Some(Found { message_id: message.message_id.clone(), range, value })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::string_slice, reason = "tests")]

    use super::*;
    use serde_json::json;

    fn spec(json: serde_json::Value) -> ArgumentSpec {
        serde_json::from_value(json).unwrap()
    }

    fn said(text: &str) -> Said {
        Said { message_id: "m1".to_owned(), text: text.to_owned() }
    }

    #[test]
    fn spans_are_bytes_of_the_message_as_written() {
        let spec = spec(
            json!({"schema": {"type": "string", "pattern": "^[0-9]{3,10}$"}, "extract": "#([0-9]+)"}),
        );
        let message = said("Müßiggang 😀 – order #1004!");
        let found = extract(&spec, &message);
        assert_eq!(found.len(), 1);
        assert_eq!(&message.text[found[0].range.clone()], "1004");
        assert!(extract(&spec, &said("#12")).is_empty(), "the schema wants three digits");
        assert!(
            extract(&spec, &said("> order #1004\nhello")).is_empty(),
            "quoted mail is not the customer's"
        );
    }

    #[test]
    fn without_a_pattern_the_schema_is_searched_for() {
        let spec = spec(json!({"schema": {"type": "string", "pattern": "^pay_[0-9]{2}$"}}));
        assert_eq!(extract(&spec, &said("refund pay_17, please"))[0].value, "pay_17");
        assert!(extract(&spec, &said("refund xpay_17")).is_empty());
        let email = self::spec(json!({"schema": {"type": "string", "format": "email"}}));
        assert_eq!(extract(&email, &said("write to a.b@example.com."))[0].value, "a.b@example.com");
    }

    #[test]
    fn a_quote_is_found_with_other_capitals_and_spaces() {
        let message = [said("Send it to 6  Heather grove")];
        assert_eq!(locate("6 Heather Grove", &message).unwrap().range, 11..27);
        assert_eq!(locate("7 Heather Grove", &message), None);
    }
}
