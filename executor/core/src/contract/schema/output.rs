//! Outputs: facts, texts, lists and objects.

use serde_json::{Value as Json, json};

use super::{count, flag, list, map_of, one_of, pointer, reference, section, text};

/// Fields by name.
pub(super) fn fields() -> Json {
    map_of(reference("field"))
}

pub(super) fn field() -> Json {
    json!({ "anyOf": [reference("fact"), reference("text"), reference("list"), reference("object"), fields()] })
}

pub(super) fn fact() -> Json {
    let kinds = one_of("Its closed type.", &["id", "decimal", "int", "bool", "time", "money"]);
    let values = list("One of these strings.", json!({ "type": "string" }));
    section(
        &["fact"],
        &[
            ("fact", json!({ "anyOf": [kinds, values] })),
            ("pattern", text("For an id: the whole string, ^…$.")),
            ("at", pointer("Where it is in the answer.")),
            ("amount", pointer("For money: the amount in major units.")),
            ("minor", pointer("For money: the amount in minor units.")),
            ("currency", text("For money: where the currency is, or a code such as USD.")),
            ("optional", optional()),
        ],
    )
}

pub(super) fn text_field() -> Json {
    section(
        &["text"],
        &[
            ("text", count("Free text, cut after this many characters.", 20_000)),
            ("at", pointer("Where it is in the answer.")),
            ("optional", optional()),
        ],
    )
}

pub(super) fn list_field() -> Json {
    section(
        &["list", "of"],
        &[
            ("list", reference("list_at")),
            ("of", json!({ "anyOf": [reference("fact"), reference("text"), fields()] })),
            ("optional", optional()),
        ],
    )
}

pub(super) fn list_at() -> Json {
    section(
        &["at", "max"],
        &[
            ("at", pointer("Where the list is.")),
            ("max", count("Longest list; a longer one is an error.", 250)),
            ("more", one_of("What happens to elements past `max` instead.", &["drop"])),
        ],
    )
}

pub(super) fn object() -> Json {
    section(
        &["of"],
        &[
            ("of", fields()),
            ("at", pointer("Where the object is; pointers inside are relative to it.")),
            ("optional", optional()),
        ],
    )
}

fn optional() -> Json {
    flag("May be absent or null.")
}
