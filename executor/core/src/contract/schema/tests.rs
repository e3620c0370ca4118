#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use std::collections::BTreeSet;

use super::*;
use crate::contract::keys;
use crate::contract::load::testing::{example_pack, shipped_packs};

fn properties(schema: &Json) -> BTreeSet<&str> {
    schema["properties"].as_object().expect("properties").keys().map(String::as_str).collect()
}

/// Each section: where it is in the schema, and the keys that the loader takes.
#[test]
fn the_schema_has_the_loaders_keys_and_no_others() {
    let contract = contract();
    let connector = connector();
    let sections: [(&str, &[&str]); 29] = [
        ("read", keys::READ),
        ("write", keys::WRITE),
        ("effect", keys::EFFECT),
        ("probe", keys::PROBE),
        ("argument", keys::ARGUMENT),
        ("obtain", keys::OBTAIN),
        ("fresh", keys::FRESH),
        ("require", keys::REQUIRE),
        ("confidence", keys::CONFIDENCE),
        ("over", keys::OVER),
        ("approve", keys::APPROVE),
        ("do", keys::DO),
        ("http", keys::HTTP),
        ("pages", keys::PAGES),
        ("key", keys::KEY),
        ("errors", keys::ERRORS),
        ("error_code", keys::ERROR_CODE),
        ("error_status", keys::ERROR_STATUS),
        ("verify", keys::VERIFY),
        ("look", keys::LOOK),
        ("find", keys::FIND),
        ("say", keys::SAY),
        ("empty", keys::EMPTY),
        ("fact", keys::FACT),
        ("text", keys::TEXT),
        ("list", keys::LIST),
        ("list_at", keys::LIST_AT),
        ("object", keys::OBJECT),
        ("", keys::CONNECTOR),
    ];
    for (name, keys) in sections {
        let schema = if name.is_empty() { &connector } else { &contract["$defs"][name] };
        assert_eq!(properties(schema), keys.iter().copied().collect(), "section `{name}`");
    }
    let credential = &connector["properties"]["credential"]["anyOf"][1];
    assert_eq!(properties(credential), keys::CREDENTIAL.iter().copied().collect());
    let nested = |key: &str| properties(&credential["properties"][key]);
    assert_eq!(nested("hmac"), keys::HMAC.iter().copied().collect());
    assert_eq!(nested("oauth_client_credentials"), keys::OAUTH.iter().copied().collect());
    let throttled = properties(&connector["properties"]["throttled"]);
    assert_eq!(throttled, keys::THROTTLED.iter().copied().collect());
    let limits = properties(&connector["properties"]["limits"]);
    assert_eq!(limits, keys::LIMITS.iter().copied().collect());
    let code = &connector["properties"]["codes"]["additionalProperties"];
    assert_eq!(properties(code), keys::CODE.iter().copied().collect());
}

#[test]
fn packs_fit_the_schema() {
    let contract = jsonschema::validator_for(&contract()).unwrap();
    let connector = jsonschema::validator_for(&connector()).unwrap();
    for files in shipped_packs().into_iter().chain([example_pack()]) {
        for (path, text) in files.iter().filter(|(path, _)| path.ends_with(".yaml")) {
            let json: Json = serde_saphyr::from_str(text).unwrap();
            let schema = if path == "connector.yaml" { &connector } else { &contract };
            let errors: Vec<String> = schema.iter_errors(&json).map(|e| e.to_string()).collect();
            assert!(errors.is_empty(), "{path}: {errors:#?}");
        }
    }
}

#[test]
fn mistakes_do_not_fit_the_schema() {
    let schema = jsonschema::validator_for(&contract()).unwrap();
    let files = example_pack();
    let mut read: Json = serde_saphyr::from_str(&files["contracts/find_order.yaml"]).unwrap();
    assert!(schema.is_valid(&read));
    read["outptu"] = json!({});
    assert!(!schema.is_valid(&read));
    let mut write: Json = serde_saphyr::from_str(&files["contracts/refund.yaml"]).unwrap();
    write["confirm"] = json!("nobody");
    assert!(!schema.is_valid(&write));
}
