use countersign_core::policy::{Part, SCHEMA};

use crate::bundle::{catalog, policy, problems, shipped};

#[test]
fn the_shipped_bundle_loads_without_a_problem() {
    assert_eq!(problems(&shipped()), Vec::<String>::new());
    let policy = policy(&shipped());
    assert!(policy.digest().starts_with("sha256:"));
    let activation = policy.settings().activation;
    assert_eq!((activation.needed(Part::Policy), activation.needed(Part::Pack)), (2, 1));
    assert_eq!(shipped()["schema.cedarschema"], SCHEMA);
}

#[test]
fn the_shipped_bundle_says_what_its_table_expects() {
    let checked = policy(&shipped()).run_table(&catalog());
    let wrong: Vec<_> = checked.iter().filter(|row| !row.passed).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let refused = checked.iter().filter(|row| row.expected == "POLICY_FORBIDS").count();
    assert!(checked.len() >= 25 && refused >= 10, "{} rows, {refused} denials", checked.len());
}

/// The table can fail: take a rule away, and rows say so.
#[test]
fn without_one_rule_the_table_fails() {
    let mut files = shipped();
    let text = files["policy.cedar"].replace("principal.strength >= 2 &&", "");
    files.insert("policy.cedar".into(), text.replace("when { principal.strength >= 2 };", ";"));
    let checked = policy(&files).run_table(&catalog());
    let failed: Vec<_> = checked.iter().filter(|row| !row.passed).map(|row| &row.got).collect();
    assert_eq!(failed, ["permit", "permit", "permit"], "{checked:#?}");
}

#[test]
fn every_byte_counts_for_the_digest() {
    let before = policy(&shipped()).digest().to_owned();
    let mut files = shipped();
    files.get_mut("tests.yaml").unwrap().push_str("# \n");
    assert_ne!(before, policy(&files).digest());
}
