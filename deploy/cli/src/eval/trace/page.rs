//! The scenario as a file that people go on with.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value as Json;

use super::Draft;

/// The text of the file.
pub(super) fn written(draft: &Draft) -> String {
    let mut text =
        "# Made by `countersign eval from-trace`. It plays with the policy and packs that \
                    ship.\n"
            .to_owned();
    if !draft.by_hand.is_empty() {
        text.push_str("# To be put in by hand:\n");
    }
    for note in &draft.by_hand {
        let _infallible = writeln!(text, "#   {}", crate::text::one_line(note));
    }
    let mut line = |name: &str, value: &str| {
        let _infallible = writeln!(text, "{name}: {value}");
    };
    line("about", &flow(&Json::from(draft.about.as_str())));
    line("mode", draft.mode.name());
    line("guard", "{ none: \"it happened so; what holds it off was not tried out\" }");
    line("as", draft.person);
    listed(&mut text, "", "world", &draft.world);
    listed(&mut text, "", "conversation", &draft.conversation);
    listed(&mut text, "", "model", &draft.model);
    text.push_str("expect:\n");
    let expect = &draft.expect;
    listed(&mut text, "  ", "actions", &expect.actions);
    listed(&mut text, "  ", "effects", &expect.effects);
    listed(&mut text, "  ", "told", &expect.told);
    listed(&mut text, "  ", "never_told", &expect.never_told);
    if let Some(calls) = expect.model_calls {
        let _infallible = writeln!(text, "  model_calls: {calls}");
    }
    text
}

/// A list, one item a line; nothing for an empty one.
fn listed<T: Serialize>(text: &mut String, indent: &str, name: &str, items: &[T]) {
    if items.is_empty() {
        return;
    }
    let _infallible = writeln!(text, "{indent}{name}:");
    for item in items {
        let item = serde_json::to_value(item).unwrap_or_default();
        let _infallible = writeln!(text, "{indent}  - {}", flow(&item));
    }
}

/// A value on one line, as scenarios are written: `{ say: "yes" }`.
fn flow(value: &Json) -> String {
    match value {
        Json::Object(fields) => {
            let fields =
                fields.iter().map(|(name, field)| format!("{}: {}", key(name), flow(field)));
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        Json::Array(items) => {
            format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", "))
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => value.to_string(),
    }
}

fn key(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if plain { name.to_owned() } else { Json::from(name).to_string() }
}
