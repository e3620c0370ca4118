//! What was expected beside what came.

use serde_json::Value as Json;

use super::case::{Came, Expect};

/// Everything that came out otherwise than expected.
pub(super) fn differences(expect: &Expect, came: &Came) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut text = |name: &str, expected: &Option<String>, found: &str| {
        if let Some(expected) = expected.as_ref().filter(|e| *e != found) {
            wrong.push(format!("{name}: expected `{expected}`, found `{found}`"));
        }
    };
    text("outcome", &expect.outcome, &came.outcome);
    text("code", &expect.code, &came.code);
    text("say", &expect.say, &came.say);
    if let Some(expected) = &expect.output {
        within("output", expected, &came.output, &mut wrong);
    }
    if expect.code.is_none() && expect.outcome.is_none() && !came.code.is_empty() {
        wrong.push(format!("refused with {}", came.code));
    }
    if nothing(expect) {
        wrong.push("`expect` is empty: say what must come of it".to_owned());
    }
    if !wrong.is_empty() && !came.message.is_empty() {
        wrong.push(format!("because: {}", came.message));
    }
    wrong
}

fn nothing(expect: &Expect) -> bool {
    let Expect { output, outcome, code, say } = expect;
    output.is_none() && outcome.is_none() && code.is_none() && say.is_none()
}

/// Members that are not named are not compared; lists are compared as a whole.
fn within(at: &str, expected: &Json, found: &Json, wrong: &mut Vec<String>) {
    match (expected, found) {
        (Json::Object(expected), Json::Object(found)) => {
            for (name, value) in expected {
                within(
                    &format!("{at}.{name}"),
                    value,
                    found.get(name).unwrap_or(&Json::Null),
                    wrong,
                );
            }
        }
        (Json::Array(expected), Json::Array(found)) if expected.len() == found.len() => {
            for (number, (expected, found)) in expected.iter().zip(found).enumerate() {
                within(&format!("{at}[{number}]"), expected, found, wrong);
            }
        }
        (expected, found) if expected == found => {}
        (expected, found) => wrong.push(format!("{at}: expected {expected}, found {found}")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]

    use serde_json::json;

    use super::*;

    #[test]
    fn only_named_members_count_and_lists_count_whole() {
        let found = json!({ "a": 1, "b": [{ "c": 2, "d": 3 }] });
        let mut wrong = Vec::new();
        within("output", &json!({ "b": [{ "c": 2 }] }), &found, &mut wrong);
        assert!(wrong.is_empty(), "{wrong:?}");
        within("output", &json!({ "b": [{ "c": 4 }], "x": 1 }), &found, &mut wrong);
        within("output", &json!({ "b": [] }), &found, &mut wrong);
        assert_eq!(wrong.len(), 3, "{wrong:?}");
        assert!(wrong[0].starts_with("output.b[0].c:"), "{wrong:?}");
    }

    #[test]
    fn a_refusal_that_nobody_expected_is_wrong() {
        let came =
            Came { code: "NOT_FOUND".to_owned(), message: "gone".to_owned(), ..Came::default() };
        let expect = Expect { say: Some(String::new()), ..Expect::default() };
        let wrong = differences(&expect, &came);
        assert_eq!(wrong, ["refused with NOT_FOUND", "because: gone"]);
        let expect = Expect { code: Some("NOT_FOUND".to_owned()), ..Expect::default() };
        assert!(differences(&expect, &came).is_empty());
        assert!(!differences(&Expect::default(), &Came::default()).is_empty());
    }
}
