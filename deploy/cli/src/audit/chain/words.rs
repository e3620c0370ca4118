//! Which things words name, and which things were acted on.

use std::collections::BTreeSet;

use serde_json::Value as Json;

/// Fewest digits of what counts as a number of an order.
const DIGITS: usize = 3;
const LETTERS: [&str; 11] =
    ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];

/// Numbers that a sentence names: `#1001`, `order 1001`. Amounts and parts of longer words
/// are none.
pub(super) fn numbers(text: &str) -> BTreeSet<String> {
    text.split(|c: char| c.is_whitespace() || "()[]\"'".contains(c))
        .map(|word| word.trim_end_matches(['.', ',', '!', '?', ';', ':']))
        .map(|word| word.strip_prefix('#').unwrap_or(word))
        .filter(|word| word.len() >= DIGITS && word.chars().all(|c| c.is_ascii_digit()))
        .map(str::to_owned)
        .collect()
}

/// Numbers of things in a value: of names like `#1001` and of ids that end in `/1001`.
pub(super) fn things(value: &Json) -> BTreeSet<String> {
    let last = |text: &String| numbers(text.rsplit('/').next().unwrap_or(text));
    leaves(value).iter().flat_map(last).collect()
}

/// Names of things in a value, as people know them: `#1001`.
pub(super) fn names(value: &Json) -> BTreeSet<String> {
    let named = |text: &String| text.starts_with('#') && !numbers(text).is_empty();
    leaves(value).into_iter().filter(named).collect()
}

/// Whether words hold a value; a number as digits or in letters.
pub(super) fn hold(text: &str, value: &Json) -> bool {
    let text = text.to_lowercase();
    match value {
        Json::String(wanted) => text.contains(&wanted.to_lowercase()),
        Json::Number(number) => {
            let place = number.as_u64().and_then(|n| usize::try_from(n).ok());
            let letters = place.and_then(|place| LETTERS.get(place));
            let digits = number.to_string();
            let mut words = text.split(|c: char| !c.is_alphanumeric());
            words.any(|word| word == digits || letters.is_some_and(|l| word == *l))
        }
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => false,
    }
}

fn leaves(value: &Json) -> Vec<String> {
    match value {
        Json::String(text) => vec![text.clone()],
        Json::Array(items) => items.iter().flat_map(leaves).collect(),
        Json::Object(members) => members.values().flat_map(leaves).collect(),
        Json::Null | Json::Bool(_) | Json::Number(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_named_and_amounts_are_not() {
        let named = |text| numbers(text).into_iter().collect::<Vec<_>>();
        assert_eq!(named("cancel #1001, please (or order 1002)."), ["1001", "1002"]);
        assert!(named("$120.50 back, 20 EUR, A1001 and order 12").is_empty());
    }

    #[test]
    fn things_are_known_by_name_and_by_id() {
        let order = serde_json::json!({ "id": "gid://shopify/Order/1001", "name": "#1001" });
        assert_eq!(things(&order).into_iter().collect::<Vec<_>>(), ["1001"]);
        assert_eq!(names(&order).into_iter().collect::<Vec<_>>(), ["#1001"]);
    }

    #[test]
    fn a_quantity_is_held_in_digits_or_in_letters() {
        let two = serde_json::json!(2);
        assert!(hold("refund two mugs", &two) && hold("2 mugs", &two));
        assert!(!hold("refund the mug of order 1002", &two));
    }
}
