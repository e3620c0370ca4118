//! JSON in words, and what is different between two.

use std::collections::BTreeMap;

use serde_json::Value as Json;

/// Most characters of one value.
const LONGEST: usize = 600;
/// Most lines of a difference.
const MOST: usize = 60;

/// A value without JSON's marks.
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
        Json::Object(members) => {
            let each = members.iter().map(|(name, value)| format!("{name} {}", plain(value)));
            each.collect::<Vec<_>>().join("; ")
        }
    }
}

/// Each place with another value than before. Nothing, where only one of them was read.
pub(super) fn difference(before: &Json, after: &Json) -> Vec<(String, String)> {
    if !before.is_object() || !after.is_object() {
        return Vec::new();
    }
    let (mut old, mut new) = (BTreeMap::new(), BTreeMap::new());
    flatten(before, "", &mut old);
    flatten(after, "", &mut new);
    // What was not read back is not known to be different.
    let both = new.iter().map(|(path, is)| (path, old.get(path), is));
    let apart = both.filter(|(_, was, is)| *was != Some(*is));
    let mut lines: Vec<_> = apart
        .map(|(path, was, is)| {
            (path.clone(), format!("{} → {is}", was.map_or("none", String::as_str)))
        })
        .collect();
    lines.truncate(MOST);
    lines
}

fn flatten(json: &Json, path: &str, into: &mut BTreeMap<String, String>) {
    let below =
        |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match json {
        Json::Object(members) => {
            members.iter().for_each(|(name, value)| flatten(value, &below(name), into));
        }
        Json::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                flatten(item, &format!("{path}[{n}]"), into);
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {
            into.insert(path.to_owned(), words(json));
        }
    }
}
