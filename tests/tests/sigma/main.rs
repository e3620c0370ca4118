//! The Sigma rules that ship: each fires on the events that it is for, and on none of
//! those beside them. The events are made by the executor's own mapping, from receipts.
//!
//! `cargo nextest run sigma_rules`; `UPDATE_SAMPLES=1` writes deploy/sigma/samples anew.
//!
//! Evaluated here and not by pySigma, which translates rules into a SIEM's own queries and
//! runs none: a translation that succeeds does not say that a rule fires.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod condition;
mod correlation;
mod rule;
mod samples;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use countersign_shared::codes::Code;
use serde_json::Value;

use rule::{Alarm, RuleFile};
use samples::Sample;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/sigma")
}

/// Every rule file by its name.
fn rules() -> BTreeMap<String, RuleFile> {
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|end| end == "yml"));
    let read = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name.clone(), RuleFile::read(&name, &fs::read_to_string(path).unwrap()))
    };
    files.map(read).collect()
}

#[test]
fn sigma_rules_fire_on_what_they_are_for_and_on_nothing_beside_it() {
    let (rules, samples) = (rules(), samples::all());
    let names: BTreeSet<_> = rules.keys().collect();
    let sampled: BTreeSet<_> = samples.keys().filter(|name| *name != "ordinary").collect();
    assert_eq!(names, sampled, "each rule has samples, each sample a rule");
    for (name, rule) in &rules {
        let Sample { fires, quiet } = &samples[name];
        assert!(rule.fires(fires), "{name} does not fire on its events");
        assert!(!rule.fires(quiet), "{name} fires on what is beside them");
        assert!(quiet.len() + fires.len() > 1 && !quiet.is_empty(), "{name}: too few samples");
    }
}

#[test]
fn sigma_rules_keep_quiet_on_an_ordinary_day() {
    let day = &samples::all()["ordinary"].quiet;
    assert!(day.len() > 20);
    for (name, rule) in rules() {
        assert!(!rule.fires(day), "{name} fires on an ordinary day");
    }
}

/// What a person reads, and feeds to the SIEM to try a rule.
#[test]
fn sigma_rules_have_their_samples_beside_them() {
    let update = std::env::var_os("UPDATE_SAMPLES").is_some();
    for (name, Sample { fires, quiet }) in samples::all() {
        for (kind, events) in [("fires", fires), ("quiet", quiet)] {
            let file = folder().join(format!("samples/{name}.{kind}.jsonl"));
            let text: String = events.iter().map(|event| format!("{event}\n")).collect();
            if text.is_empty() {
                continue;
            }
            if update {
                fs::write(&file, &text).unwrap();
            }
            let there = fs::read_to_string(&file).unwrap_or_default();
            let shown = file.display();
            assert!(there == text, "{shown} is not what the mapping makes: UPDATE_SAMPLES=1");
        }
    }
}

#[test]
fn sigma_rules_are_whole_and_name_codes_that_exist() {
    let mut ids = BTreeSet::new();
    for (name, file) in rules() {
        for document in &file.documents {
            for member in ["title", "id", "name", "description", "level", "status", "date"] {
                let text = document[member].as_str().unwrap_or_default();
                assert!(!text.is_empty(), "{name} has no {member}");
            }
            let id = document["id"].as_str().unwrap();
            assert!(uuid::Uuid::parse_str(id).is_ok() && ids.insert(id.to_owned()), "{name}: {id}");
            codes(&name, document);
        }
        assert_eq!(file.documents.last().unwrap()["name"], *name);
        assert!(matches!(file.alarm, Alarm::Each) == (file.documents.len() == 1), "{name}");
    }
}

/// A code that is renamed must not silence a rule.
fn codes(name: &str, document: &Value) {
    let selections = document["detection"].as_object().into_iter().flatten();
    let fields = selections.filter_map(|(_, selection)| selection.as_object()).flatten();
    for (_, value) in fields.filter(|(field, _)| *field == "unmapped.countersign.code") {
        let one = std::slice::from_ref(value);
        for code in value.as_array().map_or(one, Vec::as_slice) {
            let code = code.as_str().unwrap();
            assert!(Code::by_name(code).is_some(), "{name}: there is no code {code}");
        }
    }
}
