//! Found things in words: what customers are shown, and what their words are
//! compared with.

use std::ops::Range;

use serde_json::Value as Json;

use super::choose::Candidate;
use crate::model::offline::phrase::LEXICON;
use crate::model::offline::text::words;

/// Longest label shown.
const MAX_LABEL: usize = 120;

/// A candidate at a pointer of something read.
#[must_use]
pub fn candidate(
    observation_id: &str,
    read: &Json,
    pointer: &str,
    text: Option<String>,
    template: &str,
) -> Candidate {
    let parent = pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
    let element = read.pointer(parent).cloned().unwrap_or(Json::Null);
    let own = read.pointer(pointer).map(plain).unwrap_or_default();
    let text = text.unwrap_or_else(|| own.clone());
    let label = filled(template, &element).unwrap_or_else(|| text.clone());
    Candidate {
        argument: super::observed(observation_id, pointer),
        label: shown(&label),
        text,
        element,
    }
}

/// The text at `by`, a pattern of the same shape as `at`, for the element that
/// `pointer` is in.
#[must_use]
pub fn beside(read: &Json, at: &str, pointer: &str, by: &str) -> Option<String> {
    let mut indexes =
        at.split('/').zip(pointer.split('/')).filter(|(a, _)| *a == "*").map(|(_, index)| index);
    let path: Vec<&str> = by
        .split('/')
        .map(|part| if part == "*" { indexes.next().unwrap_or(part) } else { part })
        .collect();
    read.pointer(&path.join("/")).filter(|v| !v.is_null()).map(plain)
}

/// A template with the fields of an element; `None` where one is missing.
#[must_use]
pub fn filled(template: &str, element: &Json) -> Option<String> {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, next) = after.split_once('}')?;
        let value = element
            .pointer(&format!("/{}", name.trim().replace('.', "/")))
            .filter(|v| !v.is_null())?;
        text.push_str(before);
        text.push_str(&plain(value));
        rest = next;
    }
    text.push_str(rest);
    (!text.trim().is_empty()).then_some(text)
}

/// A value as people write it.
#[must_use]
pub fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => day(text).unwrap_or(text).to_owned(),
        Json::Object(fields) => match (
            fields.get("amount").and_then(Json::as_str),
            fields.get("currency").and_then(Json::as_str),
        ) {
            (Some(amount), Some(currency)) => format!("{currency} {amount}"),
            (_, _) => fields.values().map(plain).collect::<Vec<_>>().join(", "),
        },
        Json::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Json::Null => String::new(),
        Json::Bool(_) | Json::Number(_) => value.to_string(),
    }
}

/// The day of a time.
fn day(text: &str) -> Option<&str> {
    text.parse::<jiff::Timestamp>().ok().and_then(|_| text.split_once('T')).map(|(day, _)| day)
}

/// Text of others, made safe to show in a sentence.
#[must_use]
pub fn shown(text: &str) -> String {
    let hidden = |c: &char| {
        c.is_control()
            || matches!(*c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    text.chars().filter(|c| !hidden(c)).take(MAX_LABEL).collect()
}

/// Numbers of three digits and more outside `off`.
#[must_use]
pub fn numbers(text: &str, off: &[Range<usize>]) -> Vec<String> {
    let outside = |r: &Range<usize>| !off.iter().any(|o| o.start <= r.start && r.end <= o.end);
    let long = |w: &str| w.len() >= 3 && w.chars().all(|c| c.is_ascii_digit());
    let found =
        words(&crate::model::offline::text::without_quotes(text), LEXICON.known()).into_iter();
    found.filter(|w| w.number && long(&w.stem) && outside(&w.range)).map(|w| w.stem).collect()
}

/// Whether a candidate is told by a number.
#[must_use]
pub fn bears_number(candidate: &Candidate) -> bool {
    !numbers(&candidate.text, &[]).is_empty()
}

/// Whether a message points back to what was spoken of: "it", "that one".
#[must_use]
pub fn points_back(text: &str) -> bool {
    const BACK: &[&str] = &["it", "that", "this", "them", "same", "one"];
    words(text, LEXICON.known()).iter().any(|w| BACK.contains(&w.spelled.as_str()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use serde_json::json;

    #[test]
    fn labels_read_as_people_write() {
        let element = json!({"name": "#1001", "total": {"amount": "12.30", "currency": "EUR"}, "placed": "2026-11-01T10:00:00Z"});
        assert_eq!(
            filled("{name}, {total}, placed {placed}", &element).unwrap(),
            "#1001, EUR 12.30, placed 2026-11-01"
        );
        assert_eq!(filled("{title}", &element), None);
    }

    #[test]
    fn the_text_beside_belongs_to_the_same_element() {
        let read =
            json!({"orders": [{"lines": [{"id": 1, "title": "a"}, {"id": 2, "title": "b"}]}]});
        let text = beside(
            &read,
            "/orders/*/lines/*/id",
            "/orders/0/lines/1/id",
            "/orders/*/lines/*/title",
        );
        assert_eq!(text.as_deref(), Some("b"));
    }

    #[test]
    fn hidden_characters_are_not_shown() {
        assert_eq!(shown("Mug\u{202e}\n\u{200b}!"), "Mug!");
    }
}
