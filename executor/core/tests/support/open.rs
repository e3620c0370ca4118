//! A policy that lets everybody do everything, where something else is tested.

use std::collections::BTreeMap;

use countersign_core::policy::{Policy, SCHEMA, load::policy as read};

const SETTINGS: &str = r#"
modes: [{ tools: ["*"], mode: auto }]
limits: []
open: { per_subject: 1000, per_planner: 100000 }
subject_valid_for: 24h
proposals_live: 24h
activation: { default: 1 }
"#;

pub(crate) fn policy() -> Policy {
    with_people("people: []\n", Vec::new())
}

/// The same with these limits.
#[allow(dead_code, reason = "not every test has limits")]
pub(crate) fn with_limits(limits: &str) -> Policy {
    let settings = SETTINGS.replace("limits: []", &format!("limits: {limits}"));
    load(&settings, "people: []\n", Vec::new())
}

/// The same with these people; `keys` are the files with their public keys.
pub(crate) fn with_people(people: &str, keys: Vec<(String, String)>) -> Policy {
    load(SETTINGS, people, keys)
}

fn load(settings: &str, people: &str, keys: Vec<(String, String)>) -> Policy {
    let files = [
        ("policy.cedar", "@id(\"all\") permit (principal, action, resource);\n"),
        ("schema.cedarschema", SCHEMA),
        ("settings.yaml", settings),
        ("people.yaml", people),
        ("tests.yaml", "given: { tenant: t, workload: w, channel: c, on: 2026-01-01 }\nrows: []\n"),
    ];
    let files = files.map(|(n, t)| (n.to_owned(), t.to_owned()));
    let files: BTreeMap<_, _> = files.into_iter().chain(keys).collect();
    let loaded = read(&files, None);
    loaded.policy.unwrap_or_else(|| panic!("{:#?}", loaded.problems))
}
