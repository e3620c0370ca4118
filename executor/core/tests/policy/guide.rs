//! The change that POLICY.md works through, on a pack that is there.

use crate::bundle::{catalog, policy, shipped};
use crate::problems::KEY;

const GIVEN: &str = "given: { tenant: shop, workload: w, channel: web-chat, on: 2026-11-25 }
rows:
";

/// Code blocks of the guide, by what they begin with.
fn block(begin: &str) -> String {
    let text = shipped()["POLICY.md"].replace("stripe.refund_charge", "shopify.refund_lines");
    let text =
        text.replace("stripe.*", "shopify.*").replace("Pack::\"stripe\"", "Pack::\"shopify\"");
    let blocks = text.split("```").skip(1).step_by(2);
    let lines = blocks.map(|b| b.split_once('\n').unwrap().1.replace("\n   ", "\n"));
    let mut lines = lines.map(|b| b.strip_prefix("   ").map(str::to_owned).unwrap_or(b));
    lines.find(|b| b.starts_with(begin)).unwrap()
}

#[test]
fn the_guides_change_loads_and_passes_the_guides_tests() {
    let mut files = shipped();
    let line = "  - { tools: [\"shopify.*\"], mode: auto }\n";
    let settings = files["settings.yaml"].replace(line, &block("- { tools:"));
    files.insert("settings.yaml".into(), settings);
    files.insert("policy.cedar".into(), block("@id("));
    files.insert("people.yaml".into(), block("people:"));
    files.insert("keys/alice.pem".into(), KEY.into());
    files.insert("tests.yaml".into(), format!("{GIVEN}{}", block("- { who:")));
    let policy = policy(&files);
    let checked = policy.run_table(&catalog());
    assert_eq!(checked.len(), 3);
    assert!(checked.iter().all(|row| row.passed), "{checked:#?}");
    assert_eq!(policy.settings().modes.len(), 2);
}
