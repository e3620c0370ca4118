//! JSON in words, and what is different between two readings.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

/// Most characters of one value.
const LONGEST: usize = 600;
/// Most lines of a difference.
const MOST: usize = 60;

/// A value without JSON's marks. Members that say nothing are left out.
pub(super) fn words(value: &Json) -> String {
    let text = plain(value);
    if text.chars().count() <= LONGEST {
        return text;
    }
    format!("{} …", text.chars().take(LONGEST).collect::<String>())
}

fn plain(value: &Json) -> String {
    match value {
        Json::Null => "none".to_owned(),
        Json::Bool(true) => "yes".to_owned(),
        Json::Bool(false) => "no".to_owned(),
        Json::Number(number) => number.to_string(),
        Json::String(text) => text.clone(),
        Json::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Json::Object(members) => money(members).unwrap_or_else(|| {
            let told = members.iter().filter(|(_, value)| !is_empty(value));
            let each = told.map(|(name, value)| format!("{name} {}", plain(value)));
            each.collect::<Vec<_>>().join("; ")
        }),
    }
}

/// Whether a value says nothing.
pub(super) fn is_empty(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::Bool(_) | Json::Number(_) => false,
        Json::String(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(members) => members.is_empty(),
    }
}

/// Money as cards write it.
fn money(members: &Map<String, Json>) -> Option<String> {
    let part = |name: &str| members.get(name).and_then(Json::as_str);
    let (amount, currency) = part("amount").zip(part("currency")).filter(|_| members.len() == 2)?;
    Some(format!("{currency} {amount}"))
}

/// What is not as it was. `before` has a dotted path for each place that was used of each
/// read (`order.address.city`), `after` is one whole reading (`{ "address": { "city" … } }`),
/// often another one: a place is compared only where both are of the same thing.
pub(super) fn difference(before: &Json, after: &Json) -> Vec<(String, String)> {
    let Some(before) = before.as_object().filter(|_| after.is_object()) else {
        return Vec::new();
    };
    let mut reads: BTreeMap<&str, Vec<Place<'_>>> = BTreeMap::new();
    for (path, was) in before {
        let Some((read, rest)) = path.split_once('.') else { continue };
        reads.entry(read).or_default().push(Place { path, rest, was, is: at(after, rest) });
    }
    let same = reads.into_values().filter(|places| of_one_thing(places)).flatten();
    let lines = same.filter_map(|place| {
        let is = place.is?;
        (told(place.was) != told(&is)).then(|| (place.path.to_owned(), change(place.was, &is)))
    });
    lines.take(MOST).collect()
}

/// A place of a read, before and after.
struct Place<'a> {
    path: &'a str,
    /// Within its read.
    rest: &'a str,
    was: &'a Json,
    /// What was read back there, where it was.
    is: Option<Json>,
}

/// What both have decides: the id, or else the name. Without either, what it refers to must
/// not differ, and it has at least every place that was used of it.
fn of_one_thing(places: &[Place<'_>]) -> bool {
    let shared = || places.iter().filter(|place| place.is.is_some() && !is_empty(place.was));
    let alike = |place: &Place<'_>| place.is.as_ref().map(told) == Some(told(place.was));
    let by = |name: &str| shared().find(|place| place.rest == name).map(alike);
    let reference = |place: &&Place<'_>| place.rest.ends_with("_id") && !place.rest.contains('.');
    by("id").or_else(|| by("name")).unwrap_or_else(|| {
        shared().filter(reference).all(alike) && places.iter().all(|place| place.is.is_some())
    })
}

/// A value to be compared: without what says nothing, and a number is the same as a text.
fn told(value: &Json) -> Json {
    let told = match value {
        Json::Null | Json::Bool(_) | Json::String(_) => value.clone(),
        Json::Number(number) => Json::String(number.to_string()),
        Json::Array(items) => items.iter().map(told).collect(),
        Json::Object(members) => {
            let members = members.iter().map(|(name, value)| (name.clone(), told(value)));
            members.filter(|(_, value)| !value.is_null()).collect()
        }
    };
    if is_empty(&told) { Json::Null } else { told }
}

fn change(was: &Json, is: &Json) -> String {
    let (was, is) = (shown(was), shown(is));
    if was == is {
        return format!("{was} (the change is in what is not shown here)");
    }
    format!("{was} → {is}")
}

/// What stands at a dotted path; a list on the way yields what its elements hold.
fn at(json: &Json, path: &str) -> Option<Json> {
    if path.is_empty() {
        return Some(json.clone());
    }
    match json {
        Json::Object(members) => {
            let (name, rest) = path.split_once('.').unwrap_or((path, ""));
            at(members.get(name)?, rest)
        }
        Json::Array(items) => items.iter().map(|item| at(item, path)).collect(),
        // Nothing is in nothing.
        Json::Null => Some(Json::Null),
        Json::Bool(_) | Json::Number(_) | Json::String(_) => None,
    }
}

/// A value in words, also where it says nothing.
pub(super) fn shown(value: &Json) -> String {
    if is_empty(value) { "none".to_owned() } else { words(value) }
}
