//! State before beside state after, where they differ.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::receipts::flat;

/// A difference: the path, what it was, what it is. Either may be absent.
pub(super) type Difference = (String, Option<String>, Option<String>);

/// What differs, by the last part of each path that both sides have: the state that gates
/// see and the look afterwards name the same fields under different roots.
pub(super) fn between(before: &Json, after: &Json) -> Vec<Difference> {
    let side = |json: &Json| -> BTreeMap<String, String> {
        flat::lines(json).into_iter().map(|(path, value)| (rootless(&path), value)).collect()
    };
    let (before, after) = (side(before), side(after));
    let mut all = Vec::new();
    for (path, was) in &before {
        match after.get(path) {
            Some(is) if is == was => {}
            Some(is) => all.push((path.clone(), Some(was.clone()), Some(is.clone()))),
            None => {}
        }
    }
    let new = after.iter().filter(|(path, _)| !before.contains_key(*path));
    all.extend(new.map(|(path, is)| (path.clone(), None, Some(is.clone()))));
    all
}

/// `order.status` and `status` are the same field.
fn rootless(path: &str) -> String {
    ["order.", "looked.", "found."]
        .iter()
        .find_map(|root| path.strip_prefix(root))
        .unwrap_or(path)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_differs_is_told() {
        let before = json!({ "order": { "status": "PAID", "total": "1", "id": "x" } });
        let after = json!({ "status": "REFUNDED", "total": "1", "refund": "r1" });
        let told = between(&before, &after);
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            told,
            [
                ("status".to_owned(), text("PAID"), text("REFUNDED")),
                ("refund".to_owned(), None, text("r1")),
            ]
        );
    }
}
