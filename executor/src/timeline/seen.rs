//! What a rule saw, for people: what was expected beside what was found.

use countersign_shared::money::Money;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::json::{is_empty, shown, words};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Which.
    pub name: String,
    /// As the rule wants it; empty where that cannot be said in a word.
    pub expected: String,
    /// As it is.
    pub found: String,
}

impl Row {
    /// In one line.
    #[must_use]
    pub fn text(&self) -> String {
        if self.expected.is_empty() {
            return format!("found {}", self.found);
        }
        format!("expected {}, found {}", self.expected, self.found)
    }
}

/// How often something was read back.
#[must_use]
pub fn times(looks: u32) -> String {
    if looks == 1 { "once".to_owned() } else { format!("{looks} times") }
}

/// What a look saw, in a sentence, and row by row.
#[must_use]
pub fn sight(sight: &Json) -> (String, Vec<Row>) {
    let Some((kind, held)) = sight.as_object().and_then(|sight| sight.iter().next()) else {
        return (words(sight), Vec::new());
    };
    let told = match kind.as_str() {
        "right" => "It is there, as it was asked for.",
        "wrong" => "It is there, and is not what was asked for.",
        "pending" => "It is there, and not finished.",
        "failed" => "The backend took it, and then it failed.",
        "absent" => "Nothing of it is there.",
        "many" => "It is there more than once.",
        "unreadable" => {
            let why = held.get("why").map(words).unwrap_or_default();
            return (format!("It could not be read: {why}"), Vec::new());
        }
        "human" => return ("It is as the person said.".to_owned(), rows(held)),
        _ => return (words(sight), Vec::new()),
    };
    (told.to_owned(), held.get("facts").map(rows).unwrap_or_default())
}

/// The rows of a rule with what it saw: `{ "rule": …, "looked.city": …, "args.city": … }`.
#[must_use]
pub fn rows(facts: &Json) -> Vec<Row> {
    let Some(facts) = facts.as_object() else { return Vec::new() };
    let found = facts.iter().filter_map(|(place, is)| Some((place, read_back(place)?, is)));
    // What is looked at part by part needs no line as a whole.
    let whole = |place: &str| {
        let below = |other: &String| other.strip_prefix(place).is_some_and(|r| r.starts_with('.'));
        facts.keys().any(below)
    };
    let rows = found.filter(|(place, ..)| !whole(place)).map(|(place, name, is)| Row {
        name: name.replace(['.', '_'], " "),
        expected: expected(place, facts).unwrap_or_default(),
        found: shown(is),
    });
    rows.collect()
}

/// The name of a place of the reading.
fn read_back(place: &str) -> Option<&str> {
    place.strip_prefix("looked.").or_else(|| place.strip_prefix("found."))
}

fn expected(place: &str, facts: &Map<String, Json>) -> Option<String> {
    let rule = facts.get("rule")?.as_str()?;
    compared(place, rule, facts).or_else(|| asked(place, rule, facts))
}

/// What the rule itself compares a place with, where that holds in every case.
fn compared(place: &str, rule: &str, facts: &Map<String, Json>) -> Option<String> {
    clauses(rule).into_iter().find_map(|clause| {
        let equal = clause.split_once("==").map(|sides| ("", sides));
        let (not, (left, right)) =
            equal.or_else(|| clause.split_once("!=").map(|sides| ("anything but ", sides)))?;
        let value = value(bare(right), facts).filter(|_| bare(left) == place)?;
        Some(format!("{not}{value}"))
    })
}

/// The parts of a rule that all have to hold. A choice promises nothing of either side: a part
/// with one is left out, and of a rule that is one as a whole nothing is left.
fn clauses(rule: &str) -> Vec<&str> {
    let mut outer = outside();
    if rule.chars().any(|c| outer(c) && is_choice(c)) {
        return Vec::new();
    }
    let mut outer = outside();
    let clauses = rule.split(|c| outer(c) && c == '&');
    clauses.filter(|clause| !clause.contains(is_choice)).collect()
}

const fn is_choice(c: char) -> bool {
    matches!(c, '|' | '?')
}

/// Whether a character, one after the other, is outside of brackets and texts.
fn outside() -> impl FnMut(char) -> bool {
    let mut depth = 0_u32;
    let mut text: Option<char> = None;
    move |c| {
        match (text, c) {
            (Some(mark), _) if mark == c => text = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => text = Some(c),
            (None, '(' | '[' | '{') => depth = depth.saturating_add(1),
            (None, ')' | ']' | '}') => depth = depth.saturating_sub(1),
            (None, _) => return depth == 0,
        }
        false
    }
}

fn bare(side: &str) -> &str {
    let side = side.trim().trim_matches(['(', ')', ' ']);
    side.strip_suffix(".lower").unwrap_or(side)
}

/// A fact, a literal, or a sum of money.
fn value(side: &str, facts: &Map<String, Json>) -> Option<String> {
    let literal = || serde_json::from_str(side).ok();
    if let Some(value) = facts.get(side).cloned().or_else(literal) {
        return Some(shown(&value));
    }
    let mut parts = side.split('+').map(|part| Money::deserialize(facts.get(part.trim())?).ok());
    let first = parts.next()??;
    parts.try_fold(first, |sum, part| sum.checked_add(part?).ok()).map(|sum| sum.to_string())
}

/// The one argument that the rule wants a place to equal, be it in some case only: it was
/// given, so this is the case.
fn asked(place: &str, rule: &str, facts: &Map<String, Json>) -> Option<String> {
    if rule.contains("!(") {
        // What stands in there may be just what is not wanted.
        return None;
    }
    let cases = rule.split(['&', '|', '?', ':']).filter_map(|case| case.split_once("=="));
    let mut given = cases.filter_map(|(left, right)| {
        let right = bare(right);
        let is_asked = bare(left) == place && right.starts_with("args.");
        facts.get(right).filter(|value| is_asked && !is_empty(value)).map(shown)
    });
    given.next().filter(|_| given.next().is_none())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn texts(facts: &Json) -> Vec<String> {
        rows(facts).iter().map(|row| format!("{}: {}", row.name, row.text())).collect()
    }

    #[test]
    fn what_is_compared_stands_beside_what_was_found() {
        let facts = json!({
            "rule": "looked.cancelled_at != null && looked.status == \"VOIDED\" && found.note == marker",
            "looked.cancelled_at": null, "looked.status": "PAID", "found.note": "m1", "marker": "m2",
        });
        assert_eq!(
            texts(&facts),
            [
                "cancelled at: expected anything but none, found none",
                "status: expected VOIDED, found PAID",
                "note: expected m2, found m1",
            ]
        );
    }

    #[test]
    fn an_argument_of_the_same_name_is_what_was_expected() {
        let facts = json!({
            "rule": "has(looked.address) && (has(args.city) ? looked.address.city == args.city : true)",
            "looked.address": { "city": "Bern" }, "looked.address.city": "Bern",
            "args.city": "Basel",
        });
        assert_eq!(texts(&facts), ["address city: expected Basel, found Bern"]);
    }

    #[test]
    fn half_a_cancellation_does_not_read_as_what_was_expected() {
        let rule = "looked.cancelled_at != null && looked.staff_note == marker && \
                    looked.refunded == state.order.refunded + money";
        assert!(include_str!("../../packs/shopify/contracts/cancel_order.yaml").contains(rule));
        let money =
            |currency: &str, amount: &str| json!({ "amount": amount, "currency": currency });
        let refunded = |found: Json, before: Json| {
            let facts = json!({
                "rule": rule, "looked.cancelled_at": "2026-11-16T12:00:00Z",
                "looked.staff_note": "m", "marker": "m", "looked.refunded": found,
                "state.order.refunded": before, "money": money("USD", "80.00"),
            });
            texts(&facts).into_iter().find(|text| text.starts_with("refunded"))
        };
        let told = |text: &str| Some(format!("refunded: {text}"));
        let none = || money("USD", "0.00");
        assert_eq!(refunded(none(), none()), told("expected USD 80.00, found USD 0.00"));
        assert_eq!(
            refunded(money("USD", "85.50"), money("USD", "5.50")),
            told("expected USD 85.50, found USD 85.50")
        );
        // No sum, so nothing is said of it.
        assert_eq!(refunded(none(), money("EUR", "0.00")), told("found USD 0.00"));
        assert_eq!(refunded(none(), json!("erased")), told("found USD 0.00"));
    }

    #[test]
    fn what_was_not_asked_for_is_not_expected() {
        let rule = "(!has(args.province) || looked.address.province == args.province)";
        assert!(include_str!("../../packs/shopify/contracts/change_address.yaml").contains(rule));
        let province = |asked: Json| {
            texts(&json!({
                "rule": format!("has(looked.address) && {rule}"), "args.province": asked,
                "looked.address": { "province": "BE" }, "looked.address.province": "BE",
            }))
        };
        assert_eq!(province(Json::Null), ["address province: found BE"]);
        assert_eq!(province(json!("ZH")), ["address province: expected ZH, found BE"]);
    }

    #[test]
    fn of_a_choice_nothing_is_expected() {
        let told = |rule: &str| {
            texts(&json!({ "rule": rule, "looked.a": 7, "args.a": 1, "args.b": 2, "state.a": 3 }))
        };
        for rule in [
            "(looked.a == 1 && looked.b == 2) || looked.c == 3",
            "looked.a == 1 && looked.b == 2 || looked.c == 3",
            "looked.b == 2 && (looked.a == 1 && looked.c == 1 || looked.c == 3)",
            "has(args.a) ? looked.a != args.a : true",
            "has(args.a) ? looked.a == args.a + args.b : true",
            "looked.a == args.a || looked.a == args.b",
            "!(looked.b == 2 || looked.a == args.a)",
            "!(looked.b == 2 && looked.a == 1)",
            "looked.a > state.a",
        ] {
            assert_eq!(told(rule), ["a: found 7"], "{rule}");
        }
        for rule in [
            "(looked.b == 2 || looked.c == 3) && looked.a == 1",
            "looked.b == \"(a || b)? \" && looked.a == 1",
            "looked.b.exists(b, b.c == 1 && b.d) && looked.a == 1",
        ] {
            assert_eq!(told(rule), ["a: expected 1, found 7"], "{rule}");
        }
    }

    #[test]
    fn each_sight_has_a_sentence() {
        let (told, rows) = sight(&json!({ "absent": { "facts": { "rule": "found.note == marker",
            "found.note": null, "marker": "m" } } }));
        assert_eq!((told.as_str(), rows.len()), ("Nothing of it is there.", 1));
        assert_eq!(sight(&json!({ "many": { "count": 2 } })).0, "It is there more than once.");
        assert_eq!(
            sight(&json!({ "unreadable": { "why": "503" } })).0,
            "It could not be read: 503"
        );
    }
}
