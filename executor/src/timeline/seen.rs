//! What a rule saw, for people: what was expected beside what was found.

use serde_json::{Map, Value as Json};

use super::json::{shown, words};

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
    compared(place, facts).or_else(|| alike(place, facts))
}

/// What the rule itself compares a place with, where it does so plainly.
fn compared(place: &str, facts: &Map<String, Json>) -> Option<String> {
    let rule = facts.get("rule")?.as_str()?;
    let mut plain = rule.split("&&").filter(|part| !part.contains('?') && !part.contains("||"));
    plain.find_map(|part| {
        let equal = part.split_once("==").map(|sides| ("", sides));
        let (not, (left, right)) =
            equal.or_else(|| part.split_once("!=").map(|sides| ("anything but ", sides)))?;
        let (left, right) = (bare(left), bare(right));
        let literal = || serde_json::from_str(right).ok();
        let value = facts.get(right).cloned().or_else(literal).filter(|_| left == place)?;
        Some(format!("{not}{}", shown(&value)))
    })
}

fn bare(side: &str) -> &str {
    let side = side.trim().trim_matches(['(', ')', ' ']);
    side.strip_suffix(".lower").unwrap_or(side)
}

/// The one value of the same name that is no part of the reading: an argument's.
fn alike(place: &str, facts: &Map<String, Json>) -> Option<String> {
    let last = |place: &str| place.rsplit('.').next().map(str::to_owned);
    let same = |other: &&String| read_back(other).is_none() && last(other) == last(place);
    let mut others = facts.keys().filter(same);
    let one = others.next().filter(|_| others.next().is_none())?;
    facts.get(one).map(shown)
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
