//! A contract's rules for refusals inside an answer's body.

use serde_json::Value as Json;

use super::reading::No;
use crate::contract::{ErrorRule, ErrorRules};

/// Longest message kept of a backend's words, in characters.
const LONGEST: usize = 300;

/// What the errors at the contract's place say; `None` where there are none.
pub(super) fn refusal(rules: &ErrorRules, answer: &Json) -> Option<No> {
    let errors = at(rules.at.as_deref()?, answer);
    if errors.is_empty() {
        return None;
    }
    Some(matched(&rules.codes, &errors).unwrap_or_else(|| No::refused(said(&errors))))
}

/// The first rule that fits any of these errors.
pub(super) fn matched<'a>(
    rules: impl IntoIterator<Item = &'a ErrorRule>,
    errors: &[&Json],
) -> Option<No> {
    rules.into_iter().find_map(|rule| {
        let error = errors.iter().find(|error| fits(rule, error))?;
        Some(No::Refused { class: rule.class, code: rule.code.clone(), message: said(&[error]) })
    })
}

/// The backend's own words about a refusal, where it said any.
pub(super) fn words(pointer: Option<&str>, answer: Option<&Json>) -> Option<String> {
    let answer = answer?;
    let mut errors = pointer.map(|p| at(p, answer)).unwrap_or_default();
    if errors.is_empty() {
        errors = [answer].into_iter().filter(|e| !is_nothing(e)).collect();
    }
    Some(said(&errors)).filter(|text| !text.is_empty())
}

/// All of these errors in words.
pub(super) fn said(errors: &[&Json]) -> String {
    let lines: Vec<String> = errors.iter().map(|e| one(e)).filter(|t| !t.is_empty()).collect();
    clean(&lines.join("; "))
}

/// An error's code: `code`, or GraphQL's `extensions.code`.
pub(super) fn code_of(error: &Json) -> Option<&str> {
    ["/extensions/code", "/code"].iter().find_map(|p| error.pointer(p)?.as_str())
}

fn at<'a>(pointer: &str, answer: &'a Json) -> Vec<&'a Json> {
    match answer.pointer(pointer) {
        Some(Json::Array(errors)) => errors.iter().collect(),
        Some(error) if !is_nothing(error) => vec![error],
        Some(_) | None => Vec::new(),
    }
}

fn is_nothing(error: &Json) -> bool {
    match error {
        Json::Null | Json::Bool(false) => true,
        Json::String(text) => text.is_empty(),
        Json::Object(members) => members.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Bool(true) | Json::Number(_) => false,
    }
}

fn fits(rule: &ErrorRule, error: &Json) -> bool {
    let holds = |text: &str| text.to_lowercase().contains(&rule.matches);
    rule.matches == "*" || code_of(error).is_some_and(holds) || message_of(error).is_some_and(holds)
}

fn message_of(error: &Json) -> Option<&str> {
    error.as_str().or_else(|| error.get("message").and_then(Json::as_str))
}

fn one(error: &Json) -> String {
    let field = match error.get("field") {
        Some(Json::Array(path)) => {
            path.iter().filter_map(Json::as_str).collect::<Vec<_>>().join(".")
        }
        Some(Json::String(field)) => field.clone(),
        Some(_) | None => String::new(),
    };
    let mut parts: Vec<&str> = [code_of(error), message_of(error)].into_iter().flatten().collect();
    let place = format!("(at {field})");
    if !field.is_empty() {
        parts.push(&place);
    }
    parts.join(" ")
}

fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}
