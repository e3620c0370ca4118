//! The pack `shopify` against its vendor: every document validates against the
//! schema that the vendor publishes, and against the part of it that the sandbox
//! answers. What a contract reads of an answer is something its document asks for.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use apollo_compiler::schema::ExtendedType;
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Schema};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn pack() -> PathBuf {
    root().join("executor/packs/shopify")
}

/// Texts of a folder of the pack, by file name.
fn texts(folder: &str) -> BTreeMap<String, String> {
    let entries = fs::read_dir(pack().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| {
            (
                path.file_name().unwrap().to_str().unwrap().to_owned(),
                fs::read_to_string(&path).unwrap(),
            )
        })
        .collect()
}

fn schema(path: &Path) -> Valid<Schema> {
    let text = fs::read_to_string(path).unwrap();
    Schema::parse_and_validate(text, path).unwrap_or_else(|e| panic!("{}", e.errors))
}

/// The vendor's schema, where this machine has it.
fn vendor_schema() -> Option<Valid<Schema>> {
    let path = root().join("../shared/vendor/shopify/admin-2026-07.schema.graphql");
    if !path.exists() {
        println!("skipped: the vendor's schema is not here ({})", path.display());
        return None;
    }
    Some(schema(&path))
}

fn sandbox_schema() -> Valid<Schema> {
    schema(&root().join("tests/src/sandbox/shopify/schema.graphql"))
}

fn validate(schema: &Valid<Schema>, name: &str, text: &str) -> Result<(), String> {
    let parsed = ExecutableDocument::parse_and_validate(schema, text, name)
        .map_err(|e| e.errors.to_string())?;
    let operations = parsed.operations.iter().count();
    if operations == 1 {
        Ok(())
    } else {
        Err(format!("{name} has {operations} operations, not one"))
    }
}

fn problems(schema: &Valid<Schema>) -> Vec<String> {
    texts("documents")
        .iter()
        .filter_map(|(name, text)| validate(schema, name, text).err())
        .collect()
}

#[test]
fn every_document_is_valid_for_the_vendor() {
    let Some(schema) = vendor_schema() else {
        return;
    };
    assert_eq!(problems(&schema), Vec::<String>::new());
}

#[test]
fn every_document_is_valid_for_the_sandbox() {
    assert_eq!(problems(&sandbox_schema()), Vec::<String>::new());
}

#[test]
fn a_broken_document_is_not_valid() {
    let schemas = [Some(sandbox_schema()), vendor_schema()];
    let documents = texts("documents");
    let refund = documents.get("refund_create.graphql").unwrap();
    let order = documents.get("get_order.graphql").unwrap();
    let broken = [
        ("no such field", order.replace("displayFinancialStatus", "financialMood")),
        ("no such argument", order.replace("lineItems(first:", "lineItems(frist:")),
        ("wrong variable type", order.replace("$id: ID!", "$id: Int!")),
        ("no such directive argument", refund.replace("@idempotent(key:", "@idempotent(token:")),
        (
            "directive in the wrong place",
            refund
                .replace(
                    "refundCreate(input: $input) @idempotent(key: $key)",
                    "refundCreate(input: $input)",
                )
                .replace("$key: String!)", "$key: String!) @idempotent(key: $key)"),
        ),
        ("two operations", format!("{order}\nquery Another {{ shop {{ name }} }}")),
    ];
    for schema in schemas.into_iter().flatten() {
        for (what, text) in &broken {
            assert!(validate(&schema, "broken.graphql", text).is_err(), "{what} was not noticed");
        }
    }
}

#[test]
fn money_that_cannot_be_called_back_is_keyed_or_marked() {
    let documents = texts("documents");
    assert!(documents.get("refund_create.graphql").unwrap().contains("@idempotent(key: $key)"));
    assert!(documents.get("order_cancel.graphql").unwrap().contains("staffNote: $staffNote"));
}

#[test]
fn each_contract_names_a_document_and_each_document_is_named() {
    let mut named: Vec<_> = texts("contracts").values().map(|text| document_of(text)).collect();
    named.sort();
    // One document may serve several contracts.
    named.dedup();
    assert_eq!(named, texts("documents").into_keys().collect::<Vec<_>>());
}

fn document_of(contract: &str) -> String {
    let line = contract.lines().find_map(|line| line.trim().strip_prefix("graphql: ")).unwrap();
    line.trim().to_owned()
}

#[test]
fn closed_lists_are_the_vendors_enumerations() {
    for schema in [Some(sandbox_schema()), vendor_schema()].into_iter().flatten() {
        let enums: Vec<BTreeSet<&str>> = schema.types.values().filter_map(values).collect();
        for (name, contract) in texts("contracts") {
            for list in contract.split("fact: [").skip(1) {
                let ours: BTreeSet<_> =
                    list.split(']').next().unwrap().split(',').map(str::trim).collect();
                assert!(enums.contains(&ours), "{name}: no enumeration of the vendor is {ours:?}");
            }
        }
    }
}

fn values(kind: &ExtendedType) -> Option<BTreeSet<&str>> {
    kind.as_enum().map(|e| e.values.keys().map(|value| value.as_str()).collect())
}

#[test]
fn what_a_contract_reads_its_document_asks_for() {
    let documents = texts("documents");
    let mut missing = Vec::new();
    for (name, contract) in texts("contracts") {
        let document = documents.get(&document_of(&contract)).unwrap();
        for pointer in pointers(&contract) {
            let fields = pointer
                .split('/')
                .filter(|part| !part.is_empty() && *part != "data" && *part != "errors");
            for field in fields.filter(|part| part.parse::<usize>().is_err()) {
                if !document.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == field) {
                    missing.push(format!("{name}: {pointer}: {field}"));
                }
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

/// The JSON Pointers below `do:` and `output:` of a contract: into its own answer.
fn pointers(contract: &str) -> Vec<&str> {
    let own = contract.lines().skip_while(|line| !line.starts_with("do:"));
    own.take_while(|line| !line.starts_with("verify:") && !line.starts_with("subject:"))
        .flat_map(|line| ["at: /", "amount: /", "currency: /"].map(|key| (line, key)))
        .filter_map(|(line, key)| line.split_once(key).map(|(_, rest)| rest))
        .map(|rest| rest.split([',', ' ', '}']).next().unwrap())
        .collect()
}
