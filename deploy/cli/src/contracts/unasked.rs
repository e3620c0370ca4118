//! The policy of a rehearsal: what a deployment allows is not what is rehearsed here.

use std::collections::BTreeMap;

use anyhow::Context;
use countersign_core::policy::{Policy, SCHEMA, load};

const SETTINGS: &str = r#"
modes: [{ tools: ["*"], mode: auto }]
limits: []
open: { per_subject: 1, per_planner: 1 }
subject_valid_for: 24h
proposals_live: 24h
activation: { default: 1 }
"#;
const TESTS: &str = "given: { tenant: t, workload: w, channel: c, on: 2026-01-01 }\nrows: []\n";

/// A policy that has nothing against anything. Nothing is sent under it.
pub(super) fn policy() -> anyhow::Result<Policy> {
    let files = [
        ("policy.cedar", "@id(\"rehearsal\") permit (principal, action, resource);\n"),
        ("schema.cedarschema", SCHEMA),
        ("settings.yaml", SETTINGS),
        ("people.yaml", "people: []\n"),
        ("tests.yaml", TESTS),
    ];
    let files: BTreeMap<_, _> = files.map(|(n, t)| (n.to_owned(), t.to_owned())).into();
    load::policy(&files, None).policy.context("the rehearsal's policy does not load")
}
