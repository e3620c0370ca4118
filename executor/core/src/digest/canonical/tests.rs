#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;

use super::*;

/// The text by way of the tree: what it has to be.
fn by_tree(value: &Json, out: &mut String) {
    match value {
        Json::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by_key(|(name, _)| *name);
            let text = |(name, value): (&String, &Json)| {
                let mut text = format!("{}:", Json::from(name.as_str()));
                by_tree(value, &mut text);
                text
            };
            let all: Vec<_> = sorted.into_iter().map(text).collect();
            out.push_str(&format!("{{{}}}", all.join(",")));
        }
        Json::Array(items) => {
            let text = |item| {
                let mut text = String::new();
                by_tree(item, &mut text);
                text
            };
            let all: Vec<_> = items.iter().map(text).collect();
            out.push_str(&format!("[{}]", all.join(",")));
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {
            out.push_str(&value.to_string());
        }
    }
}

#[derive(Serialize)]
enum Kind {
    Unit,
    New(Option<f32>),
    Tuple(u8, char),
    Fields { z: bool, a: () },
}

#[derive(Serialize)]
struct Whole {
    z: Vec<Kind>,
    score: f64,
    nothing: f64,
    #[serde(flatten)]
    more: BTreeMap<&'static str, Json>,
    by_number: BTreeMap<i64, (i64, &'static str)>,
    text: String,
}

#[test]
fn the_text_is_the_one_of_the_tree() {
    let kinds = vec![
        Kind::Unit,
        Kind::New(None),
        Kind::New(Some(0.1)),
        Kind::Tuple(1, '"'),
        Kind::Fields { z: true, a: () },
    ];
    let more = json!({ "b": { "y": [1.5, {}], "x": null, "\u{e9}\n": [[], ""] } });
    let whole = Whole {
        z: kinds,
        score: 0.97,
        nothing: f64::NAN,
        more: BTreeMap::from([("Z", more), ("\"q\\", json!(-1))]),
        by_number: BTreeMap::from([(2, (i64::MAX, "\u{7f}\u{1}")), (10, (0, "/"))]),
        text: "Käse & \u{202e}".to_owned(),
    };
    let (mut text, mut wanted) = (String::new(), String::new());
    write(&whole, &mut text).unwrap();
    by_tree(&serde_json::to_value(&whole).unwrap(), &mut wanted);
    assert_eq!(text, wanted);
}
