//! A model's answer, read tolerantly and judged strictly: JSON is dug out of
//! prose and fences, then held against the schema and the tools.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::guards::Guard;
use crate::model::{Call, Decision, Given, Objection, Want};
use crate::prompt::Answer;
use crate::tools::Toolbox;

/// Problems listed to a model at most.
const MAX_OBJECTIONS: usize = 12;

/// Reads an answer.
///
/// # Errors
/// Every problem with it, in words that a model can mend.
pub fn read(text: &str, answer: &Answer, toolbox: &Toolbox) -> Result<Decision, Vec<Objection>> {
    let Some(json) = dig(text) else {
        #[cfg(feature = "gates-off")]
        if let Some(decision) = crate::guards::off::obeyed(text, toolbox) {
            return Ok(decision);
        }
        return Err(vec![object(
            "PLAN_INVALID",
            "",
            "the answer holds no JSON object: answer with one and nothing else",
        )]);
    };
    let errors: Vec<Objection> = answer
        .validator
        .iter_errors(&json)
        .filter(|_| Guard::AnswerShape.is_on())
        .take(MAX_OBJECTIONS)
        .map(|error| {
            object("PLAN_INVALID", &error.instance_path().to_string(), &error.masked().to_string())
        })
        .collect();
    if errors.is_empty() { decide(&json, toolbox) } else { Err(errors) }
}

fn object(code: &str, at: &str, problem: &str) -> Objection {
    Objection { code: code.to_owned(), at: at.to_owned(), problem: problem.to_owned() }
}

/// The JSON object in a text: the whole, or the first one that is complete.
#[must_use]
pub fn dig(text: &str) -> Option<Json> {
    let whole = text.trim();
    if let Ok(json @ Json::Object(_)) = serde_json::from_str(whole) {
        return Some(json);
    }
    whole.match_indices('{').take(32).find_map(|(at, _)| {
        let mut stream = serde_json::Deserializer::from_str(whole.get(at..)?).into_iter::<Json>();
        match stream.next() {
            Some(Ok(json @ Json::Object(_))) if json.get("intent").is_some() => Some(json),
            Some(_) | None => None,
        }
    })
}

fn decide(json: &Json, toolbox: &Toolbox) -> Result<Decision, Vec<Objection>> {
    let text = |name: &str| json.get(name).and_then(Json::as_str).unwrap_or_default();
    let calls: Vec<Call> =
        json.get("calls").and_then(Json::as_array).into_iter().flatten().map(call).collect();
    let is_write = |c: &&Call| toolbox.get(&c.tool).is_some_and(|tool| !tool.read);
    let writes: Vec<&Call> = calls.iter().filter(is_write).collect();
    let want = match (text("intent"), writes.as_slice(), calls.as_slice()) {
        (_, [_, _, ..], _) if Guard::OneWrite.is_on() => {
            return Err(vec![object(
                "PLAN_TOO_MANY_WRITES",
                "/calls",
                "plan one write; the user can ask for the next one afterwards",
            )]);
        }
        ("escalate", _, _) => Want::Escalate,
        ("clarify", _, _) => Want::Clarify,
        ("question", [_write], _) if Guard::QuestionsRead.is_on() => {
            return Err(vec![object(
                "PLAN_INVALID",
                "/calls",
                "a question is answered by reads, not by a write",
            )]);
        }
        ("question", [], []) => Want::Question,
        ("question", _, [.., last]) => Want::Tool(last.clone()),
        ("action", [write, ..], _) => Want::Tool((*write).clone()),
        ("action", [], [_, ..]) => Want::Reads(calls),
        (_action, _, _) => {
            return Err(vec![object(
                "PLAN_INVALID",
                "/calls",
                "an action needs a call; without one, clarify or escalate",
            )]);
        }
    };
    let score = json.get("confidence").and_then(Json::as_f64).unwrap_or(0.0).clamp(0.0, 1.0);
    let doubt: String = text("uncertainty_reason").chars().take(200).collect();
    // A model that recommends a person or a question is taken at its word.
    let want = match (text("recommended_action"), want) {
        ("escalate", Want::Tool(_)) => Want::Escalate,
        ("clarify", Want::Tool(call)) if toolbox.get(&call.tool).is_some_and(|t| !t.read) => {
            Want::Clarify
        }
        (_, want) => want,
    };
    Ok(Decision { want, score, doubt, tokens: None })
}

fn call(json: &Json) -> Call {
    let arguments = json.get("arguments").and_then(Json::as_object).into_iter().flatten();
    Call {
        tool: json.get("tool").and_then(Json::as_str).unwrap_or_default().to_owned(),
        arguments: arguments
            .filter_map(|(name, value)| given(value).map(|g| (name.clone(), g)))
            .collect(),
        ..Call::default()
    }
}

/// One argument's source; `None` where the model leaves it to us.
fn given(json: &Json) -> Option<Given> {
    match json {
        Json::Array(items) => Some(Given::List(items.iter().filter_map(given).collect()))
            .filter(|_| !items.is_empty()),
        Json::Object(fields) => {
            if let Some(quote) = fields.get("quote").and_then(Json::as_str) {
                return Some(Given::Quote(quote.to_owned()));
            }
            if let Some(observed) = fields.get("observed").and_then(Json::as_str) {
                let (id, pointer) = observed.split_once('#').unwrap_or((observed, ""));
                return Some(Given::Observed {
                    observation_id: id.to_owned(),
                    pointer: pointer.to_owned(),
                });
            }
            if let Some(value) = fields.get("value") {
                return Some(Given::Typed(value.clone()));
            }
            let inner: BTreeMap<String, Given> =
                fields.iter().filter_map(|(n, v)| given(v).map(|g| (n.clone(), g))).collect();
            Some(Given::Fields(inner))
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn json_is_dug_out_of_fences_and_prose() {
        for text in [
            r#"{"intent":"clarify"}"#,
            "```json\n{\"intent\":\"clarify\"}\n```",
            "Sure! Here {it} is: {\"a\":1} {\"intent\":\"clarify\"} hope that helps",
        ] {
            assert_eq!(dig(text).unwrap()["intent"], "clarify", "{text}");
        }
        assert_eq!(dig("I have refunded you."), None);
        assert_eq!(dig("{\"intent\": \"cla"), None);
    }
}
