//! JSON as lines that a person reads: `order.total.amount = 123.50`.

use serde_json::Value as Json;

use crate::text::one_line;

/// Longest value, in characters.
const LONGEST: usize = 200;

/// Each leaf of `value` with its path; nothing for an empty value.
pub(crate) fn lines(value: &Json) -> Vec<(String, String)> {
    let mut found = Vec::new();
    walk(String::new(), value, &mut found);
    found
}

/// [`lines`] in one: `a = 1, b = 2`. A leaf alone is just its value.
pub(crate) fn sentence(value: &Json) -> String {
    let pair = |(path, value): (String, String)| match path.as_str() {
        "" => value,
        path => format!("{path} = {value}"),
    };
    let pairs: Vec<_> = lines(value).into_iter().map(pair).collect();
    pairs.join(", ")
}

fn walk(path: String, value: &Json, found: &mut Vec<(String, String)>) {
    match value {
        Json::Object(fields) => {
            if let Some(money) = money(value) {
                return found.push((path, money));
            }
            for (name, field) in fields {
                let name = one_line(name);
                let dot = if path.is_empty() { "" } else { "." };
                walk(format!("{path}{dot}{name}"), field, found);
            }
        }
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(format!("{path}[{index}]"), item, found);
            }
        }
        Json::Null if path.is_empty() => {}
        Json::Null => found.push((path, "nothing".to_owned())),
        Json::String(text) if text.is_empty() => {}
        Json::String(text) => found.push((path, shortened(text))),
        Json::Bool(_) | Json::Number(_) => found.push((path, value.to_string())),
    }
}

fn money(value: &Json) -> Option<String> {
    let fields = value.as_object().filter(|fields| fields.len() == 2)?;
    let text = |name: &str| fields.get(name).and_then(Json::as_str);
    Some(format!("{} {}", one_line(text("currency")?), one_line(text("amount")?)))
}

fn shortened(text: &str) -> String {
    let text = one_line(text);
    if text.chars().count() <= LONGEST {
        return text;
    }
    let start: String = text.chars().take(LONGEST).collect();
    format!("{start}…")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_leaf_is_told_with_its_path() {
        let value = json!({"order": {"name": "#1001", "total": {"amount": "5.00", "currency": "USD"},
                           "lines": [{"id": 1}, {"id": 2}], "gone": null}, "ok": true});
        assert_eq!(
            sentence(&value),
            "order.name = #1001, order.total = USD 5.00, order.lines[0].id = 1, \
             order.lines[1].id = 2, order.gone = nothing, ok = true"
        );
        assert_eq!(sentence(&Json::Null), "");
        assert_eq!(sentence(&json!("a\u{1b}[31m")), "a[31m");
    }
}
